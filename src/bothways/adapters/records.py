"""Reads one complete record at a time: event loops look at what is left in the BIO, others at the socket."""

from __future__ import annotations

import ssl

from bothways.iana import ContentType

HEADER = 5
LONGEST_12 = 2**14 + 2048  # the limit of TLS 1.2 (RFC 5246 6.2.3)

_DATA = int(ContentType.application_data)
_HANDSHAKE, _CHANGE = int(ContentType.handshake), int(ContentType.change_cipher_spec)
FOREIGN_SIZE = 4096  # bytes that are read if they are not a record
_TYPES = frozenset(int(each) for each in ContentType)


def record_size(data: bytes | bytearray, at: int = 0) -> int | None:
    """Return the size of the record at `at`, with its header.

    0 for fewer bytes than a header; None if it is not a record, so that no more needs to be read.
    """
    if len(data) - at < HEADER:
        return 0 if len(data) == at or data[at] in _TYPES else None
    length = data[at + 3] << 8 | data[at + 4]
    return HEADER + length if data[at] in _TYPES and length <= LONGEST_12 else None


class BIORecords:
    """Takes one record at a time out of a memory BIO; the rest stays there, where the owner can see it."""

    def __init__(self, incoming: ssl.MemoryBIO) -> None:
        self._incoming = incoming
        self._begun = b""

    @property
    def at_end(self) -> bool:
        """Whether nothing more will come."""
        return self._incoming.eof

    def take(self) -> bytes:
        """Return the next record; b"" if it is incomplete. At the end, return the rest."""
        begun, incoming = self._begun, self._incoming
        if not begun:
            begun = incoming.read(HEADER)
            if not begun:
                return b""
            if len(begun) == HEADER and begun[0] == _DATA:  # the usual case: one complete record
                length = begun[3] << 8 | begun[4]
                if length <= incoming.pending and length <= LONGEST_12:
                    return begun + incoming.read(length)
        elif len(begun) < HEADER:
            begun += incoming.read(HEADER - len(begun))
        size = record_size(begun)
        if size is None:
            self._begun = b""
            return begun + incoming.read()
        if size > len(begun):
            begun += incoming.read(size - len(begun))
        if len(begun) < (size or HEADER) and not incoming.eof:
            self._begun = begun
            return b""
        self._begun = b""
        return begun

    def take_flight(self) -> bytes:
        """Return the next records of a handshake that are there, at once: what is not encrypted, and one record more.

        That one follows a ChangeCipherSpec, so that it is of the handshake too (RFC 5246 7.1, RFC 9846 E.4).
        Application data behind the handshake stays in the BIO.
        """
        flight = []
        while record := self.take():
            flight.append(record)
            if record[0] == _HANDSHAKE:
                self._begun = self._incoming.read(HEADER)
                if not self._begun or self._begun[0] not in (_HANDSHAKE, _CHANGE):
                    break
            elif record[0] != _CHANGE:
                break
        return b"".join(flight)


class SocketRecords:
    """A part of a record that was read from a socket.

    No more than one record is read at a time, since a program that waits until the socket is readable would not notice
    bytes that were read in advance.
    """

    def __init__(self) -> None:
        self._begun = b""

    @property
    def wanted(self) -> int:
        """Return how many bytes to read next."""
        size = record_size(self._begun)
        if size is None:
            return FOREIGN_SIZE
        return (size or HEADER) - len(self._begun)

    def put(self, data: bytes) -> bytes:
        """Add bytes; return the record that they complete, b"" if it is incomplete."""
        begun = self._begun + data
        size = record_size(begun)
        if size is None or (size and len(begun) >= size):
            self._begun = b""
            return begun
        self._begun = begun
        return b""

    def rest(self) -> bytes:
        """Return the incomplete record, at the end."""
        rest, self._begun = self._begun, b""
        return rest
