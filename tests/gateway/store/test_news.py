"""What a process has learned and others may need: kept only while somebody publishes it, and a bounded number."""

from __future__ import annotations

from bothways.gateway.store import news as shared_news
from bothways.gateway.store.news import SharedNews
from bothways.trust.certificate.parsed import ParsedCertificate
from gateway.news_talk import ALICE, CA, listing, response


def test_evidence_that_revokes_is_passed_to_all_followers() -> None:
    news, calls = SharedNews(), []
    follower = lambda: calls.append(1)  # noqa: E731
    revoking, crl = response(ALICE), listing(ALICE)
    crl.prepare(ParsedCertificate(CA.der))
    news.learned(revoking)
    news.follow(follower)
    for each in (revoking, response(ALICE, "good"), listing(), crl):
        news.learned(each)
    assert len(calls) == 2
    assert news.take_learned() == [revoking, crl]
    assert news.take_learned() == []


def test_a_follower_that_ends_does_not_end_another() -> None:
    news, calls = SharedNews(), []
    first, second = (lambda: calls.append("first")), (lambda: calls.append("second"))
    news.follow(first)
    news.follow(second)
    news.unfollow(first)
    news.learned(response(ALICE))
    news.unfollow(second)
    news.learned(response(ALICE))
    assert calls == ["second"]


def test_news_that_nobody_takes_is_bounded_in_number() -> None:
    news = SharedNews()
    news.follow(lambda: None)
    for _ in range(shared_news.MOST_LEARNED + 5):
        news.learned(response(ALICE))
    assert len(news.take_learned()) == shared_news.MOST_LEARNED
