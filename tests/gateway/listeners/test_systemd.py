"""What a service manager is told."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from bothways.gateway.listeners import systemd
from bothways.gateway.listeners.systemd import READY, STOPPING, forget, notify, passed_socket

pytestmark = pytest.mark.network


@pytest.mark.parametrize("abstract", [False, True])
def test_service_manager_is_notified_of_each_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    path = f"@bothways-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path.replace("@", "\0", 1))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify(READY)
        notify(STOPPING)
        assert [manager.recv(100), manager.recv(100)] == [b"READY=1", b"STOPPING=1"]
        forget()
        notify(READY)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


@pytest.mark.parametrize("path", ["", "relative", "/nobody/there", "@nobody"])
def test_where_nobody_listens_nobody_is_told(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", path)
    notify(READY)


def test_a_socket_that_was_passed_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the manager stays open, so that it can be taken again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", listener.fileno() - 1)
        monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "2")
        monkeypatch.setenv("LISTEN_FDNAMES", "other:https")
        for _ in range(2):
            with passed_socket("https") as mine:
                assert mine.getsockname() == listener.getsockname()


@pytest.mark.parametrize(
    ("pid", "count", "names", "problem"),
    [
        ("1", "1", "https", "no sockets were passed to this process"),
        (None, "1", "https", "no sockets were passed to this process"),
        ("own", "", "https", "no sockets were passed to this process"),
        ("own", "x", "https", "no sockets were passed to this process"),
        ("own", "1", "other", "no socket was passed under this name, but other"),
        ("own", "1", "other:https", "no socket was passed under this name, but other"),
        ("own", "1", "https", "does not listen for streams"),
    ],
)
def test_a_socket_that_was_not_passed_to_us_is_not_taken(
    monkeypatch: pytest.MonkeyPatch, pid: str | None, count: str, names: str, problem: str
) -> None:
    with socket.socket() as idle:
        monkeypatch.setattr(systemd, "FIRST_DESCRIPTOR", idle.fileno())
        if pid is not None:
            monkeypatch.setenv("LISTEN_PID", str(os.getpid()) if pid == "own" else pid)
        monkeypatch.setenv("LISTEN_FDS", count)
        monkeypatch.setenv("LISTEN_FDNAMES", names)
        with pytest.raises(OSError, match=problem):
            passed_socket("https")
