"""What can be wrong with the encoding of a message: the errors of decoding (RFC 9846 3).

A function here raises; those who called it add the names of the fields that enclose the place.
"""

from __future__ import annotations

from typing import NoReturn

from bothways.faults import Blame, Fault


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
