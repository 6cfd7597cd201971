"""Many connections of one loop have work at once: so much is done in a turn, each in its order, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import identities
from aio.written import MUCH, SMALL, Pair, Turns, Written, records
from aio_talk import TurnClock, ada, run
from bothways import PeerAlert, ServerConfig
from bothways.aio.admission import Admission, AdmittedProtocol
from bothways.aio.protocol import TLSProtocol
from bothways.aio.sending import SEALED_A_TURN, SHORT_WRITE
from bothways.aio.turns import TURN_SECONDS, turns_of
from bothways.aio.watch import Watch
from bothways.errors import Truncated
from bothways.tls.events import Failed, PeerClosed
from bothways.tls.handshake.access import Refusal
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation

MANY = 8
SHARE = SEALED_A_TURN // SHORT_WRITE + 2  # records of one connection in a turn
MOST = 3 * SHARE  # of all: there is time for two shares, and the third is begun before it is over
PRICE = TURN_SECONDS / (2 * SHARE + 1)  # seconds for each record


class Timed(Written):
    """A transport on which each record that is written takes time."""

    def __init__(self, clock: TurnClock) -> None:
        super().__init__()
        self._clock = clock
        self.price = 0.0
        self.reads = True
        self.is_aborted = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        super().write(data)
        self._clock.now += self.price * records(bytes(data))

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def abort(self) -> None:
        self.close()
        self.is_aborted = True


class Keeping(asyncio.Protocol):
    """An application that keeps what it gets, each piece of which takes time."""

    def __init__(self, clock: TurnClock) -> None:
        self.data = bytearray()
        self.ended: list[Exception | None] = []
        self._clock = clock

    def data_received(self, data: bytes) -> None:
        self.data += data
        self._clock.now += PRICE

    def pause_writing(self) -> None:
        """Nothing is written by itself."""

    resume_writing = pause_writing

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.append(exc)


class Fleet:
    """Open connections of one loop with clients that accept small records. clock: of its turns."""

    def __init__(
        self, clock: TurnClock, count: int = MANY, own: ServerConfig | None = None, **options: Any
    ) -> None:
        self.clock = clock
        self.below = [Timed(clock) for _ in range(count)]
        self.all = [Turns(own=own, below=each, **SMALL, **options) for each in self.below]
        self.apps = [Keeping(clock) for _ in self.all]

    async def begin(self) -> None:
        for each, below, app in zip(self.all, self.below, self.apps, strict=True):
            await each.begin()
            each.tls.app = app
            below.price = PRICE

    def fill_turn(self) -> None:
        """Leave no room in this turn."""
        self.clock.now += TURN_SECONDS
        turns_of(asyncio.get_running_loop()).run(self._work)

    def _work(self) -> None:
        self.clock.now += TURN_SECONDS

    def to_peers(self) -> list[int]:
        """Let the peers take what was written, and return how many records that were for each."""
        counts = [sum(map(records, each.pieces)) for each in self.below]
        for each in self.all:
            each.pair.to_peer()
        return counts

    async def settle(self) -> None:
        """Let the loop go on until nothing is written any more."""
        while True:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not sum(self.to_peers()):
                return


def with_clock(test: Callable[[TurnClock], Awaitable[None]]) -> Callable[[], None]:
    """Let a test be a coroutine with a clock, which goes on only as work is done."""

    async def talk() -> None:
        clock = TurnClock()
        with clock.running():
            await test(clock)

    talk.__name__, talk.__doc__ = test.__name__, test.__doc__
    return run(talk)


@with_clock
async def test_no_more_is_encrypted_in_a_turn_however_many_have_data_that_waits(clock):
    """Each in its order: none is ahead of another by more than two shares, since the first began at once."""
    fleet = Fleet(clock)
    await fleet.begin()
    for each in fleet.all:
        each.tls.send(MUCH)
    sent, turns = [0] * MANY, 0
    while any(each.tls.unsent for each in fleet.all) or not turns:
        counts = fleet.to_peers()
        assert sum(counts) <= MOST
        sent = [before + count for before, count in zip(sent, counts, strict=True)]
        if all(each.tls.unsent for each in fleet.all):
            assert max(sent) - min(sent) <= 2 * SHARE
        turns += 1
        await asyncio.sleep(0)
    fleet.to_peers()
    assert all(each.data == MUCH for each in fleet.all)
    assert turns >= sum(sent) // MOST


@with_clock
async def test_no_more_is_decrypted_in_a_turn_however_many_sockets_are_readable(clock):
    """Nothing more is read until what was read is processed."""
    fleet, wanted = Fleet(clock), bytes(range(256)) * 8
    await fleet.begin()
    for each in fleet.all:
        for at in range(len(wanted)):
            each.pair.peer.send(wanted[at : at + 1])
    flights = [each.pair.peer.data_to_send() for each in fleet.all]
    for each, flight in zip(fleet.all, flights, strict=True):
        each.tls.data_received(flight)
    counts, turns = [0] * MANY, 0
    while sum(counts) < MANY * len(wanted):
        now = [len(each.data) for each in fleet.apps]
        assert sum(now) - sum(counts) <= MOST
        counts = now
        if max(counts) < len(wanted):
            assert max(counts) - min(counts) <= 2 * SHARE
        for below, count in zip(fleet.below, counts, strict=True):
            assert count == len(wanted) or not below.reads
        turns += 1
        await asyncio.sleep(0)
    assert all(bytes(each.data) == wanted for each in fleet.apps)
    assert turns >= MANY * len(wanted) // MOST
    await fleet.settle()
    assert all(each.reads for each in fleet.below)


@with_clock
async def test_one_record_waits_for_nobody(clock):
    """Neither one that is received, nor a short message that is sent."""
    fleet = Fleet(clock, 2)
    await fleet.begin()
    first, second = fleet.all
    first.tls.send(MUCH)
    fleet.fill_turn()
    second.pair.peer.send(b"question")
    second.pair.to_us()
    assert bytes(fleet.apps[1].data) == b"question"
    second.tls.send(b"answer")
    assert second.pair.to_peer() == 1
    assert second.data == b"answer" and second.tls.unsent == 0


@with_clock
async def test_what_is_written_in_a_full_turn_is_sent_whole_and_in_order_before_the_end(clock):
    """Whether it is closed, or ended for writing, or has waited since before."""
    for end in ("close", "write_eof"):
        fleet = Fleet(clock, 3)
        await fleet.begin()
        fleet.all[0].tls.send(MUCH)
        fleet.fill_turn()
        for number, each in enumerate(fleet.all):
            upper = each.tls.upper
            for _ in range(3):
                upper.write(bytes([number]) * 1000)
            getattr(upper, end)()
            assert not each.pair.has_heard(PeerClosed) and each.tls.unsent
        await fleet.settle()
        for number, each in enumerate(fleet.all):
            assert each.data == (MUCH if number == 0 else b"") + bytes([number]) * 3000
            assert isinstance(each.pair.events[-1], PeerClosed)
            assert each.pair.below.is_closing() is (end == "close")


@with_clock
async def test_data_that_came_in_a_full_turn_is_delivered_before_the_end(clock):
    """Of the peer's side, or of the transport below; the application is told the end once."""
    for end in ("close_notify", "eof", "lost"):
        fleet = Fleet(clock, 2)
        await fleet.begin()
        fleet.fill_turn()
        for each, app in zip(fleet.all, fleet.apps, strict=True):
            for _ in range(300):
                each.pair.peer.send(b"x")
            if end == "close_notify":
                each.pair.peer.close()
            each.pair.to_us()
            assert not app.data
            if end == "lost":
                each.tls.connection_lost(None)
            else:
                each.tls.eof_received()
        await fleet.settle()
        for each, app in zip(fleet.all, fleet.apps, strict=True):
            assert len(app.data) == 300
            assert each.tls.driver.status.peer_closed is (end == "close_notify")
            if end != "close_notify":
                assert list(map(type, app.ended)) == [Truncated]


