"""What a route trusts and verifies by, where no client would be accepted, though every file can be read."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509

from bothways.describe.escape import visible
from bothways.gateway.config.identity import IdentityConfig
from bothways.gateway.files.held import Held
from bothways.gateway.files.sources import is_followed
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate

NAME_LIMIT = 120
STRICT = "require"


def trust_warnings(identity: IdentityConfig, anchors: TrustStore, held: Held) -> Iterator[str]:
    """Yield a sentence for each trust anchor whose clients are all refused."""
    if identity.client_ca is None:
        return
    issuers = _issuers(identity, held)
    for each in anchors.each:
        name = visible(each.subject_text, NAME_LIMIT)
        if _is_no_authority(each):
            yield (
                f"{name} in {identity.client_ca} is no certificate of a CA, so that it verifies nobody; name a client "
                "that is to be trusted by itself in `client_cert`"
            )
        elif issuers is not None and each.normal_subject not in issuers:
            yield (
                f"no CRL of {name} in {', '.join(identity.crl)}: its clients are refused, since it is not known "
                "whether they are revoked"
            )


def _issuers(identity: IdentityConfig, held: Held) -> set[bytes] | None:
    """Return who has issued the CRLs of a route; None where other evidence may be used, or is not needed."""
    has_others = identity.ocsp or identity.fetch or identity.revocation not in (None, STRICT)
    if not identity.crl or has_others or any(map(is_followed, identity.crl)):
        return None
    crls = [crl for several in held.lists[identity.crl].each.values() for crl in several]
    if any(each.scope.indirect for each in crls):
        return None
    return {each.normal_issuer for each in crls}


def _is_no_authority(certificate: ParsedCertificate) -> bool:
    constraints = certificate.extension(x509.BasicConstraints)
    return constraints is not None and not constraints.ca
