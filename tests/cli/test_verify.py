"""`bothways verify` with evidence of revocation: lists and OCSP responses from files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import report_schema
from bothways.cli import verify
from bothways.cli.output.terminal import DONE, FAILED
from bothways.errors import ConfigError
from pki import NOW, crl, intermediate, leaf, ocsp_refusal, ocsp_response, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "root.pem").write_bytes(ROOT.pem)
    (tmp_path / "server.pem").write_bytes(SERVER.chain_pem)
    (tmp_path / "root.crl").write_bytes(crl(ROOT))
    (tmp_path / "good.der").write_bytes(ocsp_response(SERVER))
    (tmp_path / "ca.der").write_bytes(ocsp_response(CA))
    (tmp_path / "revoked.der").write_bytes(ocsp_response(SERVER, status="revoked", reason="key_compromise"))
    (tmp_path / "stranger.der").write_bytes(ocsp_response(SERVER, signer=root("Stranger")))
    (tmp_path / "later.der").write_bytes(ocsp_refusal("try_later"))
    return tmp_path


def run(folder: Path, *options: str, at: datetime = NOW) -> Result:
    named = [str(folder / each) if "." in each else each for each in options]
    words = [str(folder / "server.pem"), "--ca", str(folder / "root.pem"), "--at", at.isoformat(), *named]
    return CliRunner().invoke(verify.command, words, standalone_mode=False)


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (
            ["--ocsp", "good.der", "--ocsp", "ca.der"],
            DONE,
            "2 certificates not revoked by the available evidence",
        ),
        (
            ["--ocsp", "good.der", "--crl", "root.crl"],
            DONE,
            "2 certificates not revoked by the available evidence",
        ),
        (
            ["--ocsp", "good.der", "--revocation", "leaf"],
            DONE,
            "1 certificate not revoked by the available evidence",
        ),
        (["--ocsp", "good.der"], FAILED, "no OCSP response or CRL of CN=Root for it is available"),
        (
            ["--ocsp", "revoked.der", "--ocsp", "good.der"],
            FAILED,
            "revoked on 2026-05-30 12:00 (key compromise)",
        ),
        (
            ["--ocsp", "stranger.der"],
            FAILED,
            "signed by CN=Stranger, whom CN=Intermediate has not authorised",
        ),
        (["--ocsp", "ca.der", "--revocation", "tolerant"], DONE, "unknown, and accepted as configured"),
    ],
)
def test_responses_from_files_count(folder: Path, options: list[str], status: int, words: str) -> None:
    """Naming a source asks for revocation, of the whole path."""
    done = run(folder, *options)
    assert done.return_value == status, done.output
    assert words in done.output


def test_the_finding_is_reported_to_programs(folder: Path) -> None:
    """--json."""
    reported = report_schema.report("verify", run(folder, "--ocsp", "revoked.der", "--json").output)
    assert reported["trusted"] is False
    assert reported["checks"][2]["outcome"] == "failed"
    assert "REVOKED" in [each["fault"] for each in reported["reasons"]]


def test_an_old_response_says_nothing_at_a_later_time(folder: Path) -> None:
    """--at."""
    done = run(folder, "--ocsp", "good.der", "--revocation", "leaf", at=datetime(2026, 7, 1, tzinfo=UTC))
    assert done.return_value == FAILED
    assert "its OCSP response is not current: it expired on 2026-06-02 12:00" in done.output


@pytest.mark.parametrize(
    ("name", "words"),
    [("server.pem", "this is a certificate"), ("root.crl", "this is a CRL"), ("later.der", "try later")],
)
def test_a_file_that_is_no_response_is_wrong_use(folder: Path, name: str, words: str) -> None:
    """The file is named."""
    done = run(folder, "--ocsp", name)
    assert isinstance(done.exception, ConfigError)
    assert str(done.exception).startswith(str(folder / name)) and words in str(done.exception)


def test_a_certificate_in_a_file_has_no_staple(folder: Path) -> None:
    """The presets that need a handshake refuse it, and say why."""
    done = run(folder, "--crl", "root.crl", "--revocation", "staple")
    assert done.return_value == FAILED
    assert "it sent none" in done.output


def test_a_certificate_for_the_other_side_is_told_how_it_is_verified(folder: Path) -> None:
    """Without --purpose it is verified as a server's."""
    (folder / "client.pem").write_bytes(leaf(CA, usage=("clientAuth",)).chain_pem)
    words = [str(folder / "client.pem"), "--ca", str(folder / "root.pem"), "--at", NOW.isoformat()]
    refused = CliRunner().invoke(verify.command, words, standalone_mode=False)
    assert refused.return_value == FAILED
    assert "This is a client's certificate: --purpose client verifies it as one" in refused.stdout
    trusted = CliRunner().invoke(verify.command, [*words, "--purpose", "client"], standalone_mode=False)
    assert trusted.return_value == DONE
    assert "This is a" not in trusted.stdout


def test_no_peer_is_said_to_have_sent_what_is_verified(folder: Path) -> None:
    """In the lines and in the JSON, of which `happened` is the first reason."""
    done = run(folder, at=datetime(2039, 1, 1, tzinfo=UTC))
    assert done.return_value == FAILED and ": a certificate that expired on" in done.output
    report = report_schema.report("verify", run(folder, "--json", at=datetime(2039, 1, 1, tzinfo=UTC)).output)
    assert report["explanation"]["happened"].startswith("a certificate that expired on")
    told = [done.output, report["explanation"]["happened"]]
    told += [each["text"] for each in (*report["reasons"], *report["checks"])]
    assert not any("sent a" in each for each in told)
