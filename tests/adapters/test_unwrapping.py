"""The end of a protected socket that goes on in the clear: in order, and with nothing lost or mistaken."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import ssl
import threading
import time
from typing import Any

import pytest

from bothways.adapters.carrier import OwnCarrier
from bothways.tls.driver import Driver
from ssl_pair import client_context, server_context
from ssl_server import Server, echo

pytestmark = pytest.mark.network


def dial(server: Server, **options: Any) -> Any:
    return client_context().wrap_socket(server.connect(), server_hostname="localhost", **options)


def test_unwrapping_gives_the_bare_socket_and_leaves_what_came_behind() -> None:
    """As FTP has it after CCC (RFC 4217)."""

    def leave(sock: Any) -> None:
        sock.recv(1)
        with sock.unwrap() as bare:
            bare.sendall(b"in the clear")
            assert bare.recv(10) == b"so am I"

    with Server(server_context(), leave) as server:
        sock = dial(server)
        sock.sendall(b"x")
        time.sleep(0.05)  # what follows is read together with the close_notify
        with sock.unwrap() as bare:
            assert type(bare) is socket.socket
            assert not isinstance(bare, ssl.SSLSocket)
            assert bare.gettimeout() == 60
            buffer = bytearray(6)
            assert bare.recv_into(buffer) == 6
            assert bytes(buffer) + bare.recv(100) == b"in the clear"
            bare.sendall(b"so am I")
        for call in (lambda: sock.recv(1), lambda: sock.send(b"x"), sock.unwrap):
            with pytest.raises((OSError, ValueError)):
                call()
    assert server.outcomes == [None]


def test_unread_data_is_not_lost_by_unwrap() -> None:
    """Nor taken for what follows in the clear; the socket stays protected until it was read."""

    def talk(sock: Any) -> None:
        sock.sendall(b"last words")
        sock.unwrap().close()

    with Server(server_context(), talk) as server, dial(server) as sock:
        for _ in range(2):
            with pytest.raises(ssl.SSLError, match="application data after close notify"):
                sock.unwrap()
        assert sock.recv(100) == b"last words"
        sock.unwrap().close()
    assert server.outcomes == [None]


def test_a_peer_that_sends_without_end_does_not_block_unwrap() -> None:
    """Each record would else begin the time anew."""

    def flood(sock: Any) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock.sendall(bytes(16384))

    with (
        Server(server_context(), flood) as server,
        dial(server) as sock,
        pytest.raises(ssl.SSLError, match="application data after close notify"),
    ):
        sock.unwrap()


def test_nothing_is_unwrapped_before_the_handshake() -> None:
    with Server(server_context()) as server, dial(server, do_handshake_on_connect=False) as sock:
        with pytest.raises(ssl.SSLError, match="shutdown while in init"):
            sock.unwrap()
        sock.sendall(b"x")
        assert sock.recv(1) == b"x"


def test_closing_the_unwrapped_socket_closes_the_bare_one() -> None:
    """`ssl` returns the same socket, so `ftplib` drops the result of `unwrap` and closes the first one."""

    def leave(sock: Any) -> None:
        with sock.unwrap() as bare:
            assert bare.recv(1) == b""

    with Server(server_context(), leave) as server:
        sock = dial(server)
        bare = sock.unwrap()
        sock.close()
        assert bare.fileno() == -1
    assert server.outcomes == [None]


def test_a_socket_that_is_closed_by_its_owner_says_that_its_descriptor_is_gone() -> None:
    """As `ssl` and a plain socket, on which programs look at the number of the error."""
    with Server(server_context(), lambda sock: sock.recv(1)) as server:
        sock = dial(server)
        sock.close()
        for call in (lambda: sock.recv(1), lambda: sock.send(b"x"), lambda: sock.sendall(b"x")):
            with pytest.raises(OSError, match="is closed") as caught:
                call()
            assert caught.value.errno == errno.EBADF
    assert server.outcomes == [None]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no such signals")
@pytest.mark.parametrize("inside", [(OwnCarrier, "receive"), (Driver, "receive"), (OwnCarrier, "send")])
def test_a_signal_handler_unwraps_no_socket_that_its_thread_uses(inside: tuple[type, str]) -> None:
    """It would wait for a close_notify that the peer sends when it has ours, which the interrupted call has to send."""
    raised: list[BaseException] = []
    real = getattr(*inside)

    def unwrap(*_: object) -> None:
        try:
            sock.unwrap()
        except Exception as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    def interrupted(self: Any, *arguments: Any) -> Any:
        if not raised and threading.current_thread() is threading.main_thread():
            signal.raise_signal(signal.SIGUSR1)
        return real(self, *arguments)

    before = signal.signal(signal.SIGUSR1, unwrap)
    try:
        with (
            Server(server_context(), echo) as server,
            dial(server) as sock,
            pytest.MonkeyPatch.context() as patch,
        ):
            sock.sendall(b"first")
            patch.setattr(*inside, interrupted)
            for word in (b"first", b"second"):
                assert sock.recv(10) == word
                sock.sendall(b"second")
            assert isinstance(raised[0], ssl.SSLError)
            assert "a signal handler" in str(raised[0])
    finally:
        signal.signal(signal.SIGUSR1, before)
