"""Open connections judged again: by news and by the clock, a few per turn of the loop, and their peers told."""

from __future__ import annotations

import asyncio
import logging
import tempfile
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import identities
import pki
from aio_talk import TurnClock, closed, echo, open_to, quiet, run, serving
from bothways import Alert, Caution, Fault, PeerAlert, PeerFault, TrustStore
from bothways.aio import watch as source
from bothways.aio.turns import TURN_SECONDS
from bothways.aio.watch import Watch
from bothways.tls.defaults import CLOCK
from bothways.trust import watched
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation
from inside import has_timer, link_of, looks_later, run_timer


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look comes at once where real servers take a second."""
    monkeypatch.setattr(source, "LOOK_SECONDS", 0.02)


def policy(**options) -> tuple[CRLStore, dict[str, object]]:
    lists = CRLStore(identities.crls())
    return lists, {"revocation": Revocation(crls=lists, **options), "judge_again": "change"}


def revoke(lists: CRLStore, who) -> None:
    lists.replace(CRLStore(identities.crls(who, number=2)))


class Worker:
    """A handler that waits for its client, and says what its connection ended with."""

    def __init__(self) -> None:
        self.here: dict[str, object] = {}
        self.ended: dict[str, object] = {}

    async def __call__(self, reader, writer) -> None:
        name = writer.peer.names.common_name
        self.here[name] = writer
        try:
            while data := await reader.read(100):
                writer.write(data)
            self.ended[name] = "done"
        except Exception as error:
            self.ended[name] = error
            raise

    async def until(self, condition) -> None:
        while not condition():
            await asyncio.sleep(0.005)


@pytest.mark.network
@run
async def test_a_server_ends_the_connections_of_a_client_that_is_revoked_and_no_other():
    """Nobody has to say anything for it; the client is told why."""
    lists, judging = policy()
    worker = Worker()
    async with serving(worker, identities.server_config(**judging)) as server:
        reader, writer = await open_to(server)
        other_reader, other = await open_to(server, identities.client_config(identities.client("Grace")))
        await worker.until(lambda: len(worker.here) == 2)
        revoke(lists, identities.client())
        with pytest.raises(PeerAlert) as caught:
            await reader.read(1)
        assert (caught.value.alert, caught.value.step) == (Alert.CERTIFICATE_REVOKED, "3.3c")
        await worker.until(lambda: worker.ended)
        error = worker.ended["Ada"]
        assert isinstance(error, PeerFault)
        assert (error.fault, error.step) == (Fault.REVOKED, "3.3c")
        other.write(b"still here")
        assert await other_reader.readexactly(10) == b"still here"
        await closed(other)
        await writer.wait_closed()


@pytest.mark.network
@run
async def test_a_client_ends_the_connection_to_a_server_that_is_revoked():
    """Both directions."""
    lists, judging = policy()
    async with serving(echo) as server:
        reader, writer = await open_to(server, identities.client_config(identities.client(), **judging))
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        revoke(lists, identities.server())
        with pytest.raises(PeerFault) as caught:
            await reader.read(1)
        assert (caught.value.fault, caught.value.step) == (Fault.REVOKED, "2.3c")
        await writer.wait_closed()


@pytest.mark.network
@run
async def test_no_data_passes_in_either_direction_once_the_peer_is_revoked():
    """Between two looks, data itself brings the next one."""
    source.LOOK_SECONDS = 60.0  # the fixture puts it back
    lists, judging = policy()
    worker = Worker()
    async with serving(worker, identities.server_config(**judging)) as server:
        reader, writer = await open_to(server)
        await worker.until(lambda: worker.here)
        revoke(lists, identities.client())
        writer.write(b"too late")
        with pytest.raises(PeerAlert):
            await reader.read(1)
        await worker.until(lambda: worker.ended)
        assert isinstance(worker.ended["Ada"], PeerFault)
        await writer.wait_closed()
    lists, judging = policy()
    async with serving(quiet) as server:
        reader, writer = await open_to(server, identities.client_config(identities.client(), **judging))
        revoke(lists, identities.server())
        with TurnClock().running(), pytest.raises(PeerFault):  # there is room for it in this turn
            writer.write(b"too late")
        await writer.wait_closed()


@pytest.mark.network
@run
async def test_a_status_that_became_unknown_is_accepted_with_a_warning_if_that_is_configured():
    """In the log too; and data goes on."""
    reported: list[str] = []
    logger = logging.getLogger("bothways")
    handler = logging.Handler()
    handler.emit = lambda record: reported.append(record.getMessage())
    logger.addHandler(handler)
    lists, judging = policy(unknown="accept")
    async with serving(echo) as server:
        reader, writer = await open_to(server, identities.client_config(identities.client(), **judging))
        lists.replace(CRLStore())
        while not writer.warnings:
            await asyncio.sleep(0.005)
        assert writer.warnings == [Caution.REVOCATION_UNKNOWN]
        writer.write(b"on")
        assert await reader.readexactly(2) == b"on"
        await closed(writer)
    logger.removeHandler(handler)
    [line] = reported
    assert line.startswith("connection with ('127.0.0.1', ") and str(Caution.REVOCATION_UNKNOWN) in line


@dataclass
class Ahead:
    """The system's clock, which a test can set."""

    by: timedelta = field(default_factory=timedelta)

    def now(self):
        return CLOCK.now() + self.by

    def monotonic(self) -> float:
        return CLOCK.monotonic() + self.by.total_seconds()


