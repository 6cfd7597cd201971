"""Heads that two parsers might read in two ways, or that have no measure."""

from __future__ import annotations

import h11
import pytest

from bothways.ca_server.strict_http import FIELDS_LIMIT, HEAD_LIMIT, StrictConnection


def parser() -> StrictConnection:
    return StrictConnection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)


def head(*fields: bytes, version: bytes = b"1.1", target: bytes = b"/") -> bytes:
    lines = [b"POST " + target + b" HTTP/" + version, b"Host: x", *fields, b"", b""]
    return b"\r\n".join(lines)


@pytest.mark.parametrize(
    "printed",
    [
        head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
        head(b"TRANSFER-ENCODING: chunked", b"content-LENGTH: 0"),
        head(b"Transfer-Encoding: chunked", version=b"1.0"),
        head(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        head(b"Transfer-Encoding: chunked, chunked"),
        head(b"Transfer-Encoding: identity"),
        head(b"Transfer-Encoding: xchunked"),
        head(b"Transfer-Encoding:\x0bchunked"),
        head(b"Transfer-Encoding : chunked"),
        head(b"Content-Length: 5", b"Content-Length: 6"),
        head(b"Content-Length: 5, 6"),
        head(b"Content-Length: +5"),
        head(b"Content-Length: -5"),
        head(b"Content-Length: 0x5"),
        head(b"Content-Length: 5 5"),
        head(b"Content-Length: " + b"9" * 30),
        head(b"Content-Length : 5"),
        head(b"X: a\r\n b: c\x00"),
        head(*(b"a: b" for _ in range(FIELDS_LIMIT))),
        head(b"X: " + b"a" * HEAD_LIMIT),
        head(target=b"/" + b"a" * HEAD_LIMIT),
    ],
)
def test_an_ambiguous_or_too_large_head_is_refused(printed: bytes) -> None:
    """RFC 9112 5.1, 6.1, 6.3."""
    with pytest.raises(h11.RemoteProtocolError):
        connection = parser()
        connection.receive_data(printed)
        connection.next_event()


@pytest.mark.parametrize(
    "printed",
    [
        head(b"Content-Length: 5"),
        head(b"Content-Length: 5", b"Content-Length: 5"),
        head(b"Transfer-Encoding: chunked"),
        head(version=b"1.0"),
        head(*(b"a: b" for _ in range(FIELDS_LIMIT - 1))),
        head(target=b"/" + b"a" * (HEAD_LIMIT - 100)),
    ],
)
def test_a_plain_head_passes(printed: bytes) -> None:
    connection = parser()
    connection.receive_data(printed)
    assert isinstance(connection.next_event(), h11.Request)


def test_a_head_without_an_end_is_refused_before_it_is_kept() -> None:
    connection = parser()
    connection.receive_data(b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_LIMIT)
    with pytest.raises(h11.RemoteProtocolError):
        connection.next_event()
