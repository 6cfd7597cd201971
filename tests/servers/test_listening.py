"""Sockets that listen."""

from __future__ import annotations

import errno
import os
import resource
import socket
import threading
from pathlib import Path

import pytest

from bothways.addresses import TCPAddress, UnixAddress
from bothways.servers import listening
from bothways.servers.listening import allow_descriptors, naming, tcp_sockets, unix_socket

pytestmark = pytest.mark.network


def test_a_socket_file_is_replaced_only_if_nobody_listens_there(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    first = unix_socket(path, 0o600)
    first.listen()
    with pytest.raises(OSError, match="another process listens there"):
        unix_socket(path, 0o600)
    first.close()
    unix_socket(path, 0o600).close()
    file = tmp_path / "file"
    file.write_text("precious")
    with pytest.raises(OSError, match="is no socket"):
        unix_socket(str(file), 0o600)
    assert file.read_text() == "precious"


def test_several_sockets_share_one_port_and_none_stays_open_where_one_cannot() -> None:
    several = tcp_sockets(TCPAddress("127.0.0.1", 0), 3, shared=True)
    assert len({each.getsockname() for each in several}) == 1
    taken = TCPAddress(*several[0].getsockname())
    with pytest.raises(OSError, match=f"cannot listen on {taken}: address already in use"):
        tcp_sockets(taken, 1, shared=False)
    for each in several:
        each.close()
    tcp_sockets(taken, 1, shared=False)[0].close()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.EADDRINUSE, "another program listens there, which `ss -ltnp` shows"),
        (errno.EADDRNOTAVAIL, "no interface of this machine has this address"),
        (errno.EACCES, "ports below 1024 are for root"),
    ],
)
def test_what_prevents_a_port_comes_with_what_to_do(code: int, advice: str) -> None:
    with pytest.raises(OSError, match=advice) as refused, naming(TCPAddress("127.0.0.1", 1)):
        raise OSError(code, os.strerror(code))
    assert refused.value.errno == code
    with pytest.raises(OSError, match="denied$"), naming(UnixAddress("/s")):
        raise PermissionError(errno.EACCES, "Permission denied")


def test_a_host_that_is_not_resolved_in_time_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway serves others meanwhile."""
    over = threading.Event()
    monkeypatch.setattr(listening, "LOOKUP_SECONDS", 0.01)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(20) and [])
    with pytest.raises(
        OSError, match="cannot listen on slow.example:1: its name was not resolved within 0.01 seconds"
    ):
        tcp_sockets(TCPAddress("slow.example", 1), 1, shared=False)
    over.set()


def test_a_port_that_another_program_shares_is_taken_and_ours_is_not() -> None:
    """Clients would be spread over two programs, of which one may have other rules."""
    [first] = tcp_sockets(TCPAddress("127.0.0.1", 0), 1, shared=True)
    with first:
        taken = TCPAddress(*first.getsockname())
        with pytest.raises(OSError, match=f"cannot listen on {taken}: address already in use"):
            tcp_sockets(taken, 2, shared=True)
        everywhere = TCPAddress("0.0.0.0", taken.port)
        for each in tcp_sockets(everywhere, 2, shared=True, ours={taken.port}):
            each.close()
    for each in tcp_sockets(taken, 2, shared=True):
        each.close()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the limit of another process is Linux's to set")
def test_as_many_descriptors_are_allowed_as_the_connections_need(monkeypatch):
    asked: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asked.append(limits))
    for limits in ((1024, 4096), (1024, resource.RLIM_INFINITY), (1_000_000, 1_000_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda kind, limits=limits: limits)
        allow_descriptors(5000)
    assert asked == [(4096, 4096), (5128, resource.RLIM_INFINITY)]
