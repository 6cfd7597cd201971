"""Record protection of one direction: encrypt, decrypt, count, pad and split (RFC 9846 5).

`Plaintext` has the same interface, for the records before there are keys.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

from bothways.faults import Blame, Fault, blame
from bothways.iana import ContentType
from bothways.roles import Version
from bothways.tls.crypto.aead import NONCE_SIZE, TAG_SIZE, Forged, TrafficKeys
from bothways.tls.crypto.hkdf import finished_key, next_traffic_secret, traffic_keys
from bothways.tls.crypto.suites import SEQUENCE_LIMIT, Suite

FRAGMENT_LIMIT = 2**14
# What a record may protect: of TLS 1.3 the content type and the padding count too (RFC 8449 4).
LARGEST_RECORD = {Version.TLS12: FRAGMENT_LIMIT, Version.TLS13: FRAGMENT_LIMIT + 1}
SMALLEST_RECORD = 64
HEADER_SIZE = 5
LEGACY_VERSION = 0x0303
OLDEST_VERSION = 0x0301

_write_header = Struct(">BHH").pack
_DATA = int(ContentType.application_data)
_TYPES = tuple(bytes((code,)) for code in range(256))
_DATA_TYPE = _TYPES[_DATA]


class Plaintext:
    """Records without protection, until there are keys (RFC 9846 5.1).

    first_version: of the records in the first call of `seal`; all later ones have the version of TLS 1.2.
    """

    __slots__ = ("_version", "limit")

    should_update = False

    def __init__(self, first_version: int = LEGACY_VERSION) -> None:
        self._version = first_version
        self.limit = FRAGMENT_LIMIT

    def seal_parts(
        self, content_type: int, data: bytes | bytearray | memoryview, padding: int = 0
    ) -> list[bytes]:
        """Do as `seal`, and return parts that are not joined."""
        return [self.seal(content_type, data, padding)]

    def seal(self, content_type: int, data: bytes | bytearray | memoryview, padding: int = 0) -> bytes:  # noqa: ARG002 - one face with Protection
        """Return `data` as records, as many as needed; without padding."""
        version, self._version = self._version, LEGACY_VERSION
        if len(data) <= self.limit:
            return _write_header(content_type, version, len(data)) + data
        view = memoryview(data)
        records = bytearray()
        for at in range(0, len(view), self.limit):
            fragment = view[at : at + self.limit]
            records += _write_header(content_type, version, len(fragment))
            records += fragment
        return bytes(records)

    @property
    def fragment_limit(self) -> int:
        """The most bytes of content in a record."""
        return self.limit

    def open(self, header: bytes, body: bytes | memoryview) -> tuple[int, bytes]:
        """Return content type and content."""
        return header[0], bytes(body)

    def seal_data(self, data: bytes | bytearray | memoryview) -> None:
        """Return None: application data is never unprotected."""
        del data

    def open_data(self, record: bytes) -> None:
        """Return None: application data is never unprotected."""
        del record


class Protection:
    """Record protection of TLS 1.3 under one traffic secret (RFC 9846 5.2-5.5).

    `sequence` is the number of records encrypted or decrypted with it, `limit` the largest TLSInnerPlaintext in bytes.
    """

    __slots__ = (
        "_aead",
        "_decrypt",
        "_encrypt",
        "_iv",
        "_limit",
        "_secret",
        "_update_at",
        "limit",
        "sequence",
        "suite",
    )

    def __init__(self, suite: Suite, secret: bytes, keys: TrafficKeys | None = None) -> None:
        """Protect records by a traffic secret. keys: those of the secret, where they are derived already."""
        self.limit = FRAGMENT_LIMIT + 1
        keys = keys or traffic_keys(suite, secret)
        aead = suite.aead(keys.key)
        self.suite = suite
        self.sequence = 0
        self._secret = secret
        self._iv = int.from_bytes(keys.iv, "big")
        self._aead = aead
        self._encrypt = aead.encrypt
        self._decrypt = aead.decrypt
        self._limit = suite.record_limit
        self._update_at = suite.record_limit // 2

    def __repr__(self) -> str:
        return f"Protection({self.suite.name}, sequence={self.sequence})"

    @property
    def should_update(self) -> bool:
        """Whether half of the records that one key may protect are used up (RFC 9846 5.5)."""
        return self.sequence >= self._update_at

    def next(self) -> Protection:
        """Return the protection after a KeyUpdate (RFC 9846 7.2)."""
        following = Protection(self.suite, next_traffic_secret(self.suite, self._secret))
        following.limit = self.limit
        return following

    @property
    def fragment_limit(self) -> int:
        """The most bytes of content in a record."""
        return self.limit - 1

    @property
    def longest(self) -> int:
        """The largest body of a record."""
        return self.limit + TAG_SIZE

    def finished_key(self) -> bytes:
        """Return the key for a post-handshake Finished under this traffic secret (RFC 9846 4.5.3)."""
        return finished_key(self.suite, self._secret)

    def seal(self, content_type: int, data: bytes | bytearray | memoryview, padding: int = 0) -> bytes:
        """Return `data` as protected records, as many as needed. Raises OverflowError when the keys are used up.

        padding: the plaintext of each record is padded to a multiple of this number of bytes, as far as a record can
        hold it; 0 for no padding.
        """
        if len(data) < self.limit and not padding:
            header, body = self._sealed(b"".join((data, _TYPES[content_type])))
            return header + body
        return b"".join(self.seal_parts(content_type, data, padding))

    def seal_parts(
        self, content_type: int, data: bytes | bytearray | memoryview, padding: int = 0
    ) -> list[bytes]:
        """Do as `seal`, and return header and body of each record, which are not copied once more to be joined."""
        view, size, ending = memoryview(data), self.limit - 1, _TYPES[content_type]
        parts: list[bytes] = []
        for at in range(0, len(view) or 1, size):
            inner = b"".join((view[at : at + size], ending))
            parts += self._sealed(_padded(inner, padding, self.limit) if padding else inner)
        return parts

    def seal_inner(self, inner: bytes) -> bytes:
        """Return one record for this TLSInnerPlaintext: content, content type and padding (RFC 9846 5.2)."""
        header, body = self._sealed(inner)
        return header + body

    def _sealed(self, inner: bytes) -> tuple[bytes, bytes]:
        header = _write_header(_DATA, LEGACY_VERSION, len(inner) + TAG_SIZE)
        return header, self._encrypt(self._next_nonce(), inner, header)

    def _next_nonce(self) -> bytes:
        sequence = self.sequence
        if sequence >= self._limit:
            raise OverflowError("no record may be sealed under these keys any more")
        self.sequence = sequence + 1
        return (self._iv ^ sequence).to_bytes(NONCE_SIZE, "big")

    def seal_data(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """Return application data as one record, without padding; None if it needs several, or the keys an update.

        This is the fast path for application data, written without calls: they would cost as much as the rest of it.
        """
        sequence = self.sequence
        if not 0 < len(data) < self.limit or sequence >= self._update_at:
            return None
        self.sequence = sequence + 1
        inner = b"".join((data, _DATA_TYPE))
        header = _write_header(_DATA, LEGACY_VERSION, len(inner) + TAG_SIZE)
        return header + self._encrypt((self._iv ^ sequence).to_bytes(NONCE_SIZE, "big"), inner, header)

    def write_data(self, data: memoryview, write: Callable[[memoryview], object]) -> None:
        """Call `write` with application data, one record each time, without padding; the next record overwrites it.

        All are encrypted into the same memory. Raises OverflowError when the keys are used up.
        """
        size = self.limit - 1
        memory = memoryview(bytearray(HEADER_SIZE + min(len(data), size) + 1 + TAG_SIZE))
        header, record, body = b"", memory, memory
        for at in range(0, len(data), size):
            inner = b"".join((data[at : at + size], _DATA_TYPE))
            length = len(inner) + TAG_SIZE
            if length != len(body):  # the first, and the last if it is shorter
                header, record = _write_header(_DATA, LEGACY_VERSION, length), memory[: HEADER_SIZE + length]
                record[:HEADER_SIZE] = header
                body = record[HEADER_SIZE:]
            self._aead.encrypt_into(self._next_nonce(), inner, header, body)
            write(record)

    def open_data(self, record: bytes) -> bytes | None:
        """Return the content of `record` if it is exactly one record of application data, without padding.

        This is the fast path for application data. In any other case it returns None and changes nothing: `open` then
        finds out what is wrong with the record.
        """
        size = len(record) - HEADER_SIZE
        if size <= TAG_SIZE + 1 or record[0] != _DATA or record[3] << 8 | record[4] != size:
            return None
        sequence = self.sequence
        nonce = (self._iv ^ sequence).to_bytes(NONCE_SIZE, "big")
        try:
            inner = self._decrypt(nonce, record[HEADER_SIZE:], record[:HEADER_SIZE])
        except Forged:
            return None
        if inner[-1] != _DATA or size > self.limit + TAG_SIZE or sequence >= SEQUENCE_LIMIT:
            return None
        self.sequence = sequence + 1
        return inner[:-1]

    def open(self, header: bytes, body: bytes | memoryview) -> tuple[int, bytes]:
        """Return content type and content of a record; blame the peer if it cannot be decrypted."""
        sequence = self.sequence
        if sequence >= SEQUENCE_LIMIT:
            blame(Fault.RECORD_LIMIT_REACHED)
        try:
            inner = self._decrypt((self._iv ^ sequence).to_bytes(NONCE_SIZE, "big"), body, header)
        except Forged:
            blame(Fault.BAD_RECORD)
        self.sequence = sequence + 1
        size = len(inner) - 1
        if size >= self.limit:
            blame(Fault.RECORD_TOO_LONG, length=size, limit=self.limit - 1)
        if size >= 0 and inner[size]:
            return inner[size], inner[:size]
        unpadded = inner.rstrip(b"\0")
        if not unpadded:
            blame(Fault.NO_CONTENT_TYPE)
        return unpadded[-1], unpadded[:-1]


class Protection12:
    """Record protection of TLS 1.2: AES-GCM (RFC 5288) or ChaCha20-Poly1305 (RFC 7905).

    With an IV of four bytes, the rest of the nonce is sent in each record: we use the sequence number. `sequence` is
    the number of records encrypted or decrypted, `limit` the largest content in bytes.
    """

    __slots__ = (
        "_decrypt", "_encrypt", "_explicit", "_iv", "_limit", "_update_at", "limit", "sequence", "suite",
    )  # fmt: skip

    def __init__(self, suite: Suite, key: bytes, iv: bytes) -> None:
        aead = suite.aead(key)
        self.limit = FRAGMENT_LIMIT
        self.suite = suite
        self.sequence = 0
        self._explicit = NONCE_SIZE - len(iv)
        self._iv = iv
        self._encrypt = aead.encrypt
        self._decrypt = aead.decrypt
        self._limit = suite.record_limit
        self._update_at = suite.record_limit // 2

    def __repr__(self) -> str:
        return f"Protection12({self.suite.name}, sequence={self.sequence})"

    @property
    def should_update(self) -> bool:
        """Whether half of the records that the key may protect are used up; TLS 1.2 then needs a new connection."""
        return self.sequence >= self._update_at

    def seal(self, content_type: int, data: bytes | bytearray | memoryview, padding: int = 0) -> bytes:  # noqa: ARG002 - one face with Protection
        """Return `data` as protected records, without padding. Raises OverflowError when the keys are used up."""
        if len(data) <= self.limit:
            return self._seal_one(content_type, data)
        return b"".join(self.seal_parts(content_type, data))

    def seal_parts(
        self,
        content_type: int,
        data: bytes | bytearray | memoryview,
        padding: int = 0,  # noqa: ARG002 - as above
    ) -> list[bytes]:
        """Do as `seal`, and return the records, which are not joined."""
        view, limit = memoryview(data), self.limit
        return [self._seal_one(content_type, view[at : at + limit]) for at in range(0, len(view) or 1, limit)]

    def seal_data(self, data: bytes | bytearray | memoryview) -> bytes | None:
        """The fast path, as `Protection.seal_data`."""
        if not 0 < len(data) <= self.limit or self.sequence >= self._update_at:
            return None
        return self._seal_one(_DATA, data)

    def write_data(self, data: memoryview, write: Callable[[bytes], object]) -> None:
        """Call `write` with application data, one record each time. Raises OverflowError when the keys are used up."""
        for at in range(0, len(data), self.limit):
            write(self._seal_one(_DATA, data[at : at + self.limit]))

    def _seal_one(self, content_type: int, fragment: bytes | bytearray | memoryview) -> bytes:
        sequence = self.sequence
        if sequence >= self._limit:
            raise OverflowError("no record may be sealed under these keys any more")
        self.sequence = sequence + 1
        counted = sequence.to_bytes(8, "big")
        explicit = counted[: self._explicit]
        sealed = self._encrypt(
            self._nonce(sequence, explicit),
            fragment,
            counted + _write_header(content_type, LEGACY_VERSION, len(fragment)),
        )
        header = _write_header(content_type, LEGACY_VERSION, len(explicit) + len(sealed))
        return b"".join((header, explicit, sealed))

    def open(self, header: bytes, body: bytes | memoryview) -> tuple[int, bytes]:
        """Return content type and content of a record; blame the peer if it cannot be decrypted."""
        sequence = self.sequence
        if sequence >= SEQUENCE_LIMIT:
            blame(Fault.RECORD_LIMIT_REACHED)
        size = len(body) - self._explicit - TAG_SIZE
        if size < 0:
            blame(Fault.BAD_RECORD)
        counted = sequence.to_bytes(8, "big")
        nonce = self._nonce(sequence, bytes(body[: self._explicit]))
        try:
            content = self._decrypt(
                nonce, body[self._explicit :], counted + header[:3] + size.to_bytes(2, "big")
            )
        except Forged:
            blame(Fault.BAD_RECORD)
        self.sequence = sequence + 1
        if size > self.limit:
            blame(Fault.RECORD_TOO_LONG, length=size, limit=self.limit)
        return header[0], content

    def open_data(self, record: bytes) -> bytes | None:
        """The fast path, as `Protection.open_data`."""
        size = len(record) - HEADER_SIZE - self._explicit - TAG_SIZE
        if not 0 < size <= self.limit or record[0] != _DATA:
            return None
        if record[3] << 8 | record[4] != len(record) - HEADER_SIZE or self.sequence >= SEQUENCE_LIMIT:
            return None
        try:
            return self.open(record[:HEADER_SIZE], memoryview(record)[HEADER_SIZE:])[1]
        except Blame:
            return None

    @property
    def fragment_limit(self) -> int:
        """The most bytes of content in a record."""
        return self.limit

    @property
    def longest(self) -> int:
        """The largest body of a record."""
        return self._explicit + self.limit + TAG_SIZE

    def _nonce(self, sequence: int, explicit: bytes) -> bytes:
        """Return the nonce: salt and explicit part (RFC 5288 3), or IV xor sequence number (RFC 7905 2)."""
        if self._explicit:
            return self._iv + explicit
        return (int.from_bytes(self._iv, "big") ^ sequence).to_bytes(NONCE_SIZE, "big")


def _padded(inner: bytes, multiple: int, limit: int) -> bytes:
    """Pad a TLSInnerPlaintext with zeros to a multiple, within the limit of a record (RFC 9846 5.4)."""
    if multiple < 2:
        return inner
    size = -len(inner) % multiple + len(inner)
    return inner.ljust(min(size, limit), b"\0")
