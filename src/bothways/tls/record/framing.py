"""Splits the received bytes into records without copying complete ones; it checks lengths and needs no keys.

If the first bytes are not a TLS record, the error contains a guess at the protocol.
"""

from __future__ import annotations

from struct import Struct

from bothways.faults import Blame, Fault, blame
from bothways.iana import ContentType, name
from bothways.tls.record.protocol_guess import LOOKED_AT, recognise

HEADER_SIZE = 5
PLAINTEXT_LIMIT = 2**14
PROTECTED_LIMIT = PLAINTEXT_LIMIT + 256
TLS12_LIMIT = PLAINTEXT_LIMIT + 2048

# int instead of the enum: they are compared for every record, and comparing enum members is slow.
CHANGE = int(ContentType.change_cipher_spec)
ALERT = int(ContentType.alert)
HANDSHAKE = int(ContentType.handshake)
DATA = int(ContentType.application_data)
FIRST_TYPE = CHANGE
LAST_TYPE = DATA
MAJOR_VERSION = 3
_NOTHING = memoryview(b"")
SHORT = 4096  # shorter pieces are joined, which bounds their number
_read_header = Struct(">BHH").unpack_from


class Framing:
    """Received bytes in, records out. protected_limit: the largest body of a protected record, in bytes."""

    __slots__ = (
        "_at",
        "_data",
        "_later",
        "_later_at",
        "_needed",
        "_started",
        "_view",
        "buffered",
        "plain_limit",
        "protected_limit",
    )

    def __init__(self) -> None:
        self.plain_limit = PLAINTEXT_LIMIT
        self.protected_limit = PROTECTED_LIMIT
        self.buffered = 0  # bytes received and not returned yet
        self._started = False
        self._needed = HEADER_SIZE
        self._later: list[bytes | bytearray] = []  # received after `_data`
        self._later_at = 0  # bytes of the first piece already used
        self._data = b""
        self._view = _NOTHING
        self._at = 0

    @property
    def in_record(self) -> bool:
        """Whether a record has begun and is not complete; False for a few first bytes that may be no TLS."""
        return self._started and self.buffered > 0

    def feed(self, data: bytes | bytearray) -> None:
        """Take received bytes, in pieces of any size."""
        if not self.buffered:
            self._hold(bytes(data), 0)
        elif len(data) >= SHORT:
            self._later.append(bytes(data))
        elif self._later and isinstance(last := self._later[-1], bytearray):
            last += data
        else:
            self._later.append(bytearray(data))
        self.buffered += len(data)

    def next(self) -> tuple[bytes, memoryview] | None:
        """Return header and body of the next complete record, or None if it is incomplete.

        The body is a view of the received bytes and must be used before the next call.
        """
        while True:
            at = self._at
            left = len(self._data) - at
            if left < self._needed:
                if not self._gather(left):
                    return None
                continue
            content_type, _, length = _read_header(self._data, at)
            size = HEADER_SIZE + length
            header = self._data[at : at + HEADER_SIZE]
            if content_type != DATA or length > self.protected_limit or not self._started:
                self._check(header, length)
            if size > left:
                self._needed = size
                continue
            self._needed = HEADER_SIZE
            self._at = at + size
            self.buffered -= size
            return header, self._view[at + HEADER_SIZE : at + size]

    def strange_beginning(self) -> Blame | None:
        """Return the fault of first bytes that begin no record; None for those that may, and after a first record.

        It is for the end of a connection that fewer bytes than a header have come on: until then more may tell more.
        """
        if self._started or not self.buffered:
            return None
        begins = b"".join((self._view[self._at :], *self._later))[:LOOKED_AT]
        is_record = FIRST_TYPE <= begins[0] <= LAST_TYPE and begins[1:2] in (b"", bytes((MAJOR_VERSION,)))
        facts = {"start": begins[:HEADER_SIZE], "begins": begins, "guess": guess(begins)}
        return None if is_record else Blame(Fault.NOT_TLS, facts)

    def _gather(self, left: int) -> bool:
        """Join the pieces of the next record, if they are complete: only the bytes of this record are copied."""
        if self.buffered < self._needed:
            if not self.buffered and self._at:
                self._data, self._view, self._at = b"", _NOTHING, 0
            return False
        if not left:
            self._hold(bytes(self._later.pop(0)), self._later_at)
            self._later_at = 0
            return True
        parts, missing = [bytes(self._view[self._at :])], self._needed - left
        while missing:
            piece, start = self._later[0], self._later_at
            parts.append(bytes(piece[start : start + missing]))
            missing -= len(parts[-1])
            self._later_at += len(parts[-1])
            if self._later_at == len(piece):
                del self._later[0]
                self._later_at = 0
        self._hold(b"".join(parts), 0)
        return True

    def _hold(self, data: bytes, at: int) -> None:
        self._data = data
        self._view = memoryview(data)
        self._at = at

    def _check(self, header: bytes, length: int) -> None:
        """Check type and length of a record, before its body is complete (RFC 9846 5.1, 5.2)."""
        known = FIRST_TYPE <= header[0] <= LAST_TYPE
        if not self._started and not (known and header[1] == MAJOR_VERSION):
            begins = self._look_ahead()
            blame(Fault.NOT_TLS, start=header, begins=begins, guess=guess(begins))
        self._started = True
        if not known:
            blame(Fault.UNEXPECTED_RECORD, got=name(ContentType, header[0]), begins=self._look_ahead())
        limit = self.protected_limit if header[0] == DATA else self.plain_limit
        if length > limit:
            blame(Fault.RECORD_TOO_LONG, length=length, limit=limit)

    def _look_ahead(self) -> bytes:
        """Return the first bytes of the record that comes next, which may show what it is instead."""
        return bytes(self._view[self._at : self._at + LOOKED_AT])


def guess(start: bytes) -> str:
    """Return a guess, as text, at the protocol of bytes that are not TLS."""
    other = recognise(start)
    return "it may be another service" if other is None else f"it looks like {other.value}"
