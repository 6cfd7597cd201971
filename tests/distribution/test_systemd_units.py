"""The units of packaging/systemd, by systemd's own programs: they are read, their exposure is low, and they start."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from configparser import RawConfigParser
from pathlib import Path

import pytest

from architecture.sources import ROOT
from bothways.testing import MutualTLS
from command_line import bothways, environment
from gateway_talk import ANYBODY, behind
from interop.peers import find

UNITS = ROOT / "packaging" / "systemd"
SERVICE, SOCKET = "bothways-gateway.service", "bothways-gateway.socket"
INSTALLED, FILE = "/opt/bothways/bin/bothways", "/etc/bothways/gateway.toml"
MOST_EXPOSED = 13  # of 100; that it listens on the network is in it

pytestmark = [pytest.mark.interop, pytest.mark.skipif(sys.platform != "linux", reason="systemd is of Linux")]


class Unit(RawConfigParser):
    """A unit file; of a key that is there several times the last line is kept."""

    def __init__(self, name: str) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
        self.optionxform = str  # type: ignore[method-assign, assignment]
        self.read_string((UNITS / name).read_text())


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with a program that is there on this machine in place of ours."""
    for each in UNITS.glob("bothways-gateway.*"):
        (tmp_path / each.name).write_text(each.read_text().replace(INSTALLED, sys.executable))
    return tmp_path


def test_systemd_reads_both_without_a_complaint(installed: Path) -> None:
    words = [find("systemd-analyze"), "verify", "--man=no", SERVICE, SOCKET]
    done = subprocess.run(words, cwd=installed, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stderr, done.returncode) == ("", 0)


def test_a_key_that_systemd_does_not_know_would_be_found(installed: Path) -> None:
    """Else the test above could not fail."""
    path = installed / SERVICE
    path.write_text(path.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    words = [find("systemd-analyze"), "verify", "--man=no", SERVICE]
    done = subprocess.run(words, cwd=installed, capture_output=True, text=True, timeout=60, check=False)
    assert "'NoNewPrivilege'" in done.stderr


def test_systemd_rates_the_exposure_of_the_service_as_low(installed: Path) -> None:
    words = [
        find("systemd-analyze"),
        "security",
        "--no-pager",
        "--offline=true",
        f"--threshold={MOST_EXPOSED}",
    ]
    done = subprocess.run(
        [*words, str(installed / SERVICE)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_user_is_one_that_sysusers_makes(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    words = [find("systemd-sysusers"), f"--root={tmp_path}", str(UNITS / "gateway-user.conf")]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    service = Unit(SERVICE)["Service"]
    assert f"{service['User']}:" in (tmp_path / "etc" / "passwd").read_text()
    assert f"{service['Group']}:" in (tmp_path / "etc" / "group").read_text()


def test_service_is_given_longer_to_stop_than_connections_to_drain() -> None:
    from bothways.gateway.config.gateway import Times
    from bothways.gateway.processes.workers import SPARE_SECONDS

    assert float(Unit(SERVICE)["Service"]["TimeoutStopSec"]) > Times().drain + SPARE_SECONDS


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(30)
        yield listening


def told_by_gateway(manager: socket.socket) -> bytes:
    """The next message that is not systemd-socket-activate's own; some versions say how they wait."""
    while b"\nSTATUS=" in (message := manager.recv(100)):
        pass
    return message


@pytest.mark.network
def test_command_of_the_service_serves_on_the_socket_of_the_unit_and_notifies_systemd(
    tmp_path: Path, manager: socket.socket
) -> None:
    """By systemd-socket-activate: started by the first client, who is served."""
    with MutualTLS(tmp_path) as mutual, behind() as port, socket.create_server(("127.0.0.1", 0)) as free:
        mine = mutual.identity("server")
        (tmp_path / "gateway.toml").write_text(
            f'[identity]\ncertificate = "{mine.cert}"\nkey = "{mine.key}"\nclient_ca = "{mutual.ca}"\n'
            f'[[listener]]\nsystemd = "https"\n[[route]]\nbackend = "127.0.0.1:{port}"\n{ANYBODY}\n'
        )
        address = "{}:{}".format(*free.getsockname())
        free.close()
        command = shlex.split(Unit(SERVICE)["Service"]["ExecStart"])
        assert (command[0], command.index(FILE)) == (INSTALLED, 3)
        words = [
            *bothways(),
            *(str(tmp_path / "gateway.toml") if each == FILE else each for each in command[1:]),
        ]
        name = Unit(SOCKET)["Socket"]["FileDescriptorName"]
        passing = [f"--setenv={each}" for each in ("PYTHONPATH", "NOTIFY_SOCKET", "PATH")]
        activate = [find("systemd-socket-activate"), f"--listen={address}", f"--fdname={name}", *passing]
        told = environment(NOTIFY_SOCKET=str(tmp_path / "notify"))
        with subprocess.Popen([*activate, *words], env=told, stderr=subprocess.PIPE) as process:
            try:
                assert process.stderr is not None
                assert b"Listening on" in process.stderr.readline()
                host, _, number = address.partition(":")
                with mutual.client().connect(host, int(number)) as channel:
                    assert told_by_gateway(manager) == b"READY=1"
                    channel.sendall(b"one\n")
                    assert channel.recv(100) == b"one\n"
                os.kill(process.pid, signal.SIGTERM)
                assert told_by_gateway(manager) == b"STOPPING=1"
                process.stderr.read()
                assert process.wait(30) == 0
            finally:
                process.kill()