@pytest.mark.network
@run
async def test_an_expired_verdict_ends_its_connection():
    """Its timer is the engine's deadline; here it goes off because the test says so."""
    clock = Ahead()
    worker = Worker()
    config = identities.server_config(judge_again="lapse", clock=clock)
    async with serving(worker, config) as server:
        reader, writer = await open_to(server)
        await worker.until(lambda: worker.here)
        link = link_of(worker.here["Ada"])
        assert has_timer(link)
        clock.by = identities.END - identities.START
        run_timer(link)
        with pytest.raises(PeerAlert) as caught:
            await reader.read(1)
        assert caught.value.alert == Alert.CERTIFICATE_EXPIRED
        await writer.wait_closed()


@pytest.mark.network
@run
async def test_data_goes_both_ways_while_evidence_is_fetched_and_a_revocation_then_ends_it():
    """The peer is told of it."""
    go, asked, state = asyncio.Event(), 0, "good"

    async def find(_) -> list[bytes]:
        nonlocal asked
        asked += 1
        if asked > 1:
            await go.wait()
        return [identities.status(identities.named_client(), state)]

    config = identities.server_config(revocation=Revocation(fetch=Fetch(by_caller=True), covers="leaf"))
    worker = Worker()
    async with serving(worker, config, evidence=find) as server:
        reader, writer = await open_to(server, identities.client_config(identities.named_client()))
        await worker.until(lambda: worker.here)
        worker.here["Grace"].judge_again()
        await worker.until(lambda: asked == 2)
        writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        state = "revoked"
        go.set()
        with pytest.raises(PeerAlert) as caught:
            await reader.read(1)
        assert caught.value.alert == Alert.CERTIFICATE_REVOKED
        await worker.until(lambda: worker.ended)
        with pytest.raises(PeerFault):
            worker.here["Grace"].judge_again()
        await writer.wait_closed()


@pytest.mark.network
@run
async def test_a_finder_that_fails_finds_nothing_and_the_policy_decides():
    """Our own side's mistake is in the log."""
    asked = 0

    def find(_) -> list[bytes]:
        nonlocal asked
        asked += 1
        if asked > 1:
            raise ZeroDivisionError("out of order")
        return [identities.status(identities.named_client())]

    config = identities.server_config(revocation=Revocation(fetch=Fetch(by_caller=True), covers="leaf"))
    worker = Worker()
    async with serving(worker, config, evidence=find) as server:
        reader, writer = await open_to(server, identities.client_config(identities.named_client()))
        await worker.until(lambda: worker.here)
        worker.here["Grace"].judge_again()
        with pytest.raises(PeerAlert) as caught:
            await reader.read(1)
        assert caught.value.alert == Alert.CERTIFICATE_UNKNOWN
        await writer.wait_closed()


FEW = 4  # that one turn has room for


