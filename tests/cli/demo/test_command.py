"""`bothways demo` as a process: what it prints for people in a pipe and for programs, and its exit status."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from importlib import import_module

import pytest
from click.testing import CliRunner

import report_schema
from bothways.describe.steps import STEPS
from bothways.faults import Fault
from command_line import bothways, environment, run_command

command = import_module("bothways.cli.demo.command")  # the module; the package has the command itself

pytestmark = pytest.mark.network

SCENES = (
    "no client certificate",
    "unknown CA",
    "expired certificate",
    "wrong server name",
    "a revoked certificate",
    "revoked while it is connected",
    "an expired CRL",
    "a responder that is down",
    "an altered staple",
    "a certificate without its private key",
    "an altered message",
    "an altered record",
)


def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return run_command(
        bothways("demo", *arguments),
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_demo_prints_one_json_object_for_each_step():
    """--json."""
    done = run("--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [report_schema.report("demo", line) for line in done.stdout.splitlines()]
    for name in ("mutual", "one-way", "stapled", "tolerant", "classic"):
        steps = [row for row in rows if row.get("run") == name]
        assert [row["step"] for row in steps[:-1]] == list(STEPS)
        assert steps[-1]["succeeded"] is True
    one_way = {row["step"]: row["status"] for row in rows if row.get("run") == "one-way" and "step" in row}
    assert one_way["3.1"] == "not part of it"
    assert one_way["2.3c"] == "not checked"
    with_status = {
        row["step"]: row["status"] for row in rows if row.get("run") == "stapled" and "step" in row
    }
    assert with_status["2.3c"] == with_status["3.3c"] == "done"
    mutual = {row["step"]: row for row in rows if row.get("run") == "mutual" and "step" in row}
    assert [key["kind"] for key in mutual["2.4"]["keys"]] == ["public", "private"]
    sides = {(line["side"], line["act"]) for line in mutual["3.1"]["lines"]}
    assert sides == {("client", "sent"), ("server", "received")}
    scenes = [row for row in rows if "scene" in row]
    assert tuple(row["scene"] for row in scenes) == SCENES
    for row in scenes:
        assert row["as_expected"] is True
        refusing, refused = (row["client"], row["server"])[:: 1 if row["refused_by"] == "client" else -1]
        assert refusing["kind"] == "PeerFault"
        assert refused["kind"] == "PeerAlert"
        assert refusing["alert"] == refused["alert"]
        assert refusing["step"] == row["step"]


def test_demo_tells_the_classic_flow_step_by_step_and_what_is_dated_in_it():
    """RFC 5246 7.4.7.1: the secret under the server's key, and why it has to be asked for."""
    done = run("--classic")
    assert (done.returncode, done.stderr) == (0, "")
    for step in STEPS:
        assert f"\n{step:<5}" in done.stdout
    assert (
        "2.4  the client sends a random secret that only the server's private key can decrypt" in done.stdout
    )
    assert "ClientKeyExchange (2.4)" in done.stdout
    assert "no forward secrecy" in done.stdout
    rows = [report_schema.report("demo", line) for line in run("--classic", "--json").stdout.splitlines()]
    assert [row["step"] for row in rows[:-1]] == list(STEPS)
    assert rows[-1]["succeeded"] is True and rows[-1]["client"]["version"] == "1.2"


def test_demo_fails_when_a_scene_is_not_refused_as_it_should_be(monkeypatch):
    """Otherwise status 1."""
    wrong = replace(command.SCENES[0], fault=Fault.NO_PATH)
    accepted = replace(command.SCENES[1], run=command.mutual)
    monkeypatch.setattr(command, "SCENES", (wrong, accepted))
    shown = CliRunner().invoke(command.command, [], standalone_mode=False)
    assert shown.return_value == 1
    assert "no client certificate: NOT AS EXPECTED" in shown.output
    assert "nobody        refused" in shown.output
    assert "0 of 2 scenarios" in shown.output


def test_demo_fails_when_a_handshake_does(monkeypatch):
    """What should succeed and does not is told with both sides' words."""
    monkeypatch.setattr(command, "mutual", command.SCENES[2].run)
    monkeypatch.setattr(command, "one_way", command.SCENES[2].run)
    monkeypatch.setattr(command, "SCENES", ())
    shown = CliRunner().invoke(command.command, [], standalone_mode=False)
    assert shown.return_value == 1
    assert "NOT every handshake succeeded" in shown.output
    assert "the client ended with: the server sent a certificate that expired on" in shown.output
    assert "the server ended with: the client refused the connection" in shown.output
