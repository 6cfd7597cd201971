"""Records what an engine reports of a handshake, so that a ladder diagram can be drawn.

Notes contain no secrets and no application data, only the amount of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bothways.tls.events import Note

NOTE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Noted:
    """A note and the time when it was taken, in seconds of a monotonic clock of the process."""

    at: float
    note: Note


class Recorder:
    """An `observer` for one connection; its `notes` are the handshake in order."""

    def __init__(self) -> None:
        self.notes: list[Noted] = []
        self._on = True

    def __call__(self, note: Note) -> None:
        """Record one note."""
        if self._on and len(self.notes) < NOTE_LIMIT:
            self.notes.append(Noted(time.perf_counter(), note))

    def stop(self) -> None:
        """Keep the notes, and record no more."""
        self._on = False
