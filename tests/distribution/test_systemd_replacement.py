"""A gateway that is replaced (SIGUSR2) under a manager of systemd, with what the unit of packaging/systemd says.

The manager is one of its own: `systemd --user` among processes, mounts and control groups that end with the test.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.testing import MutualTLS
from command_line import bothways, environment
from distribution.test_systemd_units import SERVICE, Unit
from gateway_talk import ANYBODY, behind
from http_callers import until
from interop.peers import find

pytestmark = [
    pytest.mark.interop,
    pytest.mark.network,
    pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux"),
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="control groups need root"),
]
KEPT = (
    "Type",
    "NotifyAccess",
    "KillMode",
    "TimeoutStopSec",
    "Restart",
)  # of the unit; the rest is for the system
BOOTED = "mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system && systemd_of_user; true"
GROUPS = Path("/sys/fs/cgroup")


class Manager:
    """A manager of systemd that has one service."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder, self._process = folder, process
        self._among: list[str] = []

    def is_up(self) -> bool:
        assert self._process.poll() is None, "the manager has ended"
        with contextlib.suppress(OSError, IndexError):
            first = (
                Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()[0]
            )
            self._among = [find("nsenter"), f"--target={first}", "--mount", "--pid"]
            return self.do("is-system-running").stdout in ("running\n", "degraded\n", "starting\n")
        return False

    def do(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._words(*words), capture_output=True, text=True, timeout=60, check=False)

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._words(*words))

    def shown(self, key: str) -> str:
        return self.do("show", "gateway", f"--property={key}", "--value").stdout.strip()

    def _words(self, *words: str) -> list[str]:
        variable = f"XDG_RUNTIME_DIR={self.folder}"
        return [*self._among, "env", variable, find("systemctl"), "--user", *words]


@contextlib.contextmanager
def own_group() -> Iterator[str]:
    """Have a control group of our own in each hierarchy that systemd uses; what puts a shell there."""
    trees = [
        each for each in (GROUPS / "systemd", GROUPS / "unified", GROUPS) if (each / "cgroup.procs").exists()
    ]
    groups = [each / f"bothways-test-{os.getpid()}" for each in trees]
    try:
        for each in groups:
            each.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        yield " && ".join(f"echo $$ > {each}/cgroup.procs" for each in groups)
    finally:
        for each in groups:
            for folder, _, _ in os.walk(each, topdown=False):
                until(lambda folder=folder: _is_removed(folder))


def _is_removed(folder: str) -> bool:
    with contextlib.suppress(OSError):  # busy until the last process is gone
        os.rmdir(folder)
    return not os.path.exists(folder)


@pytest.fixture
def manager() -> Iterator[Manager]:
    folder = Path(tempfile.mkdtemp(prefix="bothways-", dir="/tmp"))  # addresses of Unix sockets are short
    (folder / "systemd" / "user").mkdir(parents=True)
    (folder / "systemd" / "user" / "nothing.target").write_text("[Unit]\nDefaultDependencies=no\n")
    variables = {
        "XDG_RUNTIME_DIR": folder,
        "XDG_CONFIG_HOME": folder,
        "HOME": folder,
        "PATH": os.environ["PATH"],
    }
    program = f"{find('systemd')} --user --unit=nothing.target"
    unshare = f"exec {find('unshare')} --mount --pid --fork --mount-proc --kill-child"
    inner = BOOTED.replace("systemd_of_user", program)
    with own_group() as group:
        process = subprocess.Popen(
            ["sh", "-c", f"{group} && {unshare} sh -c '{inner}'"], env=variables, stderr=subprocess.DEVNULL
        )
        try:
            made = Manager(folder, process)
            until(made.is_up)
            yield made
        finally:
            process.kill()
            process.wait(30)
            shutil.rmtree(folder)


@pytest.fixture
def port(manager: Manager, tmp_path: Path) -> Iterator[tuple[int, MutualTLS]]:
    """A gateway is started as a service, and listens on this port; its clients are those of this PKI."""
    with MutualTLS(tmp_path) as mutual, behind() as service, socket.create_server(("127.0.0.1", 0)) as free:
        number = free.getsockname()[1]
        free.close()
        mine = mutual.identity("server")
        (tmp_path / "gateway.toml").write_text(
            f'[identity]\ncertificate = "{mine.cert}"\nkey = "{mine.key}"\nclient_ca = "{mutual.ca}"\n'
            f'[[listener]]\nport = {number}\n[[route]]\nbackend = "127.0.0.1:{service}"\n{ANYBODY}\n'
        )
        ours = Unit(SERVICE)["Service"]
        command = " ".join([*bothways(), "gateway", "-c", str(tmp_path / "gateway.toml"), "--workers", "1"])
        lines = [f"{each}={ours[each]}" for each in KEPT]
        lines += [f"Environment=PYTHONPATH={environment()['PYTHONPATH']}", f"ExecStart={command}"]
        lines += [f"StandardError=append:{tmp_path / 'log'}"]
        unit = manager.folder / "systemd" / "user" / "gateway.service"
        unit.write_text("\n".join(["[Service]", *lines, ""]))
        started = manager.do("start", "gateway")
        assert started.returncode == 0, started.stderr
        yield number, mutual
        assert "Traceback" not in (tmp_path / "log").read_text()


def replaced(manager: Manager) -> str:
    """Have the gateway replaced; the number of the new main process."""
    first = manager.shown("MainPID")
    manager.do("kill", "--kill-who=main", "--signal=USR2", "gateway")
    until(lambda: manager.shown("MainPID") != first)
    return manager.shown("MainPID")


def says(channel, word: bytes) -> bool:
    channel.settimeout(20)
    channel.sendall(word + b"\n")
    return channel.recv(100) == word + b"\n"


def test_a_stop_waits_for_the_connections_of_old_and_new_processes(
    manager: Manager, port: tuple[int, MutualTLS], tmp_path: Path
) -> None:
    """Each has the time to drain: neither is killed as what a main process has left behind."""
    number, mutual = port
    with contextlib.ExitStack() as stack, mutual.client().connect("127.0.0.1", number) as old:
        assert says(old, b"one")
        replaced(manager)
        with mutual.client().connect("127.0.0.1", number) as new:
            assert says(old, b"two") and says(new, b"two")
            stop = stack.enter_context(manager.begin("stop", "gateway"))
            until(lambda: (tmp_path / "log").read_text().count("draining") == 2)
            assert says(old, b"three") and says(new, b"three")
    assert stop.returncode == 0
    assert (manager.shown("Result"), manager.shown("ActiveState")) == ("success", "inactive")


@pytest.mark.full
def test_systemd_learns_of_the_end_of_the_new_main_process(
    manager: Manager, port: tuple[int, MutualTLS]
) -> None:
    """As of the first one: it is started anew, though processes from before still had connections."""
    number, mutual = port
    with mutual.client().connect("127.0.0.1", number) as old:
        assert says(old, b"one")
        second = replaced(manager)
        manager.do("kill", "--kill-who=main", "--signal=KILL", "gateway")
        until(lambda: manager.shown("NRestarts") == "1" and manager.shown("ActiveState") == "active")
    assert manager.shown("MainPID") != second
    with mutual.client().connect("127.0.0.1", number) as channel:
        assert says(channel, b"two")
    assert manager.do("stop", "gateway").returncode == 0
