"""What a connection tells: events for its user, notes for whoever watches the handshake.

Events come from `receive()` and its kin. Notes go to the observer that was given when the connection was
made; without one they are never built. Neither carries a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from cryptography import x509

from bothways.errors import TLSError
from bothways.iana import SignatureScheme
from bothways.roles import Progress, StepId
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.verdict import EvidenceRequest, Names, Trusted, Verdict

if TYPE_CHECKING:
    from bothways.tls.wire.flight import Message


@dataclass(frozen=True, slots=True)
class Peer:
    """Who the other side proved to be: it holds the key of a certificate that we trust.

    proved_at: when it signed with that key, if that was in an earlier session that this connection resumes; None if
    it did so in this one.
    """

    verdict: Trusted
    proved_at: datetime | None = None

    @property
    def certificate(self) -> x509.Certificate:
        """The leaf certificate."""
        return self.verdict.path[0]

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """The verified path, from the leaf to the anchor."""
        return self.verdict.path

    @property
    def names(self) -> Names:
        """Every name in the leaf certificate."""
        return self.verdict.names


@dataclass(frozen=True, slots=True)
class Established:
    """The handshake is complete: `peer` is who they proved to be, None for an anonymous client."""

    peer: Peer | None


@dataclass(frozen=True, slots=True)
class Data:
    """Application data from the peer, authenticated and in order."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PeerClosed:
    """The peer sent close_notify: nothing more will come. We may go on sending (RFC 9846 6.1)."""


class Caution(Enum):
    """What a user should know although nothing failed. `str()` of a member is a sentence for a person."""

    NO_MATCHING_AUTHORITY = (
        "the server names no authority that leads to our certificate; it was sent all the same"
    )
    NO_MATCHING_AUTHORITY_OF_SEVERAL = (
        "the server names no authority that leads to one of our certificates; none of them was sent"
    )
    NO_USAGE_AS_ASKED = "the server asks for key usages that none of our certificates has; none was sent"
    NO_FITTING_SCHEME = "none of our certificates can sign by a scheme that the peer accepts; none was sent"
    KEY_SIGNS_AND_DECIPHERS = (
        "our RSA key both signs and deciphers premaster secrets; use one key for each (RFC 5246 F.1.1.2)"
    )
    REVOCATION_UNKNOWN = (
        "whether the peer's certificates are revoked is not known; they were accepted as configured"
    )
    NO_CREDENTIALS = "the server asked for a certificate and we have none to send"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that a user should know although nothing failed."""

    warning: Caution


@dataclass(frozen=True, slots=True, eq=False)
class SignatureWanted:
    """The handshake waits for a signature that is made elsewhere: answer with `provide(request, signature)`.

    `data` is what to sign, by `scheme`, with the private key of `certificate`.
    """

    scheme: SignatureScheme
    data: bytes
    certificate: x509.Certificate = field(repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceWanted:
    """The handshake waits for revocation evidence: answer with `provide(request, answers)` in time.

    `wants` says what is wanted, and where it lies; `bothways.trust.evidence.http_exchange` how that is asked for. The
    answers stand in the same order: bytes as they came, a CRL or an OCSPResponse that was read before, and
    `Missing` or None for what could not be had.
    `policy` says of whom it may be asked, `at` is the time of day by which it is judged, and after `seconds`
    the handshake goes on with what it has.
    """

    wants: tuple[EvidenceRequest, ...]
    policy: Fetch
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class ChecksWanted:
    """A judgement waits for checks that take long: `run` them in another thread, then `provide(request, None)`.

    Comes only after `Connection.defer_checks()`. What is run keeps its results with the evidence.
    """

    checks: tuple[Callable[[], object], ...]

    def run(self) -> None:
        """Make the checks, one after another."""
        for check in self.checks:
            check()


Request = SignatureWanted | EvidenceWanted | ChecksWanted


@dataclass(frozen=True, slots=True)
class Failed:
    """The connection is over; the alert, if one is due, is in `data_to_send()`."""

    error: TLSError


Event = Established | Data | PeerClosed | Warned | Request | Failed


class Epoch(Enum):
    """Under which keys something travels."""

    PLAINTEXT = "plaintext"
    HANDSHAKE = "handshake keys"
    APPLICATION = "application keys"


@dataclass(frozen=True, slots=True)
class MessageSeen:
    """A handshake message went out (`sent`) or came in; `raw` is its encoding with the header."""

    sent: bool
    message: Message
    raw: bytes
    epoch: Epoch
    steps: tuple[StepId, ...]


@dataclass(frozen=True, slots=True)
class AlertSeen:
    """An alert went out or came in."""

    sent: bool
    level: int
    description: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class RecordSeen:
    """A record went out or came in; `size` counts its header."""

    sent: bool
    content_type: int
    size: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice by one side among what the other offered: names by the IANA registries."""

    what: str
    offered: tuple[str, ...]
    chosen: str
    by: str


@dataclass(frozen=True, slots=True)
class Proved:
    """A check of step `step` passed, in words."""

    step: StepId
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The peer's certificates were judged; findings a, b, c belong to steps `step` + letter."""

    step: StepId
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """From here on one direction is protected by other keys."""

    sent: bool
    epoch: Epoch
    suite: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """The connection has come further: what the peer may object to from here on is told by `progress`."""

    progress: Progress


Note = Progressed | MessageSeen | AlertSeen | RecordSeen | Chosen | Proved | Judged | KeysChanged
Observer = Callable[[Note], None]
