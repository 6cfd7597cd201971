"""The call to an agent that is hostile: whatever it sends costs little, and no other exception than one."""

from __future__ import annotations

from collections.abc import Callable

import hpack
import pytest
from hyperframe.frame import (
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PushPromiseFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from bothways.http2.budget import COST_AT_ONCE
from bothways.spiffe.stream import StreamEnded, SVIDStream

HEAD = ((b":status", b"200"), (b"content-type", b"application/grpc"))
MANY = int(COST_AT_ONCE * 2)


def head(*fields: tuple[bytes, bytes], end: bool = False) -> Frame:
    return HeadersFrame(1, data=hpack.Encoder().encode(fields), flags=["END_HEADERS", *["END_STREAM"] * end])


def told(*frames: Frame) -> tuple[str, list[bytes]]:
    """Why the stream ended, and the responses of it; so much at once as comes of a socket."""
    stream, found = SVIDStream(lambda: 0.0), []
    data = b"".join(each.serialize() for each in (SettingsFrame(0), *frames))
    try:
        for at in range(0, len(data), 4096):
            found += stream.receive(data[at : at + 4096])
            stream.data_to_send()
    except StreamEnded as error:
        return str(error), found
    return "", found


def test_responses_come_whole_however_small_their_frames_are() -> None:
    message = b"\0\0\0\0\x03abc" * 500
    frames = [DataFrame(1, data=message[at : at + 1]) for at in range(len(message))]
    assert told(head(*HEAD), *frames) == ("", [b"abc"] * 500)


@pytest.mark.parametrize("value", [b"\xff\xfe", b"\x80", "\u202e".encode()])
@pytest.mark.parametrize("name", [b"x", b"grpc-message", b"content-type"])
def test_fields_that_are_not_ascii_are_text_or_refused(name: bytes, value: bytes) -> None:
    """They raised UnicodeDecodeError, which ended whoever followed the agent."""
    for sent in (
        [head(*HEAD, (name, value))],
        [head(*HEAD), head((b"grpc-status", b"7"), (name, value), end=True)],
    ):
        why, _ = told(*sent)
        assert why.isascii() and why.isprintable()


PROMISE = hpack.Encoder().encode([(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/")])
FLOODS: dict[str, Callable[[], list[Frame]]] = {
    "pings": lambda: [PingFrame(0, opaque_data=b"12345678")] * MANY,
    "settings": lambda: [SettingsFrame(0)] * MANY,
    "windows": lambda: [WindowUpdateFrame(0, window_increment=1)] * MANY,
    "empty data": lambda: [head(*HEAD), *[DataFrame(1)] * MANY],
    "informational responses": lambda: [head((b":status", b"103"))] * MANY,
    "a pushed response": lambda: [PushPromiseFrame(1, 2, data=PROMISE, flags=["END_HEADERS"])],
    "a long head": lambda: [head(*HEAD, *[(b"x", b"y" * 1000)] * 20)],
}


@pytest.mark.parametrize("flood", FLOODS)
def test_frames_that_bring_nothing_end_the_stream(flood: str) -> None:
    why, found = told(*FLOODS[flood]())
    assert why.startswith("what it sent is no HTTP/2: ")
    assert found == []
