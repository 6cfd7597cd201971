"""A client's side of resumption in TLS 1.2: by ticket (RFC 5077) or session ID (RFC 5246 7.3), if it is enabled.

The server is verified before its session is offered, and again after the handshake, as in TLS 1.3.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CipherSuite
from bothways.iana import name as spelled
from bothways.tls.crypto.suites import Suite
from bothways.tls.events import Caution
from bothways.tls.handshake.client.resumption import accepted_now
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.session_binding import client_key, key_of_12
from bothways.tls.handshake.settings import ClientSettings
from bothways.tls.resumption.age import LONGEST
from bothways.tls.resumption.session import Session
from bothways.tls.resumption.session_ids import new_id
from bothways.tls.resumption.session_store import SessionKey
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import NewSessionTicket
from bothways.trust.path.name_matching import ServerName


class Known12(NamedTuple):
    """What a client has stored about TLS 1.2 with this server.

    key: the key of its stored sessions, None if it stores none.  offered: the session that it offers.
    """

    key: SessionKey | None = None
    offered: OfferedSession12 | None = None


class OfferedSession12(NamedTuple):
    """A session whose server is accepted now, and the session ID by which the server selects it."""

    session: Session
    verified: Verified
    session_id: bytes


def known_12(
    hs: HandshakeContext, settings: ClientSettings, target: ServerName, key: SessionKey | None, *, offer: bool
) -> Known12:
    """Take a session with this server out of the store, if its server is accepted now by the evidence at hand.

    key: of the sessions of TLS 1.3.  offer: False if one of those is offered.
    """
    if not settings.resumes_12 or key is None:
        return Known12()
    key = key_of_12(key)
    return Known12(key, _session_to_offer(hs, settings, target, key) if offer else None)


def _session_to_offer(
    hs: HandshakeContext, settings: ClientSettings, target: ServerName, key: SessionKey
) -> OfferedSession12 | None:
    session = None if settings.sessions is None else settings.sessions.take(key, hs.clock.now())
    if session is None or session.suite.code not in settings.negotiation.suites:
        return None
    verified = accepted_now(hs, settings, target, session)
    if verified is None:
        return None
    return OfferedSession12(session, verified, session.session_id or new_id(hs.randomness.random))


def ticket_extension(
    settings: ClientSettings, offered: OfferedSession12 | None
) -> tuple[ext.SessionTicket, ...]:
    """Return the session_ticket extension of a ClientHello: with a ticket, empty, or none (RFC 5077 3.2)."""
    if not settings.resumes_12:
        return ()
    return (ext.SessionTicket(b"" if offered is None else offered.session.ticket),)


def chosen_session_12(
    hello: ClientHello, answer: ServerHello, suite: Suite, offered: OfferedSession12 | None
) -> OfferedSession12 | None:
    """Return the session that the server resumes; None for a full handshake (RFC 5246 7.4.1.3)."""
    if not answer.legacy_session_id_echo or answer.legacy_session_id_echo != hello.legacy_session_id:
        return None
    if offered is None or offered.session_id != answer.legacy_session_id_echo:
        blame(Fault.RESUMED_UNKNOWN_SESSION)
    if suite is not offered.session.suite:
        blame(
            Fault.RESUMED_WITH_OTHER_SUITE,
            got=spelled(CipherSuite, suite.code),
            before=spelled(CipherSuite, offered.session.suite.code),
        )
    if (
        ext.find(answer.extensions or (), ext.ExtendedMainSecret) is None
    ):  # the session has an extended main secret (RFC 7627 5.3)
        blame(Fault.NO_EXTENDED_MAIN_SECRET)
    return offered


class SessionKeeper12(NamedTuple):
    """Stores the session of one connection. key: the key of the store at the start of the connection."""

    hs: HandshakeContext
    settings: ClientSettings
    target: ServerName
    key: SessionKey | None
    suite: Suite

    def keep(
        self,
        secret: bytes,
        authenticated: datetime,
        verified: Verified,
        cautions: tuple[Caution, ...],
        message: NewSessionTicket | None,
        session_id: bytes = b"",
    ) -> None:
        """Store a session by its ticket, or else by its session ID; without either there is none.

        authenticated: the time of the signatures.
        """
        ticket, hint = (b"", 0) if message is None else (message.ticket, message.ticket_lifetime_hint)
        if not ticket and not session_id:
            return
        now = self.hs.clock.now()
        session = Session(
            suite=self.suite,
            ticket=ticket,
            key=secret,
            age_add=0,
            received=now,
            expires=now + (min(timedelta(seconds=hint), LONGEST) if hint else LONGEST),
            authenticated=authenticated,
            chain=tuple(verified.request.chain),
            staples=tuple(verified.request.staples),
            cautions=cautions,
            session_id=b"" if ticket else session_id,
        )
        self.put(session)

    def put(self, session: Session) -> None:
        """Store a session, unless the configuration or our credentials have changed since."""
        store, key = self.settings.sessions, self.key
        if store is None or key is None:
            return
        if key == key_of_12(client_key(self.settings, self.target)):
            store.keep(key, session)
