"""The errors of decoding a message (RFC 9846 3).

The functions here raise; the callers add the names of the enclosing fields.
"""

from __future__ import annotations

from typing import NoReturn

from bothways.faults import Blame, Fault


class DecodeError(Blame):
    """Bytes that cannot be decoded. Its facts are `place`, a path of field names, and `problem`."""

    def __init__(self, problem: str) -> None:
        super().__init__(Fault.UNDECODABLE, {"place": "", "problem": problem})
        self._path: list[str] = []

    def within(self, part: str) -> None:
        """Add the name of the enclosing field."""
        self._path.append(part)

    def locate(self) -> None:
        """Set the fact `place` from the names added so far."""
        place = ".".join(reversed(self._path)).replace(".[", "[")
        self.facts = {"place": place, "problem": self.facts["problem"]}

    def __str__(self) -> str:
        return f"{self.facts['place']}: {self.facts['problem']}"


class TooManyItems(DecodeError):
    """A vector with more items than are allowed; the rest was not read."""


def fail(problem: str) -> NoReturn:
    """Raise `DecodeError` with this problem."""
    raise DecodeError(problem)


def too_many(most: int) -> NoReturn:
    """Raise `TooManyItems` after `most` items."""
    raise TooManyItems(f"more than {most} items stand here")


def field_too_short(at: int, end: int, size: int) -> NoReturn:
    """Raise `DecodeError` for a field that ends too early."""
    fail(f"{size} bytes must stand here and {end - at} do (offset {at})")


def trailing_bytes(at: int, end: int) -> NoReturn:
    """Raise `DecodeError` for bytes after the end of a message."""
    fail(f"{end - at} bytes are left over (offset {at})")


def bad_length(at: int, start: int, stop: int, end: int, low: int, high: int) -> NoReturn:
    """Raise `DecodeError` for a length that exceeds the enclosing field or its own bounds."""
    length = stop - start
    if stop > end:
        fail(f"length {length} runs past the end by {stop - end} (offset {at})")
    fail(f"length {length} is not within {low}..{high} (offset {at})")
