"""Servers that share ticket keys: what each resumes, what a store that fails costs, and what is never waited for."""

from __future__ import annotations

import logging
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from bothways import ClientConfig, ConfigError, ServerConfig, SessionStore, SharedTicketKeys
from bothways.ticket_keys.file_store import StoreFailed
from bothways.ticket_keys.shared import THREAD
from bothways.ticket_keys.shared_ring import encoded, new_ring
from bothways.ticket_keys.wrapping import Wrapping
from bothways.tls.defaults import CLOCK
from pair import NOON, FrozenClock, pair
from tls.handshake.conversations import client_config, server_config

DAY = timedelta(days=1)
SECRET = bytes(range(32))


@dataclass
class Memory:
    """A store that can be down, and in which somebody else may write."""

    value: bytes | None = None
    down: bool = False
    read_only: bool = False
    seconds: float = 30.0
    where: str = "the store"
    writes: list[bytes] = field(default_factory=list)

    def load(self) -> bytes | None:
        if self.down:
            raise StoreFailed("it cannot be reached: down")
        return self.value

    def replace(self, before: bytes | None, after: bytes, lifetime: timedelta) -> bool:
        assert lifetime == 3 * DAY
        if self.down or self.read_only:
            raise StoreFailed("it cannot be written: read-only")
        if self.value != before:
            return False
        self.value = after
        self.writes.append(after)
        return True


@dataclass
class Server:
    """One of the servers: its clock, its keys and what it resumes."""

    store: Memory
    wrapping: Wrapping | None = None
    clock: FrozenClock = field(default_factory=FrozenClock)
    config: ServerConfig = field(init=False)
    keys: SharedTicketKeys = field(init=False)

    def __post_init__(self) -> None:
        self.keys = SharedTicketKeys(
            self.store, self.wrapping, max_age=DAY, in_background=False, clock=self.clock
        )
        self.config = server_config(tickets=self.keys, clock=self.clock)

    def at(self, later: timedelta) -> Server:
        self.clock.at = NOON + later
        self.keys.refresh()
        return self


def resumes(client: ClientConfig, server: Server) -> bool:
    """Whether a handshake is resumed; it succeeds in either case."""
    client.clock.at = server.clock.at  # type: ignore[attr-defined]
    talk = pair(client, server.config)
    talk.exchange()
    assert talk.client.established and talk.server.established
    assert talk.client.resumed is talk.server.resumed
    return talk.client.resumed


def remembering() -> ClientConfig:
    return client_config(sessions=SessionStore(), clock=FrozenClock())


@pytest.mark.parametrize("wrapping", [None, Wrapping(SECRET, "service")], ids=["plain", "wrapped"])
def test_each_server_resumes_the_sessions_of_the_others(wrapping: Wrapping | None) -> None:
    """And a server that has been started anew those of before."""
    store = Memory()
    client = remembering()
    servers = [Server(store, wrapping).at(timedelta(0)) for _ in range(3)]
    assert [resumes(client, server) for server in (*servers, Server(store, wrapping).at(timedelta(0)))] == [
        False,
        True,
        True,
        True,
    ]
    assert len(store.writes) == 1


def test_keys_are_replaced_once_by_whoever_comes_first_and_old_sessions_are_resumed() -> None:
    store = Memory()
    one, other = Server(store).at(timedelta(0)), Server(store).at(timedelta(0))
    client = remembering()
    assert not resumes(client, one)
    half = DAY - timedelta(hours=1)
    assert resumes(client, one.at(half))  # a ticket of the day before
    for server in (one, other):
        server.at(DAY - timedelta(seconds=30))
        server.at(DAY)
    assert len(store.writes) == 2
    late = remembering()
    assert not resumes(late, one)
    assert resumes(late, other)


def test_a_server_whose_clock_is_ahead_issues_what_the_others_open_already() -> None:
    store = Memory()
    ahead, behind = Server(store).at(timedelta(0)), Server(store).at(timedelta(0))
    store.read_only = True
    client = remembering()
    ahead.at(DAY + timedelta(seconds=5))
    assert not resumes(client, ahead)
    behind.clock.at = NOON + DAY + timedelta(seconds=6)
    ring = behind.keys.ring(NOON, os.urandom)
    behind.keys.ring = lambda now, random: ring  # type: ignore[method-assign]
    assert resumes(client, behind)


