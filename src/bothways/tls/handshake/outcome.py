"""What a handshake comes to: values that are made where everything holds, and that nothing changes afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

from bothways.roles import Version
from bothways.tls.crypto.suites import Suite
from bothways.tls.events import Caution, Peer
from bothways.tls.wire.tls13 import NewSessionTicket
from bothways.trust.request import VerificationRequest

Exporter = Callable[[str, bytes | None, int], bytes]


class TicketKeeper(Protocol):
    """Who takes the tickets that a server sends."""

    def keep(self, message: NewSessionTicket, /) -> None:
        """Keep what a ticket is for."""


class Negotiated(NamedTuple):
    """What both sides have agreed on, as far as they have come; None for what is not chosen yet, or never will be.

    group: of the key exchange, none where RSA carries the key.  scheme: by which the server signs.
    """

    version: Version
    suite: Suite | None = None
    group: int | None = None
    alpn: bytes | None = None
    scheme: int | None = None


class Verified(NamedTuple):
    """A peer that passed, what was asked about it, and of which generation the evidence was."""

    peer: Peer
    request: VerificationRequest
    generation: int


class HandshakeResult(NamedTuple):
    """What a script returns when the handshake is complete.

    exporter: makes keying material for other protocols; None in TLS 1.2 without the extended main secret.
    verified: the peer and how it was judged; None for an anonymous client.  cautions: what our own part calls for.
    resumed: whether an earlier session goes on.  keeper: takes the tickets that come; None where they are of no use.
    """

    negotiated: Negotiated
    exporter: Exporter | None
    verified: Verified | None = None
    cautions: tuple[Caution, ...] = ()
    resumed: bool = False
    keeper: TicketKeeper | None = None

    @property
    def peer(self) -> Peer | None:
        """Who the peer proved to be."""
        return None if self.verified is None else self.verified.peer

    @property
    def warnings(self) -> tuple[Caution, ...]:
        """What a user should know although nothing failed."""
        if self.peer is not None and self.peer.verdict.accepts_unknown:
            return (Caution.REVOCATION_UNKNOWN, *self.cautions)
        return self.cautions
