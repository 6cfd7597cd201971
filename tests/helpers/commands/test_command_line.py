"""A command that is forked does what a fresh interpreter does."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import pytest

import identities
from command_line import bothways, environment, run_command, shell_options, start_command


@pytest.mark.parametrize(
    "words", [["--version"], ["show", "nothing.pem"], ["ca", "init", "--help"], ["nonsense"]]
)
def test_forked_command_prints_and_exits_like_one_of_a_fresh_interpreter(
    words: list[str], tmp_path: Path
) -> None:
    options = {"cwd": tmp_path, "env": environment(), "capture_output": True, "text": True, "timeout": 60}
    forked, fresh = (start(bothways(*words), **options) for start in (run_command, subprocess.run))
    assert (forked.returncode, forked.stdout, forked.stderr) == (fresh.returncode, fresh.stdout, fresh.stderr)


def test_forked_command_has_its_folder_its_environment_and_its_input(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    logged = {"SSLKEYLOGFILE": "folder"}
    words = bothways("connect", "127.0.0.1:1", "--ca", "root.pem", "--insecure-keylog")
    options = {
        "cwd": tmp_path,
        "env": environment(**logged),
        "input": "",
        "capture_output": True,
        "text": True,
    }
    (tmp_path / "root.pem").write_bytes(identities.root().pem)
    forked, fresh = (start(words, **options) for start in (run_command, subprocess.run))
    assert forked.stderr == fresh.stderr and "folder" in forked.stderr
    shown = run_command(bothways("show", "root.pem"), cwd=tmp_path, env=environment(), capture_output=True)
    assert shown.returncode == 0 and shown.stdout.startswith(b"root.pem: certificate: ")


def test_a_signal_ends_it_and_is_its_status(tmp_path: Path) -> None:
    """Nobody answers: it would wait."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        (tmp_path / "root.pem").write_bytes(identities.root().pem)
        words = bothways("connect", f"127.0.0.1:{listener.getsockname()[1]}", "--ca", "root.pem")
        with start_command(words, cwd=tmp_path, env=environment(), stderr=subprocess.DEVNULL) as process:
            waiting, _ = listener.accept()
            assert process.poll() is None
            process.kill()
            assert process.wait(30) == -signal.SIGKILL
            assert process.poll() == process.returncode == -signal.SIGKILL
            waiting.close()


def test_what_an_interpreter_reads_when_it_begins_needs_one(tmp_path: Path) -> None:
    """And so does any other program."""
    for words, more in ((bothways("--version"), {"PYTHONUTF8": "1"}), (["true"], {})):
        with start_command(words, env=environment(**more), stdout=subprocess.DEVNULL) as process:
            assert isinstance(process, subprocess.Popen)
            assert process.wait(60) == 0


def test_a_command_of_a_shell_is_forked_and_gets_its_signals(tmp_path: Path) -> None:
    """Its input, output and status are the shell's, by a name as anybody's."""
    for name, content in (
        ("server.pem", identities.server().chain_pem),
        ("key.pem", identities.server().key_pem),
    ):
        (tmp_path / name).write_bytes(content)
    script = """
bothways --version
bothways nonsense 2> refused || echo "status $?"
bothways serve 127.0.0.1:0 --cert server.pem --key key.pem --echo 2> log &
until grep -q listening log; do sleep 0.05; done
kill $!
wait $! && echo ended
"""
    options = shell_options(tmp_path / "bin")
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        **options,
    )
    version = run_command(bothways("--version"), env=environment(), capture_output=True, text=True).stdout
    assert done.stdout == f"{version}status 2\nended\n"
    assert "nonsense" in (tmp_path / "refused").read_text()
