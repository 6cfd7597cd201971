"""The fields of a message of Protocol Buffers, read strictly and within limits."""

from __future__ import annotations

from collections.abc import Iterator

MOST_FIELDS = 1024  # of a message
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


class NotProtobuf(ValueError):
    """Bytes that are no message, or one of too many fields."""


def fields(data: bytes) -> Iterator[tuple[int, bytes | None]]:
    """Yield the number of each field of a message with its bytes; None for those of another type.

    Raises NotProtobuf.
    """
    at = count = 0
    while at < len(data):
        count += 1
        if count > MOST_FIELDS:
            raise NotProtobuf(f"a message of more than {MOST_FIELDS} fields")
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            raise NotProtobuf("a field without a number")
        value = None
        if kind == _VARINT:
            _, at = _varint(data, at)
        elif kind == _LENGTH:
            size, at = _varint(data, at)
            value, at = data[at : at + size], at + size
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
        else:
            raise NotProtobuf("a field of a type that is not known")
        if at > len(data):
            raise NotProtobuf("a field is cut off")
        yield number, value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise NotProtobuf("a number is cut off")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if not byte & 0x80:
            return value, at
    raise NotProtobuf("a number of too many bytes")
