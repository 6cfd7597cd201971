"""The messages of a connection as they were sent and received, from which a failure is explained.

It contains no secrets. After the handshake only those messages are kept that can explain a later failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bothways.roles import Progress, Role, Version
from bothways.tls.handshake.certificate_types import BOTH_BY_CERTIFICATE, CertificateTypes
from bothways.tls.handshake.outcome import Negotiated
from bothways.tls.handshake.settings import ClientSettings, Negotiation, PeerTrust, Settings
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, with_extensions
from bothways.trust.anchors import NO_ANCHORS, TrustStore

MESSAGE_LIMIT = 32
_LASTING: frozenset[type[Message]] = frozenset(
    {
        tls13.Certificate, tls12.Certificate, tls13.CertificateRequest, tls12.CertificateRequest,
        tls12.HelloRequest, ext.CertificateStatus, ClientHello,
    }
)  # fmt: skip
_OFFERS: frozenset[type[ext.Extension]] = frozenset(
    {
        ext.ServerName,
        ext.SupportedVersions,
        ext.SupportedGroups,
        ext.SignatureAlgorithms,
        ext.ApplicationProtocols,
        ext.StatusRequest,
    }
)


@dataclass(frozen=True, slots=True)
class FailureFacts:
    """What the engine knows about a failed connection: the `situation` of its error.

    own: our certificate chains.  trust: how we verify peers.  address, starttls: as in `History`.  messages: each with
    True if we sent it.  version: the one chosen.  types: what the Certificate messages contain.  by_psk: an external
    PSK was chosen instead.  has_data: whether application data was received.  closed: whether we sent close_notify.
    complete: whether the handshake was complete.  in_handshake: how many of the messages came before that.  at: the
    time of the failure, by our clock.  ech: as `ech_of` returns it.  alpn: the application protocol that was chosen,
    where the handshake was complete.
    """

    role: Role
    own: tuple[tuple[bytes, ...], ...]
    trust: PeerTrust | None
    offer: Negotiation
    server_name: str | None
    address: str
    starttls: str
    messages: Sequence[tuple[bool, Message]]
    version: Version | None
    types: CertificateTypes
    by_psk: bool
    progress: Progress
    has_data: bool
    closed: bool
    complete: bool
    in_handshake: int
    at: datetime
    ech: str = ""
    alpn: bytes | None = None


class Progressing(Protocol):
    """The position of a handshake, as far as `History` needs it."""

    role: Role
    version: Version | None
    negotiated: Negotiated | None

    @property
    def progress(self) -> Progress:
        """How far the connection has come."""


class History:
    """The messages of one connection.

    server_name: the server that a client wants to reach.  address: its "HOST:PORT", if known. starttls: the application
    protocol whose STARTTLS was used.  has_data: whether application data was received.  closed: whether we sent
    close_notify.  types: what the Certificate messages contain.  by_psk: an external PSK was chosen instead.
    """

    __slots__ = (
        "_complete", "_in_handshake", "_messages", "_settings", "address", "by_psk", "closed", "has_data", "position",
        "server_name", "starttls", "types",
    )  # fmt: skip

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings
        self.position: Progressing | None = None
        self.server_name: str | None = None
        self.address = self.starttls = ""
        self.has_data = self.closed = self.by_psk = False
        self.types = BOTH_BY_CERTIFICATE
        self._messages: list[tuple[bool, Message]] = []
        self._complete = False
        self._in_handshake = 0

    @property
    def messages(self) -> tuple[tuple[bool, Message], ...]:
        """The messages kept, in order, each with True if we sent it."""
        return tuple(self._messages)

    def belongs_to(self, settings: Settings) -> None:
        """Go by other settings than those that it began with."""
        self._settings = settings

    def add(self, sent: bool, message: Message) -> None:
        """Keep a message, up to `MESSAGE_LIMIT`; after the handshake only one that can explain a failure."""
        if len(self._messages) < MESSAGE_LIMIT:
            if not self._complete:
                self._messages.append((sent, message))
            elif type(message) in _LASTING and (lasting := _lasting(sent, message)) is not None:
                self._messages.append((sent, lasting))

    def replace_last(self, sent: bool, message: Message) -> None:
        """Put the decrypted form of the last message in its place."""
        self._messages[-1:] = [(sent, message)]

    def condense(self) -> None:
        """End the handshake: drop what cannot explain a later failure.

        Certificates, requests and the client's offer are kept.
        """
        self._messages = [
            (sent, lasting)
            for sent, message in self._messages
            if type(message) in _LASTING and (lasting := _lasting(sent, message)) is not None
        ]
        self._complete = True
        self._in_handshake = len(self._messages)

    def reached_at(self, address: str, starttls: str = "") -> None:
        """Set the address of the server, and the protocol whose STARTTLS was used."""
        self.address, self.starttls = address, starttls

    def facts(self) -> FailureFacts | None:
        """Return the facts about a failure at this moment; None for a connection without a configuration."""
        settings, position = self._settings, self.position
        if settings is None or position is None:
            return None
        return FailureFacts(
            role=position.role,
            own=settings.identity.indexed.chains,
            trust=settings.trust_when_open,
            offer=settings.negotiation,
            server_name=self.server_name,
            address=self.address,
            starttls=self.starttls,
            messages=self.messages,
            version=position.version,
            types=self.types,
            by_psk=self.by_psk,
            progress=position.progress,
            has_data=self.has_data,
            closed=self.closed,
            complete=self._complete,
            in_handshake=self._in_handshake if self._complete else len(self._messages),
            at=settings.clock.now(),
            ech=ech_of(settings),
            alpn=None if position.negotiated is None else position.negotiated.alpn,
        )


def known_anchors(trust: PeerTrust | None) -> TrustStore | None:
    """Return the trust anchors of a configuration; None without any, and where peers are trusted by pins alone."""
    return None if trust is None or trust.anchors is NO_ANCHORS else trust.anchors


def ech_of(settings: Settings) -> str:
    """Return the configuration by which a client encrypts its ClientHello, in base64; "" if it does not."""
    return str(settings.ech) if isinstance(settings, ClientSettings) and settings.ech is not None else ""


def _lasting(sent: bool, message: Message) -> Message | None:
    """Return what is kept of a message in `_LASTING`: of a ClientHello the offer of a client, not ours."""
    if not isinstance(message, ClientHello):
        return message
    if sent:
        return None
    kept = tuple([each for each in message.extensions or () if type(each) in _OFFERS])
    return with_extensions(message, kept)
