"""A log whose reader takes nothing holds nothing up."""

from __future__ import annotations

import io
import os
import select
import sys
import threading
import time
from typing import Any

import pytest

from bothways.cli.output import log_output
from bothways.cli.output.log_output import LogOutput


def test_lines_are_lost_while_their_reader_takes_none_and_no_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pipe of a service manager, whose reader hangs."""
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(os.fdopen(writing, "wb", buffering=0), "utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(log_output, "PATIENCE_SECONDS", 0.0)
    lines, said = LogOutput(), 0
    with pytest.raises(BlockingIOError):
        while True:
            lines.say("x" * 999)
            said += 1
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            lines.say("lost")
    content = os.read(reading, said * 1000)
    assert content == ("x" * 999 + "\n").encode() * said
    lines.say("here")
    assert os.read(reading, 1000) == b"here\n"
    os.close(reading)
    with pytest.raises(BrokenPipeError):
        lines.say("to nobody")
    stream.close()


class Measured(io.FileIO):
    """Notes how much is written at once."""

    def __init__(self, descriptor: int, mode: str) -> None:
        super().__init__(descriptor, mode)
        self.sizes: list[int] = []

    def write(self, data: Any, /) -> int:
        self.sizes.append(memoryview(data).nbytes)
        return super().write(data)


@pytest.mark.parametrize("at_once", [select.PIPE_BUF, 512])
def test_a_line_that_is_longer_than_a_pipe_takes_at_once_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Who writes more than PIPE_BUF (POSIX write(3)) may have to wait, so such a line may be cut, and is ended.

    It is 4,096 bytes on Linux and 512 on macOS.
    """
    monkeypatch.setattr(select, "PIPE_BUF", at_once)
    reading, writing = os.pipe()
    pipe = Measured(writing, "wb")
    stream = io.TextIOWrapper(pipe, "utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(log_output, "PATIENCE_SECONDS", 0.0)
    lines, long = LogOutput(), "\u20ac" * 2500
    with pytest.raises(BlockingIOError):
        while True:
            lines.say(long)
    assert max(pipe.sizes) <= at_once
    content = os.read(reading, 1 << 20).decode(errors="replace")
    lines.say("here")
    *whole, cut, end, _ = (content + os.read(reading, 99).decode()).split("\n")
    assert set(whole) == {long}
    assert long.startswith(cut)
    assert end == "here"
    os.close(reading)
    stream.close()


def test_a_reader_that_is_slow_gets_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    stream = io.TextIOWrapper(os.fdopen(writing, "wb", buffering=0), "utf-8", write_through=True)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(log_output, "PATIENCE_SECONDS", 20.0)
    taken = bytearray()

    def take() -> None:
        while some := os.read(reading, 4096):
            taken.extend(some)
            time.sleep(0.001)

    reader = threading.Thread(target=take)
    reader.start()
    lines = LogOutput()
    for _ in range(300):
        lines.say("y" * 999)
    stream.close()
    reader.join(20)
    assert bytes(taken) == ("y" * 999 + "\n").encode() * 300
    os.close(reading)


def test_what_cannot_be_asked_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as in place of a terminal; and a file takes a line always."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    LogOutput().say("words")
    assert isinstance(sys.stderr, io.StringIO)
    assert sys.stderr.getvalue() == "words\n"
