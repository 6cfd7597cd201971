"""The server's side of TLS 1.3, in the order of RFC 9846 figure 1, with HelloRetryRequest."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CipherSuite, CompressionMethod, NamedGroup, ProtocolVersion, SignatureScheme
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.roles import StepId, Version
from bothways.tls.crypto.groups import answer as answer_share
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.events import Chosen, Epoch, Observer, Proved
from bothways.tls.handshake.authentication13 import (
    check_context,
    check_finished,
    check_proof,
    prove,
    send_finished,
)
from bothways.tls.handshake.certificate_types import (
    RAW,
    X509,
    CertificateTypes,
    client_type,
    refuse_types,
    server_answers,
    types_offered_for_server,
)
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.credentials import (
    Own,
    choose_server_credentials,
    credentials_for,
)
from bothways.tls.handshake.message_io import EARLY_DATA_LIMIT
from bothways.tls.handshake.negotiation import (
    ClientOffer,
    check_schemes,
    check_second_hello,
    choose_group,
    choose_protocol,
    choose_suite,
    read_offer,
)
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated, Verified
from bothways.tls.handshake.proofs import Signed, SignedByKey
from bothways.tls.handshake.record_size import answer_limit, check_offered_limit
from bothways.tls.handshake.script import Agreed, Script, expect
from bothways.tls.handshake.server.ech import ReceivedHello
from bothways.tls.handshake.server.psk import KnownKey, ProvedKey, known_key, prove_key, refuse_without_key
from bothways.tls.handshake.server.resumption import (
    Resumed,
    judge_resumed_client,
    may_resume,
    resume,
    send_ticket,
)
from bothways.tls.handshake.session_binding import ticket_context
from bothways.tls.handshake.settings import PeerTrust, Settings
from bothways.tls.handshake.steps import Step
from bothways.tls.handshake.verification import judge_client, request_about
from bothways.tls.keys.keylog import application_lines, handshake_lines
from bothways.tls.keys.schedule13 import EarlySecret, HandshakeSecrets, exporter
from bothways.tls.record.protection import Protection
from bothways.tls.resumption.session import Origin
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.extension_table import codes
from bothways.tls.wire.flight import Encoded, encoded
from bothways.tls.wire.hello import RETRY_RANDOM, ClientHello, ServerHello
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
)
from bothways.trust.request import PeerRequest
from bothways.trust.verdict import Purpose


class Shown(NamedTuple):
    """How the server authenticates itself without an external PSK. by_name: the server name was used for the choice."""

    credentials: Own
    scheme: int
    by_name: bool
    types: CertificateTypes


class Choice(NamedTuple):
    """What the server chose from a ClientHello. key: the external PSK that the client offers; None without a known one.

    shown: None where the server authenticates itself by the key.
    """

    suite: Suite
    group: int
    alpn: bytes | None
    key: KnownKey | None
    shown: Shown | None


def server_handshake_13(
    hs: HandshakeContext, settings: Settings, received: ReceivedHello
) -> Script[HandshakeResult]:
    """Continue after the first ClientHello: agree on keys, authenticate ourselves, verify the client (RFC 9846 2)."""
    hello = received.hello
    offer = read_offer(hello)
    check_offered_limit(settings.limits.record_size_limit, offer.find(ext.RecordSizeLimit))
    choice = choose(settings, offer)
    hs.transcript.choose(choice.suite.hash)
    hs.inbox.ignores_change_cipher_spec = True
    hs.inbox.early_data_left = EARLY_DATA_LIMIT if offer.early_data else 0
    key, choice = settle_key(hs, settings, offer, choice)
    share = offer.share_of(choice.group)
    if share is None:
        offer, share = yield from retry(hs, settings, offer, choice, received)
        key, choice = settle_key(hs, settings, offer, choose_again(settings, offer, choice))
    shown = choice.shown
    hs.history.types = CertificateTypes(client=None) if shown is None else shown.types
    context = b"" if shown is None else ticket_context(settings, shown.credentials, offer.server_name)
    hs.history.by_psk = shown is None
    psk = key if shown is None else resume(hs, settings, offer, choice.suite, context)
    secrets = agree(hs, offer, choice, share, psk, received)
    scheme = shown.scheme if shown is not None and psk is None else None
    negotiated = Negotiated(Version.TLS13, choice.suite, choice.group, choice.alpn, scheme)
    yield Agreed(negotiated)
    hs.send(*answers(hs, settings, offer, choice, received, signs=psk is None))
    if shown is not None and psk is None:
        yield from server_authentication(hs, settings, offer, shown)
    send_finished(hs, choice.suite, secrets.server_finished)
    application = secrets.application(hs.transcript.digest())
    hs.log_keys(application_lines, hello.random, application)
    ours, theirs = Protection(choice.suite, application.server), Protection(choice.suite, application.client)
    hs.out.change_keys(ours, Epoch.APPLICATION)
    signed, kind = None, None if shown is None or psk is not None else shown.types.client
    if settings.trust is not None and kind is not None:
        signed = yield from client_authentication(hs, settings, settings.trust, received, kind)
    finished = yield from expect(Step.WAIT_FINISHED, Finished)
    check_finished(hs, choice.suite, secrets.client_finished, finished)
    hs.inbox.change_keys(theirs, Epoch.APPLICATION)
    verified = yield from client_verification(hs, settings.trust, psk, signed)
    if shown is not None and may_resume(settings, offer):
        proved_at = psk.proved_at if isinstance(psk, Resumed) else hs.clock.now()
        origin = Origin(choice.suite, proved_at, application.resumption(hs.transcript.digest()))
        send_ticket(hs, settings, context, origin, verified, shown.credentials)
    return HandshakeResult(
        negotiated,
        partial(exporter, application.exporter, suite=choice.suite),
        verified,
        resumed=isinstance(psk, Resumed),
        may_be_asked=offer.find(ext.PostHandshakeAuth) is not None,
    )


def answers(
    hs: HandshakeContext,
    settings: Settings,
    offer: ClientOffer,
    choice: Choice,
    received: ReceivedHello,
    *,
    signs: bool,
) -> Encoded:
    """Return the EncryptedExtensions for a ClientHello. signs: whether a Certificate follows."""
    own_limit, shown = settings.limits.record_size_limit, choice.shown
    limit = answer_limit(hs, own_limit, offer.find(ext.RecordSizeLimit), Version.TLS13)
    types = tuple(server_answers(offer.find, shown.types)) if shown is not None and signs else ()
    by_name = shown is not None and shown.by_name
    return encrypted_extensions(by_name, choice.alpn, received.retry_configs, (*limit, *types))


def server_authentication(
    hs: HandshakeContext, settings: Settings, offer: ClientOffer, shown: Shown
) -> Script[None]:
    """Send CertificateRequest where clients are verified, Certificate and CertificateVerify (RFC 9846 4.4.2, 4.5)."""
    if settings.trust is not None and shown.types.client is not None:
        request, hs.inbox.offered = request_for(settings, settings.trust, shown.types.client)
        hs.inbox.compressions = settings.negotiation.compressions
        hs.send(*request)
    asked = offer.hello.extensions or ()
    yield from prove(hs, settings.identity, shown.credentials, shown.scheme, asked)


def client_request(signed: Signed | SignedByKey | None, trust: PeerTrust | None) -> PeerRequest | None:
    """Return the verification request for a client; None for an anonymous one."""
    return None if signed is None or trust is None else request_about(signed, trust, Purpose.CLIENT)


def choose(settings: Settings, offer: ClientOffer) -> Choice:
    """Choose cipher suite, group, application protocol, and a key or certificate (RFC 9846 4.2.1)."""
    accepted = settings.negotiation.suites_13
    found = known_key(settings, offer, accepted)
    if found is None:
        key, suite = None, SUITES13[choose_suite(offer.hello.cipher_suites, accepted)]
    else:
        key, suite = found
    group = choose_group(offer.groups, settings.negotiation.groups)
    alpn = choose_protocol(offer.protocols, settings.negotiation.protocols)
    return Choice(suite, group, alpn, key, _shown(settings, offer, key))


def choose_again(settings: Settings, offer: ClientOffer, choice: Choice) -> Choice:
    """Choose a key or certificate from a second ClientHello, in which keys may be missing (RFC 9846 4.2.2)."""
    found = known_key(settings, offer, (choice.suite.code,))
    key = None if found is None else found[0]
    return choice._replace(key=key, shown=choice.shown or _shown(settings, offer, key))


def settle_key(
    hs: HandshakeContext, settings: Settings, offer: ClientOffer, choice: Choice
) -> tuple[ProvedKey | None, Choice]:
    """Return the chosen key with the proof that the client has it; blame a client without one where it needs one."""
    if choice.key is not None:
        return prove_key(hs, settings, offer, choice.suite, choice.key), choice
    if choice.shown is None:
        refuse_without_key(hs, settings, offer, choice.suite)
    return None, choice


def _shown(settings: Settings, offer: ClientOffer, key: KnownKey | None) -> Shown | None:
    if key is not None or settings.needs_psk:
        return None
    own, raw_key = settings.identity.indexed, settings.identity.raw_key
    named, by_name = credentials_for(own, offer.server_name, settings.identity.refuses_unknown_name)
    fitting: list[Own] = []
    accepted = types_offered_for_server(offer.find(ext.ServerCertificateTypes))
    for each in accepted:
        if each == X509:
            fitting += named
        elif each == RAW and raw_key is not None:
            fitting.append(raw_key)
    if not fitting:
        refuse_types(accepted, settings.identity.types, "server")
    check_schemes(offer)
    credentials, scheme = choose_server_credentials(fitting, offer.schemes, settings.negotiation.schemes)
    is_raw = credentials is raw_key
    client = client_type(offer.find(ext.ClientCertificateTypes), settings)
    types = CertificateTypes(RAW if is_raw else X509, client)
    return Shown(credentials, scheme, by_name and not is_raw, types)


def retry(
    hs: HandshakeContext, settings: Settings, offer: ClientOffer, choice: Choice, received: ReceivedHello
) -> Script[tuple[ClientOffer, bytes]]:
    """Send a HelloRetryRequest for the chosen group, and read the second ClientHello (RFC 9846 4.2.4)."""
    # Go 1.27 refers to a cookie in the outer ClientHello, and does not put it there.
    sends_cookie = settings.negotiation.retry_cookie and received.decrypted is None
    cookie = hs.randomness.random(32) if sends_cookie else None
    extensions: tuple[ext.Extension, ...] = (
        ext.SelectedVersion(ProtocolVersion.TLSv1_3),
        ext.RetryGroup(choice.group),
    )
    if cookie is not None:
        extensions = (*extensions, ext.Cookie(cookie))
    hs.transcript.replace_with_message_hash()
    hello_retry = _server_hello(offer.hello, choice.suite, RETRY_RANDOM, extensions)
    hs.send(received.confirm(hs, choice.suite, hello_retry))
    _hide_from_middleboxes(hs, offer.hello)
    second = received.second(hs, (yield from expect(Step.WAIT_CH_AFTER_RETRY, ClientHello)))
    check_second_hello(offer.hello, second, choice.group, cookie)
    hs.inbox.early_data_left = 0
    repeated = read_offer(second)
    share = repeated.share_of(choice.group)
    if share is None:
        blame(Fault.WRONG_SHARE_AFTER_RETRY, got="nothing", asked=spelled(NamedGroup, choice.group))
    return repeated, share


def agree(
    hs: HandshakeContext,
    offer: ClientOffer,
    choice: Choice,
    peer_share: bytes,
    psk: Resumed | ProvedKey | None,
    received: ReceivedHello,
) -> HandshakeSecrets:
    """Send the ServerHello and derive the handshake keys (steps 1.2, 2.4, 2.5; RFC 9846 4.2.3, 7.1)."""
    share, shared_secret = answer_share(choice.group, peer_share, hs.randomness)
    extensions: tuple[ext.Extension, ...] = (
        ext.SelectedVersion(ProtocolVersion.TLSv1_3),
        ext.ServerShare(ext.KeyShareEntry(choice.group, share)),
    )
    if psk is not None:
        extensions = (*extensions, ext.SelectedIdentity(psk.place))
    hello = _server_hello(offer.hello, choice.suite, hs.randomness.random(32), extensions)
    hs.send(received.confirm(hs, choice.suite, hello))
    _hide_from_middleboxes(hs, offer.hello)
    if hs.observer is not None:
        _note_choices(hs.observer, offer, choice, psk)
    early = EarlySecret(choice.suite) if psk is None else psk.early
    secrets = early.handshake(shared_secret, hs.transcript.digest(), choice.suite)
    hs.log_keys(handshake_lines, offer.hello.random, secrets)
    hs.out.change_keys(Protection(choice.suite, secrets.server, secrets.server_keys), Epoch.HANDSHAKE)
    hs.inbox.change_keys(Protection(choice.suite, secrets.client, secrets.client_keys), Epoch.HANDSHAKE)
    return secrets


@lru_cache(maxsize=64)
def encrypted_extensions(
    by_name: bool,
    alpn: bytes | None,
    retry_configs: ext.RetryConfigs | None,
    others: tuple[ext.Extension, ...] = (),
) -> Encoded:
    """Return the EncryptedExtensions (RFC 9846 4.4.1; retry_configs: RFC 9849 5).

    others: the answers about the size of records and about certificate types.
    """
    answers: list[ext.Extension] = []
    if by_name:
        answers.append(ext.ServerName())
    if alpn is not None:
        answers.append(ext.ApplicationProtocols((alpn,)))
    if retry_configs is not None:
        answers.append(retry_configs)
    return encoded(EncryptedExtensions((*answers, *others)))


def request_for(settings: Settings, trust: PeerTrust, kind: int = X509) -> tuple[Encoded, frozenset[int]]:
    """Return the CertificateRequest of a configuration, and what the client may answer.

    kind: the type of what is asked for; a raw public key has neither an issuer nor a status.
    """
    offer, is_raw = settings.negotiation, kind == RAW
    authorities = () if is_raw else trust.authorities
    return certificate_request(
        offer.schemes,
        offer.certificate_schemes,
        authorities,
        trust.asks_status and not is_raw,
        offer.compressions,
    )


@lru_cache(maxsize=64)
def certificate_request(
    schemes: tuple[int, ...],
    certificate_schemes: tuple[int, ...] | None,
    authorities: tuple[bytes, ...],
    asks_status: bool,
    compressions: tuple[int, ...] = (),
) -> tuple[Encoded, frozenset[int]]:
    """Return a CertificateRequest (RFC 9846 4.4.2), and the codes of the extensions that the client may answer."""
    extensions: list[ext.Extension] = [ext.SignatureAlgorithms(schemes)]
    if certificate_schemes is not None:
        extensions.append(ext.SignatureAlgorithmsCert(certificate_schemes))
    if authorities:
        extensions.append(ext.CertificateAuthorities(authorities))
    if asks_status:
        extensions.append(ext.EmptyStatusRequest())
    if compressions:
        extensions.append(ext.CompressCertificate(compressions))
    return encoded(CertificateRequest(b"", tuple(extensions))), codes(extensions)


def client_authentication(
    hs: HandshakeContext, settings: Settings, trust: PeerTrust, received: ReceivedHello, kind: int = X509
) -> Script[Signed | SignedByKey | None]:
    """Read the client's Certificate and CertificateVerify, or an empty Certificate, where that is accepted.

    kind: the type of what the Certificate contains.
    """
    certificate = yield from expect(Step.WAIT_CERT, Certificate)
    check_context(certificate, b"")
    is_turned_away = received.retry_configs is not None
    missing = Fault.NO_CERTIFICATE_AFTER_ECH if is_turned_away else Fault.NO_CERTIFICATE
    accepts_none = not trust.requires_certificate
    return (
        yield from client_proof(hs, settings, trust, certificate, None if accepts_none else missing, kind)
    )


def client_verification(
    hs: HandshakeContext,
    trust: PeerTrust | None,
    psk: Resumed | ProvedKey | None,
    signed: Signed | SignedByKey | None,
) -> Script[Verified | None]:
    """Verify the client after its Finished: by a session, an external PSK, or its signature; None if anonymous."""
    if isinstance(psk, Resumed):
        return (yield from judge_resumed_client(hs, trust, psk.verified))
    request = client_request(signed, trust) if psk is None else psk.request
    return (yield from judge_client(hs, trust, request))


def client_proof(
    hs: HandshakeContext,
    settings: Settings,
    trust: PeerTrust,
    certificate: Certificate,
    missing: Fault | None,
    kind: int = X509,
) -> Script[Signed | SignedByKey | None]:
    """Read the CertificateVerify that follows a Certificate; None for an empty one, which is accepted.

    missing: what a client without a certificate is blamed for; None accepts it.  kind: the type of what it contains.
    """
    if not certificate.certificate_list:
        if missing is not None:
            blame(missing)
        return None
    proof = yield from expect(Step.WAIT_CV, CertificateVerify)
    return check_proof(hs, certificate, proof, settings.negotiation.schemes, trust.anchors, kind)


def _server_hello(
    hello: ClientHello, suite: Suite, random: bytes, extensions: tuple[ext.Extension, ...]
) -> ServerHello:
    return ServerHello(
        legacy_version=ProtocolVersion.TLSv1_2,
        random=random,
        legacy_session_id_echo=hello.legacy_session_id,
        cipher_suite=suite.code,
        legacy_compression_method=CompressionMethod.null,
        extensions=extensions,
    )


def _hide_from_middleboxes(hs: HandshakeContext, hello: ClientHello) -> None:
    if hello.legacy_session_id:
        hs.out.change_cipher_spec()


def _note_choices(
    observer: Observer, offer: ClientOffer, choice: Choice, psk: Resumed | ProvedKey | None
) -> None:
    suites = tuple(all_spelled(CipherSuite, offer.hello.cipher_suites))
    schemes = tuple(all_spelled(SignatureScheme, offer.schemes))
    observer(Chosen("cipher suite", suites, choice.suite.name, "server"))
    observer(
        Chosen(
            "group", tuple(all_spelled(NamedGroup, offer.groups)), spelled(NamedGroup, choice.group), "server"
        )
    )
    if isinstance(psk, ProvedKey):
        observer(Proved(StepId.CLIENT_HELLO, f"the binder verifies: the client has {psk}"))
    elif psk is not None:
        observer(
            Proved(StepId.CLIENT_HELLO, "the binder verifies: the client holds the key of an earlier session")
        )
    elif choice.shown is not None:
        chosen = spelled(SignatureScheme, choice.shown.scheme)
        observer(Chosen("signature scheme", schemes, chosen, "server"))