def test_a_store_that_is_down_costs_resumption_alone(caplog: pytest.LogCaptureFixture) -> None:
    """From the start: full handshakes without tickets. It is told once, and again when it is back."""
    store = Memory(down=True)
    server, client = Server(store).at(timedelta(0)), remembering()
    with caplog.at_level(logging.INFO, "bothways.tickets"):
        for _ in range(3):
            assert not resumes(client, server.at(timedelta(0)))
        assert client.sessions is not None and len(client.sessions) == 0, "a ticket was issued without a key"
        store.down = False
        assert not resumes(client, server.at(timedelta(0)))
        assert resumes(client, server)
    assert caplog.messages == [
        "ticket keys: the store: it cannot be reached: down; no session is resumed until then",
        "ticket keys: the store is in use again",
    ]


def test_keys_at_hand_last_for_two_periods_without_the_store(caplog: pytest.LogCaptureFixture) -> None:
    store = Memory()
    server, client = Server(store).at(timedelta(0)), remembering()
    assert not resumes(client, server)
    store.down = True
    with caplog.at_level(logging.INFO, "bothways.tickets"):
        assert resumes(client, server.at(DAY - timedelta(seconds=1)))
        assert not resumes(client, server.at(DAY)), "the session is a day old"
        assert resumes(client, server.at(2 * DAY - timedelta(seconds=1)))
        assert not resumes(client, server.at(2 * DAY))
        assert not resumes(client, server.at(2 * DAY + timedelta(seconds=1)))
    (warning,) = caplog.messages
    assert warning == "ticket keys: the store: it cannot be reached: down; the keys at hand stay in use"
    store.down = False
    assert not resumes(client, server.at(2 * DAY + timedelta(seconds=2)))
    assert resumes(client, server)


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (b"", "does not verify under our secret"),
        (b"garbage" * 20, "does not verify under our secret"),
        (encoded(new_ring(NOON, DAY, os.urandom)), "does not verify under our secret"),
        (
            Wrapping(SECRET[::-1], "service").wrap(encoded(new_ring(NOON, DAY, os.urandom)), os.urandom),
            "secret",
        ),
        (Wrapping(SECRET, "other").wrap(encoded(new_ring(NOON, DAY, os.urandom)), os.urandom), "secret"),
        (Wrapping(SECRET, "service").wrap(b"{}", os.urandom), "does not have the form of ticket keys"),
        (
            Wrapping(SECRET, "service").wrap(encoded(new_ring(NOON, 2 * DAY, os.urandom)), os.urandom),
            "its max_age is '172800', and here it is 86400 seconds",
        ),
        (
            Wrapping(SECRET, "service").wrap(encoded(new_ring(NOON + DAY, DAY, os.urandom)), os.urandom),
            "its keys are of the future: compare the clocks",
        ),
    ],
)
def test_content_that_does_not_verify_is_neither_used_nor_replaced(
    put: bytes, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A ticket key makes any client: none that somebody else has put there is taken, and it is told why."""
    store = Memory(put)
    server, client = Server(store, Wrapping(SECRET, "service")).at(timedelta(0)), remembering()
    assert not resumes(client, server) and not resumes(client, server)
    assert store.value == put
    (warning,) = caplog.messages
    assert reason in warning and warning.endswith("; no session is resumed until then")


def test_keys_at_hand_are_not_given_up_for_what_does_not_verify() -> None:
    store = Memory()
    server, client = Server(store, Wrapping(SECRET, "service")).at(timedelta(0)), remembering()
    assert not resumes(client, server)
    store.value = b"garbage" * 20
    assert resumes(client, server.at(timedelta(hours=1)))


def test_keys_that_were_put_back_are_overwritten_by_newer_ones() -> None:
    """Whoever can write to the store may have kept an older value of it."""
    store = Memory()
    server = Server(store, Wrapping(SECRET, "service")).at(timedelta(0))
    old = store.value
    server.at(DAY)
    current = store.value
    store.value = old
    ring = server.keys.ring(server.clock.at, os.urandom)
    server.at(DAY + timedelta(hours=1))
    assert server.keys.ring(server.clock.at, os.urandom) == ring
    assert store.value not in (old, current), "wrapped anew"


def test_keys_that_the_store_has_lost_are_put_back() -> None:
    store = Memory()
    one, other, client = Server(store).at(timedelta(0)), Server(store).at(timedelta(0)), remembering()
    assert not resumes(client, one)
    store.value = None
    one.at(timedelta(minutes=1))
    assert resumes(client, other.at(timedelta(minutes=1)))


def test_two_who_make_keys_at_once_agree_on_one() -> None:
    store = Memory()
    one, other = Server(store), Server(store)
    load, first = store.load, [True]

    def meanwhile() -> bytes | None:
        if first.pop() if first else False:
            other.at(timedelta(0))
            return None
        return load()

    store.load = meanwhile  # type: ignore[method-assign]
    one.at(timedelta(0))
    client = remembering()
    assert not resumes(client, one)
    assert resumes(client, other)
    assert len(store.writes) == 1


def test_keys_that_can_only_be_read_are_used_for_their_time() -> None:
    store = Memory()
    Server(store).at(timedelta(0))
    store.read_only = True
    server, client = Server(store).at(DAY + timedelta(hours=1)), remembering()
    assert not resumes(client, server)
    assert resumes(client, server)


def test_a_refresh_says_when_the_next_one_is_due() -> None:
    store = Memory()
    server = Server(store)
    assert server.keys.refresh() == store.seconds
    server.clock.at = NOON + DAY - timedelta(seconds=7)
    assert server.keys.refresh() == 7
    store.down = True
    assert [server.keys.refresh() for _ in range(7)] == [2, 4, 8, 16, 30, 30, 30]
    store.down = False
    assert server.keys.refresh() == 7


def followers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == THREAD]


class Stuck(Memory):
    """A store that does not answer."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.answers = threading.Event(), threading.Event()

    def load(self) -> bytes | None:
        self.asked.set()
        self.answers.wait(30)
        return super().load()


def until(holds: object, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def test_no_handshake_waits_for_a_store_that_does_not_answer() -> None:
    store = Stuck()
    keys = SharedTicketKeys(store, max_age=DAY, clock=FrozenClock())
    server, client = server_config(tickets=keys), remembering()
    try:
        for _ in range(2):
            talk = pair(client, server)
            talk.exchange()
            assert talk.client.established and not talk.client.resumed
        assert store.asked.wait(20)
        store.answers.set()
        until(lambda: keys.ring(NOON, os.urandom))
        for resumed in (False, True):
            talk = pair(client, server)
            talk.exchange()
            assert talk.client.resumed is resumed
    finally:
        keys.close()
        store.answers.set()


def test_the_thread_of_keys_ends_with_them() -> None:
    until(lambda: not followers())
    held = [SharedTicketKeys(Memory(), max_age=DAY)]
    held[0].start()
    held[0].start()
    until(lambda: held[0].ring(CLOCK.now(), os.urandom))
    assert len(followers()) == 1
    held.clear()
    until(lambda: not followers())
    other = SharedTicketKeys(Memory(), max_age=DAY)
    other.start()
    other.close()
    until(lambda: not followers())
    other.start()
    assert not followers()


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_shares_the_keys_and_follows_the_store_by_itself(tmp_path: Path) -> None:
    """A thread does not live on in a fork; tickets of the parent are opened there."""
    keys = SharedTicketKeys.in_file(tmp_path / "keys")
    now = CLOCK.now()
    ticket = keys.seal(b"content", b"context", now, os.urandom)
    assert ticket is not None
    pid = os.fork()
    if pid == 0:
        try:
            opened = keys.open(ticket, b"context", now, os.urandom)
            os._exit(0 if opened == b"content" and len(followers()) == 1 else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    keys.close()


def test_a_file_is_made_at_once_and_shared(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    several = [SharedTicketKeys.in_file(path) for _ in range(3)]
    rings = [keys.ring(CLOCK.now(), os.urandom) for keys in several]
    assert len({ring.current.name for ring in rings if ring is not None}) == 1
    assert len(rings) == 3
    one = several[0]
    for keys in several:
        keys.close()
    assert repr(one) == f"SharedTicketKeys('{path}', max_age=datetime.timedelta(days=1))"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"secret", "it is not JSON with ticket keys"),
        (
            encoded(new_ring(NOON, DAY / 2, os.urandom)),
            "its max_age is '43200', and here it is 86400 seconds",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_a_config_error(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError) as caught:
        SharedTicketKeys.in_file(path)
    assert str(caught.value) == f"{path}: {problem}"
    assert path.read_bytes() == content


def test_an_age_that_is_no_whole_number_of_seconds_cannot_be_stored() -> None:
    with pytest.raises(ConfigError, match="max_age: expected whole seconds"):
        SharedTicketKeys(Memory(), max_age=timedelta(seconds=1.5))
