"""What `bothways demo` shows people: in a pipe, and where the terminal holds no more than ASCII."""

from __future__ import annotations

import pytest

from bothways.cli.output.console import PIPE_WIDTH
from bothways.describe.steps import PHASES, STEPS
from cli.demo.test_command import SCENES, run

pytestmark = pytest.mark.network


def test_demo_shows_every_step_and_every_scene_in_a_pipe():
    """Phases and ids, readable without colour, and status 0."""
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    for number, phase in PHASES.items():
        assert f"{number}  {phase}\n" in done.stdout
    for step in STEPS:
        assert f"\n{step:<5}" in done.stdout
    for scene in SCENES:
        assert f"{scene}: refused as expected" in done.stdout
    assert "not checked: no source configured" in done.stdout
    assert "Server and client staple" in done.stdout
    assert done.stdout.count("2 certificates not revoked by the available evidence") == 2
    assert "the server is warned: the revocation status of the peer's certificates is unknown" in done.stdout
    assert "connection refused by the host or by a firewall" in done.stdout
    assert "public key" in done.stdout
    assert "private key" in done.stdout
    assert "session key" in done.stdout
    assert "\x1b" not in done.stdout
    assert all(len(line) <= PIPE_WIDTH and line == line.rstrip() for line in done.stdout.splitlines())
    assert done.stdout.endswith(
        "All 5 handshakes succeeded, and 12 of 12 scenarios were refused as expected.\n"
    )


def test_demo_keeps_to_ascii_where_the_terminal_does():
    """A pipe without UTF-8 gets no character that it cannot hold."""
    done = run(PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
