"""Seeded mutation: what a fuzzer without coverage can do to bytes."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

EDGES = (0, 1, 2, 3, 0x7F, 0x80, 0xFE, 0xFF)
LONGEST = 70_000


def mutants(seeds: Sequence[bytes], count: int, seed: str) -> Iterator[bytes]:
    """Yield the seeds themselves, then `count` mutants of them, the same ones in every run."""
    yield from seeds
    draws = random.Random(seed)
    for _ in range(count):
        data = bytearray(draws.choice(seeds))
        for _ in range(draws.randint(1, 4)):
            _mutate(data, draws, draws.choice(seeds))
        yield bytes(data[:LONGEST])


def _mutate(data: bytearray, draws: random.Random, other: bytes) -> None:
    at = draws.randint(0, len(data))
    match draws.randrange(8):
        case 0 if at < len(data):
            data[at] = draws.randrange(256)
        case 1 if at < len(data):
            data[at] ^= 1 << draws.randrange(8)
        case 2 if at < len(data):
            data[at] = draws.choice(EDGES)
        case 3:
            del data[at : at + draws.randint(1, 8)]
        case 4:
            data[at:at] = draws.randbytes(draws.randint(1, 8))
        case 5:
            start = draws.randint(0, len(other))
            data[at:at] = other[start : start + draws.randint(1, 64)]
        case 6:
            del data[at:]
        case _:
            data[at:at] = data[at : at + draws.randint(1, 64)]
