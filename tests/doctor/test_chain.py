"""What is said of a server's chain, against chains whose faults are known."""

from __future__ import annotations

import pytest

import pki
from bothways.doctor.chain import cards, certificate_rows, readable
from bothways.doctor.report import ReportRow
from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import Purpose
from bothways.trust.verification import verify as judge
from pki import DAY, NOW, Issued

ROOT = pki.root("Bank Root")
MIDDLE = pki.intermediate(ROOT, "Bank Issuing")
SERVER = pki.leaf(MIDDLE, "bank.example")
ANCHORS = TrustStore.from_pem(ROOT.pem)
NAME = "bank.example"


def rows_of(
    chain: list[bytes], *, name: str = NAME, anchors: TrustStore = ANCHORS, at=NOW
) -> dict[str, ReportRow]:
    verdict = judge(chain, anchors, purpose=Purpose.SERVER, name=name, at=at) if chain else None
    return {row.id: row for row in certificate_rows(chain, verdict, anchors, at)}


def levels(rows: dict[str, ReportRow]) -> dict[str, str]:
    return {id_.removeprefix("certificate."): row.level for id_, row in rows.items() if row.level != "note"}


def leaf(**options) -> list[bytes]:
    return pki.leaf(MIDDLE, "bank.example", **options).chain


CASES = {
    "sound": (SERVER.chain, {"chain": "good", "validity": "good", "days": "good"}),
    "no intermediate": ([SERVER.der], {"no_path": "problem", "chain": "problem"}),
    "root sent": ([*SERVER.chain, ROOT.der], {"days": "good"}),
    "repeated": ([SERVER.der, SERVER.der, MIDDLE.der], {"repeated": "warning", "chain": "good"}),
    "surplus": ([*SERVER.chain, pki.root("Stranger").der], {"chain": "good"}),
    "expired": (leaf(not_after=NOW - DAY), {"certificate_expired": "problem"}),
    "not yet valid": (leaf(not_before=NOW + DAY), {"certificate_not_yet_valid": "problem"}),
    "ends soon": (leaf(not_after=NOW + 29 * DAY), {"days": "warning", "validity": "good"}),
    "weak key": (leaf(key_kind="RSA-1024"), {"weak_key": "problem"}),
    "for clients": (leaf(usage=("clientAuth",)), {"wrong_extended_key_usage": "problem"}),
    "common name alone": (leaf(alternatives=()), {"no_server_names": "problem", "names": "problem"}),
    "another name": (leaf(alternatives=["DNS:other.example"]), {"name_mismatch": "problem"}),
    "no certificate": ([b"nonsense"], {"sent": "problem"}),
    "nothing": ([], {"sent": "unknown"}),
}  # fmt: skip


def test_the_web_profile_is_named_in_the_findings():
    """And what breaks its rules is a problem like any other."""
    web = TrustStore.from_pem(ROOT.pem, profile="web")
    rows = rows_of(leaf(usage=None), anchors=web)
    assert rows["certificate.profile"].level == "note"
    assert rows["certificate.not_a_web_certificate"].level == "problem"
    assert "certificate.profile" not in rows_of(SERVER.chain)


@pytest.mark.parametrize(("chain", "expected"), CASES.values(), ids=CASES)
def test_a_chain_is_described_by_its_faults(chain: list[bytes], expected: dict[str, str]):
    """Every reason of the verdict, and what a verdict does not mind but others may."""
    found = levels(rows_of(chain))
    assert {id_: found.get(id_) for id_ in expected} == expected
    if "problem" not in expected.values():
        assert "problem" not in found.values()


def test_a_chain_in_the_wrong_order_gets_a_warning():
    """We take any order; some clients do not (RFC 5246 7.4.2)."""
    lower = pki.intermediate(MIDDLE, "Bank Lower")
    server = pki.leaf(lower, "bank.example")
    rows = rows_of([server.der, MIDDLE.der, lower.der])
    assert rows["certificate.order"].level == "warning"
    assert rows["certificate.chain"].level == "good"
    assert "certificate.order" not in rows_of(server.chain)


def test_missing_and_surplus_certificates_are_named():
    """So that the administrator of the server knows which file to add."""
    rows = rows_of([SERVER.der])
    assert "CN=Bank Issuing" in rows["certificate.chain"].text
    assert "intermediates" in rows["certificate.chain"].hint
    assert (
        ", including the root, which those who trust it do not need"
        in rows_of([*SERVER.chain, ROOT.der])["certificate.chain"].text
    )
    surplus = rows_of([*SERVER.chain, pki.root("Stranger").der])["certificate.surplus"]
    assert "CN=Stranger" in surplus.text


def test_the_certificate_that_expires_first_counts():
    """An intermediate may end before the leaf."""
    middle = pki.intermediate(ROOT, "Short", not_after=NOW + 5 * DAY)
    row = rows_of(pki.leaf(middle, "bank.example").chain)["certificate.days"]
    assert row.level == "warning"
    assert "5 days (CN=Short, above the leaf)" in row.text


def test_names_are_shown_escaped_and_bounded():
    """A peer writes into its certificate what it likes."""
    hostile = pki.leaf(
        MIDDLE,
        pki.name("<b>\x1b[31m\u202e" + "x" * 40),
        alternatives=[f"DNS:{n}.example" for n in range(500)],
    )
    rows = rows_of(hostile.chain)
    assert "\\x1b[31m\\u202e" in rows["certificate.subject"].text
    assert rows["certificate.names"].text.endswith("and 488 more")
    assert all(row.text.isprintable() and len(row.text) < 1300 for row in rows.values())
    assert next(cards("server", hostile.chain, NOW)).title.isprintable()


def test_very_long_chains_are_shown_up_to_a_limit():
    one = pki.issue("A", None, ca=True, issuer_name=pki.name("B"))
    assert [each.subject_text for each in readable([one.der, b""])] == ["CN=A"]
    assert len(list(cards("server", [one.der] * 200, NOW))) == 16
    assert next(cards("server", [b"zzz"], NOW)).title == "3 bytes that are not a certificate"


def test_a_self_signed_certificate_is_whole_and_not_trusted():
    """What it lacks is not an intermediate."""
    alone: Issued = pki.leaf(None, "bank.example")
    rows = rows_of([alone.der])
    assert rows["certificate.chain"].level == "note"
    assert "self-signed" in rows["certificate.chain"].text
    assert rows["certificate.no_path"].level == "problem"


def test_a_chain_with_another_certificate_of_its_issuer_is_not_complete():
    """The names fit, and the key does not: neither among what was sent, nor among our trust anchors."""
    anew = pki.intermediate(ROOT, "Bank Issuing", own_key=pki.key("P-256", 35))
    row = rows_of([SERVER.der, anew.der])["certificate.chain"]
    assert row.level == "problem" and "was sent for another key" in row.text
    other = pki.root("Bank Root", own_key=pki.key("P-256", 36))
    row = rows_of([pki.leaf(other, "bank.example").der])["certificate.chain"]
    assert row.level == "problem" and "is one of our trust anchors, with another key" in row.text


@pytest.mark.parametrize("issuer", [MIDDLE, ROOT], ids=["sent", "anchor"])
def test_a_damaged_certificate_is_not_blamed_on_the_issuer(issuer: Issued):
    broken = pki.leaf(issuer, "bank.example", broken=True)
    row = rows_of(broken.chain)["certificate.chain"]
    assert row.level == "problem" and "signature does not verify: it is damaged or was altered" in row.text
    assert "another key" not in row.text and "copied" in row.hint
