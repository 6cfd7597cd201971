"""Tunnels of a gateway with processes of its own: replaced, ended and changed, and no connection through one lost."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.testing import echo
from cli_scripting import Background, until_printed
from gateway_talk import Setting
from http_callers import until
from processes import free_port

pytestmark = [pytest.mark.network, pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd")]

UNIX = "db.sock"
GATEWAY = ("gateway", "-c", "gateway.toml", "--workers", "2")
SECONDS = 20


def tables(setting: Setting, server: int, tcp: int | None = None, *keys: str) -> str:
    """A tunnel from a Unix socket to a port, and one from TCP."""
    mine, mutual = setting.mutual.identity("client"), setting.mutual
    common = (
        f'server = "localhost:{server}"\nca = "{mutual.ca}"\ncrl = "{mutual.crl}"\n'
        f'certificate = "{mine.cert}"\nkey = "{mine.key}"\n'
    )
    text = f'[times]\ndrain = 20\n[[tunnel]]\nname = "db"\nunix = "{UNIX}"\n{common}'
    text += "".join(f"{each}\n" for each in keys)
    if tcp is not None:
        text += f'[[tunnel]]\nname = "cache"\nport = {tcp}\ninsecure_tcp = true\n{common}'
    return text


def write(setting: Setting, text: str) -> None:
    new = setting.path.with_suffix(".new")
    new.write_text(text)
    new.replace(setting.path)


class Program:
    """A local program with a connection through a tunnel. where: a path, or a port."""

    def __init__(self, where: Path | int) -> None:
        is_path = isinstance(where, Path)
        self.sock = socket.socket(socket.AF_UNIX if is_path else socket.AF_INET)
        self.sock.settimeout(SECONDS)
        try:
            self.sock.connect(str(where) if is_path else ("127.0.0.1", where))
        except OSError:
            self.sock.close()
            raise

    def says(self, word: bytes) -> bool:
        """Whether a word comes back."""
        self.sock.sendall(word)
        back = b""
        while len(back) < len(word):
            data = self.sock.recv(100)
            if not data:
                return False
            back += data
        return back == word

    def is_cut(self) -> bool:
        with contextlib.suppress(ConnectionError):
            return self.sock.recv(100) == b""
        return True

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *_: object) -> None:
        self.sock.close()


class Busy:
    """Programs that come and go all the time, and somebody who looks at the socket. `problems`: what went wrong."""

    def __init__(self, *where: Path | int) -> None:
        self.problems: list[object] = []
        self.counts = dict.fromkeys(where, 0)
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._come_and_go, args=(each,)) for each in where]
        self._threads += [
            threading.Thread(target=self._look, args=(each,)) for each in where if isinstance(each, Path)
        ]

    def _come_and_go(self, where: Path | int) -> None:
        while not self._over.is_set():
            try:
                with Program(where) as program:
                    if not program.says(b"new"):
                        self.problems.append(f"{where}: it was cut")
            except OSError as error:
                self.problems.append((where, error))
            self.counts[where] += 1

    def _look(self, path: Path) -> None:
        while not self._over.wait(0.001):
            try:
                mode = path.lstat().st_mode
            except OSError as error:
                self.problems.append(error)
            else:
                if not stat.S_ISSOCK(mode) or mode & 0o777 != 0o600:
                    self.problems.append(f"{path}: {mode:o}")

    def until_more(self) -> None:
        """Wait until each has come and gone some times."""
        before = dict(self.counts)
        until(lambda: all(self.counts[each] > before[each] + 5 for each in before))

    def __enter__(self) -> Busy:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for each in self._threads:
            each.join()


@contextlib.contextmanager
def serving(setting: Setting, command: tuple[str, ...], ready: str) -> Iterator[Background]:
    server = Background([*command], setting.folder)
    try:
        until_printed(server, ready)
        yield server
    finally:
        server.end(signal.SIGKILL)
        assert "Traceback" not in server.printed


def test_a_gateway_with_tunnels_is_replaced_without_a_connection_lost(setting: Setting) -> None:
    """Open ones go on where they are, and end when their server is revoked; the socket is there all the time."""
    leaving = setting.mutual.identity("server", dns=["localhost"])
    successor = 0
    path, tcp = setting.folder / UNIX, free_port()
    with (
        setting.mutual.server(leaving, client_auth="require", respond=echo) as behind,
        contextlib.ExitStack() as stack,
    ):
        write(setting, tables(setting, behind.port, tcp))
        with serving(setting, GATEWAY, f"listening on 127.0.0.1:{tcp}") as server:
            old = [stack.enter_context(Program(each)) for each in (path, tcp) for _ in range(6)]
            assert all(each.says(b"one") for each in old)
            try:
                with Busy(path, tcp) as busy:
                    server.process.send_signal(signal.SIGUSR2)
                    until_printed(server, "replaced by process")
                    successor = int(re.search(r"replaced by process (\d+)", server.printed)[1])
                    busy.until_more()
                assert busy.problems == []
                assert all(each.says(b"two") for each in old)
                setting.mutual.revoke(leaving)
                assert all(each.is_cut() for each in old)
                assert server.process.wait(30) == 0
                assert path.is_socket()
                with Program(path) as program:
                    assert program.is_cut()  # by the new one, for the same reason
            finally:
                if successor:
                    os.kill(successor, signal.SIGTERM)
                    until(lambda: not Path(f"/proc/{successor}/exe").exists())
        assert not path.exists()


@pytest.mark.parametrize("command", [("tunnel", "-c", "gateway.toml"), GATEWAY])
def test_a_tunnel_that_is_told_to_end_waits_for_its_programs(
    setting: Setting, command: tuple[str, ...]
) -> None:
    """Nobody else is let in meanwhile, and the socket is gone."""
    path = setting.folder / UNIX
    with setting.mutual.server(client_auth="require", respond=echo) as behind:
        write(setting, tables(setting, behind.port, port := free_port()))
        with serving(setting, command, f"listening on 127.0.0.1:{port}") as server, Program(path) as program:
            assert program.says(b"one")
            server.process.send_signal(signal.SIGTERM)
            until_printed(server, "draining: 1 connection has 20 seconds to end")
            until(lambda: not path.exists())
            with pytest.raises(ConnectionRefusedError):
                Program(port)
            assert program.says(b"two")
            program.sock.close()
            assert server.process.wait(30) == 0


def test_programs_of_a_tunnel_that_stays_do_not_notice_that_others_come_and_go(setting: Setting) -> None:
    path, tcp = setting.folder / UNIX, free_port()
    with (
        setting.mutual.server(client_auth="require", respond=echo) as behind,
        contextlib.ExitStack() as stack,
    ):
        write(setting, tables(setting, behind.port, tcp))
        server = stack.enter_context(serving(setting, GATEWAY, f"listening on 127.0.0.1:{tcp}"))

        def reload(*which: object) -> None:
            count = server.printed.count("all workers use what was read")
            write(setting, tables(setting, behind.port, *which))
            server.process.send_signal(signal.SIGHUP)
            until(lambda: server.printed.count("all workers use what was read") > count)

        stays = [stack.enter_context(Program(path)) for _ in range(4)]
        gone = [stack.enter_context(Program(tcp)) for _ in range(4)]
        assert all(each.says(b"one") for each in (*stays, *gone))
        with Busy(path) as busy:
            reload(None)
            assert all(each.is_cut() for each in gone)
            with pytest.raises(ConnectionRefusedError):
                Program(tcp)
            reload(tcp, "connections = 200")
            with Program(tcp) as again:
                assert again.says(b"again")
            busy.until_more()
        assert busy.problems == []
        assert all(each.says(b"two") for each in stays)
        reload(tcp, 'alpn = "other"')
        assert all(each.is_cut() for each in stays)  # their server is offered something else now
        write(setting, tables(setting, behind.port, tcp, 'mode = "0660"'))
        server.process.send_signal(signal.SIGHUP)
        until(lambda: path.stat().st_mode & 0o777 == 0o660)


@pytest.mark.parametrize("has_file", [True, False])
def test_a_tunnel_in_one_process_is_not_replaced_and_goes_on(setting: Setting, has_file: bool) -> None:
    mine, port = setting.mutual.identity("client"), free_port()
    with setting.mutual.server(client_auth="require", respond=echo) as behind:
        write(setting, tables(setting, behind.port, port))
        command = ("tunnel", "-c", "gateway.toml")
        if not has_file:
            options = ("--ca", str(setting.mutual.ca), "--cert", str(mine.cert), "--key", str(mine.key))
            command = ("tunnel", f"127.0.0.1:{port}", f"localhost:{behind.port}", "--insecure-tcp", *options)
        with serving(setting, command, f"listening on 127.0.0.1:{port}") as server, Program(port) as program:
            assert program.says(b"one")
            server.process.send_signal(signal.SIGUSR2)
            until_printed(server, "not replaced: SIGUSR2 replaces a gateway with --workers only")
            assert program.says(b"two")
