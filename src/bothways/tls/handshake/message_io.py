"""The two directions of a connection: messages into records and out of them, under the keys of the moment.

A script sends and changes keys through the Outbox in the order of the RFC's figures; the Inbox hands out
one message at a time and opens no record before it is asked to. Neither knows who may say what when.
"""

from __future__ import annotations

from bothways.faults import Blame, Fault, blame
from bothways.iana import ContentType, name
from bothways.roles import Role, Version
from bothways.tls.crypto.aead import TAG_SIZE
from bothways.tls.events import AlertSeen, Epoch, KeysChanged, MessageSeen, Observer, RecordSeen
from bothways.tls.handshake.steps import message_ids
from bothways.tls.record.framing import ALERT, CHANGE, DATA, HANDSHAKE, TLS12_LIMIT, Framing
from bothways.tls.record.protection import LEGACY_VERSION, OLDEST_VERSION, Plaintext, Protection, Protection12
from bothways.tls.wire.flight import Flight, Message, encode_message

CHANGE_CIPHER_SPEC = bytes.fromhex("140303000101")
EMPTY_RECORD_LIMIT = 32  # of each kind of record that brings nothing
EARLY_DATA_LIMIT = 2**16
# Application data is sealed in pieces of four records: memory for longer ones comes from the system each time.
SEALED_AT_ONCE = 2**16

Protecting = Protection | Protection12
_PROTECTED = frozenset({DATA, HANDSHAKE, ALERT})

Sealing = Plaintext | Protecting


class Outbox:
    """What goes out: messages gathered into records, each under the keys that were set before it.

    What goes out that is not the engine's own, as tests have it, is put in by `put_encoded` and `put_records`.
    """

    def __init__(self, role: Role, observer: Observer | None, padding: int) -> None:
        self.role = role
        self._observer = observer
        self._padding = padding
        self._messages = bytearray()
        self._wire: list[bytes] = []
        self.version = Version.TLS13  # as which messages and records are written and read
        self._changed_cipher_spec = False
        self.epoch = Epoch.PLAINTEXT
        # Of the first ClientHello alone: some old servers and devices know no other (RFC 9846 5.1).
        self.keys: Sealing = Plaintext(OLDEST_VERSION if role is Role.CLIENT else LEGACY_VERSION)

    def put_message(self, message: Message, raw: bytes | None = None) -> bytes:
        """Add `message`, whose encoding `raw` may be known, to the flight; return its encoding."""
        raw = raw or encode_message(message)
        self._messages += raw
        if self._observer is not None:
            self._observer(
                MessageSeen(True, message, raw, self.epoch, message_ids(self.role, raw[0], self.version))
            )
        return raw

    def put_encoded(self, messages: bytes) -> None:
        """Add messages as they are to the flight; the observer is not told."""
        self._messages += messages

    def send_after_handshake(self, *messages: Message) -> None:
        """Send messages that belong to no transcript, at once and together (RFC 9846 4.7)."""
        for message in messages:
            self.put_message(message)
        self.flush()

    def change_cipher_spec(self) -> None:
        """Send, once, the record that middleboxes of TLS 1.2 expect and that means nothing (RFC 9846 E.4)."""
        if self._changed_cipher_spec:
            return
        self._changed_cipher_spec = True
        self.flush()
        self.put_records(CHANGE_CIPHER_SPEC)
        if self._observer is not None:
            self._observer(RecordSeen(True, CHANGE, len(CHANGE_CIPHER_SPEC), self.epoch))

    def change_keys(self, keys: Protecting, epoch: Epoch) -> None:
        """Protect all that follows with `keys`."""
        self.flush()
        self.keys = keys
        self.epoch = epoch
        if self._observer is not None:
            self._observer(KeysChanged(True, epoch, keys.suite.name))

    def data(self, data: bytes | bytearray | memoryview) -> None:
        """Send application data."""
        if len(data) <= SEALED_AT_ONCE and self._observer is None:
            self._wire.append(self.keys.seal(DATA, data, self._padding))
            return
        view = memoryview(data)
        for at in range(0, len(view), SEALED_AT_ONCE):
            self.seal(DATA, view[at : at + SEALED_AT_ONCE])

    def alert(self, level: int, description: int) -> None:
        """Send an alert, after whatever is still in the flight."""
        self.flush()
        self.seal(ALERT, bytes((level, description)))
        if self._observer is not None:
            self._observer(AlertSeen(True, level, description, self.epoch))

    def flush(self) -> None:
        """Put the messages gathered so far into records."""
        if self._messages:
            messages, self._messages = self._messages, bytearray()
            self.seal(HANDSHAKE, messages)

    def forget(self) -> None:
        """Let go of the keys; records that are ready can still be taken."""
        self._messages.clear()
        self.keys = Plaintext()

    def seal(self, content_type: int, data: bytes | bytearray | memoryview) -> None:
        """Put content into records, under the keys of the moment."""
        records = self.keys.seal(content_type, data, self._padding)
        self._wire.append(records)
        if self._observer is not None:
            self._observer(RecordSeen(True, content_type, len(records), self.epoch))

    def put_records(self, records: bytes) -> None:
        """Add records as they are to those that are ready."""
        self._wire.append(records)

    def take(self) -> bytes:
        """Return all records that are ready, once."""
        wire = b"".join(self._wire)
        self._wire.clear()
        return wire

    def stop_observing(self) -> None:
        """Tell the observer nothing more."""
        self._observer = None


