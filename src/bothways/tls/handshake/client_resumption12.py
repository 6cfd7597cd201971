"""A client's side of resumption in TLS 1.2: by ticket (RFC 5077) or session ID (RFC 5246 7.3), if it is switched on.

The server is judged before its session is offered, and once more when the handshake is done, as in TLS 1.3.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CipherSuite
from bothways.iana import name as spelled
from bothways.tls.crypto.suites import Suite
from bothways.tls.events import Caution
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.session_binding import client_key, key_of_12
from bothways.tls.handshake.settings import ClientSettings
from bothways.tls.handshake.verification import known_to_pass
from bothways.tls.resumption.age import LONGEST
from bothways.tls.resumption.session import Session
from bothways.tls.resumption.session_ids import new_id
from bothways.tls.resumption.session_store import SessionKey
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import NewSessionTicket
from bothways.trust.names import ServerName
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Purpose


class Known12(NamedTuple):
    """What a client knows of TLS 1.2 with this server at the start: nothing where it resumes nothing.

    key: under which its sessions are kept.  offered: the one that it offers.
    """

    key: SessionKey | None = None
    offered: OfferedSession12 | None = None


class OfferedSession12(NamedTuple):
    """A session whose server passes at this moment, and the ID by which the server says that it goes on with it."""

    session: Session
    verified: Verified
    session_id: bytes


def known_12(
    hs: HandshakeContext, settings: ClientSettings, target: ServerName, key: SessionKey | None, *, offer: bool
) -> Known12:
    """Take a session with this server, if there is one that passes now by what is at hand.

    key: of the sessions of TLS 1.3.  offer: False where one of those is offered.
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
    verified = known_to_pass(hs, _request(settings, target, session))
    if verified is None:
        return None
    return OfferedSession12(session, verified, session.session_id or new_id(hs.randomness.random))


def _request(settings: ClientSettings, target: ServerName, session: Session) -> VerificationRequest:
    return VerificationRequest(
        chain=session.chain,
        anchors=settings.trust.anchors,
        purpose=Purpose.SERVER,
        name=target,
        revocation=settings.trust.revocation,
        key_usage="digitalSignature",
        leaf=session.leaf,
        staples=session.staples,
        proved_at=session.authenticated,
    )


def ticket_extension(
    settings: ClientSettings, offered: OfferedSession12 | None
) -> tuple[ext.SessionTicket, ...]:
    """Return what a ClientHello says of tickets: one, or the wish for one, or nothing (RFC 5077 3.2)."""
    if not settings.resumes_12:
        return ()
    return (ext.SessionTicket(b"" if offered is None else offered.session.ticket),)


def chosen_session_12(
    hello: ClientHello, answer: ServerHello, suite: Suite, offered: OfferedSession12 | None
) -> OfferedSession12 | None:
    """Return the session that the server goes on with; None if it wants a full handshake (RFC 5246 7.4.1.3)."""
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
    if ext.find(answer.extensions or (), ext.ExtendedMainSecret) is None:  # its session had it (RFC 7627 5.3)
        blame(Fault.NO_EXTENDED_MAIN_SECRET)
    return offered


class SessionKeeper12(NamedTuple):
    """Keeps the session of one connection for its client. key: from the start of the connection."""

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
        """Keep a session for its ticket, else for its ID; without either there is none.

        authenticated: when both sides last signed.
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
            leaf=verified.request.leaf,
            staples=tuple(verified.request.staples),
            cautions=cautions,
            session_id=b"" if ticket else session_id,
        )
        self.put(session)

    def put(self, session: Session) -> None:
        """Keep a session, unless we have become somebody else since."""
        store, key = self.settings.sessions, self.key
        if store is None or key is None:
            return
        if key == key_of_12(client_key(self.settings, self.target)):
            store.keep(key, session)
