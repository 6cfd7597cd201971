"""The server's side of TLS 1.2, in the order of RFC 5246 figure 1: ECDHE (RFC 8422), or RSA key transport.

The client is verified before our Finished, so that a refused client gets the alert within the handshake.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from bothways.faults import Fault, blame
from bothways.iana import (
    CipherSuite,
    ClientCertificateType,
    CompressionMethod,
    ECPointFormat,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
)
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.roles import Role, Version
from bothways.tls.crypto.groups import KeyOffer, finish
from bothways.tls.crypto.groups import offer as offer_share
from bothways.tls.crypto.rsa_key_transport import decrypt_premaster
from bothways.tls.events import Caution, Chosen, Epoch, Observer
from bothways.tls.handshake.authentication12 import (
    check_client_proof,
    check_finished_12,
    exchange_input,
    own_certificate_12,
    protection,
    send_finished_12,
)
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.negotiation import choose_protocol
from bothways.tls.handshake.negotiation12 import (
    Choice12,
    Offer12,
    choose_12,
    marked_random,
    may_sign,
    read_offer_12,
    schemes_12,
)
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated
from bothways.tls.handshake.proofs import Signed
from bothways.tls.handshake.record_size import answer_limit, check_offered_limit
from bothways.tls.handshake.script import Agreed, ChangeCipherSpec, Script, expect, sign_with
from bothways.tls.handshake.server.resumption import judge_resumed_client
from bothways.tls.handshake.server.resumption12 import Issuing, Resumed12, issue_12, issuing_12, resume_12
from bothways.tls.handshake.settings import PeerTrust, Settings
from bothways.tls.handshake.steps import Step
from bothways.tls.handshake.verification import judge_client
from bothways.tls.keys.keylog import main_lines
from bothways.tls.keys.schedule12 import MainSecret
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Encoded, encoded
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls12 import (
    Certificate,
    CertificateRequest,
    ClientKeyExchange,
    ServerHelloDone,
    ServerKeyExchange,
    ecdh_public,
    encrypted_premaster,
)
from bothways.tls.wire.tls13 import CertificateVerify, Finished
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Purpose


def server_handshake_12(
    hs: HandshakeContext, settings: Settings, hello: ClientHello
) -> Script[HandshakeResult]:
    """Continue after a ClientHello in TLS 1.2: authenticate ourselves, agree on keys, verify the client."""
    offer, choice, negotiated = choose(hs, settings, hello)
    randoms = (hello.random, marked_random(hs.randomness.random(32), max(settings.negotiation.versions)))
    resumed = resume_12(hs, settings, offer, choice)
    if resumed is not None:
        return (yield from resumed_handshake(hs, settings, offer, choice, negotiated, randoms, resumed))
    issuing = issuing_12(hs, settings, offer, choice)
    yield Agreed(negotiated)
    if hs.observer is not None:
        _note_choices(hs.observer, offer, choice)
    send_identity(hs, offer, choice, randoms[1], negotiated.alpn, issuing)
    share = yield from send_exchange(hs, choice, randoms)
    ask_for_certificate(hs, settings)
    chain = yield from client_certificate(settings.trust)
    secret = yield from key_exchange(hs, offer, choice, share, randoms)
    signed = yield from client_proof(hs, settings, chain)
    yield from client_finished(hs, secret)
    verified = yield from judge_client(hs, settings.trust, request_about(signed, settings.trust))
    issue_12(hs, settings, offer, choice, secret, issuing, verified, hs.clock.now())
    finish_12(hs, secret)
    exporter = secret.exporter if offer.extended_main_secret else None
    return HandshakeResult(negotiated, exporter, verified, cautions_12(choice))


def choose(
    hs: HandshakeContext, settings: Settings, hello: ClientHello
) -> tuple[Offer12, Choice12, Negotiated]:
    """Read the client's offer and choose, and set version and hash accordingly (RFC 5246 7.4.1)."""
    hs.inbox.version = hs.out.version = Version.TLS12
    offer = read_offer_12(hello)
    if not offer.extended_main_secret and settings.negotiation.needs_extended_main_secret:
        blame(Fault.NO_EXTENDED_MAIN_SECRET)
    choice = choose_12(settings, offer)
    own_limit, asked = settings.limits.record_size_limit, offer.hello.extensions or ()
    offered_limit = ext.find(asked, ext.RecordSizeLimit)
    check_offered_limit(own_limit, offered_limit)
    choice = choice._replace(record_size=answer_limit(hs, own_limit, offered_limit, Version.TLS12))
    hs.transcript.choose(choice.suite.hash, keep_messages=True)
    protocol = choose_protocol(offer.protocols, settings.negotiation.protocols)
    return offer, choice, agreed_12(choice, protocol)


def agreed_12(choice: Choice12, protocol: bytes | None) -> Negotiated:
    """Return the parameters agreed on; RSA key transport has no group and no signature scheme."""
    return Negotiated(Version.TLS12, choice.suite, choice.group or None, protocol, choice.scheme or None)