class Inbox:
    """What comes in: one handshake message, alert or piece of data at a time."""

    def __init__(self, observer: Observer | None, max_certificate_bytes: int) -> None:
        self._framing = Framing()
        self._flight = Flight(max_certificate_bytes)
        self._observer = observer
        self._empty_records = 0
        self._changes = 0
        self._passed_over = 0
        self._opened = False
        self._is_clear = observer is None  # nothing waits here, and nobody watches
        self.keys: Sealing = Plaintext()
        self.epoch = Epoch.PLAINTEXT
        self.version = Version.TLS13  # as which messages and records are written and read
        self.offered: frozenset[int] = frozenset()  # codes of extensions to which the peer may answer
        self.ignores_change_cipher_spec = False
        self.early_data_left = 0

    def stop_observing(self) -> None:
        """Tell the observer nothing more; the short way opens with the next record."""
        self._observer = None

    @property
    def buffered(self) -> int:
        """Bytes that wait to be opened."""
        return self._framing.buffered

    def feed(self, data: bytes) -> None:
        """Take bytes off the wire; nothing is opened yet."""
        self._is_clear = False
        self._framing.feed(data)

    def check_record_ends(self) -> None:
        """Blame the peer if more came in the record of a message that ends its record (RFC 9846 5.1)."""
        if not self._flight.empty:
            blame(Fault.MESSAGE_SPANS_KEY_CHANGE)

    def change_keys(self, keys: Protecting, epoch: Epoch) -> None:
        """Open all that follows with `keys`; no message may stand across the change (RFC 9846 5.1)."""
        self.check_record_ends()
        self.keys = keys
        if isinstance(keys, Protection12):
            self._framing.plain_limit = self._framing.protected_limit = TLS12_LIMIT
        self.epoch = epoch
        self._opened = False
        if self._observer is not None:
            self._observer(KeysChanged(False, epoch, keys.suite.name))

    def forget(self) -> None:
        """Let go of the keys and of everything that was not opened."""
        self.keys = Plaintext()
        self._is_clear = False
        self._framing = Framing()
        self._flight = Flight(0)

    def open_data(self, data: bytes) -> bytes | None:
        """Return the content of `data` if it is one record of application data and nothing else waits.

        This is the short way for bulk data, with no observer to be told; None says that it is to be fed, and
        changes nothing.
        """
        if not self._is_clear or type(data) is not bytes:
            return None
        content = self.keys.open_data(data)
        if content:
            self._opened = True
            self._empty_records = self._passed_over = 0
        return content

    def message(self) -> tuple[int, bytes] | None:
        """Return the next whole message that is already opened, as its type and its bytes with the header."""
        return self._flight.next()

    def record(self) -> tuple[int, bytes] | None:
        """Open the next record: its content type and content. Handshake records are kept for `message`."""
        while (framed := self._framing.next()) is not None:
            opened = self._open(*framed)
            if opened is None:
                continue
            content_type, content = opened
            if self._observer is not None:
                self._observer(RecordSeen(False, content_type, len(framed[1]) + 5, self.epoch))
            if content:
                self._empty_records = 0
            if content_type == DATA:
                if not self._flight.empty:
                    blame(Fault.INTERLEAVED, got=name(ContentType, content_type))
                if content:
                    self._passed_over = 0
                return content_type, content
            if not content:
                blame(Fault.EMPTY_FRAGMENT, content_type=name(ContentType, content_type))
            if content_type == HANDSHAKE:
                self._flight.feed(content)
            elif not self._flight.empty:
                blame(Fault.INTERLEAVED, got=name(ContentType, content_type))
            return content_type, content
        self._is_clear = self._observer is None and self._flight.empty and not self._framing.buffered
        return None

    def _open(self, header: bytes, body: memoryview) -> tuple[int, bytes] | None:
        outer = header[0]
        if outer == CHANGE and self.version is Version.TLS13:
            self._check_change_cipher_spec(body)
            return None
        if self.version is Version.TLS12:
            return self._open_12(header, body)
        if isinstance(self.keys, Plaintext):
            if outer == DATA and self.early_data_left:
                self._skip_early_data(len(body))
                return None
            return outer, bytes(body)
        if outer != DATA:
            return self._unprotected(outer, body)
        try:
            opened = self.keys.open(header, body)
        except Blame as fault:
            if fault.fault is Fault.BAD_RECORD and self.early_data_left:
                self._skip_early_data(len(body))
                return None
            raise
        self._opened = True
        self.early_data_left = 0
        if opened[0] not in _PROTECTED:
            blame(Fault.UNEXPECTED_RECORD, got=name(ContentType, opened[0]))
        return opened

    def _open_12(self, header: bytes, body: memoryview) -> tuple[int, bytes]:
        """In TLS 1.2 types are not hidden, and ChangeCipherSpec means something (RFC 5246 6.2, 7.1)."""
        content_type, content = self.keys.open(header, body)
        if content_type == CHANGE and content != b"\x01":
            blame(Fault.BAD_CHANGE_CIPHER_SPEC, problem="is not the single byte 1")
        return content_type, content

    def _unprotected(self, outer: int, body: memoryview) -> tuple[int, bytes]:
        """Accept only the alert of a peer that could not get as far as these keys: it can end, not lie."""
        if outer == ALERT and self.epoch is Epoch.HANDSHAKE and not self._opened:
            return outer, bytes(body)
        blame(Fault.UNPROTECTED_RECORD, got=name(ContentType, outer))

    def _check_change_cipher_spec(self, body: memoryview) -> None:
        """RFC 9846 5: the one byte 0x01, in its time, is dropped; anything else is refused."""
        if not self.ignores_change_cipher_spec:
            blame(Fault.BAD_CHANGE_CIPHER_SPEC, problem="came at a time when none may come")
        if bytes(body[:2]) != b"\x01":
            blame(Fault.BAD_CHANGE_CIPHER_SPEC, problem="is not the single byte 1")
        if not self._flight.empty:
            blame(Fault.INTERLEAVED, got="change_cipher_spec")
        self._changes += 1
        _check_count(self._changes, "change_cipher_spec records")

    def count_empty(self) -> None:
        """Count a record without content: so many may follow each other, until one of any type has content."""
        self._empty_records += 1
        _check_count(self._empty_records, "records without content in a row")

    def count_passed_over(self) -> None:
        """Count an alert or a HelloRequest that we pass over: so many may come without data between them."""
        self._passed_over += 1
        _check_count(self._passed_over, "warnings or requests without data between them")

    def _skip_early_data(self, size: int) -> None:
        """RFC 9846 4.3.10: early data that we did not accept is skipped, up to a limit.

        No record is free: the shortest that is one has a content type and a tag.
        """
        size = max(size, TAG_SIZE + 1)
        if size > self.early_data_left:
            blame(Fault.EARLY_DATA, limit=EARLY_DATA_LIMIT)
        self.early_data_left -= size


def _check_count(count: int, what: str) -> None:
    if count > EMPTY_RECORD_LIMIT:
        blame(Fault.TOO_MANY_EMPTY_RECORDS, count=count, what=what)
