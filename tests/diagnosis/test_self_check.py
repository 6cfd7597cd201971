"""The reasons of our own verification against our chain, whose trust anchors are not known."""

from __future__ import annotations

import pytest

import pki
from bothways import TrustStore
from bothways.diagnosis.case import parsed
from bothways.diagnosis.self_check import reasons_against, revocations
from bothways.faults import Fault
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.verdict import Purpose
from pki import DAY, NOW

CA = pki.intermediate(pki.root(), "Issuing")


def against(issued: pki.Issued, purpose: Purpose, asked: str | None = None) -> set[Fault]:
    return {each.fault for each in reasons_against(parsed(issued.chain), purpose, asked, NOW)}


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"not_after": NOW - DAY}, Fault.CERTIFICATE_EXPIRED),
        ({"not_before": NOW + DAY}, Fault.CERTIFICATE_NOT_YET_VALID),
        ({"usage": ("serverAuth",)}, Fault.WRONG_EXTENDED_KEY_USAGE),
        ({"key_kind": "RSA-1024"}, Fault.WEAK_KEY),
    ],
)
def test_a_chain_is_verified_against_its_own_root(options, fault) -> None:
    assert against(pki.leaf(CA, "client.example", **options), Purpose.CLIENT) == {fault}


def test_a_valid_chain_has_no_reason_against_it() -> None:
    assert against(pki.leaf(CA), Purpose.CLIENT) == set()
    assert against(pki.leaf(pki.root("Nobody knows")), Purpose.SERVER, "server.example") == set()
    assert reasons_against((), Purpose.CLIENT, None, NOW) == ()


def test_our_own_crls_are_asked_about_every_certificate_of_ours() -> None:
    """Below a trust anchor of ours, or where there is none below the end of our chain; a CRL of others says nothing."""
    gone, good = (pki.leaf(CA, name) for name in ("gone.example", "good.example"))
    above = pki.root("Above")
    below = pki.intermediate(above, "Below")
    lists = CRLStore(CRL(each) for each in (pki.crl(CA, gone), pki.crl(above, below)))
    of_below = pki.leaf(below)
    for issued, anchor, positions in (
        (gone, None, [0]),
        (gone, pki.root("Nobody knows"), [0]),
        (good, None, []),
        (of_below, above, [1]),
        (of_below, None, []),
    ):
        anchors = None if anchor is None else TrustStore([anchor.der])
        found = revocations(parsed(issued.chain), anchors, lists, NOW)
        assert [each.position for each in found] == positions
    assert revocations((), None, lists, NOW) == ()


def test_a_weak_signature_at_the_end_counts_though_the_end_is_the_anchor() -> None:
    old = pki.root("Old", key_kind="RSA-2048")
    assert against(pki.leaf(old, digest="SHA1", key_kind="RSA-2048"), Purpose.CLIENT) == {Fault.WEAK_HASH}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("server.example", set()),
        ("elsewhere.example", {Fault.NAME_MISMATCH}),
        ("not a name!", set()),
        (None, set()),
    ],
)
def test_a_server_is_verified_for_the_requested_name(asked, found) -> None:
    assert against(pki.leaf(CA), Purpose.SERVER, asked) == found
    assert against(pki.leaf(CA), Purpose.CLIENT, asked) == set()