class Member:
    """Somebody who stands on the evidence, and counts."""

    def __init__(self, turns: list[int], turn, clock: TurnClock) -> None:
        self._turns, self._turn, self._clock = turns, turn, clock

    def look(self) -> None:
        self._turns.append(self._turn())
        self._clock.now += TURN_SECONDS / (FEW - 0.5)


@run
async def test_few_are_judged_in_one_turn_of_the_loop():
    """Others are served meanwhile, however many stand on the same list, and however many lists there are."""
    lists, judging = policy()
    settings = identities.server_config(**judging).settings
    watches = Watch(settings), Watch(settings)
    turn, turns, clock = 0, [], TurnClock()
    members = [Member(turns, lambda: turn, clock) for _ in range(5 * FEW)]
    for number, each in enumerate(members):
        watches[number % 2].join(each.look)
    watches[1].leave(members.pop().look)
    with clock.running():
        revoke(lists, identities.client())
        while len(turns) < len(members):
            await asyncio.sleep(0)
            turn += 1
    assert max(turns.count(each) for each in set(turns)) == FEW
    await asyncio.sleep(0.05)
    assert len(turns) == len(members)  # once for each change, and nobody who left
    for each in members:
        for watch in watches:
            watch.leave(each.look)
    assert not any(map(looks_later, watches))


@run
async def test_a_defect_with_one_connection_keeps_no_other_from_being_judged():
    watch = Watch(identities.server_config().settings)
    judged: list[str] = []
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _loop, context: reported.append(context["exception"])
    )

    def fail() -> None:
        raise RuntimeError("a defect")

    def judge() -> None:
        judged.append("the other")

    watch.call_soon(fail)
    watch.call_soon(judge)
    await asyncio.sleep(0.02)
    watch.call_soon(judge)
    await asyncio.sleep(0.02)
    assert judged and len(reported) == 1


@run
async def test_no_timer_runs_where_no_evidence_can_change():
    """Most servers judge once."""
    watch = Watch(identities.server_config().settings)
    watch.join(Member([], int, TurnClock()).look)
    assert not looks_later(watch)
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.network
@run
async def test_a_client_whose_authority_is_taken_out_of_a_watched_file_loses_its_connection():
    """The loop looks at the file; there is no thread for it, and no list of revocations."""
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setattr(watched, "LOOK_SECONDS", 0.05)
        path, threads = Path(folder) / "ca.pem", threading.active_count()
        path.write_bytes(identities.root().pem)
        worker = Worker()
        config = identities.server_config(client_anchors=TrustStore.watched(path), judge_again="change")
        async with serving(worker, config) as server:
            reader, writer = await open_to(server)
            await worker.until(lambda: worker.here)
            assert threading.active_count() == threads
            path.write_bytes(identities.root("Another Root").pem)
            with pytest.raises(PeerAlert) as caught:
                await reader.read(1)
            assert caught.value.alert == Alert.UNKNOWN_CA
            await worker.until(lambda: worker.ended)
            await closed(writer)


class SettableClock:
    """The clock of this machine, which somebody sets."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return CLOCK.now() + self.ahead

    def monotonic(self) -> float:
        return CLOCK.monotonic()


@pytest.mark.network
@run
async def test_a_clock_that_is_set_ends_at_once_whose_verdict_is_over_and_nobody_else():
    """The timer of the verdict is of the monotonic clock, and an hour away."""
    span = {"not_before": identities.START, "not_after": identities.START + timedelta(days=3)}
    short = pki.leaf(identities.middle(), "Short", alternatives=(), usage=("clientAuth",), **span)
    for judging in ({"judge_again": "lapse"}, policy()[1]):
        clock, worker = SettableClock(), Worker()
        config = identities.server_config(clock=clock, **judging)
        async with serving(worker, config) as server:
            reader, writer = await open_to(server, identities.client_config(short))
            other_reader, other = await open_to(server)
            await worker.until(lambda here=worker.here: len(here) == 2)
            clock.ahead = timedelta(days=-2)
            await asyncio.sleep(0.1)
            clock.ahead = timedelta(days=3)
            with pytest.raises(PeerAlert, match="certificate_expired"):
                await reader.read(1)
            other.write(b"still here")
            assert await other_reader.readexactly(10) == b"still here"
            await writer.wait_closed()
            await closed(other)
