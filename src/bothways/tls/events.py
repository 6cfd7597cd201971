"""The events of a connection for its user, and the notes for an observer of the handshake.

Events are returned by `receive()` and other methods. Notes go to the observer of the connection; without one they
are not created. Neither contains a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Literal

from cryptography import x509

from bothways.errors import TLSError
from bothways.iana import SignatureScheme
from bothways.roles import Progress, StepId
from bothways.trust.certificate.raw_public_key import RawPublicKey
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.own_identity.credentials import KeyHolder
from bothways.trust.verdict import EvidenceRequest, Names, PinnedKey, SharedKey, Trusted, Verdict

if TYPE_CHECKING:
    from bothways.tls.wire.flight import Message


PeerKind = Literal["certificate", "raw public key", "pre-shared key"]


@dataclass(frozen=True, slots=True)
class Peer:
    """The authenticated peer: it holds the private key of a certificate or raw public key that we trust, or the secret
    of a pre-shared key.

    verdict: the result of its verification.  proved_at: the time of its signature, if that was in an earlier session
    that this connection resumes; else None.
    """

    verdict: Trusted
    proved_at: datetime | None = None

    @property
    def kind(self) -> PeerKind:
        """What the peer was authenticated by: "certificate", "raw public key" or "pre-shared key"."""
        key = self.verdict.by_key
        if key is None:
            return "certificate"
        return "raw public key" if isinstance(key, PinnedKey) else "pre-shared key"

    @property
    def certificate(self) -> x509.Certificate | None:
        """The leaf certificate, decoded at each access; None for a peer without one."""
        return self.verdict.certificate if self.verdict.path_der else None

    @property
    def path(self) -> tuple[x509.Certificate, ...]:
        """The verified path, from the leaf to the trust anchor, decoded at each access; or empty."""
        return self.verdict.path

    @property
    def names(self) -> Names:
        """Every name in the leaf certificate; all empty without one."""
        return self.verdict.names

    @property
    def raw_key(self) -> RawPublicKey | None:
        """The raw public key; None for a peer with a certificate (RFC 7250)."""
        key = self.verdict.by_key
        return key.key if isinstance(key, PinnedKey) else None

    @property
    def pin_name(self) -> str:
        """The name that we gave to the pin of its raw public key; "" without one."""
        key = self.verdict.by_key
        return key.name if isinstance(key, PinnedKey) else ""

    @property
    def psk_name(self) -> str:
        """The `peer` of its external pre-shared key, see `ExternalPSK`; "" without one (RFC 9258)."""
        key = self.verdict.by_key
        return key.name if isinstance(key, SharedKey) else ""

    @property
    def psk_identity(self) -> bytes | None:
        """The identity of its external pre-shared key; None without one."""
        key = self.verdict.by_key
        return key.identity if isinstance(key, SharedKey) else None


@dataclass(frozen=True, slots=True)
class Established:
    """The handshake is complete: `peer` is the authenticated peer, None for an anonymous client."""

    peer: Peer | None


@dataclass(frozen=True, slots=True)
class ClientAuthenticated:
    """The client answered `Connection.authenticate_client` with a certificate, which is verified: it is `peer` now.

    All data before this event was sent before the client authenticated, all data after it afterwards (RFC 9846 4.7.2).
    """

    peer: Peer


@dataclass(frozen=True, slots=True)
class ClientDeclined:
    """The client answered `Connection.authenticate_client` without a certificate, which was accepted.

    Nothing has changed: the connection has the peer that it had before.
    """


@dataclass(frozen=True, slots=True)
class Data:
    """Application data from the peer, authenticated and in order."""

    data: bytes


@dataclass(frozen=True, slots=True)
class PeerClosed:
    """The peer sent close_notify, and no more data; sending is still possible (RFC 9846 6.1)."""


class Caution(Enum):
    """Warnings: what a user should know although nothing failed. `str()` of a member is a sentence."""

    NO_MATCHING_AUTHORITY = "the server names no CA that leads to our certificate; it was sent nevertheless"
    NO_MATCHING_AUTHORITY_OF_SEVERAL = (
        "the server names no CA that leads to one of our certificates; none of them was sent"
    )
    NO_USAGE_AS_ASKED = "the server requires key usages that none of our certificates has; none was sent"
    NO_FITTING_SCHEME = (
        "none of our keys can use a signature scheme that the peer accepts; no certificate was sent"
    )
    KEY_SIGNS_AND_DECIPHERS = (
        "our RSA key both signs and decrypts premaster secrets; use one key for each (RFC 5246 F.1.1.2)"
    )
    REVOCATION_UNKNOWN = (
        "the revocation status of the peer's certificates is unknown; they were accepted as configured"
    )
    NO_CREDENTIALS = "the server requested a certificate and we have none to send"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning: what a user should know although nothing failed."""

    warning: Caution


