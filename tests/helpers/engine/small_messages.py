"""Messages of two fields, of a list of such and of nothing: the least that tests of codecs need."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.tls.wire.fields import opaque, record, single_field, uint, vector


@dataclass(frozen=True, slots=True)
class Pair:
    first: int
    second: bytes


@dataclass(frozen=True, slots=True)
class Pairs:
    pairs: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


PAIR = record(Pair, first=uint(2), second=opaque(1, 2**8 - 1))
PAIRS = single_field(Pairs, pairs=vector(PAIR, 4, 2**16 - 1))
