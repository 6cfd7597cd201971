"""The client's side of TLS 1.2, in the order of RFC 5246 figure 1: ECDHE (RFC 8422), or RSA key transport.

The server is verified before our ClientKeyExchange, so that an untrusted server gets no premaster secret.
"""

from __future__ import annotations

from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CipherSuite, NamedGroup
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.roles import Role, Version
from bothways.tls.crypto.groups import CLASSIC_GROUPS, offer
from bothways.tls.crypto.groups import finish as finish_agreement
from bothways.tls.crypto.rsa_key_transport import encrypt_premaster
from bothways.tls.crypto.suites import Suite
from bothways.tls.events import Chosen, Epoch, Observer
from bothways.tls.handshake.authentication12 import (
    check_exchange,
    check_finished_12,
    own_certificate_12,
    protection,
    send_finished_12,
)
from bothways.tls.handshake.client.resumption12 import (
    Known12,
    OfferedSession12,
    SessionKeeper12,
    chosen_session_12,
)
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.credentials import ClientChoice
from bothways.tls.handshake.negotiation12 import (
    check_curve,
    check_server_hello_12,
    choose_client_credentials_12,
    chosen_protocol_12,
)
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated, Verified
from bothways.tls.handshake.proofs import Signed
from bothways.tls.handshake.record_size import keep_to_limit
from bothways.tls.handshake.script import Agreed, ChangeCipherSpec, Script, expect, sign_with
from bothways.tls.handshake.settings import ClientSettings
from bothways.tls.handshake.steps import Step
from bothways.tls.handshake.verification import judge, judge_if_due
from bothways.tls.keys.keylog import main_lines
from bothways.tls.keys.schedule12 import MainSecret
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import (
    Certificate,
    CertificateRequest,
    NewSessionTicket,
    ServerHelloDone,
    ServerKeyExchange,
    ecdh_key_exchange,
    rsa_key_exchange,
)
from bothways.tls.wire.tls13 import CertificateVerify, Finished
from bothways.trust.path.name_matching import ServerName
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Purpose


class Server12(NamedTuple):
    """The authenticated server, up to its ServerHelloDone.

    signed: None for RSA key transport, where the server's Finished proves that it holds the key.
    """

    verified: Verified
    chain: tuple[bytes, ...]
    signed: Signed | None
    exchange: ServerKeyExchange | None
    request: CertificateRequest | None


def client_handshake_12(
    hs: HandshakeContext,
    settings: ClientSettings,
    target: ServerName,
    hello: ClientHello,
    answer: ServerHello,
    known: Known12,
) -> Script[HandshakeResult]:
    """Continue after a ServerHello of TLS 1.2: verify the server, agree on keys, authenticate ourselves.

    RFC 5246 7.3.
    """
    negotiated, suite = check_choices(hs, settings, hello, answer)
    keeper = SessionKeeper12(hs, settings, target, known.key, suite)
    session = chosen_session_12(hello, answer, suite, known.offered)
    yield Agreed(negotiated)
    randoms = (hello.random, answer.random)
    announced = ext.find(answer.extensions or (), ext.SessionTicket) is not None
    if session is not None:
        return (yield from resumed_handshake(hs, negotiated, session, randoms, keeper, announced=announced))
    promised = ext.find(answer.extensions or (), ext.EmptyStatusRequest) is not None
    server = yield from server_authentication(hs, settings, target, suite, randoms, promised=promised)
    if server.exchange is not None:
        negotiated = negotiated._replace(group=server.exchange.named_curve, scheme=server.exchange.algorithm)
        yield Agreed(negotiated)
    own = send_certificate(hs, settings, server.request)
    extended = ext.find(answer.extensions or (), ext.ExtendedMainSecret) is not None
    secret = agree(hs, suite, server, randoms, extended=extended)
    yield from send_proof(hs, own)
    ticket = yield from exchange_finished(hs, secret, announced=announced)
    exporter = secret.exporter if extended else None
    if extended and not suite.is_key_transport:
        now, session_id = hs.clock.now(), answer.legacy_session_id_echo
        keeper.keep(secret.secret, now, server.verified, own.cautions, ticket, session_id)
    return HandshakeResult(negotiated, exporter, server.verified, own.cautions)


def check_choices(
    hs: HandshakeContext, settings: ClientSettings, hello: ClientHello, answer: ServerHello
) -> tuple[Negotiated, Suite]:
    """Check what the server chose, and set version and hash accordingly (step 1.2; RFC 5246 7.4.1.3)."""
    hs.inbox.version = hs.out.version = Version.TLS12
    suite = check_server_hello_12(
        hello, answer, needs_extended_main_secret=settings.negotiation.needs_extended_main_secret
    )
    hs.transcript.choose(suite.hash, keep_messages=True)
    protocol = chosen_protocol_12(hello, answer)
    keep_to_limit(hs, settings.limits.record_size_limit, answer.extensions or (), Version.TLS12)
    if hs.observer is not None:
        _note_suite(hs.observer, hello, suite)
    return Negotiated(Version.TLS12, suite, alpn=protocol), suite


