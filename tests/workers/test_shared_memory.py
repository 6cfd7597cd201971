"""Numbers and documents that several processes share: exact, and whole whenever the writer dies."""

from __future__ import annotations

import os
import signal
import time
import zlib
from types import SimpleNamespace

import pytest

from bothways.workers import shared_memory
from bothways.workers.shared_memory import SharedDocument, SharedNumbers


def test_numbers_are_added_replaced_and_read_by_name() -> None:
    numbers = SharedNumbers()
    numbers.add("a")
    numbers.add("a", 2.5)
    numbers.set("ä" * 100, -1.0)
    assert numbers.read() == {"a": 3.5, "ä" * 100: -1.0}
    numbers.clear()
    assert numbers.read() == {"a": 0.0, "ä" * 100: 0.0}


def test_values_without_room_are_counted_and_the_others_continue() -> None:
    numbers = SharedNumbers(4096)
    for number in range(1000):
        numbers.add(f"name {number}")
    numbers.add("name 0")
    kept = numbers.read()
    assert 50 < len(kept) < 1000 and numbers.left_out == 1000 - len(kept)
    assert kept["name 0"] == 2.0


def test_names_without_room_cost_no_look_at_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as those of thousands of routes, which are counted for each connection."""
    numbers, looked_at = SharedNumbers(4096), 0

    def counted(data: bytes) -> int:
        nonlocal looked_at
        looked_at += 1
        return zlib.crc32(data)

    for number in range(200):
        numbers.add(f"name {number}")
    monkeypatch.setattr(shared_memory, "zlib", SimpleNamespace(crc32=counted))
    for number in range(200):
        numbers.add(f"another name {number}")
    assert looked_at <= 200
    monkeypatch.undo()
    assert numbers.left_out >= 200


def test_a_document_is_replaced_whole_and_has_a_bound() -> None:
    document = SharedDocument(100)
    assert document.read() == b""
    for text in (b"one", b"x" * 100, b""):
        document.write(text)
        assert document.read() == text
    with pytest.raises(ValueError, match="105 bytes; at most"):
        document.write(b"x" * 105)
    document.write(b"two")
    document.clear()
    assert document.read() == b""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_writer_that_is_killed_at_any_moment_leaves_what_is_whole() -> None:
    """Its successor goes on with its numbers, and nothing is counted twice or lost."""
    numbers, document = SharedNumbers(), SharedDocument(4096)
    for turn in range(6):
        before = numbers.read()
        pid = os.fork()
        if not pid:
            for number in range(10**9):
                numbers.add("both")
                numbers.add(f"turn {turn} {number % 200}")
                document.write(b"%d " % turn * (number % 1000 + 1))
        end = time.monotonic() + 10
        while not document.read().startswith(b"%d " % turn) and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.03 + 0.003 * turn)
        seen = numbers.read()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        after = numbers.read()
        assert all(after[name] >= value for name, value in {**before, **seen}.items())
        parts = sum(value for name, value in after.items() if name != "both")
        assert 0 <= after["both"] - parts <= turn + 1  # each was killed between the two at most
        text = document.read()
        assert text.split() == [b"%d" % turn] * len(text.split()) and text
    assert after["both"] > 6
