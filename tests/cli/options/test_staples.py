"""`--staple` and `--staple-file`: what peers get along with our certificate, and what is refused before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

import identities
import pki
from bothways import ConfigError
from bothways.cli import connect as connecting
from bothways.net import connect
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Outcome
from cli_scripting import Background, until_printed
from cli_talk import IDENTITY
from command_line import bothways, environment, run_command
from fetch.responders import Asked, answering, reply
from trust.evidence.evidence_requests import access

pytestmark = pytest.mark.network

HOUR = timedelta(hours=1)
STAPLED = Revocation(staples="require", covers="leaf")


def response(of: pki.Issued, begins: timedelta = HOUR, **options) -> bytes:
    now = datetime.now(UTC)
    return pki.ocsp_response(of, this_update=now - begins, next_update=now + HOUR, **options)


def connected(server: Background):
    return connect("127.0.0.1", int(server.port), identities.client_config(revocation=STAPLED))


def forged() -> bytes:
    """The newest response about the server's certificate, which nobody signed who may."""
    return response(identities.server(), timedelta(0), status="revoked", signer=pki.root("Forger"))


def test_a_server_sends_the_response_of_a_file_and_takes_the_next_one(folder, start):
    """`--staple-file`: the file is read again when it changes."""
    path = folder / "own.ocsp"
    path.write_bytes(response(identities.server()))
    server = start("--echo", "--staple-file", "own.ocsp")
    with connected(server) as channel:
        assert channel.peer.verdict.findings[2].outcome is Outcome.PASSED
    path.write_bytes(b"no response")
    until_printed(server, "own.ocsp: it contains no OCSP response")
    connected(server).close()
    path.write_bytes(forged())
    until_printed(server, "own.ocsp: its OCSP response cannot be sent: it is signed by CN=Forger")
    connected(server).close()
    path.write_bytes(response(identities.server(), timedelta(0)))
    until_printed(server, "own.ocsp: read again: 1 OCSP response")
    connected(server).close()


def test_a_server_fetches_its_staple_before_it_listens(folder):
    """`--staple`: from the responder that its certificate names."""
    issued: list[pki.Issued] = []
    with answering(lambda _: reply(response(issued[0]))) as responder:
        own = pki.leaf(
            identities.middle(), "server", alternatives=["DNS:localhost", "IP:127.0.0.1"],
            extra=[access(responder.url)], **identities.SPAN,
        )  # fmt: skip
        issued.append(own)
        (folder / "server.pem").write_bytes(own.chain_pem)
        (folder / "server.key").write_bytes(own.key_pem)
        server = Background(["serve", "127.0.0.1:0", *IDENTITY, "--echo", "--staple"], folder)
        try:
            printed = server.printed.index("the staple of CN=server says good, until ")
            assert printed < server.printed.index("listening on")
            connected(server).close()
        finally:
            server.end()
        assert len(responder.asked) == 1


def test_a_server_fetches_a_staple_for_its_renewed_certificate(folder):
    """And shows both; nobody starts it again."""
    issued: list[pki.Issued] = []

    def renew(responder) -> None:
        own = pki.leaf(
            identities.middle(), f"server {len(issued)}", alternatives=["DNS:localhost", "IP:127.0.0.1"],
            extra=[access(responder.url)], **identities.SPAN,
        )  # fmt: skip
        issued.append(own)
        (folder / "server.pem").write_bytes(own.chain_pem)
        (folder / "server.key").write_bytes(own.key_pem)

    with answering(lambda _: reply(response(issued[-1]))) as responder:
        renew(responder)
        server = Background(["serve", "127.0.0.1:0", *IDENTITY, "--echo", "--staple"], folder)
        try:
            renew(responder)
            until_printed(server, "the staple of CN=server 1 says good, until ")
            with connected(server) as channel:
                assert channel.peer.names.common_name == "server 1"
                assert channel.peer.verdict.findings[2].outcome is Outcome.PASSED
        finally:
            server.end()


def test_a_client_fetches_its_staple_and_sends_it_to_a_server_that_asks(folder):
    """TLS 1.3: both directions."""
    issued: list[pki.Issued] = []

    def answer(_: Asked) -> bytes:
        return reply(response(issued[0]))

    with answering(answer) as responder:
        own = pki.leaf(
            identities.middle(), "Ada", alternatives=(), usage=("clientAuth",), extra=[access(responder.url)],
            **identities.SPAN,
        )  # fmt: skip
        issued.append(own)
        (folder / "ada.pem").write_bytes(own.chain_pem)
        (folder / "ada.key").write_bytes(own.key_pem)
        asking = ["--client-ca", "ca.pem", "--revocation", "staple-leaf", "--echo"]
        server = Background(["serve", "127.0.0.1:0", *IDENTITY, *asking], folder)
        try:
            words = ["connect", f"localhost:{server.port}", "--ca", "ca.pem", "--cert", "ada.pem"]
            words += ["--key", "ada.key", "--staple", "--json"]
            done = run_command(
                bothways(*words),
                cwd=folder,
                env=environment(),
                input=b"hello\n",
                capture_output=True,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, b"hello\n"), done.stderr
            assert done.stderr.startswith(b'{"address"') and done.stderr.count(b"\n") == 1
            until_printed(server, "is Ada")
        finally:
            server.end()


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["--cert", "ada.pem", "--key", "ada.key", "--staple"], "CN=Ada has no URL of an OCSP responder"),
        (
            ["--staple", "--staple-file", "server.ocsp"],
            "--staple and --staple-file exclude each other: use one of them",
        ),
        (["--staple"], "a staple is an OCSP response for our own certificate: it requires --cert"),
        (["--cert", "ada.pem", "--key", "ada.key", "--staple-file", "gone"], "gone: cannot be read"),
        (
            ["--cert", "ada.pem", "--key", "ada.key", "--staple-file", "server.ocsp"],
            "server.ocsp: it has no OCSP response for the certificate of CN=Ada or its issuers",
        ),
        (
            ["--cert", "server.pem", "--key", "server.key", "--staple-file", "forged.ocsp"],
            "forged.ocsp: its OCSP response cannot be sent: it is signed by CN=Forger, whom CN=",
        ),
    ],
)
def test_a_staple_that_cannot_be_had_is_reported_before_anything_else(folder, monkeypatch, words, printed):
    """Wrong use, and what to do; nobody is connected to."""
    monkeypatch.chdir(folder)
    (folder / "server.ocsp").write_bytes(response(identities.server()))
    (folder / "forged.ocsp").write_bytes(forged())
    result = CliRunner().invoke(connecting.command, ["localhost:1", "--ca", "ca.pem", *words])
    reported = str(result.exception) if isinstance(result.exception, ConfigError) else result.stderr
    assert printed in reported and result.exit_code != 0


def test_a_response_that_does_not_hold_is_said_to_be_kept_back(folder, start):
    """Peers that ask get none, rather than one that they must refuse."""
    (folder / "old.ocsp").write_bytes(
        pki.ocsp_response(
            identities.server(), this_update=identities.START, next_update=identities.START + HOUR
        )
    )
    server = start("--echo", "--staple-file", "old.ocsp")
    assert "old.ocsp: its OCSP response is not current, and is not sent" in server.printed
