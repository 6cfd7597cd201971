"""What every script of one connection works with: the machinery, which learns nothing from the conversation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from bothways.roles import Role
from bothways.tls.clock import Clock
from bothways.tls.crypto.randomness import Randomness
from bothways.tls.events import Observer
from bothways.tls.handshake.history import History
from bothways.tls.handshake.message_io import Inbox, Outbox
from bothways.tls.keys.transcript import Transcript
from bothways.tls.wire.flight import Message
from bothways.trust.credentials import Credentials
from bothways.trust.ocsp_store import OCSPStore

T = TypeVar("T")


@dataclass(slots=True)
class HandshakeContext:
    """Clock, randomness, transcript, messages in and out, what passed, and who is told of what.

    deadline: when the handshake must be done, on the monotonic clock.  staples: the OCSP responses for our own
    certificates.  defers_checks: whoever drives us makes the checks that take long.
    """

    role: Role
    randomness: Randomness
    clock: Clock
    transcript: Transcript
    out: Outbox
    inbox: Inbox
    deadline: float
    observer: Observer | None = None
    staples: OCSPStore | None = None
    keylog: Callable[[str], None] | None = field(default=None, repr=False)
    defers_checks: bool = False
    history: History = field(default_factory=History, repr=False)

    def send(self, message: Message, raw: bytes | None = None) -> None:
        """Send `message`, whose encoding `raw` may be known, as a part of the handshake (RFC 9846 4.1)."""
        self.transcript.add(self.out.put_message(message, raw))
        self.history.add(True, message)

    def own_staples(self, credentials: Credentials) -> tuple[bytes | None, ...]:
        """Return for each certificate of ours the OCSP response that goes with it, while it holds."""
        if self.staples is None:
            return ()
        return self.staples.staples(credentials.certificates, self.clock.now())

    def log_keys(self, lines: Callable[[bytes, T], Iterable[str]], client_random: bytes, secrets: T) -> None:
        """Tell new secrets to a key log, of which there is none unless the configuration has one."""
        if self.keylog is not None:
            for line in lines(client_random, secrets):
                self.keylog(line)

    def stop_observing(self) -> None:
        """Tell the observer nothing more."""
        self.observer = None
        self.out.stop_observing()
        self.inbox.stop_observing()

    def forget(self) -> None:
        """Let go of every secret."""
        self.inbox.forget()
        self.out.forget()
        self.transcript.forget()
