"""Tunnels whose sockets a service manager has opened: systemd's own program for that, and what it is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.gateway.config.listener import TUNNEL, ListenerConfig
from bothways.gateway.listeners import systemd
from bothways.gateway.listeners.listening import open_listener
from bothways.gateway.listeners.serving import served
from bothways.servers.addresses import PassedAddress
from bothways.testing import MutualTLS, echo
from command_line import bothways, environment
from gateway_talk import Setting
from http_callers import until
from interop.peers import find
from tunnel_talk import table

pytestmark = pytest.mark.network


@contextlib.contextmanager
def passed(monkeypatch: pytest.MonkeyPatch, sock: socket.socket) -> Iterator[None]:
    """Have a socket passed to this process under the name db."""
    with sock:
        sock.listen()
        monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", sock.fileno())
        for name, value in (("PID", str(os.getpid())), ("FDS", "1"), ("FDNAMES", "db")):
            monkeypatch.setenv(f"LISTEN_{name}", value)
        yield


def lent(**fields: object) -> ListenerConfig:
    return ListenerConfig("db", PassedAddress("db"), kind=TUNNEL, **fields)


@pytest.mark.parametrize(("mode", "allowed", "is_taken"), [
    (0o600, 0o600, True), (0o660, 0o660, True), (0o600, 0o660, True), (0o660, 0o600, False), (0o666, 0o660, False),
])  # fmt: skip
def test_a_socket_that_more_may_use_than_the_file_says_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, allowed: int, is_taken: bool
) -> None:
    """SocketMode= is 0666 unless the .socket says otherwise: then every user could use our certificate."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "db.sock"))
    (tmp_path / "db.sock").chmod(mode)
    with passed(monkeypatch, sock):
        if is_taken:
            open_listener(lent(mode=allowed)).close()
            return
        words = (
            f"has the permissions {mode:04o}, and the tunnel {allowed:04o}; set SocketMode={allowed:04o} in"
        )
        with pytest.raises(OSError, match=words):
            open_listener(lent(mode=allowed))
        open_listener(
            ListenerConfig("https", PassedAddress("db"))
        ).close()  # whose clients have to prove who they are


@pytest.mark.parametrize(("host", "insecure_tcp", "problem"), [
    ("127.0.0.1", False, "every user and every browser of this machine could use our certificate by TCP"),
    ("127.0.0.1", True, None), ("0.0.0.0", True, r"0\.0\.0\.0 is not this machine"),
])  # fmt: skip
def test_a_socket_of_tcp_is_taken_where_that_is_asked_for_in_words(
    monkeypatch: pytest.MonkeyPatch, host: str, insecure_tcp: bool, problem: str | None
) -> None:
    sock = socket.socket()
    sock.bind((host, 0))
    with passed(monkeypatch, sock):
        if problem is None:
            open_listener(lent(insecure_tcp=insecure_tcp)).close()
            return
        with pytest.raises(OSError, match=f"cannot listen on systemd:db: {problem}"):
            open_listener(lent(insecure_tcp=insecure_tcp))


def test_the_file_of_a_passed_socket_stays_when_nobody_is_accepted_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manager listens on it for the next start; asyncio would remove it from Python 3.13 on."""
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(tmp_path / "db.sock"))
    (tmp_path / "db.sock").chmod(0o600)

    async def serve_and_end() -> None:
        listener = await served(lent(), asyncio.Protocol)
        listener.close()
        await asyncio.sleep(0)

    with passed(monkeypatch, sock):
        asyncio.run(serve_and_end())
        assert (tmp_path / "db.sock").exists()


def test_an_abstract_socket_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(f"\0bothways-{tmp_path.name}-{os.getpid()}")
    with (
        passed(monkeypatch, sock),
        pytest.raises(OSError, match="it is an abstract socket, which has no perm"),
    ):
        open_listener(lent())


def test_a_socket_for_clients_does_not_become_that_of_a_tunnel(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was opened for whoever can prove who he is; by a tunnel he would use our certificate. Nor does a tunnel keep a
    socket that more may use than its file says by now."""

    async def talk() -> None:
        clients = setting.write('backend = "localhost:1"\nallow = "any verified client"').read_text()
        clients = clients.replace("port = 0", 'systemd = "db"')
        tunnelled = '[log]\nformat = "json"\n' + table(setting, 1).replace(
            'unix = "db.sock"', 'systemd = "db"'
        )
        for first, then in (
            (clients, tunnelled),
            (tunnelled + 'mode = "0666"\n', tunnelled + 'mode = "0660"\n'),
        ):
            setting.path.write_text(first)
            async with setting.gateway():
                assert await setting.reload()  # of what says the same
                setting.path.write_text(then)
                assert not await setting.reload()
                assert any("has the permissions 0666, and the tunnel" in each for each in setting.events())
            setting.lines.clear()

    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(setting.folder / "db.sock"))
    (setting.folder / "db.sock").chmod(0o666)
    with passed(monkeypatch, sock):
        asyncio.run(talk())


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="bothways-", dir="/tmp"))  # addresses of Unix sockets are short
    yield made
    shutil.rmtree(made)


@pytest.mark.interop
@pytest.mark.parametrize("form", ["command", pytest.param("file", marks=pytest.mark.full), "workers"])
def test_a_program_that_connects_starts_the_tunnel_and_waits_for_it(folder: Path, form: str) -> None:
    """Readiness and the end are told to the manager; the socket is the manager's, and stays when the tunnel ends."""
    (folder / "pki").mkdir()
    with (
        MutualTLS(folder / "pki") as mutual,
        mutual.server(client_auth="require", respond=echo) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        socket.socket(socket.AF_UNIX) as program,
    ):
        mine, path = mutual.identity("client"), folder / "tunnel.toml"
        path.write_text(
            f'[[tunnel]]\nsystemd = "db"\nmode = "0660"\nserver = "localhost:{server.port}"\nca = "{mutual.ca}"\n'
            f'certificate = "{mine.cert}"\nkey = "{mine.key}"\n'
        )
        words = {
            "command": ["tunnel", "systemd:db", f"localhost:{server.port}", "--ca", str(mutual.ca),
                        "--cert", str(mine.cert), "--key", str(mine.key)],
            "file": ["tunnel", "-c", str(path)],
            "workers": ["gateway", "-c", str(path), "--workers", "2"],
        }[form]  # fmt: skip
        manager.bind(str(folder / "notify"))
        manager.settimeout(60)
        variables = {**environment(), "NOTIFY_SOCKET": str(folder / "notify")}
        passing = [
            word for each in ("PYTHONPATH", "NOTIFY_SOCKET") for word in ("-E", f"{each}={variables[each]}")
        ]
        activate = [find("systemd-socket-activate"), "-l", str(folder / "db.sock"), "--fdname=db", *passing]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([*activate, *bothways(*words)], env=variables, stderr=log)
        try:
            until((folder / "db.sock").exists)
            (folder / "db.sock").chmod(0o600)
            program.settimeout(60)
            until(lambda: not program.connect_ex(str(folder / "db.sock")))
            program.sendall(b"hello")
            assert program.recv(5) == b"hello"
            assert manager.recv(100) == b"READY=1"
            program.close()
            if form == "workers":
                (folder / "db.sock").chmod(0o660)
                path.write_text(path.read_text().replace("0660", "0600"))
                process.send_signal(signal.SIGHUP)
                until(lambda: "has the permissions 0660, and the tunnel 0600" in (folder / "log").read_text())
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(60) == 0
            assert (folder / "db.sock").is_socket()
        finally:
            process.kill()
            process.wait(60)
