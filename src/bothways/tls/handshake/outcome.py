"""The results of a handshake: immutable values, created only when every check has passed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from bothways.roles import Version
from bothways.tls.crypto.suites import Suite
from bothways.tls.events import Caution, Peer
from bothways.tls.handshake.settings import Settings
from bothways.tls.wire.tls13 import NewSessionTicket
from bothways.trust.keys.external_psks import PskRequest
from bothways.trust.request import PeerRequest

Exporter = Callable[[str, bytes | None, int], bytes]


class TicketKeeper(Protocol):
    """Receives the tickets that a server sends."""

    def keep(self, message: NewSessionTicket, /) -> None:
        """Store the session of a ticket."""


class Negotiated(NamedTuple):
    """The parameters agreed on so far; None for one that is not chosen yet or not used.

    group: of the key exchange, None for RSA key transport.  scheme: of the server's signature.
    """

    version: Version
    suite: Suite | None = None
    group: int | None = None
    alpn: bytes | None = None
    scheme: int | None = None


class Verified(NamedTuple):
    """A peer that was accepted, the request that was verified, and the generation of the evidence used for it."""

    peer: Peer
    request: PeerRequest
    generation: int


class HandshakeResult(NamedTuple):
    """What a script returns when the handshake is complete.

    exporter: returns keying material for other protocols; None in TLS 1.2 without the extended main secret. verified:
    the authenticated peer; None for an anonymous client.  cautions: warnings about our own side. resumed: whether a
    session was resumed.  keeper: receives session tickets; None where they are not stored.
    settings: those that a server chose for this client; None where it has one configuration for all.
    may_be_asked: the client offers post-handshake authentication.
    """

    negotiated: Negotiated
    exporter: Exporter | None
    verified: Verified | None = None
    cautions: tuple[Caution, ...] = ()
    resumed: bool = False
    keeper: TicketKeeper | None = None
    settings: Settings | None = None
    may_be_asked: bool = False

    @property
    def has_external_psk(self) -> bool:
        """Whether both sides were authenticated by an external PSK, beside which no certificate may be used."""
        return self.verified is not None and isinstance(self.verified.request, PskRequest)

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer; None for an anonymous client."""
        return None if self.verified is None else self.verified.peer

    @property
    def warnings(self) -> tuple[Caution, ...]:
        """All warnings: about our own side, and about an unknown revocation status that was accepted."""
        if self.peer is not None and self.peer.verdict.accepts_unknown:
            return (Caution.REVOCATION_UNKNOWN, *self.cautions)
        return self.cautions
