"""Notes are recorded up to a limit, until it is stopped."""

from __future__ import annotations

from bothways.describe import recorder as recorder_source
from watched import mutual


def test_a_recorder_can_be_stopped_and_is_limited(monkeypatch):
    """A connection that lives on costs no more notes."""
    talk = mutual()
    talk.client.stop()
    count = len(talk.client.notes)
    talk.pair.client.send(b"x")
    assert len(talk.client.notes) == count
    monkeypatch.setattr(recorder_source, "NOTE_LIMIT", 3)
    assert len(mutual().server.notes) == 3
