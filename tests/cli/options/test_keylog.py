"""`--insecure-keylog` and SSLKEYLOGFILE: both are needed, and whoever uses them is warned."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import identities
from bothways.cli import commands
from bothways.cli.output import terminal
from bothways.net import connect
from cli_scripting import Background
from cli_talk import IDENTITY, ada
from command_line import bothways, environment, run_command

ADA = ["--ca", "ca.pem", "--cert", "ada.pem", "--key", "ada.key"]


def run(folder: Path, *words: str, log: Path | None) -> subprocess.CompletedProcess[str]:
    extra = {"SSLKEYLOGFILE": str(log)} if log is not None else {}
    return run_command(
        bothways(*words), cwd=folder, env=environment(**extra), input="", capture_output=True, text=True,
        timeout=30, check=False,
    )  # fmt: skip


@pytest.mark.network
def test_a_client_logs_its_keys_only_when_allowed_on_the_command_line(start, folder: Path, tmp_path: Path):
    """The file is its owner's alone and grows; the warning comes each time."""
    log = tmp_path / "keys.log"
    target = f"127.0.0.1:{start('--client-ca', 'ca.pem', '--echo').port}"
    quiet = run(folder, "connect", target, *ADA, log=log)
    assert quiet.returncode == 0
    assert not log.exists()
    assert "key" not in quiet.stderr.partition("connected")[0]
    for times in (1, 2):
        loud = run(folder, "connect", target, *ADA, "--insecure-keylog", log=log)
        assert loud.returncode == 0
        assert loud.stderr.startswith(f"warning: the keys of every connection are written to {log}")
        lines = log.read_text().splitlines()
        assert [line.split()[0] for line in lines].count("CLIENT_TRAFFIC_SECRET_0") == times
        assert not any(secret in loud.stderr for line in lines for secret in line.split()[1:])
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@pytest.mark.network
def test_a_server_logs_the_same_lines_as_its_client(folder: Path, tmp_path: Path, monkeypatch):
    """Threads of a server write whole lines into one file."""
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    words = ["serve", "127.0.0.1:0", *IDENTITY, "--client-ca", "ca.pem", "--echo", "--insecure-keylog"]
    server = Background(words, folder)
    try:
        ours: list[str] = []
        for version in ("1.3", "1.2"):
            config = identities.client_config(
                identities.client(), versions=(version,), groups=("secp256r1",), insecure_keylog=ours.append
            )
            connect("127.0.0.1", int(server.port), config).close()
        ada(server).close()
    finally:
        server.end()
    assert "warning: the keys of every connection are written to" in server.printed
    assert set(ours) < set(log.read_text().splitlines())


def here(monkeypatch, folder: Path, log: Path | None, *words: str) -> int:
    """Run the command in this process."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(
        sys, "argv", ["bothways", "connect", "127.0.0.1:1", *ADA, "--insecure-keylog", *words]
    )
    if log is None:
        monkeypatch.delenv("SSLKEYLOGFILE", raising=False)
    else:
        monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    return terminal.run(commands.bothways)


def test_the_option_without_a_file_or_with_one_that_cannot_be_written_is_wrong_use(
    folder, monkeypatch, capsys
):
    """Nothing is connected."""
    assert here(monkeypatch, folder, None) == 2
    assert capsys.readouterr().err.splitlines() == [
        "bothways: --insecure-keylog: SSLKEYLOGFILE does not name a file",
        "Hint: set it: SSLKEYLOGFILE=keys.log bothways ...",
    ]
    assert here(monkeypatch, folder, folder / "no" / "keys") == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_a_file_that_others_may_read_is_warned_of_also_in_json(folder, tmp_path, monkeypatch, capsys):
    """Its rights are left as they are: it may belong to other programs too."""
    log = tmp_path / "keys.log"
    log.touch()
    log.chmod(0o644)
    assert here(monkeypatch, folder, log, "--json") == 1
    reports = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert reports[0]["warning"].startswith(f"the keys of every connection are written to {log}")
    assert reports[1] == {"warning": f"{log} can be read by users other than its owner: use chmod 600"}
    assert "error" in reports[2]


def test_a_file_of_somebody_else_is_warned_of(folder, tmp_path, monkeypatch, capsys):
    """Such as one that was laid ready where anybody may write."""
    log = tmp_path / "keys.log"
    log.touch(0o600)
    owner = log.stat().st_uid
    monkeypatch.setattr("bothways.cli.options.keylog.os.geteuid", lambda: owner + 1)
    assert here(monkeypatch, folder, log) == 1
    assert f"warning: {log} belongs to another user" in capsys.readouterr().err
