"""The files of `serve` and `run`, followed while they serve: in real time, with clients that are connected."""

from __future__ import annotations

import contextlib
import re
import signal
from collections.abc import Iterator
from datetime import timedelta

import pytest

import identities
import pki
from bothways import ConfigError, PeerAlert
from bothways.cli.options.anchors import Clients
from bothways.cli.options.revocation import Sources
from bothways.cli.options.side import Side
from bothways.cli.servers.server_files import ServerFiles
from bothways.net import Channel
from bothways.testing import Identity, MutualTLS
from bothways.trust.access.rule import PeerRule
from bothways.trust.anchors import WatchedTrustStore
from cli_scripting import Background
from http_callers import until

APP = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
COMMANDS = {"serve": ["serve", "127.0.0.1:0", "--echo"], "run": ["run", "app:app", "--listen", "127.0.0.1:0"]}


@contextlib.contextmanager
def serving(mutual: MutualTLS, command: str, *more: str) -> Iterator[Background]:
    mine = mutual.identity("server")
    words = [*COMMANDS[command], "--cert", str(mine.cert), "--key", str(mine.key), *more]
    server = Background(words, mutual.ca.parent.parent)
    try:
        yield server
    finally:
        with contextlib.suppress(ValueError):
            server.end(signal.SIGKILL)


def asked(channel: Channel) -> Channel:
    """A connection that was used, and is idle since."""
    channel.settimeout(20)
    channel.sendall(REQUEST)
    assert b"HTTP/1.1" in channel.recv(65536)
    return channel


def end_of(channel: Channel) -> str:
    """The alert by which the server ends a connection on which nothing is said."""
    with pytest.raises(PeerAlert) as caught:
        while channel.recv(65536):
            pass
    return caught.value.name


def connected(mutual: MutualTLS, server: Background, identity: Identity | str = "good") -> Channel:
    return mutual.client(identity).connect("localhost", int(server.port))


def serial_shown(mutual: MutualTLS, server: Background) -> int:
    with connected(mutual, server) as channel:
        assert channel.peer is not None
        return channel.peer.certificate.serial_number


@pytest.mark.network
@pytest.mark.parametrize("command", COMMANDS)
def test_clients_lose_their_connection_when_their_certificate_ends_or_their_ca_is_gone(mutual, command):
    """Without a list of revocations: the end of a certificate is enough, and so is the end of trust in its CA."""
    with serving(mutual, command, "--client-ca", str(mutual.ca)) as server:
        short = mutual.identity("client", lifetime=timedelta(seconds=4), dns=["short.example"])
        with connected(mutual, server, short) as ending:
            assert end_of(asked(ending)) == "certificate_expired"
        with connected(mutual, server) as other:
            asked(other)
            mutual.ca.write_bytes(pki.root("Another Root").pem)
            assert end_of(other) == "unknown_ca"
        until(lambda: f"read again: {mutual.ca}" in server.printed)
        refused = mutual.client("good").attempt("localhost", int(server.port), request=REQUEST)
        assert (refused.refused, refused.alert) == (True, "unknown_ca")


@pytest.mark.network
@pytest.mark.parametrize("command", COMMANDS)
def test_a_renewed_certificate_is_shown_and_half_of_one_is_reported(mutual, command):
    """While certificate and key do not fit the old ones stay; nobody sends a signal."""
    with serving(mutual, command, "--client-ca", str(mutual.ca)) as server:
        mine = mutual.identity("server")
        renewed = mutual.identity("server", dns=["localhost"])
        mine.cert.write_bytes(renewed.cert.read_bytes())
        until(lambda: "does not belong to the certificate" in server.printed)
        assert "; the earlier content stays in use" in server.printed
        assert serial_shown(mutual, server) == mine.serial
        mine.key.write_bytes(renewed.key.read_bytes())
        until(lambda: f"read again: {mine.cert}, {mine.key}" in server.printed)
        assert serial_shown(mutual, server) == renewed.serial


@pytest.mark.network
@pytest.mark.parametrize("command", COMMANDS)
def test_a_list_that_has_expired_is_warned_of_at_the_start(mutual, tmp_path, command):
    """Or everybody would be refused, and nobody would know since when."""
    old = pki.root("Old Root")
    expired = pki.crl(old, this_update=pki.NOW - 9 * pki.DAY, next_update=pki.NOW - pki.DAY)
    (tmp_path / "old.pem").write_bytes(expired)
    given = ["--client-ca", str(mutual.ca), "--crl", str(mutual.crl), "--crl", str(tmp_path / "old.pem")]
    with serving(mutual, command, *given) as server:
        printed = (
            f"{tmp_path / 'old.pem'}: its CRL of CN=Old Root expired on 2026-05-31 12:00; "
            "from 2026-05-31 12:05 on it proves nothing"
        )
        assert printed in server.printed.partition("listening on")[0]
        assert server.printed.count("expired on") == 1


