"""DER by hand, for certificates, lists and responses that no library would make: whatever is asked for is built."""

from __future__ import annotations

from collections.abc import Iterable

INTEGER, BIT_STRING, OCTET_STRING, NULL, OID = 0x02, 0x03, 0x04, 0x05, 0x06
UTF8, PRINTABLE, IA5, BMP = 0x0C, 0x13, 0x16, 0x1E
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31


def tlv(tag: int, *contents: bytes) -> bytes:
    """One element, with the shortest length."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*contents: bytes) -> bytes:
    return tlv(SEQUENCE, *contents)


def explicit(number: int, *contents: bytes) -> bytes:
    """Contents under a constructed tag of their context."""
    return tlv(0xA0 | number, *contents)


def implicit(number: int, content: bytes) -> bytes:
    """Primitive contents under a tag of their context."""
    return tlv(0x80 | number, content)


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def oid(*numbers: int) -> bytes:
    """An object identifier: `oid(2, 5, 29, 17)`."""
    first, second, *rest = numbers
    return tlv(OID, _base128(40 * first + second), *map(_base128, rest))


def dotted(text: str) -> bytes:
    return oid(*map(int, text.split(".")))


def _base128(number: int) -> bytes:
    digits = [number & 0x7F]
    while number := number >> 7:
        digits.append(number & 0x7F | 0x80)
    return bytes(reversed(digits))


def distinct_oids(count: int) -> Iterable[bytes]:
    """So many object identifiers, each another, as short as that allows."""
    for number in range(count):
        yield oid(1, 3, number) if number < 128 else oid(1, 3, 128 + (number >> 7), number & 0x7F)


def bits(content: bytes) -> bytes:
    return tlv(BIT_STRING, b"\0", content)


def time(text: str) -> bytes:
    return tlv(UTC_TIME if len(text) == 13 else GENERALIZED_TIME, text.encode())


def attribute(kind: bytes, value: str | bytes, tag: int = UTF8) -> bytes:
    """One attribute of a distinguished name."""
    return sequence(kind, tlv(tag, value.encode() if isinstance(value, str) else value))


COMMON_NAME = oid(2, 5, 4, 3)


def name(*common_names: str) -> bytes:
    """A distinguished name of common names, each a relative name of its own."""
    return sequence(*(tlv(SET, attribute(COMMON_NAME, each)) for each in common_names))
