"""What tests of revocation share: a small PKI, and its server verified by CRLs and responses."""

from __future__ import annotations

from cryptography import x509

from bothways.faults import Fault
from bothways.trust.anchors import TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Refused
from bothways.trust.verification import verify as judge
from pki import (
    NOW,
    crl,
    intermediate,
    issue,
    issuing_point,
    leaf,
    name,
    points,
    root,
)

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
OTHER = leaf(CA, "other.example")
ANCHORS = TrustStore.from_pem(ROOT.pem)
CLEAN = (crl(ROOT), crl(CA))
SIGNS_LISTS = ("crl_sign",)
REVOKED = [(Fault.REVOKED, 0)]
UNKNOWN = [(Fault.REVOCATION_UNKNOWN, 0)]


def judged(*lists: bytes, chain=None, at=NOW, anchors=ANCHORS, **options):
    revocation = Revocation(crls=CRLStore(map(CRL, lists)), **options)
    return judge(
        chain or SERVER.chain, anchors, purpose=Purpose.SERVER, name=None, at=at, revocation=revocation
    )


def answered(*responses: bytes, staples=(), chain=None, lists=(), at=NOW, **options):
    """Verify with available or stapled OCSP responses, and CRLs where given; only the leaf is checked."""
    revocation = Revocation(
        **{
            "ocsp": OCSPStore(map(OCSPResponse, responses)) if responses else None,
            "crls": CRLStore(map(CRL, lists)) if lists else None,
            "staples": "use" if staples else "ignore",
            "covers": "leaf",
        }
        | options
    )
    return judge(
        chain or SERVER.chain,
        ANCHORS,
        purpose=Purpose.SERVER,
        name=None,
        at=at,
        revocation=revocation,
        staples=staples,
    )


def refusals(verdict) -> list[tuple[Fault, int | None]]:
    assert isinstance(verdict, Refused), verdict
    return [(each.fault, each.position) for each in verdict.reasons]


def problem(verdict) -> str:
    [reason] = verdict.reasons
    assert reason.fault is Fault.REVOCATION_UNKNOWN
    return str(reason.facts["problem"])


def altered_response(der: bytes) -> bytes:
    """The same response with the last bit of its signature turned; no certificates may follow it."""
    return der[:-1] + bytes([der[-1] ^ 1])


def delegated(**options):
    """A server whose CRLs are issued by a delegate of its CA."""
    signer = issue("List signer", CA, key_usage=SIGNS_LISTS, **options)
    server = leaf(CA, extra=[points("DN:List signer", issuer="List signer")])
    return server, signer


def indirect(server, signer, *revoked) -> bytes:
    named = x509.CertificateIssuer([x509.DirectoryName(name("Intermediate"))])
    point = issuing_point(["DN:List signer"], indirect=True)
    return crl(signer, *revoked, entry_extra=[(named, True)], point=point)
