"""The few steps through DER that `cryptography` does not offer: where the parts of a certificate lie.

Knows tags and lengths, and no meaning. Whatever is not strict DER is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator

BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
_CRITICAL = bytes.fromhex("0101ff")


def element(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the element at `at` (X.690 10.1)."""
    if end - at < 2:
        raise ValueError(f"an element is cut off at byte {at}")
    tag = data[at]
    if tag & 0x1F == 0x1F:
        raise ValueError(f"a tag of several bytes at byte {at}")
    length = data[at + 1]
    start = at + 2
    if length >= 0x80:
        size = length & 0x7F
        if not 1 <= size <= 4 or end - start < size:
            raise ValueError(f"no definite length at byte {at + 1}")
        length = int.from_bytes(data[start : start + size], "big")
        start += size
        if length < 0x80 or length >> (8 * (size - 1)) == 0:
            raise ValueError(f"a length in more bytes than it needs at byte {at + 1}")
    if length > end - start:
        raise ValueError(f"a length of {length} at byte {at} runs past the end")
    return tag, start, start + length


def elements(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Walk over all elements between `at` and `end`: tag, where it begins, start and end of its content."""
    while at < end:
        tag, start, stop = element(data, at, end)
        yield tag, at, start, stop
        at = stop


def expect_element(data: bytes, at: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Return start and end of the content of the element at `at`, which must have `tag`."""
    got, start, stop = element(data, at, end)
    if got != tag:
        raise ValueError(f"no {what} at byte {at}")
    return start, stop


def extensions_in(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bool, bytes]]:
    """Walk over the extensions between `at` and `end`: identifier, criticality, value (RFC 5280 4.1)."""
    for tag, begin, start, stop in elements(data, at, end):
        if tag != SEQUENCE:
            raise ValueError(f"no extension at byte {begin}")
        first, last = expect_element(data, start, stop, OBJECT_IDENTIFIER, "extension")
        critical = data[last : last + len(_CRITICAL)] == _CRITICAL
        place = last + len(_CRITICAL) if critical else last
        value, value_end = expect_element(data, place, stop, OCTET_STRING, "extension value")
        if value_end != stop:
            raise ValueError(f"bytes follow the extension's value at byte {value_end}")
        yield data[first:last], critical, data[value:value_end]


def encoded(tag: int, *content: bytes) -> bytes:
    """Return the element of a tag and a content in parts, its length in as few bytes as it needs (X.690 10.1)."""
    body = b"".join(content)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
