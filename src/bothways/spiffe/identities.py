"""What is made of a response of the Workload API: our credentials, and the anchors of each trust domain.

https://github.com/spiffe/spiffe/blob/main/standards: SPIFFE-ID, X509-SVID, SPIFFE_Workload_API.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.spiffe.messages import SVID, BadResponse, X509Response, decoded
from bothways.trust.anchors import TrustStore, trusting_nobody
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding import pem
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.path.name_matching import SPIFFE, may_sign_others
from bothways.trust.verdict import Names, Trusted

_ID = re.compile(r"spiffe://([a-z0-9._-]{1,255})((?:/[A-Za-z0-9._-]+)+)")
_ID_LIMIT = 2048
_DOMAIN = re.compile(r"[a-z0-9._-]{1,255}")


def trust_domain(spiffe_id: str) -> str | None:
    """Return the trust domain of a SPIFFE ID with a path; None for what is none (SPIFFE-ID 2, X509-SVID 5.2)."""
    found = _ID.fullmatch(spiffe_id)
    if found is None or len(spiffe_id) > _ID_LIMIT or {".", ".."} & set(found[2].split("/")):
        return None
    return found[1]


def checked_domain(text: str) -> str:
    """Return the name of a trust domain, with or without spiffe:// before it. Raises ConfigError."""
    name = text.removeprefix(SPIFFE)
    if _DOMAIN.fullmatch(name) is None:
        raise ConfigError(f"{shown(text)} is no trust domain; expected a name such as example.org")
    return name


@dataclass(frozen=True, slots=True)
class TrustDomains:
    """Which trust anchors verify which trust domain. anchors: certificates in DER by the name of a domain."""

    anchors: Mapping[str, frozenset[bytes]]

    @property
    def lacking(self) -> list[str]:
        """A sentence for each domain that has no bundle any more."""
        return [
            f"the Workload API has no bundle of the trust domain {each} any more, so that nobody of it is trusted"
            for each, anchors in self.anchors.items()
            if not anchors
        ]

    def problem(self, verdict: Trusted) -> str | None:
        """Return why a verified peer has no SPIFFE ID of these domains; None where it has one.

        Only the bundle of a domain verifies its SPIFFE IDs, and not that of another domain, which is trusted too.
        """
        domain = None if len(verdict.names.uri) != 1 else trust_domain(verdict.names.uri[0])
        if domain is None:
            return "its certificate has no SPIFFE ID"
        if may_sign_others(ParsedCertificate(verdict.path_der[0])):
            return "its certificate is one of a CA, and no SVID of a workload"
        if verdict.path_der[-1] not in self.anchors.get(domain, frozenset()):
            return f"its trust anchor is not in the bundle of the trust domain {domain}"
        return None


@dataclass(frozen=True, slots=True)
class WorkloadIdentities:
    """A response that was checked whole. own: our credentials, by the SPIFFE ID.  default: the first of them."""

    default: str
    own: Mapping[str, Credentials]
    bundles: Mapping[str, tuple[bytes, ...]]

    def credentials(self, spiffe_id: str | None) -> Credentials:
        """Return those of a SPIFFE ID, None for the default one. Raises ConfigError."""
        found = self.own.get(spiffe_id or self.default)
        if found is None:
            known = ", ".join(self.own)
            raise ConfigError(f"the Workload API has no SVID of {shown(spiffe_id)}; it has {known}")
        return found

    def own_domain(self, spiffe_id: str | None) -> str:
        """Return the trust domain of a SPIFFE ID, None for the default one."""
        return trust_domain(spiffe_id or self.default) or ""

    def trusted(
        self, domains: Collection[str], source: str, *, may_lack: bool = False
    ) -> tuple[TrustStore, TrustDomains]:
        """Return the anchors of these trust domains, and which anchors verify which domain. Raises ConfigError.

        may_lack: whether a domain may have no bundle, so that nobody of it is trusted: a response has all that are
        valid, and one that had the bundle of a domain before says by leaving it out that it is no longer federated.
        """
        domains = tuple(dict.fromkeys(domains))
        missing = [each for each in domains if each not in self.bundles]
        if missing and not may_lack:
            raise ConfigError(
                f"the Workload API has no bundle of the trust domain {shown(missing[0])}; "
                f"it has those of {', '.join(self.bundles)}"
            )
        ders = [der for each in domains for der in self.bundles.get(each, ())]
        by_domain = {each: frozenset(self.bundles.get(each, ())) for each in domains}
        store = TrustStore(dict.fromkeys(ders), source=source) if ders else trusting_nobody()
        return store, TrustDomains(by_domain)


def identities_in(data: bytes, source: str, at: datetime | None = None) -> WorkloadIdentities:
    """Return what a response has. Raises ConfigError, which names `source`.

    at: the time, to refuse what has expired; None accepts it.
    """
    try:
        return _identities(decoded(data), source, at)
    except BadResponse as error:
        raise ConfigError(f"{source}: the response of the agent cannot be used: {error}") from None


def _identities(response: X509Response, source: str, at: datetime | None) -> WorkloadIdentities:
    own: dict[str, Credentials] = {}
    bundles: dict[str, tuple[bytes, ...]] = {}
    for svid in response.svids:
        domain = trust_domain(svid.spiffe_id)
        if domain is None:
            raise BadResponse(f"an SVID of {shown(svid.spiffe_id)}, which is no SPIFFE ID")
        if bundles.setdefault(domain, svid.bundle) != svid.bundle:
            raise BadResponse(f"two bundles of the trust domain {domain}")
        own.setdefault(svid.spiffe_id, _credentials(svid, source, at))
    for name, bundle in response.federated.items():
        domain = name.removeprefix(SPIFFE)
        if _DOMAIN.fullmatch(domain) is None or domain in bundles:
            raise BadResponse(f"a federated bundle of {shown(name)}, which is no other trust domain")
        bundles[domain] = bundle
    for name, bundle in bundles.items():
        TrustStore(bundle, source=f"{source}: bundle of {name}")
    return WorkloadIdentities(response.svids[0].spiffe_id, own, bundles)


def _credentials(svid: SVID, source: str, at: datetime | None) -> Credentials:
    chain = b"".join(pem.encoded("CERTIFICATE", each) for each in svid.chain)
    what = f"{source}: SVID of {svid.spiffe_id}"
    credentials = Credentials.from_contents(chain, what, svid.key, what)
    if may_sign_others(ParsedCertificate(credentials.chain[0])):
        raise BadResponse(f"the certificate of {svid.spiffe_id} is one of a CA")
    if credentials.chain[0] != svid.chain[0]:
        raise BadResponse(f"the key of {svid.spiffe_id} does not belong to the first certificate")
    if only_id(credentials.names) != svid.spiffe_id:
        raise BadResponse(f"the certificate of {svid.spiffe_id} has not exactly this URI")
    if at is not None and credentials.not_after <= at:
        raise BadResponse(f"the SVID of {svid.spiffe_id} expired on {credentials.not_after:%Y-%m-%d %H:%M}")
    return credentials


def only_id(names: Names) -> str | None:
    """Return the one URI of a certificate; None with none or several (X509-SVID 2)."""
    return names.uri[0] if len(names.uri) == 1 else None
