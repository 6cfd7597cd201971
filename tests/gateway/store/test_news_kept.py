"""News that a process keeps, and how much of it."""

from __future__ import annotations

import pytest

from bothways.gateway.store import news_kept
from bothways.gateway.store.news_index import listed
from bothways.gateway.store.news_kept import OwnNews, WaitingNews
from gateway.news_talk import ALICE, BOB, CA, ROOT, listing


def test_only_the_newest_of_a_series_is_published() -> None:
    own, older, newer = OwnNews(), listing(ALICE, number=1), listing(ALICE, BOB, number=2)
    for each in (newer, older):
        own.keep(listed(each), each, 5.0)
    (series,) = own
    assert own[series] == (listed(newer), newer)
    assert own.due == {series: 5.0}
    assert own.has_as_new(listed(older)) and own.has_as_new(listed(newer))


def test_what_was_taken_from_the_store_is_not_due() -> None:
    own, one = OwnNews(), listing(ALICE)
    own.keep(listed(one), one, None)
    assert listed(one).series in own and not own.due


def test_what_is_kept_is_bounded_and_the_oldest_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = listing(ALICE, by=CA), listing(ALICE, by=ROOT)
    monkeypatch.setattr(news_kept, "MOST_OWN", 1)
    monkeypatch.setattr(news_kept, "MOST_OCTETS_WAITING", len(first.der) + len(second.der) - 1)
    own, waiting = OwnNews(), WaitingNews()
    for each in (first, second):
        own.keep(listed(each), each, None)
        waiting.add(each)
    assert list(own) == [listed(second).series]
    assert waiting.take() == [second]
    assert waiting.take() == []
