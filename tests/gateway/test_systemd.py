"""What a service manager is told."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bothways.gateway.systemd import READY, STOPPING, forget, notify

pytestmark = pytest.mark.network


@pytest.mark.parametrize("abstract", [False, True])
def test_the_manager_hears_of_each_state(
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
