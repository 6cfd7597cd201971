"""What users give: functions that raise, and data that is none; the connection goes on."""

from __future__ import annotations

import logging

import pytest

from bothways.roles import Progress
from bothways.tls.events import Note, Progressed
from bothways.tls.guards import as_bytes, guarded_keylog, guarded_observer, place_of

NOTE = Progressed(Progress.HELLO)


def test_an_observer_that_raises_is_logged_once_and_not_called_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was noted before is kept."""
    heard: list[Note] = []

    def observer(note: Note) -> None:
        heard.append(note)
        if len(heard) == 2:
            raise ValueError("full")

    guarded = guarded_observer(observer)
    with caplog.at_level(logging.ERROR, "bothways"):
        for _ in range(4):
            guarded(NOTE)
    assert len(heard) == 2
    assert caplog.text.count("gets no more notes") == 1 and "ValueError: full" in caplog.text


def test_an_exception_of_a_key_log_is_logged_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 9850: its lines are secret, and may stand in what it raises."""
    lines: list[str] = []

    def keylog(line: str) -> None:
        lines.append(line)
        raise OSError(f"cannot write {line}")

    guarded = guarded_keylog(keylog)
    with caplog.at_level(logging.ERROR, "bothways"):
        guarded("CLIENT_RANDOM 00 secret")
        guarded("CLIENT_RANDOM 00 other")
    assert lines == ["CLIENT_RANDOM 00 secret"]
    assert "OSError in" in caplog.text and "keylog:" in caplog.text
    assert "secret" not in caplog.text and "CLIENT_RANDOM" not in caplog.text


def test_the_place_of_an_error_names_functions_and_lines_and_no_value() -> None:
    """From the outermost to where it was raised."""

    def inner() -> None:
        raise KeyError("a secret")

    try:
        inner()
    except KeyError as error:
        place = place_of(error)
    assert place.startswith("KeyError in test_the_place_of_an_error")
    assert " > inner:" in place and "secret" not in place


def test_the_length_of_data_counts_bytes() -> None:
    """Bytes stay as they are; items of several bytes are counted by their bytes."""
    for data in (b"abc", bytearray(b"abc")):
        assert as_bytes(data) is data
    assert len(as_bytes(memoryview(b"abcdefgh").cast("I"))) == 8
    with pytest.raises(TypeError):
        as_bytes("text")  # type: ignore[arg-type]
