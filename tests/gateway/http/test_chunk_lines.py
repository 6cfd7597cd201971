"""The lines between and after chunks: whole or in any pieces, they are taken or refused alike."""

from __future__ import annotations

import pytest

from bothways.gateway.http.chunk_lines import ChunkLines
from bothways.gateway.http.messages import RefusedRequest


def pieces(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(
    "data",
    [
        b"0\r\n\r\n",
        b"2\r\nok\r\n0\r\n\r\n",
        b"10\r\n" + b"\n" * 16 + b"\r\n1F\r\n" + b"\n" * 31 + b"\r\n0\r\n\r\n",  # sizes are hexadecimal
        b'00a;b="c"; d\r\n0123456789\r\n0;e \r\nX: y\r\nZ: \ty\r\n\r\n',
        b"3\r\n\n\r\n\r\n0\r\n\r\n" + b"GET / HTTP/1.1\nanything else",  # after the end, and within a chunk
    ],
)
def test_complete_chunks_are_accepted_however_they_are_split(data: bytes) -> None:
    for size in range(1, len(data) + 1):
        lines = ChunkLines()
        for each in pieces(data, size):
            lines.take(each)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"2\nok\r\n0\r\n\r\n", "illegal chunk header"),
        (b"2;a\rb\r\nok\r\n", "illegal chunk header"),
        (b"\r\n", "illegal chunk header"),
        (b"2 2\r\n", "illegal chunk header"),
        (b"0\r\n\n", "CR LF"),
        (b"0\r\nX: y\n\r\n", "CR LF"),
        (b"0\r\nX: y\rz\r\n", "CR LF"),
        (b"0\r\nX: y\r\n z\r\n\r\n", "second line"),
        (b"0\r\n" + b"X: y\r\n" * 10_000, "more than"),
    ],
)
def test_what_parsers_disagree_about_is_refused_however_it_is_cut(data: bytes, told: str) -> None:
    for size in (1, 2, 3, 7, len(data)):
        lines = ChunkLines()
        with pytest.raises(RefusedRequest, match=told) as refused:
            for each in pieces(data, size):
                lines.take(each)
        assert refused.value.status == 400
