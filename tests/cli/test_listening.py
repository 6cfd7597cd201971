"""Listening: addresses, signals, bounded numbers."""

from __future__ import annotations

import resource
import signal
import socket
import subprocess

import pytest

import skins
from bothways.net import connect
from cli_scripting import bothways, environment
from cli_talk import IDENTITY, ada

pytestmark = pytest.mark.network


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_cleanly(start, number):
    """Status 0 and nothing but its own words."""
    server = start("--echo")
    with connect("127.0.0.1", int(server.port), skins.client_config()) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
        assert server.end(number) == 0
    assert server.said.count("\n") == 2


def test_server_listens_on_ipv6_too(start):
    """[::1]:0 is bound and told in brackets."""
    server = start("--echo", host="[::1]")
    assert server.said.startswith("listening on [::1]:")
    with ada(server, "::1") as channel:
        channel.sendall(b"over six")
        assert channel.recv(100) == b"over six"


def test_a_port_that_is_taken_is_told(start, folder):
    """Status 1: the network refused."""
    server = start("--echo")
    done = subprocess.run(
        bothways("serve", f"127.0.0.1:{server.port}", *IDENTITY, "--echo"),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == "bothways: Address already in use\n"


def test_newcomers_wait_while_all_places_are_taken(start):
    """`--connections` bounds the threads: the next one is served when a place is free."""
    server = start("--echo", "--connections", "1")
    config = skins.client_config()
    first = connect("127.0.0.1", int(server.port), config)
    with pytest.raises(TimeoutError):
        connect("127.0.0.1", int(server.port), config, timeout=0.3)
    first.close()
    with connect("127.0.0.1", int(server.port), config) as second:
        second.sendall(b"x")
        assert second.recv(1) == b"x"


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of another process is Linux's to set")
def test_a_flood_that_takes_every_descriptor_ends_no_server(start):
    """A client that was never judged could end the process: accept fails while no descriptor is left."""
    server = start("--echo")
    resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (24, 24))
    flood = [socket.create_connection(("127.0.0.1", int(server.port))) for _ in range(40)]
    with pytest.raises(TimeoutError):
        ada(server, timeout=0.5)
    for each in flood:
        each.close()
    with ada(server) as channel:
        channel.sendall(b"still there")
        assert channel.recv(100) == b"still there"
