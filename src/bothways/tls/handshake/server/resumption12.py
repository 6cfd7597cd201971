"""A server's side of resumption in TLS 1.2: tickets (RFC 5077), and session IDs for clients without them.

Only with ECDHE and the extended main secret (RFC 7627), and only if it is enabled. Any doubt leads to a full handshake,
as in TLS 1.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.negotiation12 import Choice12, Offer12
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.server.resumption import judge_session, seal_session
from bothways.tls.handshake.session_binding import server_context_12
from bothways.tls.handshake.settings import Settings
from bothways.tls.keys.schedule12 import MainSecret
from bothways.tls.resumption.age import moment
from bothways.tls.resumption.session import FORMAT_12, TicketContent, decoded_content
from bothways.tls.resumption.session_ids import new_id
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello
from bothways.tls.wire.tls12 import NewSessionTicket


@dataclass(frozen=True, slots=True)
class Resumed12:
    """A session that the server resumes; the client's Finished then proves that it has the main secret.

    proved_at: the time of the signatures.  verified: the client, verified again; None for an anonymous one.
    """

    secret: bytes = field(repr=False)
    proved_at: datetime
    verified: Verified | None


class Issuing(NamedTuple):
    """How a client may resume later: by a ticket or by a session ID."""

    ticket: bool = False
    session_id: bytes = b""


def resume_12(hs: HandshakeContext, settings: Settings, offer: Offer12, choice: Choice12) -> Resumed12 | None:
    """Return the session to resume; None for a full handshake. Nothing is waited for."""
    keys, now = settings.tickets, hs.clock.now()
    sealed = _presented(settings, offer.hello)
    if keys is None or sealed is None:
        return None
    context = server_context_12(settings, choice.credentials, offer.server_name)
    plain = keys.open(sealed, context, now, hs.randomness.random)
    content = None if plain is None else decoded_content(plain, FORMAT_12)
    if content is None or content.suite is not choice.suite or not content.is_usable(now, keys.max_age):
        return None
    if not offer.extended_main_secret:  # the session has an extended main secret (RFC 7627 5.3)
        blame(Fault.NO_EXTENDED_MAIN_SECRET)
    return _judged(hs, settings, content)


def _presented(settings: Settings, hello: ClientHello) -> bytes | None:
    """Return the session of a client: its ticket, or else the one stored by its session ID (RFC 5077 3.4)."""
    if settings.session_ids is None:
        return None
    asked = ext.find(hello.extensions or (), ext.SessionTicket)
    if asked is not None and asked.ticket:
        return asked.ticket
    return settings.session_ids.find(hello.legacy_session_id)


def _judged(hs: HandshakeContext, settings: Settings, content: TicketContent) -> Resumed12 | None:
    proved_at = moment(content.authenticated)
    client = judge_session(hs, settings.trust, content, proved_at)
    return None if client is None else Resumed12(content.key, proved_at, client.verified)


def issuing_12(hs: HandshakeContext, settings: Settings, offer: Offer12, choice: Choice12) -> Issuing:
    """Return how this client may resume: by a ticket if it supports them, else by a session ID; or not at all."""
    if settings.session_ids is None or choice.suite.is_key_transport or not offer.extended_main_secret:
        return Issuing()
    if ext.find(offer.hello.extensions or (), ext.SessionTicket) is not None:
        return Issuing(ticket=True)
    return Issuing(session_id=new_id(hs.randomness.random))


def issue_12(
    hs: HandshakeContext,
    settings: Settings,
    offer: Offer12,
    choice: Choice12,
    secret: MainSecret,
    issuing: Issuing,
    verified: Verified | None,
    proved_at: datetime,
) -> None:
    """Send the announced ticket, empty if there is none, or store the session by its ID (RFC 5077 3.3).

    verified: the client.  proved_at: the time of the signatures.
    """
    if not issuing.ticket and not issuing.session_id:
        return
    context = server_context_12(settings, choice.credentials, offer.server_name)
    sealed = seal_session(
        hs, settings, context, choice.suite, secret.secret, proved_at, verified, choice.credentials
    )
    if issuing.ticket:
        hs.send(
            NewSessionTicket(0, b"") if sealed is None else NewSessionTicket(sealed.seconds, sealed.ticket)
        )
    elif sealed is not None and settings.session_ids is not None:
        settings.session_ids.keep(issuing.session_id, sealed.ticket)
