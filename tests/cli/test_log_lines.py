"""No line that `serve`, `connect` or the library's log has of a peer grows with what that peer sends."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import threading
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

import identities
import pki
from bothways import TLSError
from bothways.aio import start_server
from bothways.cli.output.terminal import LINE_LIMIT, LINES_LIMIT
from bothways.errors import LOG_LIMIT
from bothways.net import connect, wrap
from command_line import bothways, environment, run_command

pytestmark = pytest.mark.network

ODD = "aB9 .-'/\\\"{}%s\x1b\n\r\t\x00\u202e\u2028\U0001f600"


def long_name(drawn: random.Random, attributes: int, letters: int = 30) -> x509.Name:
    kinds = (NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.COMMON_NAME)
    return x509.Name(
        [
            x509.NameAttribute(drawn.choice(kinds), "".join(drawn.choices(ODD, k=letters)), _validate=False)
            for _ in range(attributes)
        ]
    )


def extensions(count: int) -> list[tuple[x509.ExtensionType, bool]]:
    kinds = (x509.ObjectIdentifier(f"1.3.6.1.4.1.99999.{number}") for number in range(count))
    return [(x509.UnrecognizedExtension(kind, b"\x05\x00"), True) for kind in kinds]


def hosts(drawn: random.Random, count: int) -> list[str]:
    letters = "abcdefghij"
    return [f"DNS:{''.join(drawn.choices(letters, k=50))}.{number}.example" for number in range(count)]


def long_winded(kind: str) -> pki.Issued:
    """A chain that nobody trusts and that has much to be told of."""
    drawn = random.Random(kind)
    evil = pki.root(long_name(drawn, 64), **identities.SPAN)
    options: dict[str, object] = {"alternatives": ["DNS:localhost"], **identities.SPAN}
    subject: str | x509.Name = "Mallory"
    match kind:
        case "names of many attributes":
            subject = long_name(drawn, 64)
        case "many alternative names":
            options["alternatives"] = hosts(drawn, 600)
        case "many unknown critical extensions":
            options["extra"] = extensions(50)
        case "many authorities":
            for _ in range(8):
                evil = pki.intermediate(evil, long_name(drawn, 60, letters=15), **identities.SPAN)
    return pki.leaf(evil, subject, **options)


KINDS = [
    "names of many attributes",
    "many alternative names",
    "many unknown critical extensions",
    "many authorities",
]


def check(printed: str, connections: int = 1) -> None:
    lines = printed.splitlines()
    assert lines
    assert max(map(len, lines)) <= LINE_LIMIT
    assert len(lines) <= 1 + connections * (LINES_LIMIT + 1)
    assert all(each.isprintable() for each in lines)


def knock(port: int, kind: str) -> None:
    """Show a long-winded chain to a server, and be refused."""
    config = identities.client_config(long_winded(kind))
    with pytest.raises((TLSError, OSError)), connect("127.0.0.1", port, config) as channel:
        channel.recv(1)


@pytest.mark.parametrize("kind", KINDS)
def test_no_line_of_a_server_grows_with_a_clients_chain(start, kind: str) -> None:
    server = start("--client-ca", "ca.pem", "--echo")
    knock(int(server.port), kind)
    assert server.end() == 0
    check(server.printed)


def test_no_line_of_a_server_grows_with_the_names_of_a_client_that_it_trusts(start) -> None:
    server = start("--client-ca", "ca.pem", "--echo")
    mine = pki.leaf(identities.middle(), long_name(random.Random(1), 64), alternatives=(), **identities.SPAN)
    with connect("127.0.0.1", int(server.port), identities.client_config(mine)) as channel:
        channel.sendall(b"x")
        assert channel.recv(1) == b"x"
    assert server.end() == 0
    check(server.printed)


class Impostor:
    """A server that shows one chain to one client."""

    def __init__(self, chain: pki.Issued) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._config = identities.server_config(
            credentials=identities.credentials(chain), client_anchors=None, client_auth="none"
        )
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with self._listener:
            sock, _ = self._listener.accept()
        try:
            with wrap(sock, self._config) as channel:
                channel.sendall(b"hello")
                channel.close(linger=5)
        except (TLSError, OSError):
            pass

    def end(self) -> None:
        self._thread.join(30)


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("kind", [*KINDS, "trusted"])
def test_no_line_of_a_client_grows_with_a_servers_chain(folder: Path, kind: str, form: str) -> None:
    """One object of JSON has every name of a server that is trusted, and little of one that is not."""
    trusted = {"alternatives": ["DNS:localhost", *hosts(random.Random(3), 600)], **identities.SPAN}
    chain = pki.leaf(identities.middle(), "server", **trusted) if kind == "trusted" else long_winded(kind)
    server = Impostor(chain)
    try:
        done = run_command(
            bothways("connect", f"localhost:{server.port}", "--ca", "ca.pem", *["--json"] * (form == "json")),
            cwd=folder, env=environment(), input="", capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    finally:
        server.end()
    assert (done.returncode == 0) == (kind == "trusted"), done.stderr
    if form == "text":
        check(done.stderr)
    elif kind == "trusted":
        assert len(json.loads(done.stderr)["peer"]["dns"]) == 601
    else:
        assert len(done.stderr) < 20 * LINE_LIMIT


@pytest.mark.parametrize("kind", KINDS)
def test_no_record_of_the_librarys_log_grows_with_a_clients_chain(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def refused() -> None:
        server = await start_server(lambda *_: asyncio.sleep(0), "127.0.0.1", 0, identities.server_config())
        async with server:
            await asyncio.to_thread(knock, server.sockets[0].getsockname()[1], kind)

    with caplog.at_level(logging.DEBUG, "bothways"):
        asyncio.run(refused())
    reported = [each.getMessage() for each in caplog.records if each.name == "bothways"]
    assert reported
    assert max(map(len, reported)) <= LOG_LIMIT + 100