def server_authentication(
    hs: HandshakeContext,
    settings: ClientSettings,
    target: ServerName,
    suite: Suite,
    randoms: tuple[bytes, bytes],
    *,
    promised: bool,
) -> Script[Server12]:
    """Read Certificate, ServerKeyExchange, an optional CertificateRequest and ServerHelloDone; then verify the server.

    promised: the server announced a CertificateStatus, which it may still omit (RFC 6066 8).
    """
    certificate = yield from expect(Step.WAIT_SERVER_CERT, Certificate)
    chain = certificate.certificate_list
    if not chain:
        blame(Fault.EMPTY_SERVER_CERTIFICATE)
    staple, exchange, signed = yield from signed_share(hs, settings, suite, chain, randoms, promised=promised)
    late_staple, request = yield from request_until_done(promised=promised and exchange is None)
    usage = "keyEncipherment" if suite.is_key_transport else "digitalSignature"
    verification = VerificationRequest(
        chain=chain,
        anchors=settings.trust.anchors,
        purpose=Purpose.SERVER,
        name=target,
        revocation=settings.trust.revocation,
        key_usage=usage,
        leaf=None if signed is None else signed.leaf,
        staples=(staple or late_staple,),
        may_fetch=signed is not None,
    )
    verified = yield from judge(hs, verification)
    return Server12(verified, chain, signed, exchange, request)


def signed_share(
    hs: HandshakeContext,
    settings: ClientSettings,
    suite: Suite,
    chain: tuple[bytes, ...],
    randoms: tuple[bytes, bytes],
    *,
    promised: bool,
) -> Script[tuple[bytes | None, ServerKeyExchange | None, Signed | None]]:
    """Read the CertificateStatus and the ServerKeyExchange, and check its signature.

    RSA key transport has no ServerKeyExchange; its part of the result is None.
    """
    if suite.is_key_transport:
        return None, None, None
    staple, exchange = yield from key_exchange(promised=promised)
    group = exchange.named_curve
    if group not in settings.negotiation.groups or group not in CLASSIC_GROUPS:
        blame(Fault.UNOFFERED_GROUP, got=spelled(NamedGroup, group))
    schemes, anchors = settings.negotiation.schemes, settings.trust.anchors
    signed = check_exchange(hs, suite, chain, exchange, randoms, schemes, anchors)
    check_curve(signed.leaf, settings.negotiation.groups)
    return staple, exchange, signed


def key_exchange(*, promised: bool) -> Script[tuple[bytes | None, ServerKeyExchange]]:
    """Read the announced CertificateStatus, if it comes, and the ServerKeyExchange (RFC 6066 8, RFC 8422 5.4)."""
    if not promised:
        return None, (yield from expect(Step.WAIT_SKE, ServerKeyExchange))
    message = yield from expect(Step.WAIT_STATUS_SKE, ext.CertificateStatus, ServerKeyExchange)
    if isinstance(message, ServerKeyExchange):
        return None, message
    return message.response, (yield from expect(Step.WAIT_SKE, ServerKeyExchange))


def request_until_done(*, promised: bool) -> Script[tuple[bytes | None, CertificateRequest | None]]:
    """Read up to ServerHelloDone: a CertificateStatus and a CertificateRequest, both optional.

    promised: a CertificateStatus was announced and has not come yet.
    """
    if promised:
        staple, message = yield from request_or_done()
    else:
        staple, message = None, (yield from expect(Step.WAIT_CR_SHD, CertificateRequest, ServerHelloDone))
    if not isinstance(message, CertificateRequest):
        return staple, None
    yield from expect(Step.WAIT_SHD, ServerHelloDone)
    return staple, message


def request_or_done() -> Script[tuple[bytes | None, CertificateRequest | ServerHelloDone]]:
    """Read the announced CertificateStatus, if it comes, and the message after it (RFC 6066 8).

    For RSA key transport, where no ServerKeyExchange comes between them.
    """
    message = yield from expect(
        Step.WAIT_STATUS_CR_SHD, ext.CertificateStatus, CertificateRequest, ServerHelloDone
    )
    if not isinstance(message, ext.CertificateStatus):
        return None, message
    return message.response, (yield from expect(Step.WAIT_CR_SHD, CertificateRequest, ServerHelloDone))


