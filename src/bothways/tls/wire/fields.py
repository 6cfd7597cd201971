"""The RFC's presentation language as codecs: what a field reads, writes, and how RFC 9846 3 spells it.

A codec never looks past the `end` that it is given, so a nested length cannot reach out of its place.
Whatever is accepted has one spelling only: encoding it again gives the same bytes.
Reading blames the peer (`DecodeError`); writing a value that does not fit is our own bug (`ValueError`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as fields_of_dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar

from bothways.faults import Blame, Fault

T = TypeVar("T")

# Many more than any honest message has of anything; to read one takes longer than its bytes are worth.
MOST_ITEMS = 4096

Read = Callable[[bytes, int, int], tuple[T, int]]
Write = Callable[[T, bytearray], None]


class DecodeError(Blame):
    """Bytes that are no such message. Its facts are `place`, a path of field names, and `problem`."""

    def __init__(self, problem: str) -> None:
        super().__init__(Fault.UNDECODABLE, {"place": "", "problem": problem})
        self._path: list[str] = []

    def within(self, part: str) -> None:
        """Say that what was noted so far lies inside `part`."""
        self._path.append(part)

    def locate(self) -> None:
        """Turn the parts noted into the fact `place`."""
        place = ".".join(reversed(self._path)).replace(".[", "[")
        self.facts = {"place": place, "problem": self.facts["problem"]}

    def __str__(self) -> str:
        return f"{self.facts['place']}: {self.facts['problem']}"


class TooManyItems(DecodeError):
    """A vector has more items than anybody may need, and the rest of it was not read."""


# -- what a codec is made of: for notation, ladders and tests, never needed to read or write --------------


@dataclass(frozen=True, slots=True)
class Uint:
    """A number of `size` bytes, whose names are in `registry`."""

    size: int
    registry: type[IntEnum] | None


@dataclass(frozen=True, slots=True)
class Fixed:
    """Exactly `size` bytes."""

    size: int


@dataclass(frozen=True, slots=True)
class Opaque:
    """Between `low` and `high` bytes behind their length."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Rest:
    """All bytes up to the end of what encloses them."""


@dataclass(frozen=True, slots=True)
class Vector:
    """Items of one kind that take between `low` and `high` bytes, behind that length."""

    item: Codec[Any]
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Record:
    """Fields one after another; `spelled` has each field's name in the RFC."""

    cls: type[Any]
    title: str
    fields: tuple[tuple[str, Codec[Any]], ...]
    spelled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Optional:
    """Something that may be left out at the very end of a message."""

    inner: Codec[Any]


@dataclass(frozen=True, slots=True)
class Variants:
    """Tagged bodies behind a length: the extensions that one message may hold, by their code."""

    choices: Mapping[int, Codec[Any]]


@dataclass(frozen=True, slots=True)
class Custom:
    """A form that has its own few lines of code, written in terms of `inner`; `fields` are those it shows."""

    inner: Codec[Any]
    fields: tuple[tuple[str, Codec[Any]], ...] = ()


Shape = Uint | Fixed | Opaque | Rest | Vector | Record | Optional | Variants | Custom


class Codec(NamedTuple, Generic[T]):
    """One form on the wire. `notation` is a declaration in the RFC's language, `{}` standing for the name."""

    read: Read[T]
    write: Write[T]
    notation: str
    shape: Shape


# -- the whole of a message ------------------------------------------------------------------------------


def decode(codec: Codec[T], data: bytes, what: str) -> T:
    """Return what `data` holds, which must be all of it; `what` names it in the error.

    Raises `DecodeError` for anything else.
    """
    end = len(data)
    try:
        value, at = codec.read(data, 0, end)
        if at != end:
            left_over(at, end)
    except DecodeError as error:
        error.within(what)
        error.locate()
        raise
    return value


def encode(codec: Codec[T], value: T) -> bytes:
    """Return the bytes of `value`. Raises `ValueError` if it does not fit its form."""
    out = bytearray()
    write_whole(codec, value, out)
    return bytes(out)


def write_whole(codec: Codec[T], value: T, out: bytearray) -> None:
    """Append the bytes of `value` to `out`. Raises `ValueError` if it does not fit its form."""
    try:
        codec.write(value, out)
    except (OverflowError, struct.error) as error:
        raise ValueError(f"{type(value).__name__} does not fit its form: {error}") from None


# -- the kinds of fields -----------------------------------------------------------------------------------


def uint(size: int, registry: type[IntEnum] | None = None, title: str = "") -> Codec[int]:
    """A number of `size` bytes, big-endian (RFC 9846 3.3), with its names in `registry`."""
    title = title or (registry.__name__ if registry is not None else f"uint{8 * size}")
    unpack = int.from_bytes

    def read(data: bytes, at: int, end: int) -> tuple[int, int]:
        stop = at + size
        if stop > end:
            cut(at, end, size)
        return unpack(data[at:stop], "big"), stop

    def write(value: int, out: bytearray) -> None:
        out += value.to_bytes(size, "big")

    return Codec(_read_byte if size == 1 else read, write, f"{title} {{}}", Uint(size, registry))


def _read_byte(data: bytes, at: int, end: int) -> tuple[int, int]:
    if at >= end:
        cut(at, end, 1)
    return data[at], at + 1


def fixed(size: int, title: str = "") -> Codec[bytes]:
    """Exactly `size` bytes (RFC 9846 3.4)."""

    def read(data: bytes, at: int, end: int) -> tuple[bytes, int]:
        stop = at + size
        if stop > end:
            cut(at, end, size)
        return data[at:stop], stop

    def write(value: bytes, out: bytearray) -> None:
        if len(value) != size:
            raise ValueError(f"{len(value)} bytes where {size} must stand")
        out += value

    return Codec(read, write, f"{title} {{}}" if title else f"opaque {{}}[{size}]", Fixed(size))


