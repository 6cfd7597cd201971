"""The parts of a codec, and how a whole message is decoded and encoded (RFC 9846 3).

A codec never reads beyond the `end` that it is given, so a nested length cannot exceed the field around it. Each value
has only one encoding: encoding a decoded value returns the same bytes. Decoding blames the peer (`DecodeError`); a
value that cannot be encoded is an error of ours (`ValueError`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

from bothways.tls.wire.decode_errors import DecodeError, trailing_bytes

T = TypeVar("T")

Read = Callable[[bytes, int, int], tuple[T, int]]
Write = Callable[[T, bytearray], None]


# -- the shape of a codec: for notation, ladders and tests, not used for decoding or encoding ---------------


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
    """Between `low` and `high` bytes, after a length field."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Rest:
    """All bytes up to the end of the enclosing field."""


@dataclass(frozen=True, slots=True)
class Vector:
    """Items of one type with a total size of `low` to `high` bytes, after a length field."""

    item: Codec[Any]
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Record:
    """Several fields in order. spelled: the RFC's names of the fields."""

    cls: type[Any]
    title: str
    fields: tuple[tuple[str, Codec[Any]], ...]
    spelled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Optional:
    """An optional last field of a message."""

    inner: Codec[Any]


@dataclass(frozen=True, slots=True)
class Variants:
    """Bodies selected by a code, each after a length field: the extensions of one message."""

    choices: Mapping[int, Codec[Any]]


@dataclass(frozen=True, slots=True)
class Custom:
    """A shape with its own code, based on `inner`; fields: those that are described."""

    inner: Codec[Any]
    fields: tuple[tuple[str, Codec[Any]], ...] = ()


Shape = Uint | Fixed | Opaque | Rest | Vector | Record | Optional | Variants | Custom


class Codec(NamedTuple, Generic[T]):
    """Decoder and encoder of one shape. notation: its declaration in the RFC's language, with `{}` for the name."""

    read: Read[T]
    write: Write[T]
    notation: str
    shape: Shape


# -- whole messages --------------------------------------------------------------------------------------


def decode(codec: Codec[T], data: bytes, what: str) -> T:
    """Return the value in `data`, which must contain nothing else. what: the name in the error.

    Raises `DecodeError`.
    """
    end = len(data)
    try:
        value, at = codec.read(data, 0, end)
        if at != end:
            trailing_bytes(at, end)
    except DecodeError as error:
        error.within(what)
        error.locate()
        raise
    return value


def encode(codec: Codec[T], value: T) -> bytes:
    """Return the encoding of `value`. Raises `ValueError` if it cannot be encoded."""
    out = bytearray()
    write_whole(codec, value, out)
    return bytes(out)


def write_whole(codec: Codec[T], value: T, out: bytearray) -> None:
    """Append the encoding of `value` to `out`. Raises `ValueError` if it cannot be encoded."""
    try:
        codec.write(value, out)
    except (OverflowError, struct.error) as error:
        raise ValueError(f"{type(value).__name__} does not fit its form: {error}") from None


# -- notation of the RFC ------------------------------------------------------------------------------------


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
    """Return the bounds of a vector in the RFC's notation: `<2..2^16-2>`."""
    return f"<{low}..{_spelled_bound(high)}>"


def _spelled_bound(number: int) -> str:
    for bits in (8, 16, 24):
        if 0 < 2**bits - number <= 2:
            return f"2^{bits}-{2**bits - number}"
    return str(number)
