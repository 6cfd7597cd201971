"""What was fetched and what could not be: until when each is used, and how much of it is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.cache import SHORT_TIME, EvidenceCache
from bothways.trust.evidence.http_exchange import Missing
from bothways.trust.ocsp.response import OCSPResponse
from pki import DAY, NOW, crl, issue, key, ocsp_response, responder
from trust.evidence.evidence_requests import CA, ROOT, SERVER, evidence_request

HOUR = timedelta(hours=1)
LIST = CRL(crl(CA))
DOWN = Missing("no service listens there")


def kept(
    evidence, kind: str = "crl", *, since=NOW, at=NOW, cache: EvidenceCache | None = None
) -> EvidenceCache:
    cache = cache or EvidenceCache(HOUR)
    cache.keep("k", evidence_request(kind), evidence, since, at)
    return cache


def test_evidence_is_used_for_some_time_and_then_fetched_again() -> None:
    """It stays valid if that fails."""
    cache = kept(LIST)
    assert cache.find("k", NOW) is LIST and cache.find("k", NOW + HOUR - SHORT_TIME) is LIST
    assert cache.find("k", NOW + HOUR) is None
    assert cache.find_valid("k", NOW + HOUR) is LIST and cache.find_valid("k", NOW + 7 * DAY) is LIST
    assert cache.find_valid("k", NOW + 8 * DAY) is None
    assert cache.find("other", NOW) is None


def test_evidence_is_never_used_beyond_its_end() -> None:
    """Whichever comes first."""
    cache = kept(OCSPResponse(ocsp_response(SERVER, next_update=NOW + HOUR / 2)), "ocsp")
    assert cache.find("k", NOW + HOUR / 2 - SHORT_TIME) is not None
    assert cache.find("k", NOW + HOUR / 2 + SHORT_TIME) is None


def test_evidence_is_due_by_the_time_when_it_was_fetched() -> None:
    """As from a directory, where an earlier process stored it."""
    cache = kept(LIST, since=NOW - HOUR / 2)
    assert cache.find("k", NOW + HOUR / 2 - SHORT_TIME) is LIST
    assert cache.find("k", NOW + HOUR / 2) is None


def test_expired_evidence_is_cached_for_a_short_time() -> None:
    """So that a responder with expired responses is not asked for every handshake, nor for long."""
    for stale in (
        CRL(crl(CA, next_update=NOW - DAY / 2)),
        CRL(crl(ROOT)),
        CRL(crl(CA, this_update=NOW + DAY)),
    ):
        cache = kept(stale)
        assert cache.find("k", NOW + SHORT_TIME / 2) is stale
        assert cache.find("k", NOW + SHORT_TIME) is None


def test_evidence_fetched_just_now_is_used_for_a_short_time_however_soon_it_is_due() -> None:
    """So that evidence that ends in a second, or is kept for none, is not fetched for every handshake."""
    soon = CRL(crl(CA, next_update=NOW + SHORT_TIME / 10))
    for evidence, keep in ((soon, HOUR), (LIST, timedelta(0))):
        cache = kept(evidence, cache=EvidenceCache(keep))
        assert cache.find("k", NOW + SHORT_TIME / 2) is evidence
        assert cache.find("k", NOW + SHORT_TIME) is None
    stored = kept(soon, since=NOW - SHORT_TIME, at=NOW)
    assert stored.find("k", NOW) is soon and stored.find("k", NOW + SHORT_TIME / 2) is None


def test_older_evidence_never_replaces_newer() -> None:
    """An old response that is replayed while it is valid has no effect."""
    newer, older = CRL(crl(CA, SERVER, this_update=NOW)), CRL(crl(CA, this_update=NOW - DAY))
    cache = kept(newer)
    assert cache.keep("k", evidence_request("crl"), older, NOW + HOUR, NOW + HOUR) is newer
    assert cache.find("k", NOW + HOUR) is newer
    newest = CRL(crl(CA, this_update=NOW + HOUR))
    assert cache.keep("k", evidence_request("crl"), newest, NOW + 2 * HOUR, NOW + 2 * HOUR) is newest


def test_a_failure_is_cached_for_a_short_time() -> None:
    """So that an unavailable responder delays many handshakes only once."""
    cache = EvidenceCache(HOUR)
    assert cache.fail("k", DOWN, NOW) is DOWN
    assert cache.find("k", NOW + SHORT_TIME / 2) is DOWN
    assert cache.find("k", NOW + SHORT_TIME) is None


def test_a_failure_removes_no_valid_evidence() -> None:
    """Evidence is used while its responder fails, until it expires."""
    cache = kept(LIST)
    later = NOW + 2 * HOUR
    assert cache.find("k", later) is None
    assert cache.fail("k", DOWN, later) is LIST
    assert cache.find("k", later) is LIST
    assert cache.fail("k", DOWN, NOW + 8 * DAY) is DOWN


def test_a_success_ends_a_cached_failure() -> None:
    """The new evidence is used at once."""
    cache = EvidenceCache(HOUR)
    cache.fail("k", DOWN, NOW)
    assert kept(LIST, cache=cache).find("k", NOW) is LIST


def test_a_clock_that_is_set_back_extends_nothing() -> None:
    """Evidence from the future is fetched again."""
    cache = kept(LIST)
    cache.fail("other", DOWN, NOW)
    before = NOW - timedelta(days=30)
    assert cache.find("k", before) is None and cache.find_valid("k", before) is None
    assert cache.find("other", before) is None


def test_the_cache_is_limited_in_number_and_size() -> None:
    """The oldest entries go first, and the newest stays whatever its size."""
    cache = EvidenceCache(HOUR, most_entries=2)
    for name in "abc":
        cache.keep(name, evidence_request("crl"), LIST, NOW, NOW)
        cache.fail(name + "?", DOWN, NOW)
    assert [cache.find(name, NOW) for name in "abc"] == [None, LIST, LIST]
    assert [cache.find(name + "?", NOW) for name in "abc"] == [None, DOWN, DOWN]
    cache = EvidenceCache(HOUR, most_bytes=len(LIST.der) * 2)
    for name in "abc":
        cache.keep(name, evidence_request("crl"), LIST, NOW, NOW)
    assert [cache.find(name, NOW) for name in "abc"] == [None, LIST, LIST]
    cache = EvidenceCache(HOUR, most_bytes=1)
    cache.keep("a", evidence_request("crl"), LIST, NOW, NOW)
    assert cache.find("a", NOW) is LIST


def test_peers_of_one_issuer_displace_only_their_own_evidence() -> None:
    """A CA can name any number of CRLs, and sign them."""
    cache = kept(LIST, cache=EvidenceCache(HOUR, most_entries=8))
    for number in range(100):
        cache.keep(f"{number}", evidence_request("crl", CA), CRL(crl(ROOT)), NOW, NOW)
    assert cache.find("k", NOW) is LIST
    left = [number for number in range(100) if cache.find(f"{number}", NOW) is not None]
    assert left == [*range(93, 100)]


def test_a_forged_crl_never_replaces_one_that_the_issuer_signed() -> None:
    """An attacker on the network can make a newer one, but not sign it; it is fetched again soon."""
    cache = kept(LIST)
    forged = CRL(crl(CA, signed_by=ROOT.key, this_update=NOW, number=9))
    later = NOW + HOUR
    assert cache.keep("k", evidence_request("crl"), forged, later, later) is LIST
    assert cache.find("k", later) is LIST and cache.find("k", later + SHORT_TIME) is None
    assert cache.find_valid("k", NOW + 7 * DAY) is LIST
    newer = CRL(crl(CA, this_update=NOW, number=2))
    assert cache.keep("k", evidence_request("crl"), newer, later, later) is newer


DELEGATE = issue("Intermediate", ROOT, own_key=key("P-256", 4500), key_usage=("crl_sign",))
FUTURE = {"this_update": NOW + 3650 * DAY, "next_update": NOW + 3660 * DAY}
SIGNERS = {"the issuer": CA, "a delegate that a judgement found": DELEGATE}


@pytest.mark.parametrize("who", SIGNERS)
@pytest.mark.parametrize(
    "displacing",
    [
        {"signed_by": ROOT.key},
        {"signed_by": ROOT.key} | FUTURE,
        FUTURE,
        {"this_update": NOW - 3 * DAY, "number": 0},
    ],
    ids=["by another key", "by another key, from the future", "is not valid before", "older"],
)
def test_only_its_own_signers_next_crl_replaces_a_crl(who: str, displacing: dict) -> None:
    """One false answer does not keep out what the CA publishes afterwards."""
    signer = SIGNERS[who]
    first = CRL(crl(signer, SERVER))
    first.is_signed_by(ParsedCertificate(signer.der))
    cache = kept(first)
    later = NOW + HOUR
    assert cache.keep("k", evidence_request("crl"), CRL(crl(signer, **displacing)), later, later) is first
    assert cache.find("k", later + SHORT_TIME / 2) is first and cache.find("k", later + SHORT_TIME) is None
    newer = CRL(crl(signer, SERVER, this_update=NOW + HOUR, number=2))
    assert cache.keep("k", evidence_request("crl"), newer, later + HOUR, later + HOUR) is newer


def test_a_crl_with_an_unknown_signer_is_always_replaced() -> None:
    """Whatever its thisUpdate is."""
    cache = kept(CRL(crl(CA, signed_by=ROOT.key, **FUTURE)))
    own = CRL(crl(CA, this_update=NOW - 3 * DAY))
    assert cache.keep("k", evidence_request("crl"), own, NOW, NOW) is own
    early = kept(CRL(crl(CA, **FUTURE)))
    assert early.keep("k", evidence_request("crl"), own, NOW, NOW) is own


@pytest.mark.parametrize(
    "when", [{"this_update": NOW + DAY, "next_update": NOW + 2 * DAY}, {"this_update": NOW - DAY}]
)
def test_a_response_from_the_future_or_the_past_replaces_none(when: dict) -> None:
    """The signer of responses may change, so that keys are not compared here."""
    cache = kept(OCSPResponse(ocsp_response(SERVER, status="revoked")), "ocsp")
    other = OCSPResponse(ocsp_response(SERVER, **when))
    assert cache.keep("k", evidence_request("ocsp"), other, NOW, NOW) is not other
    delegated = OCSPResponse(ocsp_response(SERVER, signer=responder(CA), this_update=NOW))
    assert cache.keep("k", evidence_request("ocsp"), delegated, NOW, NOW) is delegated
