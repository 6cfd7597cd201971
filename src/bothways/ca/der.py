"""The few things that are written in DER by hand, since `cryptography` does not write them (X.690 8 and 10).

Knows tags and lengths, and no meaning.
"""

from __future__ import annotations

INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE = 0x02, 0x03, 0x04, 0x30


def tagged(tag: int, content: bytes) -> bytes:
    """One element: its tag, the length of its content in as few bytes as it takes, the content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts: bytes) -> bytes:
    """A sequence of elements."""
    return tagged(SEQUENCE, b"".join(parts))


def integer(value: int) -> bytes:
    """A number that is not negative."""
    return tagged(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))
