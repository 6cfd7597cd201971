"""Keeps what an engine says of a handshake while it happens: an observer that a ladder can be drawn from.

Notes carry no secrets, and a recorder keeps no application data: only that there was some, and how much.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from bothways.tls.events import Note

NOTE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Noted:
    """A note and when it was taken, in seconds of a clock that all recorders of a process share."""

    at: float
    note: Note


class Recorder:
    """Give it as `observer` to one connection; `notes` then tells its handshake in order."""

    def __init__(self) -> None:
        self.notes: list[Noted] = []
        self._on = True

    def __call__(self, note: Note) -> None:
        """Keep one note."""
        if self._on and len(self.notes) < NOTE_LIMIT:
            self.notes.append(Noted(time.perf_counter(), note))

    def stop(self) -> None:
        """Keep what there is and take no more notes."""
        self._on = False
