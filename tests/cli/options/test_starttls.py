"""`--starttls` of connect and doctor, with a server of ours behind plain text."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

import identities
import report_schema
from bothways import PeerAlert
from bothways.net import connect
from bothways.starttls import PROTOCOLS
from cli_scripting import Background
from cli_talk import ada
from command_line import bothways, environment, run_command
from doctor_talk import Listener, listening, ours, saying

pytestmark = pytest.mark.network

GREETING, OFFER = b"220 mail.example ESMTP\r\n", b"250-mail.example\r\n250 STARTTLS\r\n"
IDENTITY = ("--ca", "ca.pem", "--cert", "ada.pem", "--key", "ada.key", "--name", "localhost")


def mail(sock: socket.socket) -> None:
    sock.sendall(GREETING)
    for answer in (OFFER, b"220 go\r\n"):
        if not sock.recv(4096):
            return
        sock.sendall(answer)
    ours(identities.server_config(), b"hello")(sock)


def run(
    server: Listener, folder: Path, *words: str, command: str = "connect"
) -> subprocess.CompletedProcess[str]:
    return run_command(
        bothways(command, f"127.0.0.1:{server.port}", *IDENTITY, *words),
        cwd=folder, env=environment(), input="x", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_a_service_is_connected_to_and_what_it_was_asked_through_is_reported(folder):
    with listening(mail) as server:
        done = run(server, folder, "--starttls", "SMTP")
    assert (done.returncode, done.stdout) == (0, "hello"), done.stderr
    assert f"connected to 127.0.0.1:{server.port} through SMTP (STARTTLS): TLS 1.3" in done.stderr


def test_a_refusal_is_reported_with_the_servers_words_as_its_own(folder):
    """And by its stable codes to programs."""
    with listening(saying_first(b"554 go away\x1b[2J\r\n")) as server:
        done = run(server, folder, "--starttls", "smtp")
        reported = report_schema.report("connect", run(server, folder, "--starttls", "smtp", "--json").stderr)
    assert done.returncode == 1
    assert "the server refused the connection in SMTP, before TLS was requested; it said" in done.stderr
    assert "(unauthenticated): 554 go away\\x1b[2J." in done.stderr
    assert reported["starttls"] == "smtp"
    assert (reported["error"]["kind"], reported["error"]["problem"]) == ("StartTLSFailed", "TURNED_AWAY")
    assert reported["error"]["explanation"]["causes"][0]["cause"] == "LETS_NOT_IN"


def saying_first(words: bytes):
    def talk(sock: socket.socket) -> None:
        sock.sendall(words)
        sock.recv(4096)

    return talk


def test_the_doctor_asks_every_time_and_says_through_what(folder):
    with listening(mail) as server:
        done = run(server, folder, "--starttls", "smtp", "--json", command="doctor")
    report = report_schema.report("doctor", done.stdout)
    assert (done.returncode, report["outcome"], report["server"]["through"]) == (0, "succeeded", "SMTP")


def test_the_doctor_says_why_a_service_does_not_turn_to_tls(folder):
    with listening(saying_first(b"* OK IMAP ready\r\n")) as server:
        done = run(server, folder, "--starttls", "smtp", command="doctor")
    assert done.returncode == 1
    assert "it is another protocol than SMTP: it begins as IMAP does" in " ".join(done.stdout.split())
    assert "--starttls imap" in " ".join(done.stdout.split())


def test_the_doctor_names_the_option_where_a_service_has_to_be_asked(folder):
    with listening(saying(GREETING)) as server:
        done = run(server, folder, command="doctor")
    assert "--starttls smtp" in done.stdout


@pytest.mark.parametrize("command", ["connect", "doctor"])
def test_a_protocol_that_is_not_known_is_wrong_use(command: str, folder):
    """Told with those that are."""
    done = run_command(
        bothways(command, "127.0.0.1:1", "--starttls", "gopher"),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert all(name in done.stderr for name in PROTOCOLS)


# -- of us: serve --starttls -------------------------------------------------------------------------------

IDENTITY_OF_SERVER = ("--cert", "server.pem", "--key", "server.key", "--client-ca", "ca.pem")


@contextlib.contextmanager
def greeting_service(words: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """A service without TLS that says this first, then repeats what it is told; and all that it was told."""
    heard: list[bytes] = []

    def talk(sock: socket.socket) -> None:
        sock.sendall(words)
        while data := sock.recv(4096):
            heard.append(data)
            sock.sendall(data)

    with listening(talk) as server:
        yield server.port, heard


@contextlib.contextmanager
def serving(folder: Path, name: str, behind: int) -> Iterator[Background]:
    words = [
        "serve",
        "127.0.0.1:0",
        *IDENTITY_OF_SERVER,
        "--starttls",
        name,
        "--forward",
        f"127.0.0.1:{behind}",
    ]
    server = Background(words, folder)
    try:
        yield server
    finally:
        server.end()
        assert "Traceback" not in server.printed


@pytest.mark.parametrize(("name", "greeting"), [("smtp", b"220 behind\r\n"), ("postgres", b"")])
def test_serve_has_clients_request_tls_in_front_of_a_service_without_it(folder, name: str, greeting: bytes):
    """What is sent ahead of TLS reaches nothing, and a line says why it was refused."""
    ahead = b"EHLO me\r\nSTARTTLS\r\n" if name == "smtp" else bytes.fromhex("0000000804d2162f") + b"ahead"
    with greeting_service(greeting) as (behind, heard), serving(folder, name, behind) as server:
        with socket.create_connection(("127.0.0.1", int(server.port)), 20) as sock:
            sock.sendall(ahead)
            while sock.recv(4096):
                pass
        assert heard == []
        with ada(server, server_name="localhost", starttls=name) as channel:
            channel.sendall(b"EHLO me\r\n")
            assert channel.recv(4096) == b"EHLO me\r\n"
    assert "the client sent more than it was asked for, before TLS began" in server.printed


def test_serve_takes_tls_at_once_from_a_client_of_postgresql_that_offers_its_protocol(folder):
    with greeting_service(b"") as (behind, heard), serving(folder, "postgres", behind) as server:
        config = identities.client_config(identities.client(), alpn=("postgresql",))
        with connect("127.0.0.1", int(server.port), config, "localhost") as channel:
            channel.sendall(b"direct")
            assert channel.recv(4096) == b"direct"
        with pytest.raises(PeerAlert, match="no_application_protocol"):
            ada(server, server_name="localhost")
        assert heard == [b"direct"]


def test_a_service_that_does_not_greet_is_reported_and_its_client_gets_nothing(folder):
    with (
        greeting_service(b"554 no\r\n") as (behind, _),
        serving(folder, "smtp", behind) as server,
        ada(server, server_name="localhost", starttls="smtp") as channel,
    ):
        assert channel.recv(4096) == b""
    assert "has no greeting of SMTP for us: 554 no" in server.printed


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--starttls", "ftp", "--forward", "127.0.0.1:1"), "clients cannot request TLS of us in 'ftp'"),
        (("--starttls", "smtp", "--echo"), "--starttls smtp needs --forward HOST:PORT"),
    ],
)
def test_serve_refuses_what_it_cannot_do(folder, words: tuple[str, ...], problem: str):
    done = run_command(
        bothways("serve", "127.0.0.1:0", *IDENTITY_OF_SERVER, *words),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, problem in done.stderr) == (2, True), done.stderr