def opaque(low: int, high: int, title: str = "") -> Codec[bytes]:
    """Between `low` and `high` bytes behind their length (RFC 9846 3.4)."""
    prefix = _prefix(high)
    unpack = int.from_bytes

    def read(data: bytes, at: int, end: int) -> tuple[bytes, int]:
        start = at + prefix
        if start > end:
            cut(at, end, prefix)
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
    """All bytes up to the end of what encloses them."""

    def read(data: bytes, at: int, end: int) -> tuple[bytes, int]:
        return data[at:end], end

    def write(value: bytes, out: bytearray) -> None:
        out += value

    return Codec(read, write, "opaque {}[rest]", Rest())


def vector(item: Codec[T], low: int, high: int, most: int | None = None) -> Codec[tuple[T, ...]]:
    """Items that take between `low` and `high` bytes, behind that length (RFC 9846 3.4).

    most: how many items are read; a vector of more raises `TooManyItems`. By default `MOST_ITEMS`, but all numbers
    of one or two bytes, which are read in one step.
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
            cut(at, end, prefix)
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
    """A vector of numbers of one or two bytes, unpacked in one call."""
    low, high = shape.low, shape.high
    letter = {1: "B", 2: "H"}[size]
    unpack, unpack_from, pack = int.from_bytes, struct.unpack_from, struct.pack

    def read(data: bytes, at: int, end: int) -> tuple[tuple[int, ...], int]:
        start = at + prefix
        if start > end:
            cut(at, end, prefix)
        length = unpack(data[at:start], "big")
        stop = start + length
        if stop > end or not low <= length <= high:
            bad_length(at, start, stop, end, low, high)
        if length % size:
            fail(f"length {length} is no multiple of {size} (offset {at})")
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
    """The fields of dataclass `cls` one after another, as named there and in that order (RFC 9846 3.6).

    title, spelled: the RFC's names of the struct and of fields, where they are not ours.
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
    """A `record` of one field: the same, without the loop."""
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
    """Something that stands at the end of a message or is left out: None is not the same as empty."""
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
    """Nothing to keep."""


def cached(codec: Codec[T]) -> Codec[T]:
    """The same form for what says the same in many messages: as long as it is short, read and written once.

    Not for anything fresh or secret.
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
            raise _TooLong  # what is raised is not kept
        return bytes(out)

    def read(data: bytes, at: int, end: int) -> tuple[T, int]:
        if end - at > _ALIKE_LIMIT:
            return read_inner(data, at, end)
        try:
            value, length = read_once(data[at:end])
        except DecodeError:
            return read_inner(data, at, end)  # blames it by its place in this message
        return value, at + length

    def write(value: T, out: bytearray) -> None:
        try:
            out += written(value)
        except _TooLong:
            write_inner(value, out)

    return codec._replace(read=read, write=write)


def definition(codec: Codec[Any]) -> str:
    """Return the struct of a record in the RFC's presentation language."""
    shape = codec.shape
    if not isinstance(shape, Record):
        raise TypeError("only a record has a definition")
    if not shape.fields:
        return f"struct {{}} {shape.title};"
    declared = zip(shape.spelled, (each.notation for _, each in shape.fields), strict=True)
    lines = "".join(f"    {notation.format(name)};\n" for name, notation in declared)
    return f"struct {{\n{lines}}} {shape.title};"


def bounds(low: int, high: int) -> str:
    """Return the bounds of a vector as the RFC writes them: `<2..2^16-2>`."""
    return f"<{low}..{_spelled_bound(high)}>"


def _spelled_bound(number: int) -> str:
    for bits in (8, 16, 24):
        if 0 < 2**bits - number <= 2:
            return f"2^{bits}-{2**bits - number}"
    return str(number)


def _prefix(high: int) -> int:
    """How many bytes a length takes that may be `high` (RFC 9846 3.4)."""
    return (high.bit_length() + 7) // 8


def close(out: bytearray, at: int, prefix: int, low: int, high: int) -> None:
    """Put the length of all that was written after `at` into the `prefix` bytes that were left there."""
    length = len(out) - at - prefix
    if not low <= length <= high:
        does_not_fit(length, low, high)
    out[at : at + prefix] = length.to_bytes(prefix, "big")


def does_not_fit(length: int, low: int, high: int) -> NoReturn:
    """Refuse to write what has no form: our own bug."""
    raise ValueError(f"{length} bytes where {low} to {high} may stand")


# -- what can be wrong ---------------------------------------------------------------------------------------


def fail(problem: str) -> NoReturn:
    """Refuse the bytes; those who called add where."""
    raise DecodeError(problem)


def too_many(most: int) -> NoReturn:
    """Refuse to read on after so many items."""
    raise TooManyItems(f"more than {most} items stand here")


def cut(at: int, end: int, size: int) -> NoReturn:
    """Refuse what ends before its time."""
    fail(f"{size} bytes must stand here and {end - at} do (offset {at})")


def left_over(at: int, end: int) -> NoReturn:
    """Refuse what goes on after its end."""
    fail(f"{end - at} bytes are left over (offset {at})")


def bad_length(at: int, start: int, stop: int, end: int, low: int, high: int) -> NoReturn:
    """Refuse a length that runs out of its place or out of its bounds."""
    length = stop - start
    if stop > end:
        fail(f"length {length} runs past the end by {stop - end} (offset {at})")
    fail(f"length {length} is not within {low}..{high} (offset {at})")
