"""Our staples are renewed during other work, with faulty responders too. In simulated time, then over sockets."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

import identities
import pki
from bothways import ConfigError, Credentials
from bothways.fetch import blocking
from bothways.fetch.fetcher import Fetcher
from bothways.fetch.stapling import fetch_due, renew, renewing
from bothways.fetch.transport import Reply
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import HTTPRequest
from bothways.trust.evidence.stapling import Stapling
from fetch.responders import Asked, answering, in_fake_time, redirect, reply
from pki import DAY, NOW, ocsp_response
from trust.evidence.evidence_requests import SERVER, access

HOUR = timedelta(hours=1)
OWN = Credentials.from_pem(SERVER.chain_pem, SERVER.key_pem)


class LoopClock:
    """The time of the running loop, from noon on."""

    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class World:
    """One responder, whose responses live twelve hours; `down` is when it is not there."""

    clock: LoopClock = field(default_factory=LoopClock)
    down: tuple[datetime, datetime] = (NOW - DAY, NOW - DAY)
    asked: list[datetime] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> list[str]:
        return ["10.0.0.1"]

    async def exchange(self, form: HTTPRequest, address: str, limit: int) -> Reply:
        now = self.clock.now()
        self.asked.append(now)
        if self.down[0] <= now < self.down[1]:
            await asyncio.sleep(1e6)
        return Reply(200, "", ocsp_response(SERVER, this_update=now, next_update=now + 12 * HOUR))

    def fetcher(self, stapling: Stapling) -> Fetcher:
        return Fetcher(stapling.policy, resolve=self.resolve, exchange=self.exchange)


@in_fake_time
async def test_a_staple_is_renewed_for_days_and_kept_while_its_responder_hangs() -> None:
    """Each fetch has its time limit, so the schedule continues."""
    world = World(down=(NOW + 24 * HOUR, NOW + 30 * HOUR))
    stapling = Stapling(OWN, random=lambda size: bytes(size))
    said: list[str] = []
    by = world.fetcher(stapling)
    await fetch_due(stapling, world.clock, said.append, by)
    renewal = asyncio.create_task(renew(stapling, world.clock, said.append, by))
    for hour in range(72):
        await asyncio.sleep(HOUR.total_seconds())
        held = stapling.store.staples(OWN.certificates, world.clock.now())[0]
        assert held is not None, hour
    renewal.cancel()
    assert sum("is still the one with the status good" in each for each in said) > 5
    assert said[-1].startswith("the staple of CN=server.example says good")
    assert len(world.asked) < 40


def own(url: str) -> Credentials:
    issued = pki.leaf(
        identities.middle(), "server", alternatives=["DNS:localhost"], extra=[access(url)], **identities.SPAN
    )
    own_certificate.append(issued)
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)


own_certificate: list[pki.Issued] = []


def answer(_: Asked) -> bytes:
    now = datetime.now(UTC)
    return reply(ocsp_response(own_certificate[-1], this_update=now - HOUR, next_update=now + HOUR))


@pytest.mark.network
def test_a_staple_is_available_before_the_body_starts() -> None:
    """In a thread, as servers without an event loop have it; and in the loop of one that has."""
    with answering(answer) as responder:
        credentials = own(responder.url)
        stapling, said = Stapling(credentials, random=bytes), []
        with blocking.renewing(stapling, tell=said.append):
            assert stapling.store.staples(credentials.certificates, datetime.now(UTC))[0] is not None
        assert "says good" in said[0]
        stapling = Stapling(credentials, random=bytes)

        async def serve() -> None:
            async with renewing(stapling, tell=said.append):
                assert len(stapling.store) == 1

        asyncio.run(serve())
        assert len(said) == 2


@pytest.mark.network
def test_without_a_responder_the_body_starts_without_a_staple() -> None:
    """Peers that need no staple are served; the log says what is missing, and no thread is left waiting."""
    with answering(answer) as responder:
        credentials = own(responder.url)
    said: list[str] = []
    threads = threading.active_count()
    with blocking.renewing(Stapling(credentials, random=bytes), tell=said.append):
        assert "by the host or by a firewall; there is no valid one" in said[0]
    assert threading.active_count() <= threads + 1


@pytest.mark.network
def test_a_redirect_of_our_responder_is_not_followed() -> None:
    """Inner responders may be named by our certificate, over plain HTTP: who is on the way must not name others."""
    with answering(b"") as inner, answering(lambda _: redirect(inner.url)) as responder:
        said: list[str] = []
        with blocking.renewing(Stapling(own(responder.url), random=bytes), tell=said.append):
            assert "it redirects where nothing may be redirected" in said[0]
        assert len(responder.asked) == 1 and inner.asked == []


def test_a_policy_by_which_nothing_is_fetched_is_a_config_error() -> None:
    """Said before anything is served."""
    stapling = Stapling(OWN, random=bytes, policy=Fetch(by_caller=True))
    with pytest.raises(ConfigError), blocking.renewing(stapling):
        pass