@with_clock
async def test_what_waits_of_a_connection_that_is_reset_is_dropped_and_holds_nobody_up(clock):
    """By our side or the peer's."""
    fleet = Fleet(clock, 4)
    await fleet.begin()
    fleet.fill_turn()
    for each in fleet.all:
        each.tls.send(MUCH)
        for _ in range(300):
            each.pair.peer.send(b"x")
        each.pair.to_us()
    fleet.all[0].tls.abort()
    fleet.all[1].tls.fail(ConnectionResetError())
    fleet.all[2].tls.abort()
    fleet.all[2].tls.connection_lost(None)
    await fleet.settle()
    assert [len(each.data) for each in fleet.all] == [0, 0, 0, len(MUCH)]
    assert [len(each.data) for each in fleet.apps] == [0, 0, 0, 300]
    assert all(each.tls.unsent == 0 for each in fleet.all)
    assert len(fleet.apps[2].ended) == 1


@with_clock
async def test_nothing_that_waits_passes_once_the_peer_is_revoked(clock):
    """Neither way: not what was written before, nor what was received and not yet processed."""
    lists = CRLStore(identities.crls())
    own = identities.server_config(revocation=Revocation(crls=lists), judge_again="change")
    fleet = Fleet(clock, 3, own)
    await fleet.begin()
    fleet.fill_turn()
    for number, each in enumerate(fleet.all):
        if number != 1:
            each.tls.send(MUCH)
        for _ in range(300):
            each.pair.peer.send(b"x")
        if number != 2:
            each.pair.to_us()
    lists.replace(CRLStore(identities.crls(identities.client(), number=2)))
    fleet.all[1].tls.send(b"too late")  # there is no time to verify the peer now
    fleet.all[2].pair.to_us()
    assert fleet.all[1].tls.unsent == len(b"too late") and not sum(fleet.to_peers())
    await fleet.settle()
    for each, app in zip(fleet.all, fleet.apps, strict=True):
        assert not each.data and not app.data
        assert isinstance(each.pair.events[-1], Failed) and len(app.ended) == 1
        assert each.tls.unsent == 0