def cautions_12(choice: Choice12) -> tuple[Caution, ...]:
    """Return the warnings about our choice (RFC 5246 F.1.1.2)."""
    if choice.suite.is_key_transport and may_sign(choice.credentials):
        return (Caution.KEY_SIGNS_AND_DECIPHERS,)
    return ()


def resumed_handshake(
    hs: HandshakeContext,
    settings: Settings,
    offer: Offer12,
    choice: Choice12,
    negotiated: Negotiated,
    randoms: tuple[bytes, bytes],
    resumed: Resumed12,
) -> Script[HandshakeResult]:
    """Do an abbreviated handshake: our Finished first, with the main secret of the session.

    RFC 5246 figure 2, RFC 5077 figure 2. The client is verified again after its Finished, if that is due.
    """
    negotiated = negotiated._replace(group=None, scheme=None)
    yield Agreed(negotiated)
    if hs.observer is not None:
        _note_suite(hs.observer, offer, choice)
    issuing = Issuing(ticket=ext.find(offer.hello.extensions or (), ext.SessionTicket) is not None)
    hello = server_hello(offer, choice._replace(by_name=False), randoms[1], negotiated.alpn, issuing)
    hs.send(replace(hello, legacy_session_id_echo=offer.hello.legacy_session_id))
    secret = MainSecret.of_session(choice.suite, resumed.secret, *randoms)
    hs.log_keys(main_lines, randoms[0], secret)
    hs.transcript.forget_messages()
    issue_12(hs, settings, offer, choice, secret, issuing, resumed.verified, resumed.proved_at)
    finish_12(hs, secret)
    yield from client_finished(hs, secret)
    verified = yield from judge_resumed_client(hs, settings.trust, resumed.verified)
    return HandshakeResult(negotiated, secret.exporter, verified, resumed=True)


def send_identity(
    hs: HandshakeContext,
    offer: Offer12,
    choice: Choice12,
    random: bytes,
    protocol: bytes | None,
    issuing: Issuing,
) -> None:
    """Send ServerHello, Certificate and, if requested, CertificateStatus (steps 1.2 and 2.1; RFC 5246 7.4.2)."""
    staple = own_staple(hs, choice.credentials, offer.hello)
    hs.send(server_hello(offer, choice, random, protocol, issuing, stapling=staple is not None))
    hs.send(*own_certificate_12(choice.credentials.chain))
    if staple is not None:
        hs.send(ext.CertificateStatus(staple))


_DONE = encoded(ServerHelloDone())


def own_staple(hs: HandshakeContext, credentials: Credentials, hello: ClientHello) -> bytes | None:
    """Return the OCSP response for our leaf certificate, if the client requested it and we have one (RFC 6066 8)."""
    if ext.find(hello.extensions or (), ext.StatusRequest) is None:
        return None
    return next(iter(hs.own_staples(credentials)), None)


def server_hello(
    offer: Offer12,
    choice: Choice12,
    random: bytes,
    protocol: bytes | None,
    issuing: Issuing,
    *,
    stapling: bool = False,
) -> ServerHello:
    """Return the ServerHello; without a session ID where no session can be resumed by it (RFC 5246 7.4.1.3)."""
    extensions: list[ext.Extension] = [ext.ServerName()] if choice.by_name else []
    if offer.signals_renegotiation:
        extensions.append(ext.RenegotiationInfo(b""))
    if offer.extended_main_secret:
        extensions.append(ext.ExtendedMainSecret())
    if offer.names_point_formats and not choice.suite.is_key_transport:
        extensions.append(ext.EcPointFormats((ECPointFormat.uncompressed,)))
    if protocol is not None:
        extensions.append(ext.ApplicationProtocols((protocol,)))
    if stapling:
        extensions.append(ext.EmptyStatusRequest())
    if issuing.ticket:
        extensions.append(ext.SessionTicket())
    extensions += choice.record_size
    return ServerHello(
        legacy_version=ProtocolVersion.TLSv1_2,
        random=random,
        legacy_session_id_echo=issuing.session_id,
        cipher_suite=choice.suite.code,
        legacy_compression_method=CompressionMethod.null,
        extensions=tuple(extensions) or None,
    )


def send_exchange(
    hs: HandshakeContext, choice: Choice12, randoms: tuple[bytes, bytes]
) -> Script[KeyOffer | None]:
    """Send our key share, signed with both randoms; nothing for RSA key transport (RFC 8422 5.4)."""
    if choice.suite.is_key_transport:
        return None
    share = offer_share(choice.group, hs.randomness)
    data = exchange_input(*randoms, choice.group, share.public)
    signature = yield from sign_with(hs, choice.credentials, choice.scheme, data)
    hs.send(ServerKeyExchange(choice.group, share.public, choice.scheme, signature))
    return share


