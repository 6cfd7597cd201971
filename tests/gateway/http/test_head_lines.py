"""Where a head ends, however it is cut, and the lines that parsers disagree about."""

from __future__ import annotations

import pytest

from bothways.gateway.http.head_lines import HeadParser
from bothways.gateway.http.messages import HEAD_LIMIT, RefusedRequest

HEAD = b"GET / HTTP/1.1\r\nX: y\r\n\r\n"


def test_a_head_ends_with_its_empty_line_however_it_is_cut() -> None:
    for size in range(1, len(HEAD) + 5):
        head, data = HeadParser(), HEAD + b"rest"
        assert not head.has_begun
        for at in range(0, len(data), size):
            assert head.is_whole == (at >= len(HEAD))
            head.take(data[at : at + size])
        assert (head.text, head.rest, head.has_begun) == (HEAD, b"rest", True)


def test_bytes_after_a_head_are_no_line_of_it() -> None:
    """A body in the same piece may have any bytes, also those of lines that are refused in a head."""
    for rest in (b"\n", b"a\rb\n", b" a\r\n", b"X: y\r\n\r\n"):
        head = HeadParser()
        head.take(HEAD + rest)
        assert (head.text, head.rest) == (HEAD, rest)


@pytest.mark.parametrize(
    ("data", "status", "told"),
    [
        (b"GET / HTTP/1.1\n", 400, "CR LF"),
        (b"GET / HTTP/1.1\r\r\n", 400, "CR LF"),
        (b"GET / HTTP/1.1\r\nX: a\rb\r\n", 400, "CR LF"),
        (b"GET / HTTP/1.1\r\n\n", 400, "CR LF"),
        (b"GET / HTTP/1.1\r\nX: a\r\n b\r\n", 400, "second line"),
        (b"GET / HTTP/1.1\r\nX: a\r\n\tb\r\n", 400, "second line"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * HEAD_LIMIT, 431, "more than"),
    ],
)
def test_what_parsers_disagree_about_is_refused(data: bytes, status: int, told: str) -> None:
    with pytest.raises(RefusedRequest, match=told) as refused:
        HeadParser().take(data)
    assert refused.value.status == status
