"""What responders, networks and clocks do wrong, each in a whole handshake: the verdict, and when it comes.

In simulated time and a simulated network; the ends of real replies are in `test_transport`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

import pki
from bothways import (
    Caution,
    ClientConfig,
    Credentials,
    EvidenceWanted,
    Fault,
    PeerFault,
    ServerConfig,
    TrustStore,
)
from bothways.fetch.fetcher import Fetcher
from bothways.fetch.transport import Reply
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation
from fetch.responders import in_fake_time
from fetch.worlds import INNER, OPEN, World, forever
from pair import FrozenClock, Pair, pair
from pki import DAY, NOW, crl, leaf, ocsp_refusal, ocsp_response, points
from trust.evidence.evidence_requests import ROOT, access
from trust.revocation.judging import altered_response

OCSP, LISTS, ROOT_LISTS = "http://ocsp.example/", "http://crl.example/ca.crl", "http://crl.example/root.crl"
MIDDLE = pki.intermediate(ROOT, "Middle", extra=[points(f"URI:{ROOT_LISTS}")])
SERVER = leaf(MIDDLE, "localhost", extra=[access(OCSP)])
OTHER = leaf(MIDDLE, "other.example")
LIST = crl(ROOT)
ROUND = 4.5


@dataclass(frozen=True)
class Row:
    """One fault: what the responder and the names do, the clock, and what the verdict says of it, and when."""

    words: str
    responder: object = OSError("down")
    names: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    at: timedelta = timedelta(0)


def after(seconds: float, answer: object) -> Callable[..., object]:
    async def slow(*_: object) -> object:
        await asyncio.sleep(seconds)
        return answer

    return slow


FAULTS = {
    "down": Row("connection refused by the host or by a firewall", ConnectionRefusedError(111, "refused")),
    "silent": Row("no answer within 4.5 seconds", forever, seconds=ROUND),
    "slow": Row("no answer within 4.5 seconds", after(60, ocsp_response(SERVER)), seconds=ROUND),
    "endless": Row("its answer is longer than 65536 bytes", ValueError("its answer is longer than 65536 bytes")),
    "broken off": Row("it reset the connection", ConnectionResetError(104, "reset")),
    "in a circle": Row("it redirects in a circle", Reply(302, OCSP)),
    "inwards": Row("10.0.0.1 is private, and not allowed", Reply(302, "http://10.0.0.1/"), {"10.0.0.1": [INNER]}),
    "garbage": Row("it is not an OCSP response", b"\0\1\2"),
    "page": Row("it is an HTML or XML document", b"<html>not found</html>"),
    "no such page": Row("it answered with HTTP status 404", Reply(404)),
    "later": Row("the responder answered: try later", ocsp_refusal("try_later")),
    "for another": Row("it is about another certificate", ocsp_response(OTHER)),
    "by a stranger": Row("has not authorised", ocsp_response(SERVER, signer=OTHER)),
    "altered": Row("its signature does not verify", altered_response(ocsp_response(SERVER))),
    "replayed": Row("it returns another nonce than ours", ocsp_response(SERVER, nonce=b"old" * 8)),
    "outdated": Row("it expired on 2026-06-01 06:00", ocsp_response(SERVER, next_update=NOW - DAY / 4)),
    "unknown": Row("the OCSP responder does not know it", ocsp_response(SERVER, status="unknown")),
    "name inwards": Row("10.0.0.1 is private, and not allowed", ocsp_response(SERVER), {"ocsp.example": [INNER]}),
    "no name": Row("Name or service not known", names={"ocsp.example": OSError(-2, "Name or service not known")}),
    "no resolver": Row("no answer within 4.5 seconds", names={"ocsp.example": forever}, seconds=ROUND),
    "clock ahead": Row("it expired on 2026-06-02 12:00", ocsp_response(SERVER), at=2 * DAY),
    "clock behind": Row("it is not valid before 2026-06-01 00:00", ocsp_response(SERVER), at=-DAY * 0.75),
}  # fmt: skip
FAULT = pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS)


class Turning:
    """A name that leads to open machines when it is asked about first, and inwards ever after."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self) -> list[str]:
        self.asked += 1
        return [OPEN] if self.asked == 1 else [INNER]


async def talk(world: World, unknown: str, at=timedelta(0)) -> Pair:
    """A handshake whose client fetches in this world."""
    fetch = Fetch()
    fetcher = Fetcher(fetch, resolve=world.resolve, exchange=world.exchange)
    clock = FrozenClock(NOW + at)
    credentials = Credentials.from_pem(SERVER.chain_pem, SERVER.key_pem)
    client = ClientConfig(
        anchors=TrustStore.from_pem(ROOT.pem),
        revocation=Revocation(fetch=fetch, unknown=unknown),
        clock=clock,
    )
    both = pair(client, ServerConfig(credentials=credentials, clock=clock))
    both.exchange()
    while both.client_events and isinstance(both.client_events[-1], EvidenceWanted):
        asked = both.client_events[-1]
        before = asyncio.get_running_loop().time()
        found = await fetcher.fetch_all(asked.wants, asked.at, asked.seconds)
        clock.pass_time(asyncio.get_running_loop().time() - before)
        both.client_events += both.client.provide(asked, found)
        both.exchange()
    return both


def seconds_passed() -> float:
    return asyncio.get_running_loop().time()


def world(row: Row) -> World:
    return World({OCSP: row.responder, ROOT_LISTS: LIST}, row.names)


@FAULT
@in_fake_time
async def test_a_failed_fetch_refuses_the_peer_with_the_reason(row: Row) -> None:
    """Step 2.3c, by default: in time, and with the alert certificate_unknown."""
    both = await talk(world(row), "refuse", row.at)
    error = both.client_failure
    assert isinstance(error, PeerFault), error
    assert (error.fault, error.step) == (Fault.REVOCATION_UNKNOWN, "2.3c")
    assert row.words in str(error), str(error)
    assert seconds_passed() == row.seconds
    assert both.server_failure is not None and both.server_failure.name == "certificate_unknown"


@FAULT
@in_fake_time
async def test_a_failed_fetch_is_accepted_with_a_warning_where_configured(row: Row) -> None:
    """The finding has the reason."""
    both = await talk(world(row), "accept", row.at)
    assert both.client.established, both.client_failure
    assert Caution.REVOCATION_UNKNOWN in [getattr(each, "warning", None) for each in both.client_events]
    assert row.words in both.client.peer.verdict.findings[2].text
    assert seconds_passed() == row.seconds


@in_fake_time
async def test_with_fetched_evidence_the_peer_is_accepted() -> None:
    """Also where the responder takes its time, and where its name leads elsewhere a moment later."""
    turning = Turning()
    good = World({OCSP: after(3, ocsp_response(SERVER)), ROOT_LISTS: LIST}, {"ocsp.example": turning})
    both = await talk(good, "refuse")
    assert both.client.established and seconds_passed() == 3
    assert turning.asked == 1 and {address for _, address in good.asked} == {OPEN}


@in_fake_time
async def test_a_revocation_counts_whatever_else_the_responder_does_wrong() -> None:
    """An outdated response that says revoked is believed; acceptance of what is unknown overrides none."""
    revoked = ocsp_response(SERVER, status="revoked", next_update=NOW - DAY / 4)
    both = await talk(World({OCSP: revoked, ROOT_LISTS: LIST}), "accept")
    assert both.client_failure.fault is Fault.REVOKED
