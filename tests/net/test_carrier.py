"""What channels run over: sockets, other channels, sockets of `ssl`, and whatever has `recv` and `send`."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import identities
from bothways import Fault, PeerFault, Truncated
from bothways.net import Channel, wrap
from bothways.net import pipe as source
from bothways.net.carrier import AHEAD, SocketCarrier, StreamCarrier, carrier_of, deadline_in, left

pytestmark = pytest.mark.network

INNER = b"said inside of both" * 4000


@pytest.fixture(autouse=True)
def short_linger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peers of these tests that stay after a refusal need not be waited for as long as real ones."""
    monkeypatch.setattr(source, "LINGER_SECONDS", 0.3)


class Bare:
    """The least that a channel may run over."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def recv(self, size: int) -> bytes:
        return self._sock.recv(size)

    def send(self, data: bytes) -> int:
        return self._sock.send(data[:1000])


@contextmanager
def other_side(act: Callable[[], None]) -> Iterator[None]:
    """Do something in another thread meanwhile; what it raises fails the test."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive() and not raised, raised


def echo(channel: Channel) -> None:
    channel.settimeout(60)
    while data := channel.recv(65536):
        channel.sendall(data)
    channel.close(linger=1)


def talk(channel: Channel) -> bytes:
    """Say much while the answer comes, and read it whole."""
    channel.settimeout(60)
    sending = threading.Thread(target=lambda: (channel.sendall(INNER), channel.shutdown()))
    sending.start()
    found = b""
    while data := channel.recv(65536):
        found += data
    sending.join(60)
    return found


def as_it_is(sock: socket.socket, server: bool) -> socket.socket:
    return sock


def bare(sock: socket.socket, server: bool) -> Bare:
    return Bare(sock)


def within(sock: socket.socket, server: bool) -> Channel:
    """A channel of ours, so that there is TLS within TLS."""
    if server:
        return wrap(sock, identities.server_config(), timeout=60)
    return wrap(sock, identities.client_config(identities.client()), "localhost", timeout=60)


def twice_within(sock: socket.socket, server: bool) -> Channel:
    return within(within(sock, server), server)  # type: ignore[arg-type]


CARRIERS = (as_it_is, bare, within, twice_within)


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda each: each.__name__)
def test_a_channel_runs_over_whatever_has_recv_and_send(
    carrier: Callable[[socket.socket, bool], Any],
) -> None:
    """Both directions at once, with an end in order."""
    near, far = socket.socketpair()
    config = identities.client_config(identities.client())
    with (
        other_side(lambda: echo(wrap(carrier(far, True), identities.server_config(), timeout=60))),
        wrap(carrier(near, False), config, "localhost", timeout=60) as channel,
    ):
        assert channel.peer is not None and channel.peer.names.dns == ("localhost",)
        assert talk(channel) == INNER
    far.close()
    near.close()


def test_a_channel_runs_over_a_socket_of_ssl(tmp_path: Path) -> None:
    """Which keeps bytes of its own, so that its descriptor tells nothing."""
    for name, pem in (
        ("c", identities.server().chain_pem),
        ("k", identities.server().key_pem),
        ("a", identities.root().pem),
    ):
        (tmp_path / name).write_bytes(pem)
    near, far = socket.socketpair()
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(tmp_path / "c", tmp_path / "k")
    ours = ssl.create_default_context(cafile=str(tmp_path / "a"))

    def serve() -> None:
        echo(wrap(theirs.wrap_socket(far, server_side=True), identities.server_config(), timeout=60))

    with other_side(serve):
        below = ours.wrap_socket(near, server_hostname="localhost")
        assert isinstance(carrier_of(below), StreamCarrier)
        with wrap(below, identities.client_config(identities.client()), "localhost", timeout=60) as channel:
            assert talk(channel) == INNER


