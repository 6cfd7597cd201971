"""What Valkey and Redis answer (RESP2), read as it comes, and no more of it than was asked for.

https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from bothways.faults import shown

MOST_OCTETS = 64 * 1024  # of all answers to one question, where no other number is said
MOST_ELEMENTS = 1024
LONGEST_NUMBER = 20  # digits

Argument = bytes | str | int
Answer = bytes | int | None | list[Any]


class StoreRefused(Exception):
    """The server has answered with an error."""


class BadAnswer(ValueError):
    """What came is no answer, or too long."""


class StoreAnswers:
    """Reads the answers to so many commands. most: octets of all of them."""

    def __init__(self, commands: int, most: int = MOST_OCTETS) -> None:
        self._came = bytearray()
        self._at = 0
        self._most = most
        self._found: list[Answer] = []
        self._reading = self._read_all(commands)
        next(self._reading)

    def take(self, data: bytes) -> list[Answer] | None:
        """Take what came; return the answers when all are there. Raises StoreRefused for the first error among them.

        data: nothing where the connection has ended. Raises BadAnswer, and EOFError for that.
        """
        if not data:
            raise EOFError("the server has ended the connection")
        self._came += data
        if len(self._came) > self._most:
            raise BadAnswer("it answers with more than was asked for")
        try:
            next(self._reading)
        except StopIteration:
            return self._found
        return None

    def _read_all(self, commands: int) -> Generator[None, None, None]:
        refused: StoreRefused | None = None
        yield
        for _ in range(commands):
            answer = yield from self._read()
            if isinstance(answer, StoreRefused):
                refused = refused or answer
            else:
                self._found.append(answer)
        if self._at != len(self._came):
            raise BadAnswer("it answers with more than was asked for")
        if refused is not None:
            raise refused

    def _read(self, *, nested: bool = False) -> Generator[None, None, Answer | StoreRefused]:
        line = yield from self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest
        if kind == b"-":
            return StoreRefused(f"it answers: {shown(rest.decode(errors='replace'))}")
        if kind == b":":
            return _number(rest)
        if kind == b"$":
            return (yield from self._octets(_size(rest)))
        if kind == b"*" and not nested:
            return (yield from self._several(_size(rest)))
        raise BadAnswer("it does not answer as Valkey and Redis do")

    def _several(self, count: int | None) -> Generator[None, None, Answer | StoreRefused]:
        """Read an array. An error within it is one of the whole: of a transaction, nothing else tells it."""
        if count is None:
            return None
        if count > MOST_ELEMENTS:
            raise BadAnswer(f"it answers with more than {MOST_ELEMENTS} values")
        found: list[Any] = []
        for _ in range(count):
            found.append((yield from self._read(nested=True)))
        return next((each for each in found if isinstance(each, StoreRefused)), found)

    def _line(self) -> Generator[None, None, bytes]:
        looked = self._at
        while (end := self._came.find(b"\r\n", looked)) < 0:
            looked = max(self._at, len(self._came) - 1)
            yield
        line = bytes(self._came[self._at : end])
        self._at = end + 2
        return line

    def _octets(self, length: int | None) -> Generator[None, None, bytes | None]:
        if length is None:
            return None
        end = self._at + length
        if end + 2 > self._most:
            raise BadAnswer("it answers with more than was asked for")
        while len(self._came) < end + 2:
            yield
        octets = bytes(self._came[self._at : end])
        if self._came[end : end + 2] != b"\r\n":
            raise BadAnswer("it does not answer as Valkey and Redis do")
        self._at = end + 2
        return octets


def _number(text: bytes) -> int:
    digits = text.removeprefix(b"-")
    if not digits.isdigit() or len(digits) > LONGEST_NUMBER:
        raise BadAnswer("it does not answer as Valkey and Redis do")
    return int(text)


def _size(text: bytes) -> int | None:
    """Return how long a text or an array is; None for -1, which stands for none of both."""
    size = None if text == b"-1" else _number(text)
    if size is not None and size < 0:
        raise BadAnswer("it does not answer as Valkey and Redis do")
    return size


def encoded(command: Sequence[Argument]) -> bytes:
    """Return a command as it is sent."""
    parts = [each if isinstance(each, bytes) else str(each).encode() for each in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(each), each) for each in parts)
