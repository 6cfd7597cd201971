"""Files over a stream: modes, buffers, and that closing is told once."""

from __future__ import annotations

import io

import pytest

from bothways.errors import UsageError
from bothways.net.files import open_file


class Wire:
    """What was sent can be received."""

    def __init__(self) -> None:
        self.held = bytearray()
        self.sends = 0
        self.closed = 0

    def recv_into(self, buffer: memoryview, /) -> int:
        size = min(len(buffer), len(self.held))
        buffer[:size] = self.held[:size]
        del self.held[:size]
        return size

    def send(self, data: bytes | memoryview, /) -> int:
        self.sends += 1
        self.held += data
        return len(data)

    def reported(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("mode", "buffering", "kind"),
    [
        ("rb", None, io.BufferedReader),
        ("wb", None, io.BufferedWriter),
        ("rwb", 16, io.BufferedRWPair),
        ("rw", None, io.TextIOWrapper),
        ("b", None, io.BufferedReader),
        ("rb", 0, io.RawIOBase),
    ],
)
def test_a_mode_gives_the_file_that_a_socket_would_give(mode: str, buffering: int | None, kind: type) -> None:
    wire = Wire()
    with open_file(wire, wire.reported, mode, buffering) as file:
        assert isinstance(file, kind)
    assert wire.closed == 1


def test_written_data_waits_in_the_buffer_and_lines_are_sent() -> None:
    wire = Wire()
    out = open_file(wire, wire.reported, "w", None, encoding="utf-8", newline="\n")
    out.write("one\ntwo\n")
    assert wire.sends == 0
    out.close()
    assert wire.sends == 1
    assert list(open_file(wire, wire.reported, "r", None, encoding="utf-8")) == ["one\n", "two\n"]


def test_closing_is_reported_once() -> None:
    wire = Wire()
    file = open_file(wire, wire.reported, "rb", None)
    file.close()
    file.close()
    assert wire.closed == 1


def test_a_file_of_an_unknown_mode_is_not_made_and_not_counted() -> None:
    wire = Wire()
    with pytest.raises(UsageError, match="'x' is not a mode"):
        open_file(wire, wire.reported, "x", None)
    assert wire.closed == 0


def test_an_empty_buffer_reads_nothing() -> None:
    assert open_file(Wire(), lambda: None, "rb", 0).readinto(memoryview(bytearray())) == 0
