"""Where one record ends and the next begins: a cursor over the bytes that came, which are not copied.

It knows lengths and nothing of keys. Bytes that start no TLS record are told by a guess at what they are.
"""

from __future__ import annotations

from struct import Struct

from bothways.faults import Fault, blame
from bothways.iana import ContentType, name
from bothways.tls.record.protocol_guess import recognise

HEADER_SIZE = 5
PLAINTEXT_LIMIT = 2**14
PROTECTED_LIMIT = PLAINTEXT_LIMIT + 256
TLS12_LIMIT = PLAINTEXT_LIMIT + 2048

# Plain numbers: they are compared for every record.
CHANGE = int(ContentType.change_cipher_spec)
ALERT = int(ContentType.alert)
HANDSHAKE = int(ContentType.handshake)
DATA = int(ContentType.application_data)
FIRST_TYPE = CHANGE
LAST_TYPE = DATA
MAJOR_VERSION = 3
_read_header = Struct(">BHH").unpack_from


class Framing:
    """Bytes in, records out. `protected_limit` bounds the body of a protected record, in bytes."""

    __slots__ = ("_at", "_data", "_needed", "_started", "_tail", "_view", "plain_limit", "protected_limit")

    def __init__(self) -> None:
        self.plain_limit = PLAINTEXT_LIMIT
        self.protected_limit = PROTECTED_LIMIT
        self._started = False
        self._data = b""
        self._view = memoryview(b"")
        self._at = 0
        self._needed = HEADER_SIZE
        self._tail = bytearray()

    @property
    def buffered(self) -> int:
        """Bytes that came and were not handed out."""
        return len(self._data) - self._at + len(self._tail)

    def feed(self, data: bytes | bytearray) -> None:
        """Take bytes off the wire, in pieces of any size."""
        if self._tail or self._at != len(self._data):
            self._tail += data
        else:
            self._hold(bytes(data))

    def next(self) -> tuple[bytes, memoryview] | None:
        """Return header and body of the next whole record, or None until more has come.

        The body is a view of what was fed, to be used before the next call.
        """
        at = self._at
        left = len(self._data) - at
        if left < self._needed:
            if not self._gather():
                return None
            return self.next()
        content_type, _, length = _read_header(self._data, at)
        size = HEADER_SIZE + length
        header = self._data[at : at + HEADER_SIZE]
        if content_type != DATA or length > self.protected_limit or not self._started:
            self._check(header, length)
        if size > left:
            self._needed = size
            return self.next() if self._tail else None
        self._needed = HEADER_SIZE
        self._at = at + size
        return header, self._view[at + HEADER_SIZE : at + size]

    def _gather(self) -> bool:
        """Make one piece of what is left and what came since, if that is enough to go on."""
        if self.buffered < self._needed:
            if self._at and self._at == len(self._data):
                self._hold(b"")
            return False
        self._hold(b"".join((self._view[self._at :], self._tail)))
        self._tail.clear()
        return True

    def _hold(self, data: bytes) -> None:
        self._data = data
        self._view = memoryview(data)
        self._at = 0

    def _check(self, header: bytes, length: int) -> None:
        """Check a header: its type, and its length before the body is waited for (RFC 9846 5.1, 5.2)."""
        known = FIRST_TYPE <= header[0] <= LAST_TYPE
        if not self._started:
            if not known or header[1] != MAJOR_VERSION:
                blame(Fault.NOT_TLS, start=header, guess=guess(header))
            self._started = True
        if not known:
            blame(Fault.UNEXPECTED_RECORD, got=name(ContentType, header[0]))
        limit = self.protected_limit if header[0] == DATA else self.plain_limit
        if length > limit:
            blame(Fault.RECORD_TOO_LONG, length=length, limit=limit)


def guess(start: bytes) -> str:
    """Say in words what the first bytes of something that is no TLS look like."""
    other = recognise(start)
    return "it may be another service" if other is None else f"it looks like {other.value}"
