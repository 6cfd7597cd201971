"""`bothways serve` as a process: whom it lets in, and for how long."""

from __future__ import annotations

import contextlib
import socket
import subprocess

import pytest

import identities
from bothways import PeerAlert, Truncated
from bothways.addresses import TCPAddress
from bothways.cli.serve import idle_limit
from bothways.net import Channel, connect, wrap
from cli_scripting import until_printed
from cli_talk import IDENTITY, ada
from command_line import bothways, environment, run_command
from interop.peers import find
from loopback import NEEDS_127_8

HERE = TCPAddress("127.0.0.1", 80)

pytestmark = pytest.mark.network


def test_silent_connections_are_ended(start):
    """`--idle-timeout`."""
    server = start("--echo", "--idle-timeout", "0.2")
    with connect("127.0.0.1", int(server.port), identities.client_config()) as channel:
        assert channel.recv(1) == b""
    until_printed(server, "timed out")
    assert "ended: the connection timed out" in server.printed


@pytest.mark.parametrize(
    ("given", "forward", "limit"),
    [
        (None, None, 600.0),
        (None, HERE, 3600.0),
        (5.0, None, 5.0),
        (5.0, HERE, 5.0),
        (0.0, None, None),
        (0.0, HERE, None),
    ],
)
def test_silence_has_a_limit_by_default_in_every_mode(given, forward, limit):
    """600 seconds, 3600 where something is forwarded, and 0 for none."""
    assert idle_limit(given, forward) == limit


def test_a_limit_that_is_none_is_refused(folder):
    done = run_command(
        bothways("serve", "127.0.0.1:0", *IDENTITY, "--echo", "--idle-timeout", "-1"),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2


@NEEDS_127_8
def test_when_all_are_in_the_address_that_holds_most_gives_way_and_that_is_reported(start):
    server = start("--echo", "--connections", "8")

    def from_(source: str) -> Channel:
        sock = socket.create_connection(("127.0.0.1", int(server.port)), 20, source_address=(source, 0))
        channel = wrap(sock, identities.client_config(), "localhost")
        channel.settimeout(20)
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
        return channel

    with contextlib.ExitStack() as stack:
        two = [stack.enter_context(from_("127.0.0.1")) for _ in range(2)]
        for number in range(6):
            stack.enter_context(from_(f"127.1.0.{number + 1}"))
        two[0].sendall(b"y")
        assert two[0].recv(1) == b"y"
        stack.enter_context(from_("127.2.0.1"))
        with pytest.raises((Truncated, OSError)):
            two[1].recv(1)
        two[0].sendall(b"z")
        assert two[0].recv(1) == b"z"
        until_printed(server, "ended")
    assert "ended: its place was given to an address with fewer connections" in server.printed


def test_client_auth_request_lets_the_anonymous_in_and_refuses_the_bad(start):
    """ "request" still refuses a bad certificate."""
    server = start("--client-ca", "ca.pem", "--client-auth", "request", "--echo")
    with connect("127.0.0.1", int(server.port), identities.client_config()) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    stranger = connect("127.0.0.1", int(server.port), identities.client_config(identities.stranger()))
    with stranger, pytest.raises(PeerAlert):
        stranger.recv(1)


def test_a_trusted_client_that_no_rule_names_is_refused(start):
    """And is told so by the alert; who is named comes in."""
    for rule in ("cn=somebody", "issuer=CN=somebody"):
        server = start("--echo", "--client-ca", "ca.pem", "--allow", rule)
        with pytest.raises(PeerAlert, match="access_denied"), ada(server) as channel:
            channel.recv(1)
        until_printed(server, "no rule holds for CN=Ada")
        assert "no rule holds for CN=Ada" in server.printed, server.printed
        assert server.end() == 0
    server = start("--echo", "--client-ca", "ca.pem", "--allow", "cn=somebody", "--allow", "cn=Ada")
    with ada(server) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"


@pytest.mark.parametrize(
    ("name", "is_reported"), [("elsewhere.example", True), ("localhost", False)], ids=["another", "ours"]
)
def test_a_client_that_closes_in_order_since_our_certificate_has_another_name_is_explained(
    start, folder, name, is_reported
):
    """curl compares the name after the handshake, and then sends close_notify and nothing else."""
    server = start("--page")
    words = ["-sS", "--max-time", "10", "--cacert", "ca.pem", "--resolve", f"{name}:{server.port}:127.0.0.1"]
    done = subprocess.run(
        [find("curl"), *words, f"https://{name}:{server.port}/"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ("no alternative certificate subject name" in done.stderr) == is_reported
    wanted = "not for elsewhere.example" if is_reported else "is an anonymous client"
    until_printed(server, wanted)
    assert wanted in server.printed, server.printed
    assert ("the client closed the connection before it sent anything" in server.printed) == is_reported
    assert "health checks do so" not in server.printed
    lacks = "warning: it asked for elsewhere.example, and our certificate is for localhost, 127.0.0.1"
    assert (lacks in " ".join(server.printed.split())) == is_reported


def test_a_client_that_requires_a_staple_and_gets_none_is_explained(start, folder):
    """curl with --cert-status looks for it after the handshake, and then closes."""
    server = start("--page")
    done = subprocess.run(
        [find("curl"), "-sS", "--max-time", "10", "--cacert", "ca.pem", "--cert-status", f"https://localhost:{server.port}/"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 91, done.stderr
    until_printed(server, "asked for one (status_request), and we sent none")
    assert "1. our certificate came without a valid stapled OCSP response" in server.printed, server.printed


def test_a_client_that_says_nothing_after_its_handshake_is_reported(start):
    """So do nginx whose proxy_ssl_name is another and clients that pin keys: nothing else tells that they refuse us."""
    server = start("--page", "--client-ca", "ca.pem")
    with ada(server) as channel:
        channel.shutdown()
        assert channel.recv(1) == b""
    until_printed(server, "health checks do so")
    assert "sent nothing after the handshake" in server.printed, server.printed
