"""The transcript hash over the handshake messages (RFC 9846 4.1).

A received message is added only when the next message is added: a signature or MAC covers the messages before the one
that contains it.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import Hash, HashAlgorithm

from bothways.iana import HandshakeType

EARLY_LIMIT = 2**18
_CLIENT_HELLO = bytes((HandshakeType.client_hello,))


class Transcript:
    """The handshake messages with their headers, in the order in which they were sent and received."""

    __slots__ = ("_keeps", "_kept", "_pending", "_running")

    def __init__(self) -> None:
        self._running: Hash | None = None
        self._kept = bytearray()
        self._keeps = True
        self._pending = b""

    def add(self, raw: bytes) -> None:
        """Add a message that we send."""
        if self._pending:
            self._settle()
        self._update(raw)

    def receive(self, raw: bytes) -> None:
        """Take a received message; it is added to the hash with the next message."""
        if self._pending:
            self._update(self._pending)
        self._pending = raw

    def replace_received(self, raw: bytes) -> None:
        """Put `raw` in the place of the last received message: the decrypted ClientHello (RFC 9849 7.1)."""
        self._pending = raw

    def choose(self, algorithm: HashAlgorithm, *, keep_messages: bool = False) -> None:
        """Use the hash `algorithm`, for the messages so far too. Raises ValueError if it was chosen before.

        keep_messages: keep the messages for `messages`, until `forget_messages`.
        """
        if self._running is not None:
            raise ValueError("the hash of a transcript is chosen once")
        self._running = Hash(algorithm)
        self._running.update(self._kept)
        if not keep_messages:
            self.forget_messages()

    def messages(self) -> bytes:
        """Return all messages so far, which a CertificateVerify of TLS 1.2 signs (RFC 5246 7.4.8)."""
        if self._pending:
            self._settle()
        return self.messages_before()

    def messages_before(self) -> bytes:
        """Return all messages before the last received one. Raises ValueError if they are not kept."""
        if not self._keeps:
            raise ValueError("the messages of this transcript are not kept")
        return bytes(self._kept)

    def forget_messages(self) -> None:
        """Delete the messages and keep only the hash."""
        self._keeps = False
        self._kept.clear()

    def replace_with_message_hash(self) -> None:
        """Replace the first ClientHello by a message_hash of it; a pending HelloRetryRequest stays (RFC 9846 4.1)."""
        if self._pending[:1] == _CLIENT_HELLO:
            self._settle()
        first = self.before()
        self._running = Hash(self._chosen().algorithm)
        self._update(bytes((HandshakeType.message_hash, 0, 0, len(first))) + first)

    def digest(self) -> bytes:
        """Return the hash of all messages so far."""
        if self._pending:
            self._settle()
        return self.before()

    def before(self) -> bytes:
        """Return the hash of all messages before the last received one."""
        running = self._running or self._chosen()
        return running.copy().finalize()

    def with_start(self, raw: bytes, algorithm: HashAlgorithm) -> bytes:
        """Return the hash of all messages so far and of the bytes `raw`, which are not added.

        algorithm: used if none is chosen yet.
        """
        if self._pending:
            self._settle()
        if self._running is None:
            running = Hash(algorithm)
            running.update(self._kept)
        else:
            running = self._running.copy()
        running.update(raw)
        return running.finalize()

    def without_end(self, size: int) -> bytes:
        """Return the hash of all messages, without the last `size` bytes of the last received one."""
        running = self._chosen().copy()
        running.update(memoryview(self._pending)[: len(self._pending) - size])
        return running.finalize()

    def with_last(self, raw: bytes) -> bytes:
        """Return the hash of all messages, with `raw` in the place of the last received one."""
        running = self._chosen().copy()
        running.update(raw)
        return running.finalize()

    def branch(self) -> Transcript:
        """Return an independent copy, to which other messages can be added."""
        if self._pending:
            self._settle()
        other = Transcript()
        other._running = self._chosen().copy()
        other.forget_messages()
        return other

    def forget(self) -> None:
        """Delete everything, at the end of the handshake or of the connection."""
        self._running = None
        self.forget_messages()
        self._pending = b""

    def _settle(self) -> None:
        self._update(self._pending)
        self._pending = b""

    def _update(self, raw: bytes) -> None:
        running = self._running
        if running is not None:
            running.update(raw)
        elif len(self._kept) + len(raw) > EARLY_LIMIT:
            raise ValueError("too many messages came before the hash of the transcript was chosen")
        if self._keeps:
            self._kept += raw

    def _chosen(self) -> Hash:
        if self._running is None:
            raise ValueError("the hash of the transcript is not chosen yet")
        return self._running
