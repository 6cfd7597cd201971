"""A gateway that is replaced by another process tree (SIGUSR2), and no connection is lost."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bothways import PeerAlert
from bothways.gateway.observe.audit_file import verified
from bothways.gateway.processes.handover import VARIABLE, handed_on
from cli_scripting import Background
from command_line import bothways, environment
from gateway_talk import ANYBODY, Setting, behind
from http_callers import until
from interop.peers import find
from processes import children

pytestmark = [pytest.mark.network, pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memfd")]


def says(channel, word: bytes) -> bool:
    channel.settimeout(20)
    channel.sendall(word + b"\n")
    return channel.recv(100) == word + b"\n"


def is_ready(where: str) -> bool:
    try:
        with urllib.request.urlopen(f"{where}/readyz", timeout=20) as answer:
            return answer.read() == b"ready\n"
    except urllib.error.HTTPError as error:
        with error:
            return False


def test_a_gateway_is_replaced_without_a_connection_lost(setting: Setting) -> None:
    """Those that are open go on where they are and are still judged; new ones are served throughout.

    Metrics are those of the new one, which begins at 0, and both write to one audit file.
    """
    leaving = setting.mutual.identity("client", dns=["leaving.example"])
    successor = 0
    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(
            f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1}, limits={"per_address": 5000},
            metrics={"host": "localhost", "port": 0}, audit={"file": "audit.log"},
        )  # fmt: skip
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "2"], setting.folder)
        try:
            number = int(server.port)

            def connect(who=None):
                return setting.mutual.client(who or "good").connect("127.0.0.1", number)

            old = [stack.enter_context(connect()) for _ in range(6)]
            revoked = stack.enter_context(connect(leaving))
            assert all(says(each, b"one") for each in (*old, revoked))
            problems: list[object] = []
            count, over = [0], threading.Event()

            def come_and_go() -> None:
                while not over.is_set():
                    try:
                        with connect() as channel:
                            if not says(channel, b"new"):
                                problems.append("nothing was said")
                    except Exception as error:  # noqa: BLE001
                        problems.append(error)
                    count[0] += 1

            thread = threading.Thread(target=come_and_go)
            thread.start()
            server.process.send_signal(signal.SIGUSR2)
            until(lambda: "replaced by process" in server.printed)
            successor = int(re.search(r"replaced by process (\d+)", server.printed)[1])
            so_far = count[0]
            until(lambda: count[0] > so_far + 5)
            over.set()
            thread.join()
            assert problems == []
            assert all(says(each, b"two") for each in (*old, revoked))
            setting.mutual.revoke(leaving)
            with pytest.raises(PeerAlert, match="certificate_revoked"):
                revoked.recv(1)
            assert all(says(each, b"three") for each in old)
            for each in old:
                each.close()
            assert server.process.wait(30) == 0
            with connect() as channel:
                assert says(channel, b"four")
            where = f"http://localhost:{server.printed.partition(' (metrics)')[0].rpartition(':')[2]}"
            until(lambda: is_ready(where))  # both workers have to take the CRL first
            with urllib.request.urlopen(f"{where}/metrics", timeout=20) as answer:
                assert b"bothways_gateway_workers_serving 2.0" in answer.read()
            entries: list[dict] = []
            verified(str(setting.folder / "audit.log"), visit=entries.append)
            actions = [each["action"] for each in entries]
            assert actions.count("start") == 2 and actions.count("withdrawn") == 1
        finally:
            if successor:
                os.kill(successor, signal.SIGTERM)
                until(lambda: not Path(f"/proc/{successor}/exe").exists())
            server.end(signal.SIGKILL)
        assert "Traceback" not in server.printed


def test_a_gateway_that_cannot_be_replaced_goes_on(setting: Setting) -> None:
    """Its file is broken by now, so that the new process ends."""
    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1})
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "1"], setting.folder)
        try:
            channel = stack.enter_context(setting.mutual.client().connect("127.0.0.1", int(server.port)))
            assert says(channel, b"one")
            setting.path.write_text("broken")
            server.process.send_signal(signal.SIGUSR2)
            until(lambda: "not replaced: the new process does not serve" in server.printed)
            assert says(channel, b"two")
            with setting.mutual.client().connect("127.0.0.1", int(server.port)) as another:
                assert says(another, b"three")
            channel.close()
        finally:
            assert server.end(signal.SIGTERM) == 0


def test_files_of_unix_sockets_are_those_of_whoever_serves(setting: Setting) -> None:
    """A new process that cannot begin removes none. Permissions of its file are taken at once, others given at last."""
    successor = 0
    with behind() as port, socket.create_server(("127.0.0.1", 0)) as taken:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 1})
        whole = setting.path.read_text().replace("port = 0", 'port = 0\n[[listener]]\nunix = "clients.sock"')
        setting.path.write_text(whole)
        where, new = setting.folder / "clients.sock", setting.folder / "new"
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "1"], setting.folder)
        try:
            before = where.stat().st_ino
            where.chmod(0o666)
            for number, more in enumerate(
                (f"[[listener]]\nport = {taken.getsockname()[1]}\n", '[audit]\nfile = "nowhere/audit"\n')
            ):
                new.write_text(whole + more)
                new.replace(setting.path)
                server.process.send_signal(signal.SIGUSR2)
                said = "not replaced: the new process does not serve"
                until(lambda: server.printed.count(said) > number)  # noqa: B023
                assert (where.stat().st_ino, where.stat().st_mode & 0o777) == (before, 0o600)
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(where))
            where.chmod(0o400)
            new.write_text(whole)
            new.replace(setting.path)
            server.process.send_signal(signal.SIGUSR2)
            until(lambda: "replaced by process" in server.printed)
            successor = int(re.search(r"replaced by process (\d+)", server.printed)[1])
            until(lambda: where.stat().st_mode & 0o777 == 0o600)
            assert where.stat().st_ino == before
        finally:
            if successor:
                os.kill(successor, signal.SIGTERM)
                until(lambda: not Path(f"/proc/{successor}/exe").exists())
            server.end(signal.SIGKILL)
    assert not where.exists()
    assert "Traceback" not in server.printed


def test_sockets_inherited_from_another_program_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, '{"sockets": {"x": [0]}, "link": 1, "before": 1, "to": 1}')
    assert handed_on() is None
    assert VARIABLE not in os.environ
    assert handed_on() is None


def test_ending_the_newest_gateway_ends_those_before_it_in_order(setting: Setting) -> None:
    """Two were replaced and still have connections: each drains, and the newest one is the last to end."""
    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 20})
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "1"], setting.folder)
        numbers = [server.process.pid]
        try:
            channels = []
            for count in (1, 2, 3):
                channel = setting.mutual.client().connect("127.0.0.1", int(server.port))
                channels.append(stack.enter_context(channel))
                assert says(channel, b"one")
                if count < 3:
                    os.kill(numbers[-1], signal.SIGUSR2)
                    until(lambda: server.printed.count("replaced by process") == count)  # noqa: B023
                    numbers.append(int(re.findall(r"replaced by process (\d+)", server.printed)[-1]))
            os.kill(numbers[-1], signal.SIGTERM)
            until(lambda: server.printed.count("draining") == 3)
            assert all(says(each, b"two") for each in channels)
            assert [alive(each) for each in numbers] == [True] * 3
            for each in reversed(channels):
                assert says(each, b"three")
                each.close()
            assert server.process.wait(30) == 0
            until(lambda: not any(alive(each) for each in numbers[1:]))
        finally:
            for each in numbers[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each, signal.SIGKILL)
            server.end(signal.SIGKILL)
        assert "Traceback" not in server.printed


@pytest.mark.parametrize("serves", [False, True], ids=["before it serves", "about when it serves"])
def test_a_gateway_that_is_told_to_end_while_it_is_being_replaced_ends_its_successor_too(
    setting: Setting, serves: bool
) -> None:
    """And drains in order; nobody new is accepted afterwards."""
    with behind() as port, contextlib.ExitStack() as stack:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 20})
        server = Background(["gateway", "-c", "gateway.toml", "--workers", "1"], setting.folder)
        successor = 0
        try:
            channel = stack.enter_context(setting.mutual.client().connect("127.0.0.1", int(server.port)))
            assert says(channel, b"one")
            server.process.send_signal(signal.SIGUSR2)
            until(lambda: "is started to replace this gateway" in server.printed)
            successor = int(re.search(r"process (\d+) is started", server.printed)[1])
            if serves:
                until(lambda: len(children(successor)) == 1)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: "draining" in server.printed)
            until(lambda: not alive(successor))
            assert says(channel, b"two")
            server.process.send_signal(signal.SIGUSR2)
            until(lambda: "not replaced: this gateway is ending" in server.printed)
            channel.close()
            assert server.process.wait(30) == 0
            with pytest.raises(ConnectionRefusedError):
                setting.mutual.client().connect("127.0.0.1", int(server.port))
        finally:
            if successor and alive(successor):
                os.kill(successor, signal.SIGKILL)
            server.end(signal.SIGKILL)
        assert "Traceback" not in server.printed


def alive(number: int) -> bool:
    return Path(f"/proc/{number}/exe").exists()


def test_the_first_process_of_a_container_is_not_replaced(setting: Setting) -> None:
    """All that is in the container ends with it."""
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    apart = [find("unshare"), "--pid", "--fork", "--kill-child", *([] if os.geteuid() == 0 else ["-r"])]
    words = [*apart, *bothways("gateway", "-c", "gateway.toml", "--workers", "1")]
    with subprocess.Popen(
        words, cwd=setting.folder, env=environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            first = process.stderr.readline()
            if "unshare" in first:
                pytest.skip(first)
            assert "listening on" in first
            [first_process] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            os.kill(int(first_process), signal.SIGUSR2)
            assert (
                "not replaced: this is process 1, with which its container ends" in process.stderr.readline()
            )
        finally:
            process.kill()
