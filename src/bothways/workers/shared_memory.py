"""Numbers and a document of one worker, in memory that it shares with its supervisor and the other workers.

One process writes, any may read. What a worker that dies has written stays, and its successor goes on with it. A number
is written at once, as 8 bytes at a multiple of 8; a new one counts from the moment that its name is complete.
"""

from __future__ import annotations

import mmap
import struct
import zlib

NUMBERS_BYTES = 256 * 1024
DOCUMENT_BYTES = 512 * 1024
TRIES = 8  # to read a document while it is being written

_ENTRY = struct.Struct("=II")  # the length of a name, its CRC-32; the number follows, then the name
_WORD = 8


class SharedNumbers:
    """Numbers by their names. size: bytes for all; a name for which there is no room left is counted in `left_out`."""

    def __init__(self, size: int = NUMBERS_BYTES) -> None:
        memory = mmap.mmap(-1, size)
        self._bytes = memoryview(memory)
        self._numbers = self._bytes.cast("d")
        self._words = self._bytes.cast(
            "Q"
        )  # the first is how many bytes are in use, the second what is left out
        self._places: dict[str, int] = {}
        self._known = 0  # the bytes in use when `_places` was read

    @property
    def left_out(self) -> int:
        """How many changes there were of numbers for which there was no room."""
        return self._words[1]

    def add(self, name: str, amount: float = 1.0) -> None:
        """Add to a number, which begins at 0."""
        place = self._place(name)
        if place is not None:
            self._numbers[place] += amount

    def set(self, name: str, value: float) -> None:
        """Replace a number."""
        place = self._place(name)
        if place is not None:
            self._numbers[place] = value

    def clear(self) -> None:
        """Set all numbers to 0; their names stay."""
        for _, place in self._entries():
            self._numbers[place] = 0.0

    def read(self) -> dict[str, float]:
        """Return all numbers."""
        return {name: self._numbers[place] for name, place in self._entries()}

    def _place(self, name: str) -> int | None:
        place = self._places.get(name)
        if place is None and self._known != self._words[0]:
            self._places = dict(self._entries())  # a worker before this one may have made it
            self._known = self._words[0]
            place = self._places.get(name)
        return self._new(name) if place is None else place

    def _new(self, name: str) -> int | None:
        data, used = name.encode(), max(self._words[0], 2 * _WORD)
        end = used + 2 * _WORD + -(-len(data) // _WORD) * _WORD
        if end > len(self._bytes):
            self._words[1] += 1
            return None
        _ENTRY.pack_into(self._bytes, used, len(data), zlib.crc32(data))
        place = used // _WORD + 1
        self._numbers[place] = 0.0
        self._bytes[used + 2 * _WORD : used + 2 * _WORD + len(data)] = data
        self._words[0] = self._known = end
        self._places[name] = place
        return place

    def _entries(self) -> list[tuple[str, int]]:
        """Return the names and their places; what is not whole ends them."""
        found: list[tuple[str, int]] = []
        at, used = 2 * _WORD, min(self._words[0], len(self._bytes))
        while at < used:
            length, check = _ENTRY.unpack_from(self._bytes, at)
            data = bytes(self._bytes[at + 2 * _WORD : at + 2 * _WORD + length])
            if not length or zlib.crc32(data) != check:
                break
            found.append((data.decode(), at // _WORD + 1))
            at += 2 * _WORD + -(-length // _WORD) * _WORD
        return found


class SharedDocument:
    """Bytes that are replaced as a whole. size: the most bytes; a longer document is refused with ValueError."""

    def __init__(self, size: int = DOCUMENT_BYTES) -> None:
        self._size = -(-size // _WORD) * _WORD
        memory = mmap.mmap(-1, _WORD + 2 * (_WORD + self._size))
        self._bytes = memoryview(memory)
        self._words = self._bytes.cast("Q")  # the first is the half that counts: 1 or 2, and 0 for none

    def write(self, data: bytes) -> None:
        """Replace it."""
        if len(data) > self._size:
            raise ValueError(f"a document of {len(data)} bytes; at most {self._size} are possible")
        half = 2 if self._words[0] == 1 else 1
        at = self._begin(half)
        self._bytes[at + _WORD : at + _WORD + len(data)] = data
        _ENTRY.pack_into(self._bytes, at, len(data), zlib.crc32(data))
        self._words[0] = half

    def clear(self) -> None:
        """Have none."""
        self._words[0] = 0

    def read(self) -> bytes:
        """Return it; nothing if there is none, or if it is replaced faster than it is read."""
        for _ in range(TRIES):
            half = self._words[0]
            if half not in (1, 2):
                return b""
            at = self._begin(half)
            length, check = _ENTRY.unpack_from(self._bytes, at)
            data = bytes(self._bytes[at + _WORD : at + _WORD + min(length, self._size)])
            if zlib.crc32(data) == check and len(data) == length:
                return data
        return b""

    def _begin(self, half: int) -> int:
        return _WORD + (half - 1) * (_WORD + self._size)
