"""Signal handlers, and functions that a connection calls, end a channel that their own thread is using."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import identities
from bothways import TLSError, UsageError
from bothways.net import Channel, wrap
from bothways.tls.events import RecordSeen

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no such signals"),
]
SECONDS = 20.0


class Pair:
    """Two channels. When the client has sent, or received, a record next, a handler of a signal runs in its thread."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        made: list[Channel] = []
        own, other = identities.client_config(identities.client()), identities.server_config()
        thread = threading.Thread(target=lambda: made.append(wrap(theirs, other)))
        thread.start()
        self.handle: Callable[[], object] | None = None
        self.is_sent = True
        self.raised: list[Exception] = []
        self.client = wrap(ours, own, "localhost", observer=self._see)
        thread.join(SECONDS)
        (self.server,) = made
        for each in (self.client, self.server):
            each.settimeout(SECONDS)

    def _see(self, note: Any) -> None:
        if self.handle is not None and isinstance(note, RecordSeen) and note.sent == self.is_sent:
            signal.raise_signal(signal.SIGUSR1)

    def on_signal(self, *_: object) -> None:
        act, self.handle = self.handle, None
        if act is not None:
            try:
                act()
            except UsageError as error:
                self.raised.append(error)


def give_up(*_: object) -> None:
    """End a wait for a lock, which would last for ever."""
    raise AssertionError(f"nothing has ended within {SECONDS:g} seconds")


@contextmanager
def pair() -> Iterator[Pair]:
    made = Pair()
    before = signal.signal(signal.SIGUSR1, made.on_signal), signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield made
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGUSR1, before[0])
        signal.signal(signal.SIGALRM, before[1])
        for each in (made.client, made.server):
            each.abort()
            each.close()


def test_a_channel_that_is_closed_while_it_encrypts_sends_all_and_its_end() -> None:
    """What was given to `sendall` is not cut."""
    with pair() as made:
        made.handle = made.client.close
        made.client.sendall(b"all of it")
        assert made.server.recv(100) == b"all of it"
        assert made.server.recv(100) == b""
        with pytest.raises(UsageError, match="closed"):
            made.client.sendall(b"more")


def test_a_channel_that_is_closed_while_it_decrypts_ends_in_order() -> None:
    """The interrupted call still has its data."""
    with pair() as made:
        made.handle, made.is_sent = made.client.close, False
        made.server.sendall(b"the last")
        assert made.client.recv(100) == b"the last"
        assert made.server.recv(100) == b""
        with pytest.raises(UsageError, match="closed"):
            made.client.recv(100)


@pytest.mark.parametrize("is_sent", [True, False])
def test_our_direction_may_be_ended_meanwhile(is_sent: bool) -> None:
    """The other one stays open."""
    with pair() as made:
        made.handle, made.is_sent = made.client.shutdown, is_sent
        if is_sent:
            made.client.sendall(b"ours")
            assert made.server.recv(100) == b"ours"
        else:
            made.server.sendall(b"theirs")
            assert made.client.recv(100) == b"theirs"
        assert made.server.recv(100) == b""
        made.server.sendall(b"still")
        assert made.client.recv(100) == b"still"


@pytest.mark.parametrize("call", ["recv", "sendall", "judge_again"])
def test_anything_else_is_refused_meanwhile(call: str) -> None:
    """Nothing waits for a lock that its own thread holds, and the interrupted call goes on."""
    arguments = {"recv": (1,), "sendall": (b"within",), "judge_again": ()}[call]
    with pair() as made:
        made.handle, made.is_sent = lambda: getattr(made.client, call)(*arguments), call == "sendall"
        made.server.sendall(b"data")
        if made.is_sent:
            made.client.sendall(b"before")
            assert made.server.recv(100) == b"before"
        assert made.client.recv(100) == b"data"
        assert len(made.raised) == 1
        made.client.sendall(b"after")
        assert made.server.recv(100) == b"after"


@pytest.mark.parametrize("end", ["close", "abort"])
def test_a_channel_is_ended_while_its_peer_reads_nothing(end: str) -> None:
    """What the peer has not taken is cut, and nobody waits for it."""
    with pair() as made:
        made.client.settimeout(None)
        made.client.stop_observing()
        made.handle = getattr(made.client, end)
        main = threading.get_ident()
        later = threading.Timer(0.05, lambda: signal.pthread_kill(main, signal.SIGUSR1))
        later.start()
        with pytest.raises((TLSError, UsageError, OSError)):
            made.client.sendall(bytes(64 * 1024 * 1024))
        assert made.client.fileno() == -1
        later.join()
