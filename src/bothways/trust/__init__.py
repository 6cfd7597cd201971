"""Verifies certificate chains, without TLS: is this chain valid for a name and a purpose at a time?

Each name is imported on first access, as in `bothways` itself. docs/verifying.md is the guide.
"""

from typing import TYPE_CHECKING

from bothways.lazy_names import lazy_names

if TYPE_CHECKING:
    from bothways.trust.access.cel import CelRule
    from bothways.trust.access.rule import PeerRule
    from bothways.trust.anchors import TrustStore
    from bothways.trust.certificate.files import certificates_in
    from bothways.trust.crl_store import CRLStore
    from bothways.trust.evidence.fetch_policy import Fetch
    from bothways.trust.ocsp_store import OCSPStore
    from bothways.trust.path.policies import Policies
    from bothways.trust.path.validation import Limits
    from bothways.trust.revocation.policy import Revocation
    from bothways.trust.verdict import Finding, Names, Outcome, Purpose, Refused, Trusted, Verdict
    from bothways.trust.verification import verify
else:
    __getattr__ = lazy_names(
        __name__,
        {
            "bothways.trust.access.rule": "PeerRule",
            "bothways.trust.anchors": "TrustStore",
            "bothways.trust.access.cel": "CelRule",
            "bothways.trust.certificate.files": "certificates_in",
            "bothways.trust.crl_store": "CRLStore",
            "bothways.trust.evidence.fetch_policy": "Fetch",
            "bothways.trust.ocsp_store": "OCSPStore",
            "bothways.trust.path.validation": "Limits",
            "bothways.trust.path.policies": "Policies",
            "bothways.trust.revocation.policy": "Revocation",
            "bothways.trust.verdict": "Finding Names Outcome Purpose Refused Trusted Verdict",
            "bothways.trust.verification": "verify",
        },
    )

    def __dir__():
        """Return the public names too, before they are imported."""
        return sorted({*globals(), *__all__})


__all__ = [
    "CRLStore",
    "CelRule",
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
