"""A reader of DER for what `cryptography` does not offer: where the parts of a certificate begin and end.

It knows tags and lengths only. Whatever is not strict DER is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator
from mmap import mmap

Octets = bytes | mmap  # in memory that several processes may share

BIT_STRING = 0x03
OCTET_STRING = 0x04
OBJECT_IDENTIFIER = 0x06
SEQUENCE = 0x30
SET = 0x31
_CRITICAL = bytes.fromhex("0101ff")


def element(data: Octets, at: int, end: int) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the element at `at` (X.690 10.1). Raises ValueError."""
    start = at + 2
    if start > end:
        raise ValueError(f"an element is cut off at byte {at}")
    tag, length = data[at], data[at + 1]
    if tag & 0x1F == 0x1F:
        raise ValueError(f"a tag of several bytes at byte {at}")
    if length >= 0x80:
        start, length = _long_length(data, at + 1, end)
    stop = start + length
    if stop > end:
        raise ValueError(f"a length of {length} at byte {at} runs past the end")
    return tag, start, stop


def _long_length(data: Octets, at: int, end: int) -> tuple[int, int]:
    """Return start and length of the content, from a length field of several bytes at `at` (X.690 8.1.3.5)."""
    size = data[at] & 0x7F
    start = at + 1 + size
    if not 1 <= size <= 4 or start > end:
        raise ValueError(f"no definite length at byte {at}")
    length = int.from_bytes(data[at + 1 : start], "big")
    if length < 0x80 or data[at + 1] == 0:
        raise ValueError(f"a length in more bytes than it needs at byte {at}")
    return start, length


def elements(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield each element between `at` and `end`: tag, its position, start and end of its content. Raises ValueError."""
    while at < end:
        tag, start, stop = element(data, at, end)
        yield tag, at, start, stop
        at = stop


def expect_element(data: Octets, at: int, end: int, tag: int, what: str) -> tuple[int, int]:
    """Return start and end of the content of the element at `at`, which must have `tag`.

    what: the name of the element in the ValueError for another tag.
    """
    start = at + 2
    if start <= end and data[at] == tag:
        length = data[at + 1]
        stop = start + length
        if length < 0x80 and stop <= end:  # the short form of the length, which is usual
            return start, stop
    got, start, stop = element(data, at, end)
    if got != tag:
        raise ValueError(f"no {what} at byte {at}")
    return start, stop


def extensions_in(data: Octets, at: int, end: int) -> Iterator[tuple[bytes, bool, bytes]]:
    """Yield each extension between `at` and `end`: identifier, criticality, value (RFC 5280 4.1). Raises ValueError."""
    while at < end:
        tag, start, stop = element(data, at, end)
        if tag != SEQUENCE:
            raise ValueError(f"no extension at byte {at}")
        tag, first, last = element(data, start, stop)
        if tag != OBJECT_IDENTIFIER:
            raise ValueError(f"no extension at byte {start}")
        critical = data[last : min(last + len(_CRITICAL), stop)] == _CRITICAL
        place = last + len(_CRITICAL) if critical else last
        tag, value, at = element(data, place, stop)
        if tag != OCTET_STRING:
            raise ValueError(f"no extension value at byte {place}")
        if at != stop:
            raise ValueError(f"bytes follow the extension's value at byte {at}")
        yield data[first:last], critical, data[value:at]


def extension_value(data: bytes, at: int, end: int, identifier: bytes) -> bytes:
    """Return the value of the first extension with `identifier` between `at` and `end`, without decoding the others.

    Raises ValueError where there is none.
    """
    wanted = bytes((OBJECT_IDENTIFIER, len(identifier))) + identifier
    while at < end:
        _, start, stop = element(data, at, end)
        if data.startswith(wanted, start, stop):
            return next(extensions_in(data, at, stop))[2]
        at = stop
    raise ValueError("an extension is not there")


def encoded(tag: int, *content: bytes) -> bytes:
    """Return the DER of an element, from its tag and the parts of its content; the length is minimal (X.690 10.1)."""
    body = b"".join(content)
    size = len(body)
    if size < 0x80:
        return bytes((tag, size)) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + body
