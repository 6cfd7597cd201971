"""`serve --ech-key` and `connect --ech`: an encrypted ClientHello between two commands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from bothways import ECHKey
from cli_scripting import Background
from cli_talk import there_and_back
from command_line import bothways, environment, run_command

pytestmark = pytest.mark.network

Start = Callable[..., Background]


@pytest.fixture
def key(folder: Path) -> ECHKey:
    """The key of the server, as the file ech.pem, and one that it has no longer, as former.pem."""
    made = ECHKey.generate("localhost")
    (folder / "ech.pem").write_bytes(made.to_pem())
    (folder / "former.pem").write_bytes(ECHKey.generate("localhost", unlike=[made]).to_pem())
    return made


def connect(port: str, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return there_and_back(folder, port, "--ca", "ca.pem", "--cert", "ada.pem", "--key", "ada.key", *options)


def test_a_hello_is_encrypted_by_file_and_by_text(start: Start, folder: Path, key: ECHKey) -> None:
    server = start("--echo", "--client-ca", "ca.pem", "--ech-key", "ech.pem")
    for option in ("ech.pem", str(key.published), "grease"):
        done = connect(server.port, folder, "--ech", option)
        assert (done.returncode, done.stdout) == (0, "there and back\n"), done.stderr


def test_an_outdated_configuration_is_reported_as_that(start: Start, folder: Path, key: ECHKey) -> None:
    """Neither data nor certificate was sent."""
    server = start("--echo", "--client-ca", "ca.pem", "--ech-key", "ech.pem")
    done = connect(server.port, folder, "--ech", "former.pem")
    assert done.returncode == 1 and done.stdout == ""
    assert "is outdated" in done.stderr and "ech_required" in done.stderr
    again = start("--echo", "--client-ca", "ca.pem", "--ech-key", "ech.pem", "--ech-key", "former.pem")
    assert connect(again.port, folder, "--ech", "former.pem").returncode == 0
    assert key.published is not None


@pytest.mark.usefixtures("key")
def test_probes_are_not_sent_in_the_clear(folder: Path) -> None:
    """They would show the name that is to be hidden; whoever drops the first hello could have them sent."""
    done = connect("1", folder, "--ech", "ech.pem", "--probe")
    assert done.returncode == 2 and "--probe and --ech exclude each other" in done.stderr


@pytest.mark.usefixtures("key")
def test_a_suggested_command_encrypts_too(folder: Path) -> None:
    """The server has another name than that which is asked for, so another command is suggested."""
    done = connect("1", folder, "--ech", "ech.pem")
    assert done.returncode == 1
    assert all("--ech" in line for line in done.stderr.splitlines() if "bothways connect" in line)


@pytest.mark.usefixtures("key")
def test_an_invalid_ech_configuration_is_wrong_use(folder: Path) -> None:
    for wrong in ("nothing.pem", "ada.pem", "AAAA", ""):
        done = connect("1", folder, "--ech", wrong)
        assert done.returncode == 2 and "--ech" in done.stderr, done.stderr
    words = ("serve", "127.0.0.1:0", "--cert", "server.pem", "--key", "server.key", "--echo")
    for wrong, problem in (("ada.pem", "ECHCONFIG"), ("nothing.pem", "cannot be read")):
        done = run_command(
            bothways(*words, "--ech-key", wrong),
            cwd=folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 2 and wrong in done.stderr and problem in done.stderr