class Reused:
    """Something whose descriptor is that of another connection as soon as it is closed."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.reading = threading.Event()
        self.was_read_when_closed: bool | None = None
        self._is_read = False

    def recv(self, size: int) -> bytes:
        self._is_read = True
        self.reading.set()
        self.ended.wait(60)
        self._is_read = False
        return b""

    def send(self, data: bytes) -> int:
        return len(data)

    def shutdown(self, how: int) -> None:
        self.ended.set()

    def close(self) -> None:
        self.was_read_when_closed = self._is_read
        self.ended.set()


def test_nothing_is_closed_beneath_the_thread_that_reads_it() -> None:
    below = Reused()
    carrier = StreamCarrier(below)
    assert carrier.receive(0.01) is None
    assert below.reading.wait(60)
    carrier.close()
    assert below.was_read_when_closed is False


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda each: each.__name__)
def test_time_limits_hold_over_whatever_it_is(carrier: Callable[[socket.socket, bool], Any]) -> None:
    """Of the handshake, and of a call; after one the channel is usable."""
    near, far = socket.socketpair()
    config = identities.client_config(identities.client())
    say = threading.Event()

    def serve() -> None:
        with wrap(carrier(far, True), identities.server_config(), timeout=60) as channel:
            assert say.wait(60)
            channel.sendall(b"late")
            assert channel.recv(10) == b""

    with other_side(serve), wrap(carrier(near, False), config, "localhost", timeout=60) as channel:
        channel.settimeout(0.1)
        started = time.monotonic()
        with pytest.raises(TimeoutError):
            channel.recv(10)
        assert time.monotonic() - started < 5
        say.set()
        channel.settimeout(60)
        assert channel.recv(10) == b"late"
    near.close()
    far.close()


@pytest.mark.parametrize("carrier", [as_it_is, bare], ids=lambda each: each.__name__)
def test_a_peer_that_says_nothing_is_not_waited_for_longer_than_was_said(
    carrier: Callable[[socket.socket, bool], Any],
) -> None:
    """The time that a caller gives for the handshake."""
    silent, kept = socket.socketpair()
    with pytest.raises(TimeoutError):
        wrap(carrier(silent, True), identities.server_config(), timeout=0.1)
    silent.close()
    kept.close()


def test_a_refusal_of_the_inner_channel_arrives_through_the_outer_one() -> None:
    """The alert of the inner connection arrives, and the outer one is closed with it."""
    near, far = socket.socketpair()
    refused: list[BaseException] = []

    def serve() -> None:
        with pytest.raises(PeerFault) as caught:
            wrap(within(far, True), identities.server_config(), timeout=60)
        refused.append(caught.value)

    with other_side(serve):
        outer = within(near, False)
        channel = wrap(outer, identities.client_config(), "localhost", timeout=60)  # shows no certificate
        assert channel.confirmed(timeout=60) == "refused"
        channel.close()
    assert refused[0].fault is Fault.NO_CERTIFICATE
    assert outer.fileno() == -1


def test_a_cut_around_a_connection_cuts_it() -> None:
    """RFC 9846 6.1: whatever is below, without close_notify data may be missing."""
    near, far = socket.socketpair()

    def serve() -> None:
        with wrap(within(far, True), identities.server_config(), timeout=60):
            far.shutdown(socket.SHUT_RDWR)

    with other_side(serve):
        channel = wrap(
            within(near, False), identities.client_config(identities.client()), "localhost", timeout=10
        )
        channel.settimeout(60)
        with pytest.raises(Truncated):
            channel.recv(10)


class Scripted:
    """Gives out what it was given, and counts how often it was asked."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts, self.asked, self.closed = list(parts), 0, False

    def recv(self, size: int) -> bytes:
        self.asked += 1
        part = self.parts.pop(0)
        if isinstance(part, Exception):
            raise part
        return part

    def send(self, data: bytes) -> int:
        raise BrokenPipeError("gone")

    def close(self) -> None:
        self.closed = True


def test_errors_of_recv_are_raised_and_a_reset_is_an_end() -> None:
    """Again and again, as the end of a socket is."""
    carrier = StreamCarrier(Scripted(b"one", ConnectionResetError("reset")))
    assert [carrier.receive(5) for _ in range(3)] == [b"one", b"", b""]
    carrier = StreamCarrier(Scripted(b"one", ValueError("broken")))
    assert carrier.receive(5) == b"one"
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"):
            carrier.receive(5)


def test_read_ahead_of_a_carrier_is_limited() -> None:
    """Whoever does not read must not be sent to without bound."""
    below = Scripted(*[b"x"] * 100)
    carrier = StreamCarrier(below)
    assert carrier.receive(5) == b"x"
    time.sleep(0.2)
    assert below.asked <= AHEAD + 3
    carrier.close()
    assert below.closed and carrier.is_closed and carrier.fileno() == -1


def test_nothing_is_sent_where_nothing_may_be_waited_for() -> None:
    """What is below may wait for as long as it likes."""
    carrier = StreamCarrier(Scripted())
    assert carrier.send(memoryview(b"x"), 0) == 0
    with pytest.raises(BrokenPipeError):
        carrier.send(memoryview(b"x"), 1.0)
    carrier.end_sending()
    carrier.abort()


def test_a_socket_tells_what_came_in_time_and_where_there_is_room() -> None:
    """None and 0 where there was nothing, an empty end, and a cut as an end."""
    near, far = socket.socketpair()
    carrier = carrier_of(near)
    assert isinstance(carrier, SocketCarrier)
    assert carrier.receive(0) is None
    far.sendall(b"x")
    assert carrier.receive(5) == b"x"
    sent = 0
    while taken := carrier.send(memoryview(bytes(65536)), 0.05):
        sent += taken
    assert sent > 0
    far.close()
    assert carrier.receive(5) == b""
    carrier.close()
    assert carrier.is_closed and carrier.receive(0) is None and carrier.send(memoryview(b"x"), 0) == 0


def test_deadlines_are_never_less_than_now() -> None:
    """And no limit is none."""
    assert deadline_in(None) is None and left(None) is None
    assert left(deadline_in(-5)) == 0.0
    assert 4 < left(deadline_in(5)) <= 5  # type: ignore[operator]
