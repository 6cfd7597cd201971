"""The status of a certificate by revocation news: they revoke permanently, and do nothing else whatever they say."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta

import pytest

from bothways.faults import Fault
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation, RevocationNews
from bothways.trust.verdict import Purpose, Trusted, Verdict
from bothways.trust.verification import verify
from pki import DAY, NOW, crl, intermediate, issuing_point, key, leaf, ocsp_response, responder, root
from trust.revocation.judging import (
    ANCHORS,
    CA,
    CLEAN,
    OTHER,
    REVOKED,
    ROOT,
    SERVER,
    UNKNOWN,
    altered_response,
    refusals,
)

LATER = NOW - timedelta(hours=1)
FOREIGN = intermediate(root("Another root"), CA.certificate.subject, own_key=key("P-256", 7777))
REVOKING = (
    crl(CA, SERVER, number=2, this_update=LATER),
    crl(CA, (SERVER, "key_compromise"), number=7, this_update=NOW - 20 * DAY, next_update=NOW - 9 * DAY),
    crl(CA, SERVER, number=3, base=1, this_update=LATER),
    ocsp_response(SERVER, status="revoked"),
    ocsp_response(SERVER, status="revoked", this_update=NOW - 9 * DAY, next_update=NOW - 8 * DAY),
    ocsp_response(SERVER, status="revoked", signer=responder(CA)),
)
OTHERS = (  # by the CA itself; the first ones come after some of those above
    crl(CA, number=99, this_update=LATER),
    crl(CA, OTHER, number=99, this_update=LATER),
    crl(CA, (SERVER, "remove_from_crl"), number=3, base=1, this_update=LATER),
    crl(CA, number=1, this_update=NOW - 2 * DAY),
    crl(CA, (SERVER, "certificate_hold"), number=1, this_update=NOW - 2 * DAY),
    ocsp_response(SERVER),
    ocsp_response(SERVER, status="unknown"),
    ocsp_response(SERVER, status="revoked", reason="certificate_hold"),
)
FORGED = (  # by others in its name, or about something else
    crl(CA, SERVER, signed_by=FOREIGN.key),
    crl(CA, number=99, this_update=LATER, signed_by=FOREIGN.key),
    crl(FOREIGN, SERVER, number=1 << 60, this_update=LATER),
    crl(ROOT, SERVER, issuer_name=CA.certificate.subject, signed_by=ROOT.key),
    crl(CA, SERVER, point=issuing_point(["URI:http://crl.example/else"]), this_update=LATER),
    ocsp_response(SERVER, status="revoked", signer=FOREIGN),
    ocsp_response(OTHER, status="revoked"),
    altered_response(ocsp_response(SERVER, status="revoked")),
)
HARMLESS = (*OTHERS, *FORGED)


def news_of(*ders: bytes) -> RevocationNews:
    """A store that has whatever came, as if nothing had been verified."""
    news = RevocationNews()
    for der in ders:
        try:
            news.crls.add(CRL(der), NOW)
        except ValueError:
            news.ocsp.add(OCSPResponse(der), NOW)
    return news


def judged(
    news: RevocationNews | None,
    lists: Sequence[bytes] | None = CLEAN,
    responses: Sequence[bytes] = (),
    **options,
) -> Verdict:
    revocation = Revocation(
        crls=None if lists is None else CRLStore(map(CRL, lists)),
        ocsp=OCSPStore(map(OCSPResponse, responses)) if responses else None,
        news=news,
        **options,
    )
    return verify(SERVER.chain, ANCHORS, purpose=Purpose.SERVER, name=None, at=NOW, revocation=revocation)


@pytest.mark.parametrize("der", REVOKING, ids=range(len(REVOKING)))
def test_a_permanent_revocation_counts_whatever_else_there_is(der: bytes) -> None:
    assert isinstance(judged(news_of()), Trusted)
    assert refusals(judged(news_of(der))) == REVOKED
    assert refusals(judged(news_of(der), unknown="accept")) == REVOKED
    assert refusals(judged(news_of(der, *FORGED))) == REVOKED
    good = ocsp_response(SERVER, this_update=LATER)
    assert refusals(judged(news_of(der), None, [good], covers="leaf")) == REVOKED


def test_a_ca_that_was_revoked_is_revoked_for_all_that_it_has_issued() -> None:
    verdict = judged(news_of(crl(ROOT, CA, number=2, this_update=LATER)))
    assert refusals(verdict) == [(Fault.REVOKED, 1)]


@pytest.mark.parametrize("der", HARMLESS, ids=range(len(HARMLESS)))
def test_news_without_a_permanent_revocation_changes_nothing(der: bytes) -> None:
    """Neither for one who is valid, nor for one who is revoked, nor where the status is unknown."""
    held = ([CLEAN, [CLEAN[0], crl(CA, SERVER)], [CLEAN[0]], []], [(), [ocsp_response(SERVER)]])
    for lists in held[0]:
        for responses in held[1]:
            for unknown in ("refuse", "accept"):
                asked = {"lists": lists, "responses": responses, "unknown": unknown}
                assert judged(news_of(der), **asked) == judged(None, **asked)


def test_no_mixture_of_news_makes_anybody_valid_nor_revokes_whom_no_ca_has_revoked() -> None:
    """The verdict is that without news, or a revocation that is among them."""
    chance = random.Random(3)
    pool = [*REVOKING, *HARMLESS]
    sources = [*CLEAN, crl(CA, SERVER), crl(CA, OTHER, number=5, this_update=LATER)]
    for _ in range(40):
        several = chance.sample(pool, chance.randrange(1, 9))
        lists = chance.sample(sources, chance.randrange(len(sources) + 1))
        responses = [ocsp_response(SERVER)] if chance.random() < 0.3 else []
        unknown = chance.choice(("refuse", "accept"))
        asked = {"lists": lists, "responses": responses, "unknown": unknown}
        before, after = judged(None, **asked), judged(news_of(*several), **asked)
        if after != before:
            assert (Fault.REVOKED, 0) in refusals(after)
            assert any(each in REVOKING for each in several)
        elif isinstance(after, Trusted):
            assert not any(each in REVOKING for each in several) or any(each in OTHERS for each in several)


def test_news_make_no_unknown_status_known() -> None:
    """Whoever holds an older CRL, validly signed, could hide by it what was revoked since."""
    good = (crl(CA, number=5, this_update=LATER), crl(ROOT), ocsp_response(SERVER))
    assert refusals(judged(news_of(*good), [])) == [*UNKNOWN, (Fault.REVOCATION_UNKNOWN, 1)]


def test_a_responder_that_is_itself_revoked_revokes_nobody() -> None:
    signer = responder(CA, no_check=False)
    response = ocsp_response(SERVER, status="revoked", signer=signer)
    assert refusals(judged(news_of(response))) == REVOKED
    assert isinstance(judged(news_of(response), [CLEAN[0], crl(CA, signer)]), Trusted)


def test_a_name_that_another_ca_has_too_revokes_nobody() -> None:
    other = leaf(FOREIGN, "server.example")
    assert isinstance(judged(news_of(crl(FOREIGN, other, SERVER, this_update=LATER))), Trusted)
