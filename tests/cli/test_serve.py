"""`bothways serve` as a process: whom it lets in, and for how long."""

from __future__ import annotations

import time

import pytest

import skins
from bothways import PeerAlert
from bothways.net import connect

pytestmark = pytest.mark.network


def test_silent_connections_are_ended(start):
    """`--idle-timeout`."""
    server = start("--echo", "--idle-timeout", "0.2")
    with connect("127.0.0.1", int(server.port), skins.client_config()) as channel:
        assert channel.recv(1) == b""
    deadline = time.monotonic() + 10
    while "timed out" not in server.said and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "ended: the connection timed out" in server.said


def test_client_auth_request_lets_the_anonymous_in_and_refuses_the_bad(start):
    """ "request" still refuses a bad certificate."""
    server = start("--client-ca", "ca.pem", "--client-auth", "request", "--echo")
    with connect("127.0.0.1", int(server.port), skins.client_config()) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    stranger = connect("127.0.0.1", int(server.port), skins.client_config(skins.stranger()))
    with stranger, pytest.raises(PeerAlert):
        stranger.recv(1)