def send_certificate(
    hs: HandshakeContext, settings: ClientSettings, request: CertificateRequest | None
) -> ClientChoice:
    """Send the certificate that fits the request, or an empty Certificate; return the choice (RFC 5246 7.4.6)."""
    if request is None:
        return ClientChoice()
    choice = choose_client_credentials_12(settings.identity.own, request, settings.negotiation.schemes)
    if choice.credentials is None:
        hs.send(Certificate(()))
    else:
        hs.send(*own_certificate_12(choice.credentials.entries))
    return choice


def send_proof(hs: HandshakeContext, own: ClientChoice) -> Script[None]:
    """Send CertificateVerify if we sent a certificate (RFC 5246 7.4.8)."""
    if own.credentials is not None:
        signature = yield from sign_with(hs, own.credentials, own.scheme, hs.transcript.messages())
        hs.send(CertificateVerify(own.scheme, signature))
    hs.transcript.forget_messages()


def exchange_finished(
    hs: HandshakeContext, secret: MainSecret, *, announced: bool
) -> Script[NewSessionTicket | None]:
    """Send ChangeCipherSpec and Finished, and wait for those of the server (steps 4.1 and 4.2; RFC 5246 7.4.9).

    announced: the server sends a ticket before them, which is returned (RFC 5077 3.3).
    """
    finish(hs, secret)
    return (yield from server_finished(hs, secret, announced=announced))


def finish(hs: HandshakeContext, secret: MainSecret) -> None:
    """Send ChangeCipherSpec, and Finished under the new keys."""
    hs.out.change_cipher_spec()
    hs.out.change_keys(protection(secret, Role.CLIENT), Epoch.APPLICATION)
    send_finished_12(hs, secret)


def server_finished(
    hs: HandshakeContext, secret: MainSecret, *, announced: bool
) -> Script[NewSessionTicket | None]:
    """Read the announced ticket, then the server's ChangeCipherSpec and Finished."""
    ticket = None
    if announced:
        ticket = yield from expect(Step.WAIT_TICKET, NewSessionTicket)
    yield from expect(Step.WAIT_SERVER_CCS, ChangeCipherSpec)
    hs.inbox.change_keys(protection(secret, Role.SERVER), Epoch.APPLICATION)
    finished = yield from expect(Step.WAIT_SERVER_FINISHED, Finished)
    check_finished_12(hs, secret, finished)
    return ticket


def resumed_handshake(
    hs: HandshakeContext,
    negotiated: Negotiated,
    earlier: OfferedSession12,
    randoms: tuple[bytes, bytes],
    keeper: SessionKeeper12,
    *,
    announced: bool,
) -> Script[HandshakeResult]:
    """Do an abbreviated handshake: the server's Finished first, with the main secret of the session.

    RFC 5246 figure 2. The session is stored again, with the new ticket if there is one.
    """
    session = earlier.session
    secret = MainSecret.of_session(session.suite, session.key, *randoms)
    hs.log_keys(main_lines, randoms[0], secret)
    hs.transcript.forget_messages()
    ticket = yield from server_finished(hs, secret, announced=announced)
    verified = yield from judge_if_due(hs, earlier.verified)
    finish(hs, secret)
    if ticket is None or not ticket.ticket:
        keeper.put(session)
    else:
        keeper.keep(secret.secret, session.authenticated, verified, session.cautions, ticket)
    return HandshakeResult(negotiated, secret.exporter, verified, session.cautions, resumed=True)


def agree(
    hs: HandshakeContext, suite: Suite, server: Server12, randoms: tuple[bytes, bytes], *, extended: bool
) -> MainSecret:
    """Send our ClientKeyExchange and return the main secret (steps 2.4, 2.5; RFC 5246 8.1).

    extended: both sides support the extended main secret (RFC 7627).
    """
    premaster = send_key_exchange(hs, server)
    secret = MainSecret(suite, premaster, hs.transcript.digest() if extended else None, *randoms)
    hs.log_keys(main_lines, randoms[0], secret)
    return secret


def send_key_exchange(hs: HandshakeContext, server: Server12) -> bytes:
    """Send our ClientKeyExchange and return the premaster secret (steps 2.4, 2.5; RFC 5246 7.4.7)."""
    if server.exchange is None:
        premaster, encrypted = encrypt_premaster(server.verified.peer.path[0], hs.randomness)
        hs.send(rsa_key_exchange(encrypted))
        return premaster
    ours = offer(server.exchange.named_curve, hs.randomness)
    premaster = finish_agreement(ours, server.exchange.public)
    hs.send(ecdh_key_exchange(ours.public))
    return premaster


def _note_suite(observer: Observer, hello: ClientHello, suite: Suite) -> None:
    observer(
        Chosen("cipher suite", tuple(all_spelled(CipherSuite, hello.cipher_suites)), suite.name, "server")
    )
    observer(Chosen("compression", ("null",), "null", "server"))
