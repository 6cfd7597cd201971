"""A client's side of resumption in TLS 1.3: which session it offers, and which tickets it keeps.

The server of a session is verified again, by its earlier certificates, before the session is offered. If it is not
accepted, the session is dropped; the full handshake then reports the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from bothways.roles import Version
from bothways.tls.clock import Clock
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.events import Caution
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.session_binding import client_key
from bothways.tls.handshake.settings import ClientSettings
from bothways.tls.handshake.verification import known_to_pass, pins_of
from bothways.tls.keys.schedule13 import EarlySecret
from bothways.tls.resumption.age import LONGEST
from bothways.tls.resumption.session import Origin, Session
from bothways.tls.resumption.session_store import SessionKey, SessionStore
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.tls13 import NewSessionTicket
from bothways.trust.keys.pins import PinRequest
from bothways.trust.path.name_matching import ServerName
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Purpose

# Further tickets of one connection are ignored, to bound the memory for them.
TICKETS_KEPT = 16


class OfferedSession(NamedTuple):
    """A session whose server is accepted now; it cannot be constructed without that verification."""

    session: Session
    early: EarlySecret
    verified: Verified

    def identity_at(self, now: datetime) -> ext.PskIdentity:
        """Return what is sent: the ticket, with its age at this time (RFC 9846 4.3.11.1)."""
        return ext.PskIdentity(self.session.ticket, self.session.obfuscated_age(now))


def session_to_offer(
    hs: HandshakeContext, settings: ClientSettings, target: ServerName, key: SessionKey | None
) -> OfferedSession | None:
    """Take a session of `key` out of the store; None without one whose server is accepted now.

    Only the evidence at hand is used: nothing is fetched and nothing is waited for.
    """
    if key is None or settings.sessions is None or Version.TLS13 not in settings.negotiation.versions:
        return None
    session = settings.sessions.take(key, hs.clock.now())
    if session is None or not _fits(session.suite, settings.negotiation.suites_13):
        return None
    verified = accepted_now(hs, settings, target, session)
    if verified is None:
        return None
    return OfferedSession(session, EarlySecret(session.suite, session.key), verified)


def _fits(suite: Suite, offered: Sequence[int]) -> bool:
    return any(SUITES13[code].hash.name == suite.hash.name for code in offered)


def accepted_now(
    hs: HandshakeContext, settings: ClientSettings, target: ServerName, session: Session
) -> Verified | None:
    """Verify the server of a session again, by the evidence at hand; None if it is not accepted."""
    if session.raw_key is not None:
        pins = pins_of(settings.trust)
        return known_to_pass(hs, PinRequest(key=session.raw_key, pins=pins, proved_at=session.authenticated))
    request = VerificationRequest(
        chain=session.chain,
        anchors=settings.trust.anchors,
        purpose=Purpose.SERVER,
        name=target,
        revocation=settings.trust.revocation,
        staples=session.staples,
        proved_at=session.authenticated,
    )
    return known_to_pass(hs, request)


class SessionKeeper:
    """Creates a session from each ticket of one connection, and puts it into the client's store."""

    def __init__(
        self,
        store: SessionStore,
        key: SessionKey,
        origin: Origin,
        verified: Verified,
        cautions: tuple[Caution, ...],
        clock: Clock,
    ) -> None:
        self._store = store
        self._key = key
        self._origin = origin
        self._request = verified.request
        self._cautions = cautions
        self._clock = clock
        self._nonces: set[bytes] = set()

    def keep(self, message: NewSessionTicket) -> None:
        """Store the session of a ticket, unless its lifetime is zero (RFC 9846 4.7.1).

        A second ticket with the same nonce is ignored: it would have the same PSK.
        """
        if not message.ticket_lifetime or message.ticket_nonce in self._nonces:
            return
        if len(self._nonces) >= TICKETS_KEPT:
            return
        self._nonces.add(message.ticket_nonce)
        now = self._clock.now()
        lifetime = min(timedelta(seconds=message.ticket_lifetime), LONGEST)
        session = Session(
            suite=self._origin.suite,
            ticket=message.ticket,
            key=self._origin.key(message.ticket_nonce),
            age_add=message.ticket_age_add,
            received=now,
            expires=now + lifetime,
            authenticated=self._origin.authenticated,
            chain=tuple(self._request.chain),
            staples=tuple(self._request.staples),
            cautions=self._cautions,
            raw_key=self._request.key if isinstance(self._request, PinRequest) else None,
        )
        self._store.keep(self._key, session)


def session_keeper(
    hs: HandshakeContext,
    settings: ClientSettings,
    target: ServerName,
    key: SessionKey | None,
    origin: Origin,
    verified: Verified,
    cautions: tuple[Caution, ...],
) -> SessionKeeper | None:
    """Return the object that stores the sessions of this connection; None where none are stored.

    key: the key of the store at the start of the connection, None without a store. If the configuration or our
    credentials have changed since, nothing is stored.
    """
    if key is None or settings.sessions is None or key != client_key(settings, target):
        return None
    return SessionKeeper(settings.sessions, key, origin, verified, cautions, hs.clock)
