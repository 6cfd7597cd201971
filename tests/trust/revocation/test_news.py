"""The store of revocation news: what is added, what is not newer, and what there is no room for."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bothways.errors import ConfigError
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.revocation import Revocation, RevocationNews
from bothways.trust.revocation.news import Taken, revokes
from pki import DAY, NOW, crl, leaf, ocsp_response
from trust.revocation.judging import CA, OTHER, ROOT, SERVER

HOUR = timedelta(hours=1)


def verified(der: bytes, by=CA) -> CRL:
    made = CRL(der)
    made.prepare(ParsedCertificate(by.der))
    return made


def test_of_one_series_the_newest_is_used() -> None:
    news = RevocationNews()
    old, new = (verified(crl(CA, SERVER, this_update=NOW - each * DAY, number=3 - each)) for each in (2, 1))
    assert news.take(new, NOW) is Taken.TAKEN
    assert news.take(old, NOW) is Taken.KNOWN
    assert news.take(new, NOW) is Taken.KNOWN
    assert [each.der for each in news.crls] == [new.der]
    newer = verified(crl(CA, SERVER, OTHER, this_update=NOW - DAY / 2, number=9))
    assert news.take(newer, NOW) is Taken.TAKEN
    assert [each.der for each in news.crls] == [newer.der]


def test_a_revocation_that_the_same_ca_has_told_already_is_known() -> None:
    """A permanent revocation stays, so a later response about it adds nothing."""
    news = RevocationNews()
    early, late, unproven = (
        OCSPResponse(ocsp_response(SERVER, status="revoked", this_update=NOW - age * HOUR))
        for age in (3, 2, 1)
    )
    for each in (early, late):
        assert not isinstance(each.signer(ParsedCertificate(CA.der), NOW), str)
    assert [news.take(each, NOW) for each in (early, late)] == [Taken.TAKEN, Taken.KNOWN]
    other = OCSPResponse(ocsp_response(OTHER, status="revoked"))
    assert not isinstance(other.signer(ParsedCertificate(CA.der), NOW), str)
    assert news.take(other, NOW) is Taken.TAKEN
    assert unproven.authorised_by is None and news.take(unproven, NOW) is Taken.TAKEN


def test_the_generation_rises_with_what_is_taken_and_with_nothing_else() -> None:
    news = RevocationNews()
    revocation = Revocation(crls=CRLStore(), news=news)
    seen = [revocation.generation]
    for each in (verified(crl(CA, SERVER)), OCSPResponse(ocsp_response(SERVER, status="revoked"))):
        news.take(each, NOW)
        seen.append(revocation.generation)
        news.take(each, NOW)
        assert revocation.generation == seen[-1]
    assert seen == sorted(set(seen))
    assert len(news) == 2


def test_news_without_room_is_not_taken_and_displaces_nothing() -> None:
    held = verified(crl(CA, SERVER))
    for limit in ({"most": 1}, {"most_octets": len(held.der) + 10}):
        news = RevocationNews(**limit)
        assert news.take(held, NOW) is Taken.TAKEN
        assert news.take(verified(crl(ROOT, CA), ROOT), NOW) is Taken.NO_ROOM
        assert news.take(OCSPResponse(ocsp_response(SERVER, status="revoked")), NOW) is Taken.NO_ROOM
        assert [each.der for each in news.crls] == [held.der]


def test_evidence_that_revokes_nobody_is_distinguished() -> None:
    assert revokes(verified(crl(CA, SERVER)))
    assert not revokes(verified(crl(CA)))
    assert revokes(OCSPResponse(ocsp_response(SERVER, status="revoked")))
    assert not revokes(OCSPResponse(ocsp_response(SERVER)))
    assert not revokes(OCSPResponse(ocsp_response(SERVER, status="revoked", reason="certificate_hold")))
    assert not revokes(OCSPResponse(ocsp_response(leaf(CA), status="unknown")))


def test_news_alone_are_no_source() -> None:
    with pytest.raises(ConfigError, match="requires a source"):
        Revocation(news=RevocationNews())
    with pytest.raises(ConfigError, match="news: expected a RevocationNews"):
        Revocation(crls=CRLStore(), news=CRLStore())


def test_a_delta_crl_is_kept_beside_its_base() -> None:
    news = RevocationNews()
    assert news.take(verified(crl(CA, SERVER, number=5)), NOW) is Taken.TAKEN
    delta = verified(crl(CA, OTHER, number=6, base=5, this_update=NOW - timedelta(hours=1)))
    assert news.take(delta, NOW) is Taken.TAKEN
    assert len(news) == 2