@lru_cache(maxsize=64)
def certificate_request(schemes: tuple[int, ...], authorities: tuple[bytes, ...]) -> Encoded:
    """Return the CertificateRequest (RFC 5246 7.4.4, RFC 8422 5.5)."""
    types = (ClientCertificateType.ecdsa_sign, ClientCertificateType.rsa_sign)
    return encoded(CertificateRequest(types, schemes_12(schemes), authorities))


def ask_for_certificate(hs: HandshakeContext, settings: Settings) -> None:
    """Send a CertificateRequest where clients are verified, then ServerHelloDone (RFC 5246 7.4.4, 7.4.5)."""
    if settings.trust is not None:
        hs.send(*certificate_request(settings.negotiation.schemes, settings.trust.authorities))
    hs.send(*_DONE)


def client_certificate(trust: PeerTrust | None) -> Script[tuple[bytes, ...]]:
    """Read the client's chain, if it was requested; empty for an anonymous client (RFC 5246 7.4.6)."""
    if trust is None:
        return ()
    certificate = yield from expect(Step.WAIT_CLIENT_CERT, Certificate)
    if not certificate.certificate_list and trust.requires_certificate:
        blame(Fault.NO_CERTIFICATE)
    return certificate.certificate_list


def key_exchange(
    hs: HandshakeContext,
    offer: Offer12,
    choice: Choice12,
    share: KeyOffer | None,
    randoms: tuple[bytes, bytes],
) -> Script[MainSecret]:
    """Read the ClientKeyExchange and return the main secret (step 2.5; RFC 5246 7.4.7, 8.1)."""
    exchange = yield from expect(Step.WAIT_CKE, ClientKeyExchange)
    premaster = agree(hs, offer.hello, choice, share, exchange)
    session_hash = hs.transcript.digest() if offer.extended_main_secret else None
    secret = MainSecret(choice.suite, premaster, session_hash, *randoms)
    hs.log_keys(main_lines, offer.hello.random, secret)
    return secret


def agree(
    hs: HandshakeContext,
    hello: ClientHello,
    choice: Choice12,
    share: KeyOffer | None,
    exchange: ClientKeyExchange,
) -> bytes:
    """Return the premaster secret: from both key shares, or decrypted with our RSA key (RFC 5246 8.1)."""
    if share is not None:
        return finish(share, ecdh_public(exchange))
    return decrypt_premaster(
        choice.credentials.key, encrypted_premaster(exchange), hello.legacy_version, hs.randomness
    )


def client_proof(hs: HandshakeContext, settings: Settings, chain: tuple[bytes, ...]) -> Script[Signed | None]:
    """Check the client's CertificateVerify, if it sent a certificate (RFC 5246 7.4.8)."""
    signed = None
    if chain and settings.trust is not None:
        proof = yield from expect(Step.WAIT_CLIENT_CV, CertificateVerify)
        signed = check_client_proof(hs, chain, proof, settings.negotiation.schemes, settings.trust.anchors)
    hs.transcript.forget_messages()
    return signed


def client_finished(hs: HandshakeContext, secret: MainSecret) -> Script[None]:
    """Read the client's ChangeCipherSpec and Finished (step 4.1; RFC 5246 7.4.9)."""
    yield from expect(Step.WAIT_CLIENT_CCS, ChangeCipherSpec)
    hs.inbox.change_keys(protection(secret, Role.CLIENT), Epoch.APPLICATION)
    finished = yield from expect(Step.WAIT_CLIENT_FINISHED, Finished)
    check_finished_12(hs, secret, finished)


def finish_12(hs: HandshakeContext, secret: MainSecret) -> None:
    """Send ChangeCipherSpec and Finished; in a full handshake after the client was verified (step 4.2)."""
    hs.out.change_cipher_spec()
    hs.out.change_keys(protection(secret, Role.SERVER), Epoch.APPLICATION)
    send_finished_12(hs, secret)


def request_about(signed: Signed | None, trust: PeerTrust | None) -> VerificationRequest | None:
    """Return the verification request for a client; None for an anonymous one."""
    if signed is None or trust is None:
        return None
    return VerificationRequest(
        chain=signed.chain,
        anchors=trust.anchors,
        purpose=Purpose.CLIENT,
        revocation=trust.revocation,
        leaf=signed.leaf,
    )


def _note_suite(observer: Observer, offer: Offer12, choice: Choice12) -> None:
    suites = tuple(all_spelled(CipherSuite, offer.hello.cipher_suites))
    observer(Chosen("cipher suite", suites, choice.suite.name, "server"))
    methods = tuple(all_spelled(CompressionMethod, list(offer.hello.legacy_compression_methods)))
    observer(Chosen("compression", methods, "null", "server"))


def _note_choices(observer: Observer, offer: Offer12, choice: Choice12) -> None:
    _note_suite(observer, offer, choice)
    if choice.group:
        groups = tuple(all_spelled(NamedGroup, offer.groups))
        schemes = tuple(all_spelled(SignatureScheme, offer.schemes))
        observer(Chosen("group", groups, spelled(NamedGroup, choice.group), "server"))
        observer(Chosen("signature scheme", schemes, spelled(SignatureScheme, choice.scheme), "server"))
