"""The two directions of a connection: messages to records and records to messages, under the current keys.

A script sends and changes keys through the Outbox in the order of the RFC's figures; the Inbox returns one message at a
time and decrypts no record before it is asked for one. Neither knows which message is allowed when.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from bothways.faults import Blame, Fault, blame
from bothways.iana import ContentType, name
from bothways.roles import Role, Version
from bothways.tls.crypto.aead import TAG_SIZE
from bothways.tls.events import AlertSeen, Epoch, KeysChanged, MessageSeen, Observer, RecordSeen
from bothways.tls.handshake.certificate_compression import Compressed
from bothways.tls.handshake.steps import message_ids
from bothways.tls.record.framing import ALERT, CHANGE, DATA, HANDSHAKE, TLS12_LIMIT, Framing
from bothways.tls.record.protection import LEGACY_VERSION, OLDEST_VERSION, Plaintext, Protection, Protection12
from bothways.tls.wire.flight import Flight, Message, encode_message

CHANGE_CIPHER_SPEC = bytes.fromhex("140303000101")
EMPTY_RECORD_LIMIT = 32  # records in a row without content or without effect
EARLY_DATA_LIMIT = 2**16
# What one turn of an event loop has room for: records with data, and messages. A message counts for several records,
# since a KeyUpdate takes so much longer.
RECORDS_A_TURN = 256
RECORDS_A_MESSAGE = 8
# Four records: for larger buffers the allocator asks the system for memory each time, which is slow.
SEALED_AT_ONCE = 2**16
# From this size records are written one by one: a call of `write` then costs less than to copy it once more.
WRITTEN_ALONE = 2**12

Protecting = Protection | Protection12
_PROTECTED = frozenset({DATA, HANDSHAKE, ALERT})

Sealing = Plaintext | Protecting


class Outbox:
    """Records to be sent: messages are gathered into records, each under the keys that were current when it was added.

    `put_encoded` and `put_records` add bytes that the engine did not produce; tests use them.
    """

    def __init__(self, role: Role, observer: Observer | None, padding: int) -> None:
        self.role = role
        self._observer = observer
        self._padding = padding
        self._messages = bytearray()
        self._wire: list[bytes] = []
        self.version = Version.TLS13  # TLS 1.2 once that is chosen
        self._changed_cipher_spec = False
        self._record_limit: int | None = None
        self.epoch = Epoch.PLAINTEXT
        # 0x0301 in the record of the first ClientHello, for old servers and middleboxes (RFC 9846 5.1).
        self.keys: Sealing = Plaintext(OLDEST_VERSION if role is Role.CLIENT else LEGACY_VERSION)

    def put_message(
        self, message: Message, raw: bytes | None = None, certificate: Message | None = None
    ) -> bytes:
        """Add a message to the flight and return its encoding.

        raw: the encoding, if known.  certificate: the Certificate in a compressed one.
        """
        raw = raw or encode_message(message)
        self._messages += raw
        if self._observer is not None:
            is_open = self.epoch is Epoch.APPLICATION
            ids = message_ids(self.role, raw[0], self.version, is_open=is_open)
            self._observer(MessageSeen(True, message, raw, self.epoch, ids, certificate))
        return raw

    def put_encoded(self, messages: bytes) -> None:
        """Add encoded messages to the flight unchanged, without a note to the observer."""
        self._messages += messages

    def send_after_handshake(self, *messages: Message | Compressed) -> None:
        """Send messages that are not part of the transcript, together and at once (RFC 9846 4.7)."""
        for each in messages:
            if isinstance(each, Compressed):
                self.put_message(each.message, each.raw, each.certificate)
            else:
                self.put_message(each)
        self.flush()

    def change_cipher_spec(self) -> None:
        """Send, once, the ChangeCipherSpec for middleboxes that know only TLS 1.2 (RFC 9846 E.4)."""
        if self._changed_cipher_spec:
            return
        self._changed_cipher_spec = True
        self.flush()
        self.put_records(CHANGE_CIPHER_SPEC)
        if self._observer is not None:
            self._observer(RecordSeen(True, CHANGE, len(CHANGE_CIPHER_SPEC), self.epoch))

    def change_keys(self, keys: Protecting, epoch: Epoch) -> None:
        """Use `keys` for everything that is added from here on."""
        self.flush()
        self.keys = keys
        if self._record_limit is not None:
            keys.limit = self._record_limit
        self.epoch = epoch
        if self._observer is not None:
            self._observer(KeysChanged(True, epoch, keys.suite.name))

    def limit_records(self, limit: int) -> None:
        """Put at most `limit` bytes into a record, under these keys and all that follow (RFC 8449 4).

        It holds for protected records alone, but GnuTLS 3.7 refuses larger ones without protection too.
        """
        self.flush()
        self._record_limit = self.keys.limit = limit

    def data(self, data: bytes | bytearray | memoryview) -> None:
        """Send application data."""
        if len(data) <= SEALED_AT_ONCE and self._observer is None:
            if self.keys.fragment_limit < WRITTEN_ALONE:
                self._wire.append(self.keys.seal(DATA, data, self._padding))
            else:
                self._wire += self.keys.seal_parts(DATA, data, self._padding)
            return
        view = memoryview(data)
        for at in range(0, len(view), SEALED_AT_ONCE):
            self.seal(DATA, view[at : at + SEALED_AT_ONCE])

    def seal_data(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """Return application data as one record, to be sent at once; None if it cannot be one, or must wait its turn.

        This is the fast path for application data, without an observer and without padding. None means that nothing
        was done: call `data`.
        """
        if self._wire or self._messages or self._padding or self._observer is not None:
            return None
        return self.keys.seal_data(data)

    def write_data(self, data: memoryview, write: Callable[[bytes | memoryview], object]) -> None:
        """Send application data: call `write` with what is ready, then with each record, which the next overwrites."""
        keys = self.keys
        is_short = keys.fragment_limit < WRITTEN_ALONE
        if is_short or self._observer is not None or self._padding or isinstance(keys, Plaintext):
            self.data(data)
            write(self.take())
            return
        if self._wire:
            write(self.take())
        keys.write_data(data, write)

    def alert(self, level: int, description: int) -> None:
        """Send an alert, after the rest of the flight."""
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
        """Delete the keys; records that are ready can still be taken."""
        self._messages.clear()
        self.keys = Plaintext()

    def seal(self, content_type: int, data: bytes | bytearray | memoryview) -> None:
        """Put content into records, under the current keys."""
        records = self.keys.seal(content_type, data, self._padding)
        self._wire.append(records)
        if self._observer is not None:
            self._observer(RecordSeen(True, content_type, len(records), self.epoch))

    def put_records(self, records: bytes) -> None:
        """Add complete records to those that are ready, unchanged."""
        self._wire.append(records)

    def take(self) -> bytes:
        """Return all records that are ready; each is returned once."""
        wire = self._wire
        if len(wire) == 1:
            return wire.pop()
        records = b"".join(wire)
        wire.clear()
        return records

    def take_parts(self) -> list[bytes]:
        """Do as `take`, and return parts that are not joined."""
        wire, self._wire = self._wire, []
        return wire

    def stop_observing(self) -> None:
        """Send no more notes to the observer."""
        self._observer = None


class Inbox:
    """Records received: it returns one handshake message, alert or piece of application data at a time."""

    def __init__(self, observer: Observer | None, max_certificate_bytes: int) -> None:
        self._framing = Framing()
        self._flight = Flight(max_certificate_bytes)
        self.max_certificate_bytes = max_certificate_bytes
        self._observer = observer
        self._empty_records = 0
        self._changes = 0
        self._passed_over = 0
        self._opened = False
        self._record_limit: int | None = None
        self._largest = 0  # record under the keys of the handshake
        self._is_clear = observer is None  # no bytes are buffered and there is no observer
        self.keys: Sealing = Plaintext()
        self.epoch = Epoch.PLAINTEXT
        self.version = Version.TLS13  # TLS 1.2 once that is chosen
        self.offered: frozenset[int] = frozenset()  # codes of the extensions that the peer may answer
        self.compressions: tuple[int, ...] = ()  # algorithms with which the peer may compress its Certificate
        self.ignores_change_cipher_spec = False
        self.early_data_left = 0
        self._share = self._left = (
            sys.maxsize
        )  # records that one call processes, and those that are left of them

    def limit_calls(self) -> None:
        """Return no more in each call of the engine than one turn of an event loop has room for."""
        self._share = RECORDS_A_TURN

    def begin_call(self) -> None:
        """Begin with the next share."""
        self._left = self._share

    @property
    def is_behind(self) -> bool:
        """Whether the share of the last call was used up, so that more may be left."""
        return self._left <= 0

    def stop_observing(self) -> None:
        """Send no more notes to the observer; `open_data` can be used from the next record on."""
        self._observer = None

    @property
    def buffered(self) -> int:
        """The number of bytes received and not decrypted yet."""
        return self._framing.buffered

    @property
    def in_record(self) -> bool:
        """Whether a record of the peer has begun and is not complete."""
        return self._framing.in_record

    @property
    def strange_beginning(self) -> Blame | None:
        """The fault of first bytes that begin no record, though fewer came than a header has."""
        return self._framing.strange_beginning()

    def feed(self, data: bytes) -> None:
        """Take received bytes; nothing is decrypted yet."""
        self._is_clear = False
        self._framing.feed(data)

    def check_record_ends(self) -> None:
        """Blame the peer if more data follows in the record of a message that must end it (RFC 9846 5.1)."""
        if not self._flight.empty:
            blame(Fault.MESSAGE_SPANS_KEY_CHANGE)

    def change_keys(self, keys: Protecting, epoch: Epoch) -> None:
        """Use `keys` for everything that follows. No message may span a change of keys (RFC 9846 5.1)."""
        self.check_record_ends()
        self.keys = keys
        if isinstance(keys, Protection12):
            self._framing.plain_limit = self._framing.protected_limit = TLS12_LIMIT
        if self._record_limit is not None:
            self._limit(keys, self._record_limit)
        self.epoch = epoch
        self._opened = False
        if self._observer is not None:
            self._observer(KeysChanged(False, epoch, keys.suite.name))

    def limit_records(self, limit: int) -> None:
        """Accept at most `limit` bytes in a protected record, as we said; those that came under these keys count too.

        RFC 8449 4.
        """
        self._record_limit = limit
        if isinstance(self.keys, Plaintext):
            return
        self._limit(self.keys, limit)
        if self._largest > self.keys.longest:
            blame(Fault.RECORD_TOO_LONG, length=self._largest, limit=self.keys.longest)

    def _limit(self, keys: Protecting, limit: int) -> None:
        if limit < keys.limit:  # else the limits of the version hold, as before
            keys.limit = limit
            self._framing.protected_limit = keys.longest
            if isinstance(keys, Protection12):
                self._framing.plain_limit = keys.longest

    def forget(self) -> None:
        """Delete the keys and everything that was not decrypted."""
        self.keys = Plaintext()
        self._is_clear = False
        self._framing = Framing()
        self._flight = Flight(0)

    def open_data(self, data: bytes) -> bytes | None:
        """Return the content of `data` if it is one record of application data and nothing else is buffered.

        This is the fast path for application data, without an observer. None means that nothing was done: call `feed`.
        """
        if not self._is_clear or type(data) is not bytes:
            return None
        content = self.keys.open_data(data)
        if content:
            self._opened = True
            self._empty_records = self._passed_over = 0
        return content

    def message(self) -> tuple[int, bytes] | None:
        """Return the next complete message that is already decrypted: its type, and its bytes with the header."""
        if self._left <= 0 or self._flight.empty:
            return None
        message = self._flight.next()
        if message is not None:
            self._left -= RECORDS_A_MESSAGE
        return message

    def record(self) -> tuple[int, bytes] | None:
        """Decrypt the next record: its content type and content. Handshake messages are kept for `message`."""
        while self._left > 0 and (framed := self._framing.next()) is not None:
            self._left -= 1
            opened = self._open(*framed)
            if opened is None:
                continue
            content_type, content = opened
            if self.epoch is Epoch.HANDSHAKE:
                self._largest = max(self._largest, len(framed[1]))
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
        self._is_clear = (
            self._observer is None and self._left > 0 and self._flight.empty and not self._framing.buffered
        )
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
        """Decrypt a record of TLS 1.2; its type is not encrypted (RFC 5246 6.2, 7.1)."""
        content_type, content = self.keys.open(header, body)
        if content_type == CHANGE and content != b"\x01":
            blame(Fault.BAD_CHANGE_CIPHER_SPEC, problem="is not the single byte 1")
        return content_type, content

    def _unprotected(self, outer: int, body: memoryview) -> tuple[int, bytes]:
        """Return an unprotected record under keys only if it is an alert of a peer that has no keys yet.

        An attacker can inject it too, but can only end the connection by it.
        """
        if outer == ALERT and self.epoch is Epoch.HANDSHAKE and not self._opened:
            return outer, bytes(body)
        blame(Fault.UNPROTECTED_RECORD, got=name(ContentType, outer))

    def _check_change_cipher_spec(self, body: memoryview) -> None:
        """Drop a ChangeCipherSpec of one byte 0x01 where it is allowed, and refuse any other (RFC 9846 5)."""
        if not self.ignores_change_cipher_spec:
            blame(Fault.BAD_CHANGE_CIPHER_SPEC, problem="came at a time when none may come")
        if bytes(body[:2]) != b"\x01":
            blame(Fault.BAD_CHANGE_CIPHER_SPEC, problem="is not the single byte 1")
        if not self._flight.empty:
            blame(Fault.INTERLEAVED, got="change_cipher_spec")
        self._changes += 1
        _check_count(self._changes, "change_cipher_spec records")

    def count_empty(self) -> None:
        """Count a record without content; the limit holds for records in a row."""
        self._empty_records += 1
        _check_count(self._empty_records, "records without content in a row")

    def count_passed_over(self) -> None:
        """Count an alert or HelloRequest that is ignored; the limit holds for those without data between them."""
        self._passed_over += 1
        _check_count(self._passed_over, "warnings or requests without data between them")

    def _skip_early_data(self, size: int) -> None:
        """Skip early data that we did not accept, up to a limit (RFC 9846 4.3.10).

        Each record counts with at least the size of a content type and a tag, so that the number of records is bounded
        too.
        """
        size = max(size, TAG_SIZE + 1)
        if size > self.early_data_left:
            blame(Fault.EARLY_DATA, limit=EARLY_DATA_LIMIT)
        self.early_data_left -= size


def _check_count(count: int, what: str) -> None:
    if count > EMPTY_RECORD_LIMIT:
        blame(Fault.TOO_MANY_EMPTY_RECORDS, count=count, what=what)
