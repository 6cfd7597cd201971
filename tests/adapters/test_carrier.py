"""The descriptor of a socket, which threads use by its number while another closes it."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ssl_pair import client_context, server_context
from ssl_server import Server

pytestmark = pytest.mark.network
OF_ANOTHER = b"bytes of another connection"
# What a thread does, and the call of the system within it that takes the number.
CALLS: dict[str, Callable[[Any], object]] = {
    "read": lambda sock: sock.recv(100),
    "write": lambda sock: sock.sendall(b"for our server"),
}
ENDS: dict[str, Callable[[Any], object]] = {
    "close": lambda sock: sock.close(),
    "detach": lambda sock: os.close(sock.detach()),
}


@pytest.fixture
def sock() -> Iterator[Any]:
    """A connection with a time limit, so that the number is used."""
    with Server(server_context()) as server:
        plain = socket.create_connection(("127.0.0.1", server.port), 5)
        with client_context().wrap_socket(plain, server_hostname="localhost") as wrapped:
            wrapped.sendall(b"hello")
            assert wrapped.recv(100) == b"hello"
            yield wrapped


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("call", CALLS)
def test_a_number_is_not_given_to_another_connection_while_it_is_used(
    sock: Any, call: str, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread closes just before the call of the system, and what it opens then gets the number."""
    number, ours, theirs = sock.fileno(), *socket.socketpair()
    theirs.send(OF_ANOTHER)
    theirs.setblocking(False)
    original = getattr(os, call)

    def close_and_open() -> None:
        ENDS[end](sock)
        while True:  # the number may be on its way to what another thread opens
            with contextlib.suppress(OSError):
                os.dup2(ours.fileno(), number)
                return

    closer = threading.Thread(target=close_and_open, daemon=True)

    def between(descriptor: int, *rest: Any) -> Any:
        if (
            descriptor == number
            and closer.ident is None
            and threading.current_thread() is threading.main_thread()
        ):
            closer.start()
            closer.join(0.2)
        return original(descriptor, *rest)

    monkeypatch.setattr(os, call, between)
    try:
        with contextlib.suppress(OSError, ValueError):  # it is closed, or the server's end came first
            assert not CALLS[call](sock)
        closer.join(5)
        assert not closer.is_alive()
        assert ours.recv(100, socket.MSG_DONTWAIT) == OF_ANOTHER
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    finally:
        os.close(number)
        ours.close()
        theirs.close()
