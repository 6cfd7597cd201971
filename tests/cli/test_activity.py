"""The idle limit of a connection: either way counts, and nothing is lost by looking."""

from __future__ import annotations

import errno
import socket
import threading
import time

import pytest

import identities
from bothways.cli import activity as source
from bothways.cli.activity import Activity
from bothways.net import connect, wrap

pytestmark = pytest.mark.network


@pytest.fixture
def pair():
    one, other = socket.socketpair()
    with one, other:
        yield one, other


@pytest.fixture
def sealed():
    """A server's channel, and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        channels = []

        def accept() -> None:
            channels.append(wrap(listener.accept()[0], identities.server_config()))

        thread = threading.Thread(target=accept)
        thread.start()
        client = connect(
            "127.0.0.1", listener.getsockname()[1], identities.client_config(identities.client()), "localhost"
        )
        thread.join()
    with channels[0] as server, client:
        yield server, client


def test_silence_both_ways_ends_the_wait(pair) -> None:
    activity = Activity(0.1)
    activity.watch(*pair)
    with pytest.raises(
        TimeoutError, match=r"^the connection timed out: no data was sent or received for 0\.1 seconds$"
    ):
        activity.receive(pair[0])


def test_what_passes_the_other_way_keeps_the_wait_alive(pair) -> None:
    """Whoever downloads says nothing himself."""
    stirs: list[int] = []
    activity = Activity(1.5, lambda: stirs.append(1))
    activity.watch(*pair)

    def download() -> None:
        for _ in range(8):
            time.sleep(0.2)
            activity.send(pair[0], b"data")

    thread = threading.Thread(target=download)
    began = time.monotonic()
    thread.start()
    with pytest.raises(TimeoutError):
        activity.receive(pair[0])
    thread.join()
    assert time.monotonic() - began >= 3.1
    assert len(stirs) == 8


def test_a_peer_that_takes_nothing_is_left(pair) -> None:
    activity = Activity(0.1)
    activity.watch(*pair)
    with pytest.raises(TimeoutError):
        activity.send(pair[0], bytes(64 * 1024 * 1024))


@pytest.mark.parametrize("size", [10, 1_000_000])
def test_nothing_is_lost_to_a_slow_reader_however_often_is_looked(pair, sealed, monkeypatch, size) -> None:
    """Of a plain socket and of a channel, whose calls return early with a part sent."""
    monkeypatch.setattr(source, "LOOK_SECONDS", 0.005)
    for ours, theirs in (pair, sealed):
        activity = Activity(60)
        activity.watch(ours)
        pieces = [bytes([number % 251]) * source.CHUNK for number in range(size // source.CHUNK * 20 + 1)]
        thread = threading.Thread(target=lambda a=activity, o=ours, p=pieces: [a.send(o, each) for each in p])
        thread.start()
        got, wanted = bytearray(), b"".join(pieces)
        while len(got) < len(wanted):
            time.sleep(0.002)
            got += theirs.recv(100_000)
        thread.join()
        assert bytes(got) == wanted


def test_no_limit_is_none_until_one_way_has_ended(pair, monkeypatch) -> None:
    monkeypatch.setattr(source, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(source, "HALF_CLOSED_SECONDS", 0.2)
    activity = Activity(None)
    activity.watch(*pair)
    heard: list[bytes] = []
    thread = threading.Thread(target=lambda: heard.append(activity.receive(pair[0])))
    thread.start()
    time.sleep(0.4)
    pair[1].sendall(b"late")
    thread.join()
    assert heard == [b"late"]
    activity.half_close()
    with pytest.raises(TimeoutError):
        activity.receive(pair[0])


def test_a_half_closed_connection_keeps_a_shorter_limit_of_its_own() -> None:
    for limit, expected in ((3600.0, 600.0), (5.0, 5.0), (None, 600.0)):
        activity = Activity(limit)
        activity.half_close()
        assert activity.limit == expected


def test_a_network_that_gave_up_is_not_silence() -> None:
    """ETIMEDOUT is a TimeoutError too; to ask again would find an end where there was a failure."""

    class Gone:
        def recv(self, size: int) -> bytes:
            raise OSError(errno.ETIMEDOUT, "Connection timed out")

    with pytest.raises(TimeoutError, match="Connection timed out"):
        Activity(60).receive(Gone())
