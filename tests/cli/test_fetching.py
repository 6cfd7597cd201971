"""Commands that fetch evidence: from whom, what comes of it, and what is kept."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import identities
from bothways.cli import verify
from bothways.cli.output.terminal import DONE, FAILED
from cli_scripting import Background
from command_line import bothways, environment, run_command
from fetch.authorities import Authority, authority

pytestmark = pytest.mark.network

ALLOWED = ["--fetch", "--fetch-allow", "127.0.0.1"]


@pytest.fixture
def ca(tmp_path: Path) -> Iterator[Authority]:
    with authority() as made:
        (tmp_path / "root.pem").write_bytes(identities.root().pem)
        for name, who in zip(("server", "ada", "bea", "cleo"), (made.server, *made.clients), strict=True):
            (tmp_path / f"{name}.pem").write_bytes(who.chain_pem)
            (tmp_path / f"{name}.key").write_bytes(who.key_pem)
        yield made


def judged(folder: Path, *options: str) -> Result:
    words = [str(folder / "server.pem"), "--ca", str(folder / "root.pem"), *options]
    return CliRunner().invoke(verify.command, words, standalone_mode=False)


def test_verify_fetches_what_it_lacks(ca: Authority, tmp_path: Path) -> None:
    """As a handshake would."""
    result = judged(tmp_path, *ALLOWED)
    assert (result.return_value, sorted(ca.asked)) == (DONE, ["CN=server", "crl"])
    assert (
        "2.3c  passed  2 certificates not revoked by the evidence (fetched: 1 OCSP response and 1 CRL)"
        in result.output
    )
    ca.revoked.append(ca.server)
    result = judged(tmp_path, *ALLOWED)
    assert result.return_value == FAILED and "a certificate that was revoked on" in result.output


def test_verify_asks_no_inner_responder_that_is_not_allowed(ca: Authority, tmp_path: Path) -> None:
    """And says which one; with a preset that accepts unknown, the finding says so too."""
    result = judged(tmp_path, "--fetch", "--json")
    assert result.return_value == FAILED and ca.asked == []
    [leaf, _] = json.loads(result.output)["reasons"]
    assert f"{ca.responder.url}: 127.0.0.1 is this machine, and not allowed" in leaf["text"]
    first = json.loads(result.output)["explanation"]["causes"][0]
    assert first["cause"] == "FETCH_NOT_ALLOWED" and "fetched from 127.0.0.1" in first["text"]
    assert "--fetch-allow" in first["remedy"] and "127.0.0.1" not in first["command"]
    result = judged(tmp_path, "--fetch", "--revocation", "tolerant")
    assert (
        result.return_value == DONE and "2.3c  unknown  unknown, and accepted as configured" in result.output
    )


def test_verify_keeps_what_it_fetched_where_it_is_told(ca: Authority, tmp_path: Path) -> None:
    """Another run asks nobody; a damaged file is as good as none."""
    kept = ["--fetch-cache", str(tmp_path / "kept")]
    assert judged(tmp_path, *ALLOWED, *kept).return_value == DONE
    assert judged(tmp_path, *ALLOWED, *kept).return_value == DONE
    assert sorted(ca.asked) == ["CN=server", "crl"]
    for each in (tmp_path / "kept").iterdir():
        each.write_bytes(b"damaged")
    assert judged(tmp_path, *ALLOWED, *kept).return_value == DONE
    assert sorted(ca.asked) == ["CN=server", "CN=server", "crl", "crl"]


def test_serve_and_connect_fetch_in_their_handshakes(ca: Authority, tmp_path: Path) -> None:
    """A client that was revoked is not let in, though nobody gave the server a list; and what is unknown is told."""
    server = Background(
        ["serve", "127.0.0.1:0", "--cert", "server.pem", "--key", "server.key", "--client-ca", "root.pem",
         *ALLOWED, "--revocation", "tolerant", "--echo"], tmp_path,
    )  # fmt: skip
    ca.revoked.append(ca.clients[1])
    try:
        ada = connect(server, "ada", tmp_path, *ALLOWED)
        assert (ada.returncode, ada.stdout) == (0, b"hello\n")
        assert b"2.3c  passed" in ada.stderr and b"(fetched: 1 OCSP response and 1 CRL)" in ada.stderr
        bea = connect(server, "bea", tmp_path)
        assert (bea.returncode, bea.stdout) == (1, b"")
        assert b"refused the connection at step 3.3c with alert certificate_revoked" in bea.stderr
        assert "warning" not in server.printed
        ca.responder.close()
        assert connect(server, "cleo", tmp_path).returncode == 0
    finally:
        server.end()
    assert "sent a certificate that was revoked on" in server.printed
    assert (
        "is Cleo (TLS" in server.printed
        and "warning: the revocation status of the peer's certificates is unknown" in server.printed
    )
    assert f"{ca.responder.url}: connection refused by the host or by a firewall" in server.printed


def connect(server: Background, who: str, folder: Path, *options: str) -> subprocess.CompletedProcess[bytes]:
    words = [
        "connect",
        f"localhost:{server.port}",
        "--ca",
        "root.pem",
        "--cert",
        f"{who}.pem",
        "--key",
        f"{who}.key",
    ]
    command = bothways(*words, *options)
    return run_command(
        command, cwd=folder, env=environment(), input=b"hello\n", capture_output=True, timeout=60
    )
