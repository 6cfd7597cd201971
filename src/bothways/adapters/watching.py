"""Stores the notes of a handshake unchanged; they are interpreted only when a failure has to be explained."""

from __future__ import annotations

from bothways.diagnosis import HandshakeFacts, Situation
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.events import Epoch, MessageSeen, Note, Progressed, RecordSeen
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.hello import ClientHello

KEPT = 128  # notes of one handshake, which usually has about 24


class Watched:
    """The observer of one connection, which only stores each note.

    `notes` are those that are stored. `condense` drops all but the certificates and the ClientHello after a successful
    handshake.
    """

    __slots__ = ("_config", "_server_name", "notes")

    def __init__(self, config: ClientConfig | ServerConfig, server_name: str | None) -> None:
        self._config = config
        self._server_name = server_name
        self.notes: list[Note] = []

    def __call__(self, note: Note) -> None:
        """Store a note."""
        kind = type(note)
        tells = kind is MessageSeen or kind is Progressed or (kind is RecordSeen and _is_data(note))
        if tells and len(self.notes) < KEPT:
            self.notes.append(note)

    def condense(self) -> None:
        """Keep what may be needed later: the certificates, their types, and what the client offered."""
        self.notes = [each for each in self.notes if _is_lasting(each)]

    def situation(self) -> Situation:
        """Return what is known now."""
        facts = HandshakeFacts(self._config, self._server_name)
        for note in self.notes:
            facts(note)
        return facts.situation()


def _is_data(note: Note) -> bool:
    return isinstance(note, RecordSeen) and note.epoch is Epoch.APPLICATION


def _is_lasting(note: Note) -> bool:
    if not isinstance(note, MessageSeen):
        return not isinstance(note, RecordSeen)
    return isinstance(
        note.content, ClientHello | tls13.EncryptedExtensions | tls13.Certificate | tls12.Certificate
    )
