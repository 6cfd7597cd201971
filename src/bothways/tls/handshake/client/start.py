"""The start of a client's handshake: the ClientHello, then the script of the version that the server chose."""

from __future__ import annotations

from collections.abc import Sequence

from bothways.iana import CompressionMethod, ProtocolVersion
from bothways.roles import Version
from bothways.tls.crypto.groups import KeyOffer, offer
from bothways.tls.handshake.client.ech import send_encrypted, with_grease
from bothways.tls.handshake.client.offered import Offered
from bothways.tls.handshake.client.psks import keys_to_offer, send_hello
from bothways.tls.handshake.client.resumption import session_to_offer
from bothways.tls.handshake.client.resumption12 import OfferedSession12, known_12, ticket_extension
from bothways.tls.handshake.client.script12 import client_handshake_12
from bothways.tls.handshake.client.script13 import client_handshake_13
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.negotiation import check_server_version
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated
from bothways.tls.handshake.script import Agreed, Script, expect
from bothways.tls.handshake.session_binding import client_key
from bothways.tls.handshake.settings import ClientSettings
from bothways.tls.handshake.steps import Step
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.trust.path.name_matching import ServerName


def client_handshake(
    hs: HandshakeContext, settings: ClientSettings, target: ServerName
) -> Script[HandshakeResult]:
    """Send the ClientHello, then continue with the script of the version in the ServerHello (RFC 9846 2)."""
    speaks_13 = Version.TLS13 in settings.negotiation.versions
    offers = tuple(offer(group, hs.randomness) for group in settings.negotiation.shares) if speaks_13 else ()
    key = None if settings.sessions is None else client_key(settings, target)
    session = session_to_offer(hs, settings, target, key)
    known = known_12(hs, settings, target, key, offer=session is None)
    hello = client_hello(hs, settings, target, offers, known.offered)
    hs.out.version = max(settings.negotiation.versions)
    hs.inbox.compressions = settings.negotiation.compressions
    psks = (*(() if session is None else (session,)), *keys_to_offer(settings, target))
    if settings.greases_ech:
        hello = with_grease(hs, hello, psks)
    if settings.ech is None:
        offered = Offered(send_hello(hs, hello, psks), offers, psks, key)
    else:
        offered = send_encrypted(hs, settings.ech, Offered(hello, offers, psks, key), hello)
    hs.inbox.ignores_change_cipher_spec = speaks_13
    answer = yield from expect(Step.WAIT_SH, ServerHello)
    version = check_server_version(offered.hello, answer)
    yield Agreed(Negotiated(version))
    if version is Version.TLS12:
        return (yield from client_handshake_12(hs, settings, target, offered.hello, answer, known))
    return (yield from client_handshake_13(hs, settings, target, offered, answer))


def client_hello(
    hs: HandshakeContext,
    settings: ClientSettings,
    target: ServerName,
    offers: Sequence[KeyOffer],
    earlier: OfferedSession12 | None = None,
) -> ClientHello:
    """Return a ClientHello with everything that we accept, the preferred first (RFC 9846 4.2.2).

    It has a session ID, although TLS 1.3 does not use it, for middleboxes that know only TLS 1.2 (RFC 9846 E.4).
    earlier: the session of TLS 1.2 that is offered.
    """
    speaks_13 = Version.TLS13 in settings.negotiation.versions
    extensions = settings.negotiation.hello
    if target.sni is not None:
        extensions = (ext.ServerName(target.sni), *extensions)
    extensions = (*extensions, *ticket_extension(settings, earlier))
    if speaks_13:
        shares = [ext.KeyShareEntry(each.group, each.public) for each in offers]
        extensions = (*extensions, ext.KeyShares(tuple(shares)))
    session_id = hs.randomness.random(32) if speaks_13 else b""
    if earlier is not None:
        session_id = earlier.session_id
    return ClientHello(
        legacy_version=ProtocolVersion.TLSv1_2,
        random=hs.randomness.random(32),
        legacy_session_id=session_id,
        cipher_suites=settings.negotiation.suites,
        legacy_compression_methods=bytes([CompressionMethod.null]),
        extensions=extensions,
    )
