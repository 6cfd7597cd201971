"""Verifies certificate chains, without TLS: is this chain valid for a name and a purpose at a time?

Each name is imported on first access, as in `bothways` itself. docs/verifying.md is the guide.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bothways.trust.access import PeerRule
    from bothways.trust.anchors import TrustStore, certificates_in
    from bothways.trust.crl_store import CRLStore
    from bothways.trust.evidence.fetch_policy import Fetch
    from bothways.trust.ocsp_store import OCSPStore
    from bothways.trust.path import Limits
    from bothways.trust.policies import Policies
    from bothways.trust.revocation.policy import Revocation
    from bothways.trust.verdict import Finding, Names, Outcome, Purpose, Refused, Trusted, Verdict
    from bothways.trust.verification import verify
else:
    _HOMES = {
        "access": "PeerRule",
        "anchors": "TrustStore certificates_in",
        "crl_store": "CRLStore",
        "evidence.fetch_policy": "Fetch",
        "ocsp_store": "OCSPStore",
        "path": "Limits",
        "policies": "Policies",
        "revocation.policy": "Revocation",
        "verdict": "Finding Names Outcome Purpose Refused Trusted Verdict",
        "verification": "verify",
    }
    _HOME_OF = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names.split()}

    def __getattr__(name):
        """Import a public name from the module that defines it (PEP 562)."""
        if name not in _HOME_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_HOME_OF[name]), name)
        return value

    def __dir__():
        """Return the public names too, before they are imported."""
        return sorted({*globals(), *__all__})


__all__ = [
    "CRLStore",
    "Fetch",
    "Finding",
    "Limits",
    "Names",
    "OCSPStore",
    "Outcome",
    "PeerRule",
    "Policies",
    "Purpose",
    "Refused",
    "Revocation",
    "TrustStore",
    "Trusted",
    "Verdict",
    "certificates_in",
    "verify",
]
