"""The types of fields in the RFC's presentation language, each as a codec (RFC 9846 3)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import fields as fields_of_dataclass
from dataclasses import is_dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, NoReturn, TypeVar

from bothways.tls.wire.codec import Codec, Fixed, Opaque, Optional, Record, Rest, Uint, Vector, bounds
from bothways.tls.wire.decode_errors import DecodeError, bad_length, fail, field_too_short, too_many

T = TypeVar("T")

# Far more than a normal message has; decoding many tiny items would cost too much time for each byte.
MOST_ITEMS = 4096


def uint(size: int, registry: type[IntEnum] | None = None, title: str = "") -> Codec[int]:
    """A number of `size` bytes, big-endian (RFC 9846 3.3), with its names in `registry`."""
    title = title or (registry.__name__ if registry is not None else f"uint{8 * size}")
    unpack = int.from_bytes

    def read(data: bytes, at: int, end: int) -> tuple[int, int]:
        stop = at + size
        if stop > end:
            field_too_short(at, end, size)
        return unpack(data[at:stop], "big"), stop

    def write(value: int, out: bytearray) -> None:
        out += value.to_bytes(size, "big")

    return Codec(_read_byte if size == 1 else read, write, f"{title} {{}}", Uint(size, registry))


def _read_byte(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at >= end:
        field_too_short(at, end, 1)
    return data[at], at + 1


def fixed(size: int, title: str = "") -> Codec[bytes]:
    """Exactly `size` bytes (RFC 9846 3.4)."""

    def read(data: bytes, at: int, end: int) -> tuple[bytes, int]:
        stop = at + size
        if stop > end:
            field_too_short(at, end, size)
        return data[at:stop], stop

    def write(value: bytes, out: bytearray) -> None:
        if len(value) != size:
            raise ValueError(f"{len(value)} bytes where {size} must stand")
        out += value

    return Codec(read, write, f"{title} {{}}" if title else f"opaque {{}}[{size}]", Fixed(size))


def opaque(low: int, high: int, title: str = "") -> Codec[bytes]:
    """Between `low` and `high` bytes, after a length field (RFC 9846 3.4)."""
    prefix = _prefix(high)
    unpack = int.from_bytes

    def read(data: bytes, at: int, end: int) -> tuple[bytes, int]:
        start = at + prefix
        if start > end:
            field_too_short(at, end, prefix)
        stop = start + unpack(data[at:start], "big")
        if stop > end or not low <= stop - start <= high:
            bad_length(at, start, stop, end, low, high)
        return data[start:stop], stop

    def write(value: bytes, out: bytearray) -> None:
        if not low <= len(value) <= high:
            does_not_fit(len(value), low, high)
        out += len(value).to_bytes(prefix, "big")
        out += value

    notation = f"{title} {{}}" if title else f"opaque {{}}{bounds(low, high)}"
    return Codec(read, write, notation, Opaque(low, high))


def rest() -> Codec[bytes]:
    """All bytes up to the end of the enclosing field."""

    def read(data: bytes, at: int, end: int) -> tuple[bytes, int]:
        return data[at:end], end

    def write(value: bytes, out: bytearray) -> None:
        out += value

    return Codec(read, write, "opaque {}[rest]", Rest())


def vector(item: Codec[T], low: int, high: int, most: int | None = None) -> Codec[tuple[T, ...]]:
    """Items with a total size of `low` to `high` bytes, after a length field (RFC 9846 3.4).

    most: the number of items that are read; a vector with more raises `TooManyItems`. The default is `MOST_ITEMS`, but
    unlimited for numbers of one or two bytes, which are decoded in one step.
    """
    prefix = _prefix(high)
    shape = Vector(item, low, high)
    notation = item.notation + bounds(low, high)
    if isinstance(item.shape, Uint) and item.shape.size in (1, 2):
        numbers: Codec[Any] = _numbers(item.shape.size, prefix, shape, notation, most or high)
        return numbers
    limit = most or MOST_ITEMS
    read_item, write_item = item.read, item.write
    unpack = int.from_bytes

    def read(data: bytes, at: int, end: int) -> tuple[tuple[T, ...], int]:
        start = at + prefix
        if start > end:
            field_too_short(at, end, prefix)
        stop = start + unpack(data[at:start], "big")
        if stop > end or not low <= stop - start <= high:
            bad_length(at, start, stop, end, low, high)
        values: list[T] = []
        try:
            while start < stop:
                if len(values) == limit:
                    too_many(limit)
                value, start = read_item(data, start, stop)
                values.append(value)
        except DecodeError as error:
            error.within(f"[{len(values)}]")
            raise
        return tuple(values), stop

    def write(values: tuple[T, ...], out: bytearray) -> None:
        at = len(out)
        out += bytes(prefix)
        for value in values:
            write_item(value, out)
        close(out, at, prefix, low, high)

    return Codec(read, write, notation, shape)


def _numbers(size: int, prefix: int, shape: Vector, notation: str, most: int) -> Codec[tuple[int, ...]]:
    """A vector of numbers of one or two bytes, decoded in one call."""
    low, high = shape.low, shape.high
    letter = {1: "B", 2: "H"}[size]
    unpack, unpack_from, pack = int.from_bytes, struct.unpack_from, struct.pack

    def read(data: bytes, at: int, end: int) -> tuple[tuple[int, ...], int]:
        start = at + prefix
        if start > end:
            field_too_short(at, end, prefix)
        length = unpack(data[at:start], "big")
        stop = start + length
        if stop > end or not low <= length <= high:
            bad_length(at, start, stop, end, low, high)
        if length % size:
            fail(f"length {length} is not a multiple of {size} (offset {at})")
        if length > size * most:
            too_many(most)
        return unpack_from(f">{length // size}{letter}", data, start), stop

    def write(values: tuple[int, ...], out: bytearray) -> None:
        length = size * len(values)
        if not low <= length <= high:
            does_not_fit(length, low, high)
        out += length.to_bytes(prefix, "big")
        out += pack(f">{len(values)}{letter}", *values)

    return Codec(read, write, notation, shape)


def record(
    cls: type[T], /, title: str = "", spelled: Mapping[str, str] | None = None, **fields: Codec[Any]
) -> Codec[T]:
    """The fields of dataclass `cls`, with the same names and in the same order (RFC 9846 3.6).

    title, spelled: the RFC's names of the struct and of fields, where ours differ.
    Raises `TypeError`, at import, if the names are not those of the dataclass.
    """
    names = tuple(fields)
    make: Callable[..., T] = cls
    if not is_dataclass(cls) or names != tuple(each.name for each in fields_of_dataclass(cls)):
        raise TypeError(f"the fields of {cls.__name__} are not those of its codec: {', '.join(names)}")
    reads = tuple(codec.read for codec in fields.values())
    writes = tuple((name, codec.write) for name, codec in fields.items())

    def read(data: bytes, at: int, end: int) -> tuple[T, int]:
        values = []
        try:
            for read_field in reads:
                value, at = read_field(data, at, end)
                values.append(value)
        except DecodeError as error:
            error.within(names[len(values)])
            raise
        return make(*values), at

    def write(value: T, out: bytearray) -> None:
        for name, write_field in writes:
            write_field(getattr(value, name), out)

    title = title or cls.__name__
    other = spelled or {}
    shape = Record(cls, title, tuple(fields.items()), tuple(other.get(name, name) for name in names))
    return Codec(read, write, f"{title} {{}}", shape)


def single_field(cls: type[T], /, title: str = "", spelled: str = "", **field: Codec[Any]) -> Codec[T]:
    """A `record` with one field: the same, without a loop."""
    ((name, codec),) = field.items()
    general = record(cls, title=title, spelled={name: spelled or name}, **field)
    make: Callable[[Any], T] = cls
    read_field, write_field = codec.read, codec.write

    def read(data: bytes, at: int, end: int) -> tuple[T, int]:
        try:
            value, at = read_field(data, at, end)
        except DecodeError as error:
            error.within(name)
            raise
        return make(value), at

    def write(value: T, out: bytearray) -> None:
        write_field(getattr(value, name), out)

    return general._replace(read=read, write=write)


def optional(codec: Codec[T]) -> Codec[T | None]:
    """An optional field at the end of a message; None means that it is absent, which differs from empty."""
    read_inner, write_inner = codec.read, codec.write

    def read(data: bytes, at: int, end: int) -> tuple[T | None, int]:
        if at == end:
            return None, at
        return read_inner(data, at, end)

    def write(value: T | None, out: bytearray) -> None:
        if value is not None:
            write_inner(value, out)

    return Codec(read, write, codec.notation, Optional(codec))


_ALIKE_LIMIT = 256


class _TooLong(Exception):
    """An encoding that is too long for the cache."""


def cached(codec: Codec[T]) -> Codec[T]:
    """The same codec with a cache, for short values that are the same in many messages.

    It must not be used for random or secret values.
    """
    read_inner, write_inner = codec.read, codec.write

    @lru_cache(maxsize=64)
    def read_once(data: bytes) -> tuple[T, int]:
        return read_inner(data, 0, len(data))

    @lru_cache(maxsize=64)
    def written(value: T) -> bytes:
        out = bytearray()
        write_inner(value, out)
        if len(out) > _ALIKE_LIMIT:
            raise _TooLong  # an exception is not cached
        return bytes(out)

    def read(data: bytes, at: int, end: int) -> tuple[T, int]:
        if end - at > _ALIKE_LIMIT:
            return read_inner(data, at, end)
        try:
            value, length = read_once(data[at:end])
        except DecodeError:
            return read_inner(data, at, end)  # raises the error with its place in this message
        return value, at + length

    def write(value: T, out: bytearray) -> None:
        try:
            out += written(value)
        except _TooLong:
            write_inner(value, out)

    return codec._replace(read=read, write=write)


def _prefix(high: int) -> int:
    """Return the size in bytes of a length field for lengths up to `high` (RFC 9846 3.4)."""
    return (high.bit_length() + 7) // 8


def close(out: bytearray, at: int, prefix: int, low: int, high: int) -> None:
    """Write the length of everything after `at` into the `prefix` bytes reserved for it."""
    length = len(out) - at - prefix
    if not low <= length <= high:
        does_not_fit(length, low, high)
    out[at : at + prefix] = length.to_bytes(prefix, "big")


def does_not_fit(length: int, low: int, high: int) -> NoReturn:
    """Raise ValueError for a value that cannot be encoded, an error of ours."""
    raise ValueError(f"{length} bytes where {low} to {high} may stand")
