"""Sockets that listen."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bothways.addresses import TCPAddress, UnixAddress
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.listening import bound_address, open_listener, open_listeners

pytestmark = pytest.mark.network


def test_several_processes_have_a_queue_each_on_one_port_and_one_on_a_socket_file(tmp_path: Path) -> None:
    sockets = open_listeners(ListenerConfig("a", TCPAddress("127.0.0.1", 0)), 3)
    assert len({each.getsockname() for each in sockets}) == 1
    assert len({each.fileno() for each in sockets}) == 3
    address = TCPAddress("127.0.0.1", 0)
    assert bound_address(address, sockets[0]) == f"127.0.0.1:{sockets[0].getsockname()[1]}"
    unix = open_listeners(ListenerConfig("b", UnixAddress(str(tmp_path / "s")), 0o620), 2)
    assert unix[0] is unix[1]
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o620
    for each in (*sockets, unix[0]):
        each.close()


def test_an_address_that_is_taken_is_reported_and_nothing_stays_open() -> None:
    """Also one that is shared by others, where this one is not to be."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = TCPAddress("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match=f"cannot listen on {address}: address already in use"):
            open_listener(ListenerConfig("a", address))
