"""Which address of a name is connected to, and which error is told where none answers."""

from __future__ import annotations

import errno
import os
import socket

import pytest

import identities
from bothways.net.connecting import connect, connected_socket

REFUSED, LACKS, NO_FAMILY = errno.ECONNREFUSED, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT


@pytest.mark.parametrize(
    ("met", "told"),
    [
        ((REFUSED,), REFUSED),
        ((REFUSED, LACKS), REFUSED),
        ((NO_FAMILY, REFUSED), REFUSED),
        ((REFUSED, errno.ETIMEDOUT), errno.ETIMEDOUT),
        ((NO_FAMILY, LACKS), LACKS),
    ],
)
def test_a_family_that_this_machine_lacks_is_told_only_where_nothing_else_is(
    met: tuple[int, ...], told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where `localhost` stands for ::1 too, and there is no IPv6."""
    numbers = iter(met)

    class Failing(socket.socket):
        def connect(self, address: object) -> None:
            number = next(numbers)
            raise OSError(number, os.strerror(number))

    row = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 1))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: [row] * len(met))
    monkeypatch.setattr(socket, "socket", Failing)
    with pytest.raises(OSError) as failed:
        connected_socket("localhost", 1, None)
    assert failed.value.errno == told


def test_a_socket_that_refuses_an_option_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some systems do so where the server has reset the connection."""
    made: list[socket.socket] = []

    class Reset(socket.socket):
        def setsockopt(self, *_: object) -> None:
            made.append(self)
            raise OSError(errno.EINVAL, "Invalid argument")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(socket, "socket", Reset)
        with pytest.raises(OSError, match="Invalid argument"):
            connect("127.0.0.1", listener.getsockname()[1], identities.client_config(), "localhost")
    assert [each.fileno() for each in made] == [-1]