@dataclass(frozen=True, slots=True, eq=False)
class SignatureWanted:
    """The handshake waits for a signature by a key that is held elsewhere: answer with `provide(request, signature)`.

    `data` is what to sign, by `scheme`, with the private key of `certificate`.  holder: that of the credentials.
    """

    scheme: SignatureScheme
    data: bytes
    certificate: x509.Certificate = field(repr=False)
    holder: KeyHolder | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class EvidenceWanted:
    """The handshake waits for revocation evidence: answer with `provide(request, answers)` in time.

    `wants`: the requests, with their locations; `bothways.trust.evidence.http_exchange` makes HTTP requests of them.
    The answers have the same order: bytes as received, a decoded `CRL` or `OCSPResponse`, and `Missing` or None for
    what could not be obtained.
    `policy`: from where evidence may be fetched.  `at`: the time of the verification.  `seconds`: the time after which
    the handshake continues without an answer.
    """

    wants: tuple[EvidenceRequest, ...]
    policy: Fetch
    at: datetime
    seconds: float


@dataclass(frozen=True, slots=True, eq=False)
class ChecksWanted:
    """A verification waits for long checks: `run` them in another thread, then call `provide(request, None)`.

    Only after `Connection.defer_checks()`. The results are kept with the evidence.
    """

    checks: tuple[Callable[[], object], ...]

    def run(self) -> None:
        """Run the checks, one after another."""
        for check in self.checks:
            check()


Request = SignatureWanted | EvidenceWanted | ChecksWanted


@dataclass(frozen=True, slots=True)
class Failed:
    """The connection failed with `error`; the alert, if one has to be sent, is in `data_to_send()`."""

    error: TLSError


Event = Established | ClientAuthenticated | ClientDeclined | Data | PeerClosed | Warned | Request | Failed


class Epoch(Enum):
    """The keys that protect a record."""

    PLAINTEXT = "plaintext"
    HANDSHAKE = "handshake keys"
    APPLICATION = "application keys"


@dataclass(frozen=True, slots=True)
class MessageSeen:
    """A handshake message was sent (`sent`) or received; `raw` is its encoding with the header.

    certificate: the Certificate in a CompressedCertificate; None in any other message, and where it cannot be read.
    """

    sent: bool
    message: Message
    raw: bytes
    epoch: Epoch
    steps: tuple[StepId, ...]
    certificate: Message | None = None

    @property
    def content(self) -> Message:
        """The message, or the Certificate in a compressed one."""
        return self.certificate or self.message


@dataclass(frozen=True, slots=True)
class AlertSeen:
    """An alert was sent or received."""

    sent: bool
    level: int
    description: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class RecordSeen:
    """A record was sent or received; `size` includes its header."""

    sent: bool
    content_type: int
    size: int
    epoch: Epoch


@dataclass(frozen=True, slots=True)
class Chosen:
    """A choice of one side among the offers of the other, with the names of the IANA registries."""

    what: str
    offered: tuple[str, ...]
    chosen: str
    by: str


@dataclass(frozen=True, slots=True)
class Proved:
    """A check of step `step` passed; `text` describes it."""

    step: StepId
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """The peer's certificates were verified; the findings a, b, c belong to the steps `step` + letter."""

    step: StepId
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """From here on one direction is protected with other keys."""

    sent: bool
    epoch: Epoch
    suite: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """The connection has come further: `progress` is what the peer has received of us now."""

    progress: Progress


Note = Progressed | MessageSeen | AlertSeen | RecordSeen | Chosen | Proved | Judged | KeysChanged
Observer = Callable[[Note], None]
