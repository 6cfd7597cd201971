"""Our own staples: fetched ahead of need, renewed before they end, kept while a responder is down. A fake clock."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

import pki
from bothways import ConfigError, Credentials, TrustStore
from bothways.trust import files, watched
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.evidence.http_exchange import Missing
from bothways.trust.evidence.stapling import LONGEST, SHORTEST, Stapling, staple_problem, with_issuers
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.verdict import EvidenceRequest
from pki import DAY, NOW
from trust.evidence.evidence_requests import CA, OTHER, RESPONDER, ROOT, SERVER, access

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MIDDLE = pki.intermediate(ROOT, "Named", extra=[access("http://ocsp.example/root")])
BELOW = pki.leaf(MIDDLE, extra=[access(RESPONDER)])


def credentials(of: pki.Issued = SERVER, chain: bytes | None = None) -> Credentials:
    return Credentials.from_pem(of.chain_pem if chain is None else chain, of.key_pem)


def drawing(seed: int):
    return random.Random(seed).randbytes


class Responder:
    """Answers with responses that live twelve hours, renewed every three, unless it is down."""

    life, step = 12 * HOUR, 3 * HOUR

    def __init__(self) -> None:
        self.down: tuple[datetime, datetime] | None = None
        self.status = "good"
        self.asked: list[datetime] = []

    def answer(self, request: EvidenceRequest, at: datetime) -> OCSPResponse | Missing:
        self.asked.append(at)
        if self.down is not None and self.down[0] <= at < self.down[1]:
            return Missing("connection refused by the host or by a firewall")
        made = NOW - DAY + self.step * ((at - NOW + DAY) // self.step)
        of = next(each for each in (SERVER, BELOW, MIDDLE) if each.der == request.certificate.der)
        times = {"this_update": made, "next_update": made + self.life}
        return OCSPResponse(pki.ocsp_response(of, status=self.status, **times))


class Server:
    """Drives a schedule by a clock that jumps from one due time to the next."""

    def __init__(self, responder: Responder, seed: int = 1, of: pki.Issued = SERVER) -> None:
        self.responder = responder
        self.own = credentials(of)
        self.stapling = Stapling(self.own, random=drawing(seed))
        self.at = NOW
        self.said: list[str] = []

    def run_until(self, end: datetime) -> None:
        while self.at < end:
            for request in self.stapling.due(self.at):
                found = self.responder.answer(request, self.at)
                self.said.append(self.stapling.handle_result(request, found, self.at))
            self.at = max(self.at, min(self.stapling.next_due(), end))

    def staple(self, at: datetime | None = None) -> bytes | None:
        return self.stapling.store.staples(self.own.certificates, at or self.at)[0]


def test_a_valid_staple_is_always_available_after_the_first_fetch() -> None:
    """For a month, with a few fetches a day, each in the second half of the remaining validity."""
    server = Server(Responder())
    assert server.stapling.due(NOW) and server.staple() is None
    server.run_until(NOW + MINUTE)
    assert server.said == ["the staple of CN=server.example says good, until 2026-06-02 00:00"]
    for day in range(1, 31):
        server.run_until(NOW + day * DAY)
        assert server.staple() is not None
    assert 60 < len(server.responder.asked) < 150
    for before, after in pairwise(server.responder.asked):
        assert 3 * HOUR <= after - before <= 9 * HOUR


def test_a_response_that_never_expires_is_renewed_at_least_once_a_day() -> None:
    """Otherwise a revocation of our certificate would not be stapled."""
    server = Server(Responder())
    server.responder.life = 300 * DAY
    server.run_until(NOW + 20 * DAY)
    for before, after in pairwise(server.responder.asked):
        assert DAY / 2 <= after - before <= DAY


def test_servers_that_start_together_ask_at_different_times() -> None:
    """The jitter is random; the same random bytes give the same times."""
    times = []
    for seed in (1, 1, 2, 3, 4):
        server = Server(Responder(), seed)
        server.run_until(NOW + DAY)
        times.append(server.responder.asked)
    assert times[0] == times[1]
    assert len({each[1] for each in times}) == 4


def test_a_staple_is_kept_while_the_responder_fails_until_it_expires() -> None:
    """The responder is asked again at growing intervals, but before the end."""
    server = Server(Responder())
    server.responder.down = NOW + MINUTE, NOW + 20 * HOUR
    server.run_until(NOW + 11 * HOUR)
    assert server.staple() is not None
    assert "; the available one is valid until 2026-06-02 00:00" in server.said[-1]
    assert "could not be renewed: connection refused by the host or by a firewall" in server.said[-1]
    server.run_until(NOW + 19 * HOUR)
    assert server.staple() is None
    assert server.said[-1].endswith("; there is no valid one")
    assert len(server.said) < 60
    server.run_until(NOW + 22 * HOUR)
    assert server.staple() is not None and "says good" in server.said[-1]


def test_a_responder_that_fails_at_once_is_asked_again_within_minutes() -> None:
    """And not more often than once a minute, nor less often than once an hour."""
    server = Server(Responder())
    server.responder.down = NOW, NOW + 10 * HOUR
    server.run_until(NOW + 9 * HOUR)
    gaps = [after - before for before, after in pairwise(server.responder.asked)]
    assert SHORTEST / 2 <= gaps[0] <= SHORTEST
    assert max(gaps) <= LONGEST and gaps[-1] >= LONGEST / 2
    server.run_until(NOW + 12 * HOUR)
    assert server.staple() is not None


def test_a_responder_without_a_newer_response_is_asked_again_before_the_end() -> None:
    """At shorter intervals, but at most once a minute."""
    server = Server(Responder())
    server.responder.step = server.responder.life = 40 * HOUR
    server.run_until(NOW + 15 * HOUR)
    assert server.said[-1].startswith("the staple of CN=server.example is still the one with the status good")
    gaps = [after - before for before, after in pairwise(server.responder.asked)]
    assert gaps == sorted(gaps, reverse=True) and min(gaps) >= SHORTEST


def test_a_revocation_of_our_certificate_is_stapled_and_reported() -> None:
    """Clients receive it; the operator is warned."""
    server = Server(Responder())
    server.run_until(NOW + MINUTE)
    server.responder.status = "revoked"
    server.run_until(NOW + 12 * HOUR)
    assert "says revoked" in server.said[-1]
    staple = server.staple()
    assert staple is not None and OCSPResponse(staple).responses[0].state == "revoked"


def unlike(**options: object):
    return lambda: OCSPResponse(pki.ocsp_response(SERVER, **options))


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (unlike(status="unknown"), "the responder does not know it"),
        (unlike(signer=pki.root("Stranger")), "whom CN=Intermediate has not authorised"),
        (unlike(this_update=NOW - 3 * DAY, next_update=NOW - HOUR), "it expired on"),
        (
            unlike(this_update=NOW - DAY, next_update=NOW - MINUTE),
            "it has expired",
        ),  # in our tolerance, not in theirs
        (unlike(this_update=NOW + HOUR), "it is not valid before"),
        (unlike(this_update=NOW - 3 * DAY), "it is older than the available one"),
        (
            lambda: OCSPResponse(pki.ocsp_response(OTHER)),
            "what was received is not a response about the certificate",
        ),
    ],
)
def test_a_response_that_peers_would_refuse_is_not_stapled(found, problem) -> None:
    """The available one is kept."""
    stapling = Stapling(credentials(), random=drawing(1))
    [request] = stapling.due(NOW)
    stapling.handle_result(request, OCSPResponse(pki.ocsp_response(SERVER)), NOW)
    held = stapling.store.staples(credentials().certificates, NOW)
    said = stapling.handle_result(request, found(), NOW)
    assert problem in said and "could not be renewed" in said
    assert stapling.store.staples(credentials().certificates, NOW) == held != (None, None)
    assert NOW < stapling.next_due() <= NOW + SHORTEST


def test_every_certificate_of_a_chain_with_a_responder_has_a_staple() -> None:
    """TLS 1.3 has a field for each; the issuer of the last one may be a trust anchor."""
    own = credentials(BELOW)
    assert [request.certificate.subject_text for request in Stapling(own, random=drawing(1)).due(NOW)] == [
        "CN=server.example"
    ]
    anchors = TrustStore.from_pem(ROOT.pem)
    stapling = Stapling(own, random=drawing(1), anchors=anchors)
    responder = Responder()
    for request in stapling.due(NOW):
        stapling.handle_result(request, responder.answer(request, NOW), NOW)
    assert None not in stapling.store.staples(own.certificates, NOW)


def test_several_credentials_share_a_schedule_and_what_they_have_in_common() -> None:
    """A server with certificates for several names."""
    both = Stapling([credentials(BELOW), credentials(), credentials()], random=drawing(1))
    assert len(both.due(NOW)) == 2


def test_a_certificate_without_a_responder_or_an_issuer_is_a_config_error() -> None:
    """Said when the schedule is made."""
    with pytest.raises(ConfigError, match="CN=other.example has no URL of an OCSP responder"):
        Stapling(credentials(OTHER), random=drawing(1))
    with pytest.raises(ConfigError, match="the issuer of CN=server.example is required"):
        Stapling(credentials(SERVER, SERVER.pem), random=drawing(1))
    found = Stapling(credentials(SERVER, SERVER.pem), random=drawing(1), anchors=TrustStore.from_pem(CA.pem))
    assert found.due(NOW)[0].issuer.der == ParsedCertificate(CA.der).der


def test_responders_of_our_own_certificates_may_have_internal_addresses() -> None:
    """Redirects are not followed there."""
    policy = Stapling(credentials(), random=drawing(1)).policy
    assert policy.nonce == "none" and not policy.crls
    assert len(policy.networks) == 2


def test_a_staple_has_an_authorised_signer_where_our_issuer_is_known():
    """From our chain, or from the trust anchors; other certificates are not checked."""
    anchors = TrustStore.from_pem(ROOT.pem)
    pairs = with_issuers(credentials(), anchors)
    assert [(each.subject_text, issuer.subject_text) for each, issuer in pairs] == [
        ("CN=server.example", "CN=Intermediate"),
        ("CN=Intermediate", "CN=Root"),
    ]
    good, other = OCSPResponse(pki.ocsp_response(SERVER)), OCSPResponse(pki.ocsp_response(OTHER))
    forged = OCSPResponse(pki.ocsp_response(SERVER, signer=pki.root("Forger")))
    assert staple_problem(good, pairs, NOW) is None
    assert staple_problem(other, pairs, NOW) is None
    assert "CN=Forger, whom CN=Intermediate has not authorised" in str(staple_problem(forged, pairs, NOW))
    assert staple_problem(forged, with_issuers(credentials(chain=SERVER.pem), None), NOW) is None


def test_a_renewed_certificate_has_its_own_staple_if_it_names_a_responder(
    tmp_path, monkeypatch, caplog
) -> None:
    """A response is about the certificate that is sent; a late one for the former has no effect."""
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    path = tmp_path / "own.pem"

    def write(of: pki.Issued) -> None:
        path.write_bytes(of.chain_pem + of.key_pem)

    write(SERVER)
    stapling = Stapling(Credentials.watched(path), random=drawing(1), anchors=TrustStore.from_pem(ROOT.pem))
    assert stapling.may_change and not Stapling(credentials(), random=drawing(1)).may_change
    [first] = stapling.due(NOW)
    assert stapling.handle_result(first, Responder().answer(first, NOW), NOW).startswith(
        "the staple of CN=server.example says"
    )
    assert stapling.due(NOW) == [] and stapling.next_due() > NOW
    write(BELOW)
    assert stapling.next_due() < NOW
    assert {each.certificate.der for each in stapling.due(NOW)} == {BELOW.der, MIDDLE.der}
    assert "is not needed any more" in stapling.handle_result(first, Responder().answer(first, NOW), NOW)
    write(pki.leaf(CA))
    assert stapling.due(NOW) == [] and stapling.next_due().year == 9999
    assert "has no URL of an OCSP responder that can be used; so it is sent without" in caplog.text
    write(SERVER)
    assert len(stapling.due(NOW)) == 1
