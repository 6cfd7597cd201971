"""The clients of `serve` at its end, in every state of a connection."""

from __future__ import annotations

import contextlib
import signal
import socket

import pytest

import identities
from bothways import TLSError
from bothways.net import Channel
from cli_talk import ada

pytestmark = pytest.mark.network


def test_the_end_of_the_server_is_no_end_in_order_of_its_connections(start) -> None:
    """Whoever is silent, in a handshake, waits for a place, or is served: nobody takes a part for the whole."""
    server = start("--client-ca", "ca.pem", "--echo", "--connections", "1")
    with contextlib.ExitStack() as stack:
        served: Channel = stack.enter_context(ada(server))
        served.sendall(b"x")
        assert served.recv(1) == b"x"
        hello = identities.client_config().connection("localhost").data_to_send()
        others = [
            stack.enter_context(socket.create_connection(("127.0.0.1", int(server.port)), 20))
            for _ in range(3)
        ]
        others[1].sendall(hello[:100])
        others[2].sendall(hello)
        assert server.end(signal.SIGTERM) == 0
        with pytest.raises((TLSError, OSError)):
            served.recv(1)
        for each in others:
            with contextlib.suppress(ConnectionResetError):
                assert each.recv(1) == b""
    assert server.printed.count("\n") == 2, server.printed
