"""What tests of fetching share: certificates that name responders and CRLs, and requests for them."""

from __future__ import annotations

from cryptography import x509

import pki
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.verdict import EvidenceRequest

RESPONDER, LISTS = "http://ocsp.example/", "http://crl.example/ca.crl"


def access(*urls: str) -> tuple[x509.AuthorityInformationAccess, bool]:
    """The extension that names OCSP responders, ready for `extra` (RFC 5280 4.2.2.1)."""
    method = x509.oid.AuthorityInformationAccessOID.OCSP
    described = [x509.AccessDescription(method, pki.alternative(f"URI:{url}")) for url in urls]
    return x509.AuthorityInformationAccess(described), False


ROOT = pki.root()
CA = pki.intermediate(ROOT)
SERVER = pki.leaf(CA, extra=[access(RESPONDER), pki.points(f"URI:{LISTS}")])
OTHER = pki.leaf(CA, "other.example")


def evidence_request(
    kind: str = "ocsp", of: pki.Issued = SERVER, *locations: str, nonce: bytes | None = None
) -> EvidenceRequest:
    issuer = of.above[0]
    where = locations or ((RESPONDER,) if kind == "ocsp" else (LISTS,))
    return EvidenceRequest(kind, ParsedCertificate(of.der), ParsedCertificate(issuer.der), where, nonce)
