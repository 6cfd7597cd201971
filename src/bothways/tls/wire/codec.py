"""What a codec is, and how a whole message is decoded and encoded by one (RFC 9846 3).

A codec never looks past the `end` that it is given, so a nested length cannot reach beyond what encloses it.
Each value has one encoding only: encoding again what was decoded gives the same bytes.
Decoding blames the peer (`DecodeError`); encoding a value that does not fit is our own bug (`ValueError`).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, NamedTuple, TypeVar

from bothways.tls.wire.decode_errors import DecodeError, left_over

T = TypeVar("T")

Read = Callable[[bytes, int, int], tuple[T, int]]
Write = Callable[[T, bytearray], None]


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
    """Return the bounds of a vector as the RFC writes them: `<2..2^16-2>`."""
    return f"<{low}..{_spelled_bound(high)}>"


def _spelled_bound(number: int) -> str:
    for bits in (8, 16, 24):
        if 0 < 2**bits - number <= 2:
            return f"2^{bits}-{2**bits - number}"
    return str(number)
