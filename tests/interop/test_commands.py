"""`bothways connect` and `bothways serve` against the commands of OpenSSL and GnuTLS."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import pki
from command_line import bothways, environment, run_command
from interop import identities
from interop.identities import Identity, client, server
from interop.peers import find
from interop.programs import Program, running
from processes import free_port
from trust.evidence.evidence_requests import access

pytestmark = [pytest.mark.interop, pytest.mark.network]

ENVIRONMENT = environment()


def connect(
    folder: Path, port: int, printed: str, *options: str, who: Identity | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `bothways connect` to its end."""
    command = bothways("connect", f"localhost:{port}")
    command += ["--ca", identities.root_file(folder), *options]
    if who is not None:
        chain, key = who.files(folder)
        command += ["--cert", chain, "--key", key]
    return run_command(
        command, env=ENVIRONMENT, input=printed, capture_output=True, text=True, timeout=30, check=False
    )


@contextmanager
def s_server(folder: Path, *options: str) -> Iterator[int]:
    chain, key = server().files(folder)
    command = [find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key]
    with running(
        *command, "-cert_chain", chain, "-CAfile", identities.root_file(folder), *options
    ) as program:
        program.until("ACCEPT 127.0.0.1:")
        yield int(program.until("\n", 2).split("ACCEPT 127.0.0.1:")[1].split()[0])


@contextmanager
def serve(folder: Path, *options: str) -> Iterator[int]:
    """Run `bothways serve` for clients that are known."""
    chain, key = server().files(folder)
    command = bothways("serve", "127.0.0.1:0", "--cert", chain, "--key", key)
    command += ["--client-ca", identities.root_file(folder), *options]
    with running(*command, environment=ENVIRONMENT) as program:
        program.until("listening on 127.0.0.1:")
        yield int(program.until("\n").split("listening on 127.0.0.1:")[1].split()[0])


@contextmanager
def s_client(folder: Path, port: int) -> Iterator[Program]:
    chain, key = client().files(folder)
    command = [find("openssl"), "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost"]
    command += ["-CAfile", identities.root_file(folder), "-verify_return_error"]
    with running(*command, "-cert", chain, "-key", key, "-cert_chain", chain) as program:
        program.until("Verification: OK")
        yield program


def test_connect_talks_with_s_server(folder: Path) -> None:
    """Standard input goes there, what it answers to standard output, the report to standard error."""
    with s_server(folder, "-Verify", "1", "-verify_return_error", "-rev") as port:
        ran = connect(folder, port, "stressed\n", "--json", who=client())
    assert (ran.returncode, ran.stdout) == (0, "desserts\n"), ran.stderr
    assert json.loads(ran.stderr.splitlines()[0])["version"] == "1.3"


def test_connect_says_that_s_server_refused_it(folder: Path) -> None:
    """Status 1, and the step at which the other side stopped."""
    with s_server(folder, "-Verify", "1", "-verify_return_error", "-rev") as port:
        ran = connect(folder, port, "")
    assert ran.returncode == 1
    assert "certificate_required" in ran.stderr
    assert "3.1" in ran.stderr


def test_connect_talks_with_gnutls_serv(folder: Path) -> None:
    """The same with GnuTLS, whose echo ends when we do."""
    chain, key = server().files(folder)
    port = free_port()
    command = [
        find("gnutls-serv"),
        "--echo",
        "--port",
        str(port),
        "--x509certfile",
        chain,
        "--x509keyfile",
        key,
    ]
    command += ["--x509cafile", identities.root_file(folder), "--require-client-cert", "--verify-client-cert"]
    with running(*command) as program:
        program.until(f"0.0.0.0 port {port}...done")
        ran = connect(folder, port, "there and back\n", who=client())
    assert (ran.returncode, ran.stdout) == (0, "there and back\n"), ran.stderr


def test_serve_echoes_to_s_client(folder: Path) -> None:
    """Mutual authentication between two commands of different makers."""
    with serve(folder, "--echo") as port, s_client(folder, port) as theirs:
        theirs.say("there and back\n")
        theirs.until("there and back")
        assert theirs.finish() == 0


