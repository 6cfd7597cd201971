"""What the scripts of one connection share: clock, randomness, transcript and message I/O, but no results."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from bothways.iana import SignatureScheme
from bothways.iana import name as spelled
from bothways.roles import Role, StepId
from bothways.tls.clock import Clock
from bothways.tls.crypto.randomness import Randomness
from bothways.tls.events import Observer, Proved
from bothways.tls.guards import guarded_keylog, guarded_observer
from bothways.tls.handshake.certificate_compression import Compressed
from bothways.tls.handshake.history import History
from bothways.tls.handshake.message_io import Inbox, Outbox
from bothways.tls.handshake.settings import Settings
from bothways.tls.keys.transcript import Transcript
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.hello import ClientHello
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials

T = TypeVar("T")


@dataclass(slots=True)
class HandshakeContext:
    """The services that a script uses.

    observer: called with notes on the handshake; None for nobody.  history: the messages so far, to explain a failure.
    deadline: when the handshake must be complete, on the monotonic clock.  staples: the OCSP responses for our own
    certificates.  defers_checks: checks that take long are left to the caller of the engine (`ChecksWanted`).
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

    def send(self, message: Message, raw: bytes | None = None, *, hashed: bytes | None = None) -> None:
        """Send a handshake message and add it to the transcript (RFC 9846 4.1).

        raw: its encoding, if known.  hashed: what is added in its place, the inner ClientHello of an encrypted one.
        """
        sent = self.out.put_message(message, raw)
        self.transcript.add(sent if hashed is None else hashed)
        self.history.add(True, message)

    def send_compressed(self, form: Compressed) -> None:
        """Send our Certificate message compressed; the transcript covers the compressed one (RFC 8879 4)."""
        self.transcript.add(self.out.put_message(form.message, form.raw, form.certificate))
        self.history.add(True, form.certificate)

    def continue_transcript(self, transcript: Transcript) -> None:
        """Go on with the transcript of the inner ClientHello, which the server answered (RFC 9849 6.1.5)."""
        self.transcript.forget()
        self.transcript = transcript

    def replace_received(self, hello: ClientHello) -> None:
        """Put a decrypted ClientHello in the place of the received one, in transcript and history (RFC 9849 7.1)."""
        self.transcript.replace_received(encode_message(hello))
        self.history.replace_last(False, hello)

    def belongs_to(self, settings: Settings) -> None:
        """Go on with other settings than those that the connection began with, which the server chose by name."""
        self.staples = settings.identity.staples
        self.history.belongs_to(settings)

    def own_staples(self, credentials: Credentials) -> tuple[bytes | None, ...]:
        """Return a current OCSP response for each of our certificates, or None."""
        if self.staples is None:
            return ()
        return self.staples.staples(credentials.certificates, self.clock.now())

    def log_keys(self, lines: Callable[[bytes, T], Iterable[str]], client_random: bytes, secrets: T) -> None:
        """Pass new secrets to the key log of the configuration, if it has one."""
        if self.keylog is not None:
            for line in lines(client_random, secrets):
                self.keylog(line)

    def note_signature(self, step: StepId, scheme: int) -> None:
        """Tell the observer that the peer's signature verifies. step: its check."""
        if self.observer is not None:
            name = spelled(SignatureScheme, scheme)
            self.observer(
                Proved(step, f"the signature by {name} verifies: the {self.role.peer} holds the private key")
            )

    def note_finished(self) -> None:
        """Tell the observer that the peer's Finished is right."""
        if self.observer is not None:
            step = StepId.SERVER_FINISHED if self.role is Role.CLIENT else StepId.CLIENT_FINISHED
            self.observer(
                Proved(
                    step, f"the {self.role.peer}'s Finished covers every message as we received and sent it"
                )
            )

    def stop_observing(self) -> None:
        """Send no more notes to the observer."""
        self.observer = None
        self.out.stop_observing()
        self.inbox.stop_observing()

    def forget(self) -> None:
        """Delete every secret."""
        self.inbox.forget()
        self.out.forget()
        self.transcript.forget()


def new_context(role: Role, settings: Settings, observer: Observer | None) -> HandshakeContext:
    """Return what the scripts of a new connection share."""
    if observer is not None:
        observer = guarded_observer(observer)
    bounds = settings.limits
    return HandshakeContext(
        role,
        settings.randomness,
        settings.clock,
        Transcript(),
        Outbox(role, observer, bounds.record_padding),
        Inbox(observer, bounds.max_certificate_bytes),
        settings.clock.monotonic() + bounds.handshake_timeout,
        observer,
        settings.identity.staples,
        None if settings.keylog is None else guarded_keylog(settings.keylog),
        history=History(settings),
    )
