"""Frames of HTTP/2 are read for a status, strictly and within bounds (RFC 9113, RFC 7541)."""

from __future__ import annotations

import pytest

from bothways.diagnosis.replies.http2 import FRAMES_LOOKED_AT, GRPC_STATUS, read_http2


def frame(kind: int, payload: bytes, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + b"\0\0\0\1" + payload


SETTINGS = frame(4, b"")


@pytest.mark.parametrize(
    ("block", "status"),
    [
        (b"\x88", 200),
        (b"\x8e", 500),
        (b"\x3f\xe1\x1f\x8c", 400),
        (b"\x48\x03403", 403),
        (b"\x08\x03421", 421),
        (b"\x18\x03503", 503),
        (b"\x48\x82\x64\x02", 302),  # RFC 7541 C.6.1
        (b"\x48\x03xyz", None),
        (b"\x82", None),
        (b"", None),
    ],
)
def test_the_first_field_of_a_block_is_the_status(block: bytes, status: int | None) -> None:
    found = read_http2(SETTINGS + frame(1, block))
    assert (None if found is None else found.status) == status


def test_padding_and_priority_are_skipped() -> None:
    block = b"\x02" + bytes(5) + b"\x88" + b"\0\0"
    found = read_http2(SETTINGS + frame(1, block, 0x28))
    assert found is not None and found.status == 200


@pytest.mark.parametrize("name", GRPC_STATUS)
@pytest.mark.parametrize(
    ("value", "status"), [(b"\x0216", 16), (b"\x017", 7), (b"\x82\x0b\x8f", 16), (b"\x05abcde", None)]
)
def test_the_status_of_grpc_is_a_literal(name: bytes, value: bytes, status: int | None) -> None:
    found = read_http2(SETTINGS + frame(1, b"\x88") + frame(1, b"\x40" + name + value))
    assert found is not None and found.grpc == status


def test_other_data_is_not_http_2() -> None:
    for data in (b"", b"HTTP/1.1 200 OK\r\n\r\n", frame(1, b"\x88"), SETTINGS, b"\0" * 20):
        assert read_http2(data) is None


def test_only_the_first_frames_are_decoded() -> None:
    assert read_http2(SETTINGS * FRAMES_LOOKED_AT + frame(1, b"\x88")) is None


def test_a_reset_stream_has_its_error_code() -> None:
    found = read_http2(SETTINGS + frame(3, b"\0\0\0\x0d"))
    assert found is not None and found.text == "HTTP_1_1_REQUIRED"
