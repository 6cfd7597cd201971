"""Which news are used: current ones that revoke somebody, signed by a CA that counts here."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bothways.gateway.files.held import Held
from bothways.gateway.shared import news_check
from bothways.gateway.shared.news_check import NewsCheck
from bothways.gateway.store.news_index import BadNews
from gateway.news_talk import ALICE, BOB, CA, NOW, PATH, ROOT, files, listing, response
from pki import intermediate, key, responder, root

FOREIGN = intermediate(root("Another root"), CA.certificate.subject, own_key=key("P-256", 7777))


def check(held: Held | None = None, path: list[bytes] = PATH) -> NewsCheck:
    made = NewsCheck()
    made.use(held or files())
    made.saw(path)
    return made


def test_a_ca_that_counts_is_an_anchor_or_on_the_path_of_a_client() -> None:
    by_anchor, by_other = listing(ALICE, by=ROOT), listing(ALICE)
    made = check(path=[])
    assert made.is_signed(by_anchor, NOW)
    assert not made.is_signed(by_other, NOW)
    before = made.count
    made.saw(PATH)
    made.saw(PATH)
    assert made.count == before + 1
    assert made.is_signed(by_other, NOW)
    assert not made.is_signed(listing(ALICE, by=FOREIGN), NOW)
    made.use(Held())
    assert made.count == before + 2
    assert not made.is_signed(listing(ALICE, by=ROOT), NOW)


def test_a_ca_of_the_same_name_signs_beside_the_other() -> None:
    made = check(path=[*PATH, FOREIGN.der])
    assert made.is_signed(listing(ALICE), NOW)
    assert made.is_signed(listing(ALICE, by=FOREIGN), NOW)


def test_responses_are_signed_by_the_ca_or_whom_it_has_authorised() -> None:
    made = check()
    assert made.is_signed(response(ALICE), NOW)
    assert made.is_signed(response(ALICE, signer=responder(CA)), NOW)
    assert not made.is_signed(response(ALICE, signer=responder(FOREIGN)), NOW)
    assert not check(path=[]).is_signed(response(ALICE), NOW)


@pytest.mark.parametrize(
    ("evidence", "problem"),
    [
        (listing(), "revokes nobody"),
        (listing(ALICE, hours=-1), "is not valid before"),
        (listing(ALICE, hours=90, next_update=NOW - timedelta(hours=1)), "is out of date"),
        (response(ALICE, "good"), "revokes nobody"),
        (response(ALICE, reason="certificate_hold"), "revokes nobody"),
        (response(ALICE, hours=90, next_update=NOW - timedelta(hours=1)), "is not current"),
        (response(ALICE, hours=-1), "is not current"),
    ],
    ids=range(7),
)
def test_news_without_a_use_is_refused(evidence: object, problem: str) -> None:
    with pytest.raises(BadNews, match=problem):
        check().is_signed(evidence, NOW)


def test_news_that_a_file_has_or_has_newer_is_known() -> None:
    made = check(files(listing(ALICE, hours=3, number=5)))
    for crl, is_known in (
        (listing(ALICE, BOB, hours=2, number=6), False),
        (listing(ALICE, BOB, hours=4, number=4), True),
        (listing(ALICE, BOB, hours=3, number=4), True),
        (listing(ALICE, BOB, hours=3, number=5), True),  # as old as that of the file
        (listing(ALICE, BOB, hours=3, number=6), False),
        (listing(ALICE, BOB, hours=4, number=4, base=3), False),
    ):
        assert made.is_signed(crl, NOW)
        assert made.is_known(crl) is is_known
    assert not made.is_known(response(ALICE))


def test_a_file_of_another_ca_of_the_same_name_makes_nothing_known() -> None:
    made = check(files(listing(ALICE, by=FOREIGN, hours=0)))
    crl = listing(ALICE)
    assert made.is_signed(crl, NOW)
    assert not made.is_known(crl)


def test_the_cas_of_clients_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(news_check, "MOST_ISSUERS", 2)
    made = check()
    made.saw([intermediate(ROOT, f"CA {each}").der for each in range(3)])
    assert not made.is_signed(listing(ALICE), NOW)
    made.saw(PATH)
    assert made.is_signed(listing(ALICE), NOW)
