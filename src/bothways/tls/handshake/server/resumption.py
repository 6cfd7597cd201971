"""A server's side of resumption in TLS 1.3: which session it resumes, and the ticket for the next one.

Any doubt about a session leads to a full handshake, which verifies the client and reports the reason. Only a wrong
binder ends the connection (RFC 9846 4.3.11).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from bothways.faults import Blame
from bothways.iana import PskKeyExchangeMode
from bothways.tls.crypto.suites import Suite
from bothways.tls.handshake.access import admit
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.credentials import Own
from bothways.tls.handshake.negotiation import ClientOffer
from bothways.tls.handshake.outcome import Verified
from bothways.tls.handshake.proofs import Bound
from bothways.tls.handshake.script import Script
from bothways.tls.handshake.settings import PeerTrust, Settings
from bothways.tls.handshake.verification import judge_if_due, known_to_pass, pins_of
from bothways.tls.keys.schedule13 import EarlySecret
from bothways.tls.resumption.age import claimed, lifetime, milliseconds, moment
from bothways.tls.resumption.binders import binders_octets
from bothways.tls.resumption.session import (
    CHAIN_LIMIT,
    Origin,
    TicketContent,
    decoded_content,
    encoded_content,
    new_content,
)
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.tls13 import NewSessionTicket
from bothways.trust.certificate.raw_public_key import read_raw_key
from bothways.trust.keys.pins import PinRequest
from bothways.trust.request import PeerRequest, VerificationRequest
from bothways.trust.verdict import Purpose

# So many tickets of one ClientHello are tried, which bounds the work.
TICKETS_TRIED = 4
# The nonce distinguishes the tickets of one connection; we send only one (RFC 9846 4.7.1).
_NONCE = b"\0"


class JudgedAgain(NamedTuple):
    """The client of a session that may come in at this moment; `verified` is None for an anonymous one."""

    verified: Verified | None = None


class SealedTicket(NamedTuple):
    """A ticket, for how many seconds it may be used, and what masks its age."""

    seconds: int
    age_add: int
    ticket: bytes


class Resumed(NamedTuple):
    """A session that the server resumes. It cannot be constructed without a verified binder.

    place: the index of its PSK in the client's list.  proved_at: the time of the signatures in its first handshake.
    verified: the client, verified again; None for an anonymous one.
    """

    place: int
    early: EarlySecret
    bound: Bound
    proved_at: datetime
    verified: Verified | None = None


def may_resume(settings: Settings, offer: ClientOffer) -> bool:
    """Whether there are tickets, and the client uses a PSK together with a key exchange (RFC 9846 4.3.9)."""
    return settings.tickets is not None and PskKeyExchangeMode.psk_dhe_ke in offer.psk_modes


def resume(
    hs: HandshakeContext, settings: Settings, offer: ClientOffer, suite: Suite, context: bytes
) -> Resumed | None:
    """Return the session to resume, one of those that the client offers; None for a full handshake.

    context: what its ticket must be bound to.  Nothing is fetched and nothing is waited for, since the ClientHello may
    be a replay.
    """
    keys, offered = settings.tickets, offer.psks
    if keys is None or offered is None or PskKeyExchangeMode.psk_dhe_ke not in offer.psk_modes:
        return None
    found = _opened(hs, keys, offered, context)
    if found is None:
        return None
    place, content = found
    if content.suite.hash.name != suite.hash.name or not _is_in_time(
        hs, keys, offered.identities[place], content
    ):
        return None
    early = EarlySecret(suite, content.key)
    bound = Bound(offered.binders[place], early.binder(hs.transcript.without_end(binders_octets(offered))))
    proved_at = moment(content.authenticated)
    client = judge_session(hs, settings.trust, content, proved_at)
    return None if client is None else Resumed(place, early, bound, proved_at, client.verified)


def _opened(
    hs: HandshakeContext, keys: TicketKeys, offered: ext.PreSharedKeys, context: bytes
) -> tuple[int, TicketContent] | None:
    """Return the first ticket that can be decrypted in this context, and its index."""
    now = hs.clock.now()
    for place, each in enumerate(offered.identities[:TICKETS_TRIED]):
        plain = keys.open(each.identity, context, now, hs.randomness.random)
        content = None if plain is None else decoded_content(plain)
        if content is not None:
            return place, content
    return None


def _is_in_time(
    hs: HandshakeContext, keys: TicketKeys, identity: ext.PskIdentity, content: TicketContent
) -> bool:
    """Whether a ticket is not too old and not from the future, by our clock and by the age in the ClientHello."""
    age = claimed(identity.obfuscated_ticket_age, content.age_add)
    return content.is_usable(hs.clock.now(), keys.max_age) and age < keys.max_age


def judge_session(
    hs: HandshakeContext, trust: PeerTrust | None, content: TicketContent, proved_at: datetime
) -> JudgedAgain | None:
    """Verify the client of a session again by the evidence at hand, and check that it is allowed to connect.

    None if it is not accepted.
    """
    chain = content.chain
    if trust is None:
        return None if chain else JudgedAgain()
    verified = known_to_pass(hs, _request(content, trust, proved_at)) if chain else None
    if verified is None and (chain or trust.requires_certificate):
        return None
    return JudgedAgain(verified) if _is_authorized(trust, verified) else None


def _request(content: TicketContent, trust: PeerTrust, proved_at: datetime) -> PeerRequest:
    if content.has_raw_key:
        key = read_raw_key(content.chain[0])  # decoded before, when the ticket was issued
        return PinRequest(key=key, pins=pins_of(trust), proved_at=proved_at)
    return VerificationRequest(
        chain=content.chain,
        anchors=trust.anchors,
        purpose=Purpose.CLIENT,
        revocation=trust.revocation,
        proved_at=proved_at,
    )


def _is_authorized(trust: PeerTrust, verified: Verified | None) -> bool:
    try:
        admit(trust.decide, None if verified is None else verified.peer)
    except Blame:
        return False
    return True


def judge_resumed_client(
    hs: HandshakeContext, trust: PeerTrust | None, verified: Verified | None
) -> Script[Verified | None]:
    """Verify the client of a session once more after its Finished, if the evidence or the time requires it."""
    if trust is None or verified is None:
        return None
    anew = yield from judge_if_due(hs, verified)
    if anew is not verified:
        admit(trust.decide, anew.peer)
    return anew


def send_ticket(
    hs: HandshakeContext,
    settings: Settings,
    context: bytes,
    origin: Origin,
    verified: Verified | None,
    own: Own,
) -> None:
    """Send a NewSessionTicket, unless it could not be used or the chain is too long for a ticket (RFC 9846 4.7.1).

    context: what it is bound to.  verified: the client.  own: our credentials in this session.
    """
    sealed = seal_session(
        hs, settings, context, origin.suite, origin.key(_NONCE), origin.authenticated, verified, own
    )
    if sealed is not None:
        hs.out.send_after_handshake(
            NewSessionTicket(sealed.seconds, sealed.age_add, _NONCE, sealed.ticket, ())
        )


def seal_session(
    hs: HandshakeContext,
    settings: Settings,
    context: bytes,
    suite: Suite,
    key: bytes,
    authenticated: datetime,
    verified: Verified | None,
    own: Own,
) -> SealedTicket | None:
    """Return a ticket for a session; None if it could not be used, or the chain is too long for a ticket.

    authenticated: the time of the signatures.  The rest is as for `send_ticket`.
    """
    keys, now = settings.tickets, hs.clock.now()
    if keys is None:
        return None
    chain = () if verified is None else tuple(verified.request.chain)
    ends = [own.not_after] if verified is None else [own.not_after, verified.peer.verdict.not_after]
    seconds = lifetime(authenticated, now, keys.max_age, ends)
    if seconds == 0 or sum(map(len, chain)) > CHAIN_LIMIT:
        return None
    issued = milliseconds(now)
    times = issued, issued + 1000 * seconds, milliseconds(authenticated)
    raw_key = verified is not None and isinstance(verified.request, PinRequest)
    content = new_content(suite, key, chain, times, hs.randomness.random, raw_key=raw_key)
    ticket = keys.seal(encoded_content(content), context, now, hs.randomness.random)
    return None if ticket is None else SealedTicket(seconds, content.age_add, ticket)
