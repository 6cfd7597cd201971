"""Whether our certificate would be accepted, by evidence: against certificates and requests that are known."""

from __future__ import annotations

import pytest

import pki
from bothways import Credentials
from bothways.doctor.identity import RequestFacts, identity_rows
from bothways.doctor.report import ReportRow
from bothways.iana import ClientCertificateType, SignatureScheme
from bothways.roles import Version
from bothways.trust.anchors import TrustStore
from pki import DAY, NOW, Issued

ROOT = pki.root("Bank Root")
MIDDLE = pki.intermediate(ROOT, "Bank Issuing")
OTHER = pki.root("Other Root")
ANCHORS = TrustStore.from_pem(ROOT.pem)
SCHEMES = (SignatureScheme.ecdsa_secp256r1_sha256, SignatureScheme.rsa_pss_rsae_sha256)
TYPES = (ClientCertificateType.ecdsa_sign, ClientCertificateType.rsa_sign)


def wanted(*authorities: Issued, schemes=SCHEMES, types=None, version=Version.TLS13) -> RequestFacts:
    names = tuple(each.certificate.subject.public_bytes() for each in authorities)
    return RequestFacts(names, tuple(map(int, schemes)), types, version)


def rows_of(
    issued: Issued, *asked: RequestFacts, anchors: TrustStore | None = ANCHORS, chain=None
) -> dict[str, ReportRow]:
    pem = issued.chain_pem if chain is None else chain
    credentials = Credentials.from_pem(pem, issued.key_pem)
    return {row.id.removeprefix("identity."): row for row in identity_rows(credentials, anchors, asked, NOW)}


def ada(by: Issued = MIDDLE, **options) -> Issued:
    return pki.leaf(by, "Ada", **{"usage": ("clientAuth",), "alternatives": ()} | options)


def test_a_good_certificate_has_no_problem():
    """Whole, valid, for clients, by a CA that the server names, with a key that signs by what it takes."""
    rows = rows_of(ada(), wanted(ROOT), wanted(ROOT, types=TYPES, version=Version.TLS12))
    assert {row.level for id_, row in rows.items() if id_ != "subject"} == {"good"}
    assert {"pair", "key", "days", "usage", "chain", "issuer", "scheme.13", "scheme.12"} <= set(rows)
    assert "CN=Ada" in rows["subject"].text


@pytest.mark.parametrize(
    ("options", "finding", "level"),
    [
        ({"not_after": NOW - DAY}, "certificate_expired", "problem"),
        ({"not_before": NOW + DAY}, "certificate_not_yet_valid", "problem"),
        ({"not_after": NOW + 3 * DAY}, "days", "warning"),
        ({"usage": ("serverAuth",)}, "wrong_extended_key_usage", "problem"),
        ({"key_usage": ("key_agreement",)}, "wrong_key_usage", "problem"),
        ({"key_kind": "RSA-1024"}, "weak_key", "problem"),
        ({"key_kind": "RSA-2048"}, "key", "note"),
        ({"key_kind": "RSA-3072"}, "key", "good"),
    ],
)
def test_faults_of_our_files_that_every_server_would_refuse_are_reported(
    options: dict, finding: str, level: str
):
    """By the same judging as in a handshake."""
    rows = rows_of(ada(**options))
    assert rows[finding].level == level
    assert ("usage" in rows) is (finding not in ("wrong_extended_key_usage", "wrong_key_usage"))


def test_an_issuer_that_the_server_does_not_name_is_warned_of():
    """Its list may be short of some, so that this is no proof; the engine sends the only certificate all the same."""
    rows = rows_of(ada(), wanted(OTHER))
    assert rows["issuer"].level == "warning"
    assert "CN=Bank Issuing, CN=Bank Root" in rows["issuer"].text
    assert rows_of(ada(), wanted())["issuer"].level == "unknown"
    assert "issuer" not in rows_of(ada())


def test_a_chain_is_complete_if_the_rest_is_known():
    """Up to a root that was sent, a name of the server's, or an authority of ours."""
    alone = ada().pem
    assert rows_of(ada(), anchors=None)["chain"].level == "warning"
    assert rows_of(ada(), chain=alone)["chain"].level == "warning"
    assert "CN=Bank Issuing, is not among them" in rows_of(ada(), chain=alone)["chain"].text
    assert rows_of(ada(), wanted(MIDDLE), chain=alone)["chain"].level == "good"
    assert rows_of(ada(), anchors=ANCHORS)["chain"].level == "good"
    assert rows_of(pki.leaf(None, "Ada", usage=("clientAuth",)), anchors=None)["chain"].level == "good"


def test_a_key_without_a_scheme_of_the_server_is_a_problem():
    """RFC 9846 4.3.3; in TLS 1.2 the types of certificates count too (RFC 5246 7.4.4)."""
    rsa_alone = (SignatureScheme.rsa_pss_rsae_sha256, SignatureScheme.rsa_pkcs1_sha256)
    assert rows_of(ada(), wanted(ROOT, schemes=rsa_alone))["scheme.13"].level == "problem"
    assert "ecdsa_secp256r1_sha256" in rows_of(ada(), wanted(ROOT, schemes=rsa_alone))["scheme.13"].text
    only_rsa = wanted(ROOT, types=(ClientCertificateType.rsa_sign,), version=Version.TLS12)
    assert rows_of(ada(), only_rsa)["scheme.12"].level == "problem"
    assert rows_of(ada(key_kind="RSA-2048"), only_rsa)["scheme.12"].level == "good"


def test_a_fault_of_our_chain_names_our_certificate():
    """What to do is for us: the CA's new certificate in our file, and not the peer's renewal."""
    late = pki.intermediate(ROOT, "Bank Late", not_before=NOW - 30 * DAY, not_after=NOW - DAY)
    row = rows_of(ada(late))["certificate_expired"]
    assert row.text.startswith("the CA CN=Bank Late in our chain expired on")
    assert "that CA's new certificate" in row.hint and "peer" not in row.hint
    leaf = rows_of(ada(not_after=NOW - DAY))["certificate_expired"]
    assert leaf.text.startswith("our certificate expired on") and leaf.hint == "have the CA issue a new one"
