"""`bothways doctor` as a process: what it prints, what it writes, its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import identities
import pki
import report_schema
from bothways.cli import commands
from bothways.cli.output import terminal
from command_line import bothways, environment, run_command
from doctor_talk import listening, saying

ADA = ["--ca", "ca.pem", "--cert", "ada.pem", "--key", "ada.key"]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = run_command(
        bothways("doctor", *words), cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.network
def test_a_server_that_lets_us_in_is_status_0_and_what_was_asked_for_is_written(start, folder):
    """The plan comes before anything is connected, the report on standard output."""
    target = f"127.0.0.1:{start('--client-ca', 'ca.pem', '--page', '--alpn', 'http/1.1').port}"
    done = run(folder, target, *ADA, "--html", "report.html", "--ladder", "handshake.json")
    assert done.returncode == 0, done.stdout
    assert done.stderr.startswith(f"examining {target} by at most 50 connections, one after the other:\n")
    for words in (
        "What it supports",
        "TLS 1.3, TLS 1.2",
        ", and without one it refuses the handshake: required",
        "CN=Ada",
    ):
        assert words in " ".join(done.stdout.split())
    assert done.stdout.splitlines()[-1].startswith(f"A handshake with {target} succeeds: 0 problems, ")
    assert all(len(line) <= 104 for line in done.stdout.splitlines())
    assert (folder / "report.html").read_text().startswith("<!doctype html>")
    assert json.loads((folder / "handshake.json").read_text())["outcome"] == "succeeded"


@pytest.mark.network
def test_a_server_that_refuses_us_is_status_1_and_json_says_why(start, folder):
    """The same as values, and nothing else on standard output."""
    target = f"127.0.0.1:{start('--client-ca', 'ca.pem', '--echo').port}"
    words = ["--ca", "ca.pem", "--cert", "mallory.pem", "--key", "mallory.key"]
    done = run(folder, target, *words, "--json")
    report = report_schema.report("doctor", done.stdout)
    assert (done.returncode, report["format"], report["outcome"]) == (1, "bothways-doctor", "failed")
    last = report["handshakes"][-1]["failure"]
    assert (last["step"], last["alert"]) == ("3.3a", "unknown_ca")
    first = last["explanation"]["causes"][0]
    assert first["cause"] == "CA_NOT_ACCEPTED" and "--ca ca.pem" in first["command"]
    assert report["connections"] <= report["connection_limit"] == 50


@pytest.mark.network
def test_a_private_server_is_told_what_a_public_one_would_have_to_be(start, folder):
    """--profile web: every rule that its certificate breaks, and by which profile it was judged."""
    target = f"127.0.0.1:{start('--client-ca', 'ca.pem', '--echo').port}"
    report = report_schema.report("doctor", run(folder, target, *ADA, "--profile", "web", "--json").stdout)
    assert (report["profile"], report["outcome"]) == ("web", "failed")
    rows = {row["id"]: row for section in report["sections"] for row in section["rows"]}
    assert rows["certificate.profile"]["text"].startswith("the web profile")
    assert "common name" in rows["certificate.not_a_web_certificate"]["text"]
    assert "BR 7.1.4.3" in rows["certificate.not_a_web_certificate"]["text"]


@pytest.mark.network
def test_a_server_without_tls_is_described_with_escaped_bytes(folder):
    """A banner may hold what moves a cursor."""
    with listening(saying(b"220 \x1b[2J\xe2\x80\xaemail SMTP\r\n")) as server:
        done = run(folder, f"127.0.0.1:{server.port}", "--ca", "ca.pem")
    assert done.returncode == 1
    assert "it uses SMTP, which may require STARTTLS first" in " ".join(done.stdout.split())
    assert "\x1b" not in done.stdout and "\u202e" not in done.stdout


def test_files_alone_are_judged_before_anything_is_connected(folder, monkeypatch, capsys):
    """Status 0 if nothing speaks against them."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["bothways", "doctor", *ADA])
    assert terminal.run(commands.bothways) == 0
    reported = capsys.readouterr()
    assert reported.err == ""
    assert reported.out.splitlines()[-1].startswith("No problem was found in these files: 0 problems, ")
    monkeypatch.setattr(sys, "argv", ["bothways", "doctor", *ADA, "--html", "/dev/full"])
    assert terminal.run(commands.bothways) == 2
    reported = capsys.readouterr()
    assert reported.err == "bothways: --html /dev/full: No space left on device\n"
    assert "No problem was found" in reported.out
    expired = pki.leaf(
        identities.middle(), "Old", not_before=identities.START - pki.DAY, not_after=identities.START
    )
    (folder / "old.pem").write_bytes(expired.chain_pem + expired.key_pem)
    monkeypatch.setattr(sys, "argv", ["bothways", "doctor", "--cert", "old.pem", "--json"])
    assert terminal.run(commands.bothways) == 1
    rows = [
        row["id"] for row in report_schema.report("doctor", capsys.readouterr().out)["sections"][0]["rows"]
    ]
    assert "identity.certificate_expired" in rows
    monkeypatch.setattr(sys, "argv", ["bothways", "doctor", "--cert", "ada.pem", "--key", "server.key"])
    assert terminal.run(commands.bothways) == 2
    assert "server.key" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        ([], "choose what to examine"),
        (["--key", "ada.key"], "choose what to examine"),
        ([*ADA, "--name", "x"], "--name requires HOST:PORT"),
        ([*ADA, "--http", "/"], "--http requires HOST:PORT"),
        ([*ADA, "--ladder", "x.html"], "--ladder requires HOST:PORT"),
        ([*ADA, "--profile", "web"], "--profile web requires HOST:PORT"),
        (["localhost:443", *ADA, "--profile", "public"], "'public' is not one of"),
        (["localhost", *ADA], "is not an address"),
        (["localhost:0", *ADA], "port of 1 to 65535"),
        (["localhost:443", *ADA, "--http", "a b"], "is no path"),
        (["localhost:443", *ADA, "--http", "/a\r\nHost: b"], "is no path"),
        (["localhost:443", *ADA, "--name", "no name"], "not a DNS name"),
        (["localhost:443", "--ca", "missing.pem"], "missing.pem"),
        (["localhost:443", *ADA, "--html", "no/such/file.html"], "--html no/such/file.html"),
        (["localhost:443", *ADA, "--timeout", "0"], "--timeout"),
    ],
)
def test_wrong_use_is_status_2_and_connects_to_nobody(
    words: list[str], printed: str, folder, monkeypatch, capsys
):
    """With what to say instead."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["bothways", "doctor", *words])
    assert terminal.run(commands.bothways) == 2
    reported = capsys.readouterr()
    assert reported.out == ""
    assert printed in reported.err