@with_clock
async def test_no_data_passes_before_a_client_is_verified_by_another_configuration(clock):
    """Whatever that says of later changes: its peer is verified once."""
    fleet = Fleet(clock, 2, kind=lambda *given, **options: AdmittedProtocol(Admission(), *given, **options))
    await fleet.begin()
    other = identities.server_config(allow=lambda _: Refusal("not any more"))
    fleet.fill_turn()
    first, second = fleet.all
    first.tls.send(MUCH)
    for each in fleet.all:
        assert isinstance(each.tls, AdmittedProtocol)
        each.tls.judge_by(other.settings, Watch(other.settings))
    second.tls.send(b"too late")
    second.pair.peer.send(b"from one who is not allowed any more")
    second.pair.to_us()
    await fleet.settle()
    for each, app in zip(fleet.all, fleet.apps, strict=True):
        assert not each.data and not app.data and isinstance(each.pair.events[-1], Failed)


class Arriving(Pair):
    """A handshake with a server, whose client's messages arrive when the test says so."""

    def __init__(self, clock: TurnClock, admission: Admission) -> None:
        config, self.app = identities.server_config(), Keeping(clock)
        watch = Watch(config.settings)
        tls: TLSProtocol = AdmittedProtocol(admission, config.connection(), watch, self.app)
        self.timed = Timed(clock)
        super().__init__(tls, ada().connection("localhost"), self.timed)
        self.timed.price = TURN_SECONDS / 2.5  # for the records of a flight, more than one turn has time for


@with_clock
async def test_handshakes_that_come_at_once_are_begun_in_order(clock):
    """None before there is time for it, and all of them are completed."""
    admission = Admission()
    made = [Arriving(clock, admission) for _ in range(5)]
    for each in made:
        each.to_us()
    answered = []
    for _ in range(len(made) + 2):
        answered.append([each.to_peer() for each in made])
        await asyncio.sleep(0)
    assert answered[: len(made)] == [
        [int(at == turn) for at in range(len(made))] for turn in range(len(made))
    ]
    for each in made:
        each.to_us()
    while not all(each.tls.driver.status.established for each in made):
        await asyncio.sleep(0)
    assert not admission.places


@with_clock
async def test_a_handshake_that_is_lost_before_its_turn_gives_its_place_back(clock):
    """What came with it is processed, so that its alert is known."""
    refusals: list[Exception] = []
    admission = Admission(refused=lambda error, _: refusals.append(error))
    fleet = Fleet(clock, 1)
    await fleet.begin()
    lost = Arriving(clock, admission)
    lost.to_us()
    await asyncio.sleep(0)
    fleet.fill_turn()
    lost.peer.close()
    lost.to_us()
    lost.tls.connection_lost(None)
    assert admission.here == {lost.tls} and not refusals
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not admission.here
    [refusal] = refusals
    assert isinstance(refusal, PeerAlert)
    assert not lost.app.ended  # it was never told of a connection
