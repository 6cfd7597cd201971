"""What comes, a whole record at a time: event loops look at what they have not handed over, others at the socket."""

from __future__ import annotations

import ssl

from bothways.iana import ContentType

HEADER = 5
LONGEST_12 = 2**14 + 2048  # and one of TLS 1.2 (RFC 5246 6.2.3)

_DATA = int(ContentType.application_data)
FOREIGN_SIZE = 4096  # of what is not a record so much is looked at
_TYPES = frozenset(int(each) for each in ContentType)


def record_size(data: bytes | bytearray, at: int = 0) -> int | None:
    """Return the size of the record that begins at `at`, its header included.

    0 for fewer bytes than a header; None for what is not a record, of which there is no more to wait for.
    """
    if len(data) - at < HEADER:
        return 0 if len(data) == at or data[at] in _TYPES else None
    length = data[at + 3] << 8 | data[at + 4]
    return HEADER + length if data[at] in _TYPES and length <= LONGEST_12 else None


class BIORecords:
    """Takes one record at a time out of a memory BIO, and leaves the rest there to be seen by its owner."""

    def __init__(self, incoming: ssl.MemoryBIO) -> None:
        self._incoming = incoming
        self._begun = b""

    @property
    def at_end(self) -> bool:
        """Whether nothing more will come."""
        return self._incoming.eof

    def take(self) -> bytes:
        """Return the next record; b"" while it is not there whole. At the end, what there is of it."""
        begun, incoming = self._begun, self._incoming
        if not begun:
            begun = incoming.read(HEADER)
            if not begun:
                return b""
            if len(begun) == HEADER and begun[0] == _DATA:  # as most are, and whole
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


class SocketRecords:
    """What was read of a record so far. No more than one is read at a time: whoever waits for a socket to become
    readable must not miss what was read ahead.
    """

    def __init__(self) -> None:
        self._begun = b""

    @property
    def wanted(self) -> int:
        """How many bytes to read next."""
        size = record_size(self._begun)
        if size is None:
            return FOREIGN_SIZE
        return (size or HEADER) - len(self._begun)

    def put(self, data: bytes) -> bytes:
        """Add what was read; return the record that it completes, b"" while it is not there whole."""
        begun = self._begun + data
        size = record_size(begun)
        if size is None or (size and len(begun) >= size):
            self._begun = b""
            return begun
        self._begun = begun
        return b""

    def rest(self) -> bytes:
        """Return what there is of a record that will not be whole."""
        rest, self._begun = self._begun, b""
        return rest
