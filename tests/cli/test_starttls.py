"""`--starttls` of connect and doctor, with a server of ours behind plain text."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

import identities
import report_schema
from bothways.starttls import PROTOCOLS
from cli_scripting import bothways, environment
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
    return subprocess.run(
        bothways(command, f"127.0.0.1:{server.port}", *IDENTITY, *words),
        cwd=folder, env=environment(), input="x", capture_output=True, text=True, timeout=30, check=False,
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
    done = subprocess.run(
        bothways(command, "127.0.0.1:1", "--starttls", "gopher"),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert all(name in done.stderr for name in PROTOCOLS)
