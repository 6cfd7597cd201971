"""A time limit of a library passed: whether TCP was connected is told only where it is known."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterator

import pytest

import identities
from bothways import explain_failure
from bothways import ssl as bothways_ssl
from bothways.diagnosis.diagnosis import Explanation, Weight
from bothways.diagnosis.peer.time_limits import was_connected

NO_ANSWER = ("192.0.2.1", 9)  # RFC 5737: documentation


class ConnectTimeout(OSError):
    """As the exceptions of requests, which are derived from OSError and contain the one of the network."""


@pytest.fixture
def mute() -> Iterator[tuple[str, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()


def names(found: Explanation) -> list[str]:
    return [each.cause.name for each in found.causes]


def is_told_as_silent(found: Explanation) -> bool:
    return names(found)[0] == "PEER_SILENT" and "FILTERED" not in names(found)


def context() -> bothways_ssl.SSLContext:
    return bothways_ssl.SSLContext(identities.client_config())


def test_a_handshake_that_was_not_done_in_time_had_a_connection(mute: tuple[str, int]) -> None:
    bare = socket.create_connection(mute, 0.05)
    with pytest.raises(TimeoutError, match="The handshake operation timed out") as caught:
        context().wrap_socket(bare, server_hostname="localhost")
    wrapped = ConnectTimeout("the library's words")
    wrapped.__context__ = caught.value
    for error in (caught.value, wrapped):
        found = explain_failure(error)
        assert is_told_as_silent(found) and found.first.weight is Weight.LIKELY
        assert found.first.evidence == "it received our hello and sent nothing"


def test_a_handshake_of_the_standard_library_had_a_connection_too(mute: tuple[str, int]) -> None:
    bare = socket.create_connection(mute, 0.05)
    with pytest.raises(TimeoutError) as caught, bare:
        ssl.create_default_context().wrap_socket(bare, server_hostname="localhost")
    assert is_told_as_silent(explain_failure(caught.value))


def test_the_time_limit_of_a_library_over_asyncio_is_of_what_was_waited_for(mute: tuple[str, int]) -> None:
    async def connect() -> None:
        async with asyncio.timeout(0.05):
            await asyncio.open_connection(*mute, ssl=context(), server_hostname="localhost")

    with pytest.raises(TimeoutError) as caught:
        asyncio.run(connect())
    assert was_connected(caught.value) is True
    assert is_told_as_silent(explain_failure(caught.value))


def test_the_time_limit_of_asyncio_for_the_handshake_is_no_cut(mute: tuple[str, int]) -> None:
    async def connect() -> None:
        await asyncio.open_connection(
            *mute, ssl=context(), server_hostname="localhost", ssl_handshake_timeout=0.05
        )

    with pytest.raises(ConnectionAbortedError, match="SSL handshake is taking longer") as caught:
        asyncio.run(connect())
    assert is_told_as_silent(explain_failure(caught.value))


def test_connecting_that_took_too_long_is_a_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise TimeoutError("timed out")

    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "connect", late)
        with pytest.raises(TimeoutError) as caught:
            socket.create_connection(NO_ANSWER, 0.05)
    for error in (caught.value, TimeoutError(errno.ETIMEDOUT, "Connection timed out")):
        assert was_connected(error) is False
        assert names(explain_failure(error)) == ["FILTERED", "SLOW"]


def test_where_nothing_tells_neither_is_said_as_a_fact() -> None:
    found = explain_failure(TimeoutError())
    assert set(names(found)) == {"FILTERED", "PEER_SILENT", "SLOW"}
    assert {each.weight for each in found.causes} == {Weight.POSSIBLE}
    assert not any("nothing came back" in each.evidence for each in found.causes)
    aborted = ConnectionAbortedError(errno.ECONNABORTED, "Software caused connection abort")
    assert "PEER_SILENT" not in names(explain_failure(aborted))
    endless = TimeoutError()
    endless.__context__ = caught = ValueError()
    caught.__context__ = endless
    assert was_connected(endless) is None