def files(
    mutual: MutualTLS,
    client_ca: str | None,
    client_auth: str | None = None,
    crl: tuple[str, ...] = (),
    allow: tuple[PeerRule, ...] = (),
):
    mine = mutual.identity("server")
    side = Side(str(mine.cert), str(mine.key), None, (), False, Sources(crl=crl))
    return ServerFiles(side, Clients(client_ca, client_auth, allow))


def test_connected_clients_are_verified_again_by_whatever_may_change(mutual, tmp_path, monkeypatch):
    """By what may change; where nothing may, the certificate still ends."""
    assert files(mutual, None).judge_again == "never"
    assert files(mutual, str(mutual.ca)).judge_again == "change"
    assert files(mutual, str(mutual.ca), "none").judge_again == "never"
    monkeypatch.setattr("bothways.cli.options.anchors.are_files", lambda *_: False)
    read_once = files(mutual, str(mutual.ca))
    assert read_once.judge_again == "lapse" and not isinstance(read_once.anchors, WatchedTrustStore)
    assert files(mutual, str(mutual.ca), crl=(str(mutual.crl),)).judge_again == "change"


def test_files_are_looked_at_though_nobody_connects(mutual):
    read = files(mutual, str(mutual.ca), crl=(str(mutual.crl),))
    assert [look() for look in read.checks()] == [[], []]
    assert len(files(mutual, None).checks()) == 1


@pytest.mark.parametrize(
    ("with_ca", "todo"),
    [(False, "add --client-ca FILE or --client-cert FILE"), (True, "remove --client-auth none")],
)
def test_options_about_clients_are_refused_where_no_client_is_verified(mutual, with_ca, todo):
    """What is missing is named as an option, since this is a command."""
    ca, auth = (str(mutual.ca), "none") if with_ca else (None, None)
    with pytest.raises(ConfigError, match=f"^--crl, .*: no client certificate is verified; {todo}$"):
        files(mutual, ca, auth, crl=(str(mutual.crl),))
    with pytest.raises(ConfigError, match=f"^--allow: no client certificate is verified; {todo}$"):
        files(mutual, ca, auth, allow=(PeerRule(dns="a.example"),))


@pytest.mark.network
@pytest.mark.parametrize("command", COMMANDS)
def test_a_certificate_that_every_client_would_refuse_is_warned_of_at_the_start_and_when_it_changes(
    mutual, command
):
    """RFC 5280 6.1.3, 4.2.1.12: it expired, or is not for servers; and which alert clients will send."""
    mine = mutual.identity("server")
    sound = mine.cert.read_bytes(), mine.key.read_bytes()
    for flaw, printed in (
        (
            mutual.identity("server", "expired"),
            "expired on .*clients will refuse it \\(certificate_expired\\)",
        ),
        (
            mutual.identity("client"),
            "is for clientAuth.*clients will refuse it \\(unsupported_certificate\\)",
        ),
    ):
        mine.cert.write_bytes(flaw.cert.read_bytes())
        mine.key.write_bytes(flaw.key.read_bytes())
        with serving(mutual, command, "--client-ca", str(mutual.ca)) as server:
            begun = server.printed.partition("listening on")[0]
            assert re.search(f"warning: our certificate {printed}", begun), begun
    mine.cert.write_bytes(sound[0])
    mine.key.write_bytes(sound[1])
    with serving(mutual, command, "--client-ca", str(mutual.ca)) as server:
        assert "warning" not in server.printed.partition("listening on")[0]


def test_a_certificate_that_was_not_renewed_in_time_is_warned_of_once(mutual):
    """At the start, and when another one takes its place; a sound one is no matter."""
    good, soon = mutual.identity("server"), mutual.identity("server", lifetime=timedelta(minutes=5))
    for mine, count in ((good, 0), (soon, 1)):
        side = Side(str(mine.cert), str(mine.key), None, (), False, Sources())
        read = ServerFiles(side, Clients(None, None, ()))
        said = [line for _ in range(2) for check in read.checks() for line in check()]
        assert [line for line in said if "was not renewed yet" in line] == said
        assert len(said) == count


def test_the_alerts_of_clients_are_named_where_they_differ(mutual, tmp_path):
    """OpenSSL sends bad_certificate for what is not valid yet."""
    later = identities.START + timedelta(days=30)
    issued = pki.leaf(
        identities.middle(),
        "server",
        alternatives=["DNS:localhost"],
        not_before=later,
        not_after=later + timedelta(days=9),
    )
    (tmp_path / "cert.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    side = Side(str(tmp_path / "cert.pem"), str(tmp_path / "key.pem"), None, (), False, Sources())
    said = [line for check in ServerFiles(side, Clients(None, None, ())).checks() for line in check()]
    assert "clients will refuse it (certificate_expired, OpenSSL by bad_certificate)" in said[0]
