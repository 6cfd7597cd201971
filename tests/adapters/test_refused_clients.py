"""What a server of sockets tells of the clients that it refused."""

from __future__ import annotations

import logging
import ssl

import pytest

from bothways import Refusal
from ssl_pair import client_context, server_context
from ssl_server import Server

pytestmark = pytest.mark.network


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_a_server_logs_the_address_of_a_client_that_it_refused(
    caplog: pytest.LogCaptureFixture, version: str
) -> None:
    """A client that has read the alert is gone before the server has ended its own side, and before it logs."""
    caplog.set_level(logging.INFO, "bothways")
    with Server(server_context(versions=(version,), allow=lambda peer: Refusal("not today"))) as server:
        sock = server.connect()
        address = sock.getsockname()
        with (
            pytest.raises(ssl.SSLError),
            client_context().wrap_socket(sock, server_hostname="localhost") as refused,
        ):
            refused.recv(1)
    assert [f"handshake with {address} refused" in each.getMessage() for each in caplog.records] == [True]
