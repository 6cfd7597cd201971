"""What lies in the store of news: sealed, of fixed sizes, and read strictly."""

from __future__ import annotations

import os
from typing import Any

import pytest

from bothways.gateway.store import news_index
from bothways.gateway.store.news_index import (
    HEAD,
    LARGEST_INDEX,
    LARGEST_NEWS,
    MOST_LISTED,
    SEALED,
    BadNews,
    Listed,
    NewsBox,
    digest_of,
    listed,
)
from gateway.news_talk import ALICE, BOB, CA, ROOT, SECRET, listing, response
from pki import issuing_point, key

BOX = NewsBox(SECRET)


def entries(count: int) -> list[Listed]:
    return [Listed(os.urandom(16), os.urandom(16), each, each, each) for each in range(count)]


def test_an_index_comes_back_as_it_was_put_and_no_two_look_alike() -> None:
    several = entries(5)
    stored = [BOX.sealed_index(several) for _ in range(2)]
    assert [BOX.opened_index(each) for each in stored] == [several, several]
    assert stored[0][:HEAD] != stored[1][:HEAD]


def test_of_too_much_news_the_newest_stays() -> None:
    several = entries(MOST_LISTED + 3)
    stored = BOX.sealed_index(several)
    assert len(stored) == LARGEST_INDEX
    assert BOX.opened_index(stored) == several[3:]


@pytest.mark.parametrize("evidence", [listing(ALICE), response(ALICE)], ids=["crl", "ocsp"])
def test_evidence_comes_back_as_it_was_put(evidence: Any) -> None:
    stored = BOX.sealed_item(evidence)
    assert len(stored) == len(evidence.der) + SEALED
    found = BOX.opened_item(stored, digest_of(evidence))
    assert (type(found), found.der) == (type(evidence), evidence.der)


def test_with_another_secret_nothing_is_read_nor_found() -> None:
    other = NewsBox(bytes(32))
    assert other.index != BOX.index
    with pytest.raises(BadNews, match="does not verify under our secret"):
        other.opened_index(BOX.sealed_index([]))


@pytest.mark.parametrize("stored", [b"", b"x", bytes(28), bytes(500), bytes(LARGEST_INDEX + 1)], ids=len)
def test_garbage_is_no_index(stored: bytes) -> None:
    with pytest.raises(BadNews):
        BOX.opened_index(stored)


def test_an_index_of_another_form_is_refused() -> None:
    for plain in (b"", b"\x02" + bytes(56), b"\x01" + bytes(55), b"\x01" + bytes(57)):
        with pytest.raises(BadNews):
            BOX.opened_index(BOX.seal(BOX.index, plain))
    assert BOX.opened_index(BOX.seal(BOX.index, b"\x01")) == []


def test_evidence_under_another_name_or_of_another_form_is_refused() -> None:
    crl, other = listing(ALICE), listing(BOB)
    digest = digest_of(crl)
    name = BOX.item(digest)
    for stored, problem in (
        (BOX.sealed_item(other), "does not verify"),
        (BOX.seal(name, b"\x01" + other.der), "another digest"),
        (BOX.seal(name, b"\x02" + crl.der), "cannot be read"),
        (BOX.seal(name, b"\x09" + crl.der), "unknown kind"),
        (BOX.seal(name, b"\x01"), "another digest"),
        (BOX.sealed_item(crl)[:-1], "does not verify"),
        (bytes(LARGEST_NEWS + SEALED + 1), "longer than"),
    ):
        with pytest.raises(BadNews, match=problem):
            BOX.opened_item(stored, digest)


def test_a_series_is_one_of_a_ca_a_scope_and_a_kind() -> None:
    crl = listing(ALICE)
    same = [listing(BOB, number=9), listing(hours=5)]
    others = [
        listing(ALICE, by=ROOT),
        listing(ALICE, base=1),
        listing(ALICE, point=issuing_point(["URI:http://crl.example/1"])),
        listing(ALICE, signed_by=key("P-256", 7777)),
        response(ALICE),
        response(BOB),
    ]
    assert {listed(each).series for each in same} == {listed(crl).series}
    assert len({listed(each).series for each in [crl, *others]}) == 1 + len(others)
    assert listed(response(ALICE)).series == listed(response(ALICE, "good", hours=3)).series


def test_the_newest_of_a_series_is_that_of_the_latest_date_then_number() -> None:
    several = [listing(hours=3, number=9), listing(hours=2, number=1), listing(hours=2, number=2)]
    assert sorted(several, key=lambda each: listed(each).age) == several
    assert listed(listing(number=1 << 100)).number == (1 << 64) - 1
    assert listed(response(ALICE)).age == listed(response(ALICE, hours=9)).age
    assert news_index.LARGEST_INDEX < 32 * 1024
    assert CA.der
