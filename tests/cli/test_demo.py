"""`bothways demo` as a process: what it prints for people in a pipe and for programs, and its exit status."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace

import pytest
from click.testing import CliRunner

from bothways.cli import demo
from bothways.cli.console import PIPE_WIDTH
from bothways.describe.steps import PHASES, STEPS
from bothways.faults import Fault
from cli_scripting import bothways, environment

pytestmark = pytest.mark.network

SCENES = (
    "no client certificate",
    "unknown CA",
    "expired certificate",
    "wrong server name",
    "a revoked certificate",
    "revoked while it is connected",
    "an expired revocation list",
    "a responder that is down",
    "an altered staple",
    "a certificate without its key",
    "an altered message",
    "an altered record",
)


def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        bothways("demo", *arguments),
        env=environment(**extra),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_demo_shows_every_step_and_every_scene_in_a_pipe():
    """Phases and ids, readable without colour, and status 0."""
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    for number, phase in PHASES.items():
        assert f"{number}  {phase}\n" in done.stdout
    for step in STEPS:
        assert f"\n{step:<5}" in done.stdout
    for scene in SCENES:
        assert f"{scene}: refused as it should be" in done.stdout
    assert "not checked: no source configured" in done.stdout
    assert "Server and client staple" in done.stdout
    assert done.stdout.count("2 certificates not revoked by the evidence at hand") == 2
    assert "the server is warned: whether the peer's certificates are revoked is not known" in done.stdout
    assert "connection refused: nothing listens there" in done.stdout
    assert "public key" in done.stdout
    assert "private key" in done.stdout
    assert "session key" in done.stdout
    assert "\x1b" not in done.stdout
    assert all(len(line) <= PIPE_WIDTH and line == line.rstrip() for line in done.stdout.splitlines())
    assert done.stdout.endswith(
        "All 5 handshakes succeeded, and 12 of 12 scenes were refused as they should be.\n"
    )


def test_demo_keeps_to_ascii_where_the_terminal_does():
    """A pipe without UTF-8 gets no character that it cannot hold."""
    done = run(PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()


def test_demo_prints_one_json_object_for_each_step():
    """--json."""
    done = run("--json")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    for name in ("mutual", "one-way", "stapled", "tolerant", "classic"):
        steps = [row for row in rows if row.get("run") == name]
        assert [row["step"] for row in steps[:-1]] == list(STEPS)
        assert steps[-1]["succeeded"] is True
    one_way = {row["step"]: row["standing"] for row in rows if row.get("run") == "one-way" and "step" in row}
    assert one_way["3.1"] == "not part of it"
    assert one_way["2.3c"] == "not checked"
    with_status = {
        row["step"]: row["standing"] for row in rows if row.get("run") == "stapled" and "step" in row
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
    assert "2.4  the client sends a random secret that only the server's private key opens" in done.stdout
    assert "ClientKeyExchange (2.4)" in done.stdout
    assert "no forward secrecy" in done.stdout
    rows = [json.loads(line) for line in run("--classic", "--json").stdout.splitlines()]
    assert [row["step"] for row in rows[:-1]] == list(STEPS)
    assert rows[-1]["succeeded"] is True and rows[-1]["client"]["version"] == "1.2"


def test_demo_fails_when_a_scene_is_not_refused_as_it_should_be(monkeypatch):
    """Otherwise status 1."""
    wrong = replace(demo.SCENES[0], fault=Fault.NO_PATH)
    accepted = replace(demo.SCENES[1], run=demo.mutual)
    monkeypatch.setattr(demo, "SCENES", (wrong, accepted))
    shown = CliRunner().invoke(demo.command, [], standalone_mode=False)
    assert shown.return_value == 1
    assert "no client certificate: NOT AS IT SHOULD BE" in shown.output
    assert "nobody        refused" in shown.output
    assert "0 of 2 scenes" in shown.output


def test_demo_fails_when_a_handshake_does(monkeypatch):
    """What should succeed and does not is told with both sides' words."""
    monkeypatch.setattr(demo, "mutual", demo.SCENES[2].run)
    monkeypatch.setattr(demo, "one_way", demo.SCENES[2].run)
    monkeypatch.setattr(demo, "SCENES", ())
    shown = CliRunner().invoke(demo.command, [], standalone_mode=False)
    assert shown.return_value == 1
    assert "NOT every handshake succeeded" in shown.output
    assert "the client ended with: the server sent a certificate that expired on" in shown.output
    assert "the server ended with: the client refused the connection" in shown.output