def test_serve_forwards_s_client_to_a_service_that_knows_no_tls(folder: Path) -> None:
    """`serve --forward`: TLS on this side, plain bytes on the other."""
    with (
        plain_echo() as plain,
        serve(folder, "--forward", f"127.0.0.1:{plain}") as port,
        s_client(folder, port) as theirs,
    ):
        theirs.say("there and back\n")
        theirs.until("there and back")
        assert theirs.finish() == 0


@contextmanager
def plain_echo() -> Iterator[int]:
    """A service that sends back what comes on one connection."""

    def echo() -> None:
        sock, _ = listener.accept()
        with sock:
            while data := sock.recv(4096):
                sock.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(60)
        assert not thread.is_alive()


def named(url: str, serial: int) -> Identity:
    """A server whose certificate names a responder."""
    by = identities.issuer()
    issued = pki.leaf(by, "named", alternatives=identities.LOCAL, extra=[access(url)], serial=serial)
    return Identity("named", issued.chain_pem, issued.key_pem, by.above[-1].pem)


def test_serve_fetches_its_staple_from_openssl_ocsp_and_openssl_and_gnutls_see_it(folder: Path) -> None:
    """RFC 6960, RFC 6066 8: a responder, and clients that ask, all of others."""
    issuer = identities.issuer()
    (folder / "index.txt").write_text("V\t290101000000Z\t\t2001\tunknown\t/CN=named\n")
    (folder / "issuer.pem").write_bytes(issuer.pem)
    (folder / "issuer.key").write_bytes(issuer.key_pem)
    files = ["-index", "index.txt", "-CA", "issuer.pem", "-rsigner", "issuer.pem", "-rkey", "issuer.key"]
    with running(find("openssl"), "ocsp", *files, "-port", "0", "-nmin", "5", folder=folder) as responder:
        heard = responder.until("PID=")
        url = "http://127.0.0.1:" + heard.split("ACCEPT ")[1].split()[0].rpartition(":")[2]
        chain, key = named(url, 0x2001).files(folder)
        command = bothways("serve", "127.0.0.1:0", "--cert", chain, "--key", key)
        with running(*command, "--echo", "--staple", environment=ENVIRONMENT) as program:
            heard = program.until("listening on 127.0.0.1:")
            assert "the staple of CN=named says good, until " in heard
            port = program.until("\n", 2).split("listening on 127.0.0.1:")[1].split()[0]
            trusted = identities.root_file(folder)
            asking = [
                find("openssl"),
                "s_client",
                "-connect",
                f"127.0.0.1:{port}",
                "-CAfile",
                trusted,
                "-status",
            ]
            with running(*asking) as openssl:
                openssl.until("OCSP Response Status: successful")
                openssl.until("Cert Status: good")
            asking = [find("gnutls-cli"), "127.0.0.1", "--port", port, "--x509cafile", trusted]
            with running(*asking, "--verify-hostname", "localhost") as gnutls:
                assert "OCSP" in gnutls.until("Handshake was completed")


def test_connect_answers_an_openssl_server_that_asks_for_a_certificate_later(folder: Path) -> None:
    """Typing c asks; without --post-handshake OpenSSL knows that it may not."""
    chain, key = server().files(folder)
    command = [find("openssl"), "s_server", "-accept", "127.0.0.1:0", "-cert", chain, "-key", key, "-tls1_3"]
    with running(*command, "-cert_chain", chain, "-CAfile", identities.root_file(folder)) as program:
        program.until("ACCEPT 127.0.0.1:")
        port = int(program.until("\n", 2).split("ACCEPT 127.0.0.1:")[1].split()[0])
        mine, own = client().files(folder)
        words = [
            "connect",
            f"localhost:{port}",
            "--ca",
            identities.root_file(folder),
            "--cert",
            mine,
            "--key",
            own,
        ]
        with running(*bothways(*words, "--post-handshake"), environment=ENVIRONMENT) as us:
            program.until("CIPHER is")
            program.say("c\n")
            program.until("sound client P-256")
            us.say("hello\n")
            program.until("hello")
