"""What httpcore is told of a channel: bounds, time, and a pipe that breaks."""

from __future__ import annotations

import time
from typing import Any

import httpcore
import pytest

from bothways import PeerAlert
from bothways.http.stream import HEAD_LIMIT, START_LIMIT, ChannelStream, Deadline
from bothways.roles import StepId


class Channel:
    """Gives what it was made with, and keeps what it was told."""

    def __init__(self, come: list[bytes] = [], ends: Exception | None = None) -> None:  # noqa: B006
        self.come, self.ends, self.sent, self.timeout = list(come), ends, b"", 0.0

    def settimeout(self, timeout: float) -> None:
        self.timeout = timeout

    def recv(self, size: int) -> bytes:
        return self.come.pop(0) if self.come else b""

    def sendall(self, data: bytes) -> None:
        if self.ends is not None:
            raise self.ends
        self.sent += data


def stream_over(channel: Any, wait: float = 5, total: float = 50) -> ChannelStream:
    return ChannelStream(channel, Deadline(wait, total))


def test_each_wait_has_its_limit_and_all_of_them_another():
    channel = Channel([b"a", b"b"])
    stream = stream_over(channel, wait=5, total=50)
    assert stream.read(10) == b"a"
    assert channel.timeout == 5
    short = stream_over(channel, wait=5, total=0.02)
    assert short.read(10) == b"b"
    assert 0 < channel.timeout <= 0.02
    time.sleep(0.03)
    with pytest.raises(TimeoutError, match="not done within 0.02 seconds"):
        short.read(10)
    with pytest.raises(TimeoutError):
        short.write(b"x")


def test_bytes_before_the_content_are_bounded_and_those_after_its_begin_are_not():
    stream = stream_over(Channel([b"x" * 65536] * 9))
    for _ in range(HEAD_LIMIT // 65536):
        stream.read(65536)
    with pytest.raises(ValueError, match="does not begin within"):
        stream.read(65536)
    stream.head_is_over()
    assert stream.read(65536)


def test_the_first_bytes_are_kept_up_to_a_limit():
    stream = stream_over(Channel([b""]))
    stream.read(1)
    assert stream.start == b""
    stream = stream_over(Channel([b"x", b"y" * START_LIMIT]))
    stream.read(1)
    stream.read(START_LIMIT)
    assert stream.start == b"x" + b"y" * (START_LIMIT - 1)


@pytest.mark.parametrize("broken", [BrokenPipeError(), ConnectionResetError()])
def test_a_server_that_takes_no_more_may_have_answered(broken):
    with pytest.raises(httpcore.WriteError):
        stream_over(Channel(ends=broken)).write(b"x")


def test_a_refusal_passes_as_it_is():
    refusal = PeerAlert(44, step=StepId.CLIENT_VERDICT, peer="server")
    with pytest.raises(PeerAlert):
        stream_over(Channel(ends=refusal)).write(b"x")


def test_closing_the_stream_leaves_the_channel_open():
    channel = Channel()
    stream = stream_over(channel)
    stream.write(b"x")
    stream.close()
    assert channel.sent == b"x"
    assert stream.get_extra_info("ssl_object") is None
