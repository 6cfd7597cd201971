"""Encodes the few DER elements that `cryptography` does not (X.690 8 and 10)."""

from __future__ import annotations

INTEGER, BIT_STRING, OCTET_STRING, SEQUENCE = 0x02, 0x03, 0x04, 0x30


def tagged(tag: int, content: bytes) -> bytes:
    """Encode an element: tag, length in the shortest form, content."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts: bytes) -> bytes:
    """Encode a SEQUENCE of encoded elements."""
    return tagged(SEQUENCE, b"".join(parts))


def integer(value: int) -> bytes:
    """Encode an INTEGER that is not negative."""
    return tagged(INTEGER, value.to_bytes(value.bit_length() // 8 + 1))
