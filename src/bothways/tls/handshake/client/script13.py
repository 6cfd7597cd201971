"""The client's side of TLS 1.3, in the order of RFC 9846 figure 1, with HelloRetryRequest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import CipherSuite, NamedGroup
from bothways.iana import name as spelled
from bothways.iana import names as all_spelled
from bothways.roles import Version
from bothways.tls.crypto.groups import KeyOffer, finish, offer
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.events import Caution, Chosen, Epoch, Observer
from bothways.tls.handshake.authentication13 import (
    check_context,
    check_finished,
    check_proof,
    prove,
    send_finished,
)
from bothways.tls.handshake.certificate_types import X509, CertificateTypes, check_server_type, chosen_types
from bothways.tls.handshake.client.ech import (
    check_confirmed_again,
    reject,
    retry_configs,
    send_encrypted_again,
    settle,
)
from bothways.tls.handshake.client.offered import Offered
from bothways.tls.handshake.client.psks import OfferedKey, OfferedPSK, chosen_psk, of_hash, send_hello
from bothways.tls.handshake.client.resumption import OfferedSession, session_keeper
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.credentials import Own, choose_for_request
from bothways.tls.handshake.negotiation import (
    check_after_retry,
    check_encrypted_extensions,
    check_retry,
    check_server_hello,
    server_share,
)
from bothways.tls.handshake.outcome import HandshakeResult, Negotiated, Verified
from bothways.tls.handshake.proofs import Finish, Signed, SignedByKey
from bothways.tls.handshake.record_size import keep_to_limit
from bothways.tls.handshake.script import Agreed, Script, expect
from bothways.tls.handshake.settings import ClientSettings
from bothways.tls.handshake.steps import Step
from bothways.tls.handshake.verification import judge, judge_if_due, request_about
from bothways.tls.keys.keylog import application_lines, handshake_lines
from bothways.tls.keys.schedule13 import EarlySecret, HandshakeSecrets, exporter
from bothways.tls.record.protection import Protection
from bothways.tls.resumption.session import Origin
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry, with_extensions
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
)
from bothways.trust.path.name_matching import ServerName, server_name
from bothways.trust.verdict import Purpose


class AuthenticatedServer(NamedTuple):
    """The authenticated server. It cannot be constructed without the verdict, the signature and the Finished.

    signed: None for one that proves by its Finished that it has a PSK.  proved_at: the time of its signature, in an
    earlier handshake if a session is resumed; None for an external PSK.
    """

    verified: Verified
    signed: Signed | SignedByKey | None
    finish: Finish
    request: CertificateRequest | None
    proved_at: datetime | None


def client_handshake_13(
    hs: HandshakeContext,
    settings: ClientSettings,
    target: ServerName,
    offered: Offered,
    answer: ServerHello,
) -> Script[HandshakeResult]:
    """Continue after the first ServerHello: agree on keys, verify the server, authenticate ourselves (RFC 9846 2)."""
    check_server_hello(offered.hello, answer)
    suite = SUITES13[answer.cipher_suite]
    hs.transcript.choose(suite.hash)
    if is_retry(answer):
        hs.transcript.replace_with_message_hash()
    offered = settle(hs, suite, offered, answer)
    if is_retry(answer):
        offered, answer = yield from second_hello(hs, suite, offered, answer)
    psk = chosen_psk(offered.psks, answer, suite)
    if psk is None and not settings.trust.types:
        blame(Fault.PSK_NOT_CHOSEN)
    hs.history.by_psk = isinstance(psk, OfferedKey)
    group, secrets = agree(hs, suite, offered, answer, psk)
    yield Agreed(Negotiated(Version.TLS13, suite, group))
    encrypted, types, alpn = yield from server_parameters(hs, settings, offered.hello)
    yield Agreed(Negotiated(Version.TLS13, suite, group, alpn))
    retry = retry_configs(encrypted)
    own = settings.identity.shown_as(types.client)
    if offered.encrypted is not None and offered.is_rejected:
        target, own = server_name(offered.encrypted.config.public_name), ()
    if psk is None:
        check_server_type(types, settings.trust.types)
        server = yield from server_authentication(hs, settings, target, secrets, types.server)
    else:
        server = yield from server_with_psk(hs, psk, secrets)
    application = secrets.application(hs.transcript.digest())
    hs.log_keys(application_lines, offered.hello.random, application)
    theirs, ours = Protection(suite, application.server), Protection(suite, application.client)
    hs.inbox.change_keys(theirs, Epoch.APPLICATION)
    session = psk.session if isinstance(psk, OfferedSession) else None
    cautions: tuple[Caution, ...] = () if session is None else session.cautions
    if server.request is not None:
        cautions = yield from client_authentication(hs, settings, server.request, own, types.client)
    send_finished(hs, suite, secrets.client_finished)
    hs.out.change_keys(ours, Epoch.APPLICATION)
    if offered.is_rejected:
        reject(retry)
    keeper = None
    if server.proved_at is not None and offered.kept_by is not None:
        origin = Origin(suite, server.proved_at, application.resumption(hs.transcript.digest()))
        keeper = session_keeper(hs, settings, target, offered.kept_by, origin, server.verified, cautions)
    scheme = None if server.signed is None else server.signed.scheme
    return HandshakeResult(
        Negotiated(Version.TLS13, suite, group, alpn, scheme),
        partial(exporter, application.exporter, suite=suite),
        server.verified,
        cautions,
        resumed=session is not None,
        keeper=keeper,
    )


def second_hello(
    hs: HandshakeContext, suite: Suite, offered: Offered, retry: ServerHello
) -> Script[tuple[Offered, ServerHello]]:
    """Answer a HelloRetryRequest with the key share and the cookie that it requests (RFC 9846 4.2.4).

    Of the PSKs those are offered again whose hash is that of the cipher suite chosen by the server.
    """
    hello, shares, psks = offered.hello, offered.shares, of_hash(offered.psks, suite)
    hs.inbox.check_record_ends()
    group = check_retry(hello, retry)
    if group is not None:
        shares = (offer(group, hs.randomness),)
    hello = with_extensions(hello, _extensions_after(retry, hello, shares if group is not None else None))
    hs.out.change_cipher_spec()
    offered = offered._replace(hello=hello, shares=shares, psks=psks)
    if offered.encrypted is None or offered.is_rejected:
        offered = offered._replace(hello=send_hello(hs, hello, psks))
    else:
        offered = send_encrypted_again(hs, offered, offered.encrypted)
    answer = yield from expect(Step.WAIT_SH_AFTER_RETRY, ServerHello)
    check_server_hello(offered.hello, answer)
    check_after_retry(retry, answer, group)
    check_confirmed_again(hs, suite, offered, answer)
    return offered, answer


def _extensions_after(
    retry: ServerHello, hello: ClientHello, offers: Sequence[KeyOffer] | None
) -> tuple[ext.Extension, ...]:
    extensions = [each for each in hello.extensions or () if not isinstance(each, ext.PreSharedKeys)]
    if offers is not None:
        shares = ext.KeyShares(tuple(ext.KeyShareEntry(each.group, each.public) for each in offers))
        extensions = [shares if isinstance(each, ext.KeyShares) else each for each in extensions]
    cookie = ext.find(retry.extensions or (), ext.Cookie)
    return tuple(extensions if cookie is None else [*extensions, cookie])


def agree(
    hs: HandshakeContext, suite: Suite, offered: Offered, answer: ServerHello, psk: OfferedPSK | None
) -> tuple[int, HandshakeSecrets]:
    """Derive the handshake keys from both key shares; return the group and the keys (steps 2.4 and 2.5; RFC 9846 7.1).

    psk: the one that the server chose, which goes into the keys.
    """
    share = server_share(answer)
    ours = offered.share_of(share.group)
    if ours is None:
        blame(Fault.UNOFFERED_GROUP, got=spelled(NamedGroup, share.group))
    if hs.observer is not None:
        _note_choices(hs.observer, offered.hello, suite, share.group)
    early = EarlySecret(suite) if psk is None else psk.early
    secrets = early.handshake(finish(ours, share.key_exchange), hs.transcript.digest(), suite)
    hs.log_keys(handshake_lines, offered.hello.random, secrets)
    hs.out.change_cipher_spec()
    hs.out.change_keys(Protection(suite, secrets.client, secrets.client_keys), Epoch.HANDSHAKE)
    hs.inbox.change_keys(Protection(suite, secrets.server, secrets.server_keys), Epoch.HANDSHAKE)
    return share.group, secrets


def server_parameters(
    hs: HandshakeContext, settings: ClientSettings, hello: ClientHello
) -> Script[tuple[EncryptedExtensions, CertificateTypes, bytes | None]]:
    """Read the EncryptedExtensions (RFC 9846 4.4.1); return them, the types of certificates, and the ALPN protocol."""
    encrypted = yield from expect(Step.WAIT_EE, EncryptedExtensions)
    alpn = check_encrypted_extensions(hello, encrypted)
    keep_to_limit(hs, settings.limits.record_size_limit, encrypted.extensions, Version.TLS13)
    hs.history.types = types = chosen_types(hello, encrypted)
    return encrypted, types, alpn


def server_authentication(
    hs: HandshakeContext,
    settings: ClientSettings,
    target: ServerName,
    secrets: HandshakeSecrets,
    kind: int = X509,
) -> Script[AuthenticatedServer]:
    """Read an optional CertificateRequest, Certificate, CertificateVerify and Finished; then verify the server.

    RFC 9846 4.4.2 and 4.5.  kind: the type of what the Certificate contains.
    """
    request = None
    certificate = yield from expect(Step.WAIT_CERT_CR, CertificateRequest, Certificate)
    if isinstance(certificate, CertificateRequest):
        request = certificate
        if request.certificate_request_context:
            blame(Fault.WRONG_REQUEST_CONTEXT)
        certificate = yield from expect(Step.WAIT_CERT, Certificate)
    check_context(certificate, b"")
    if not certificate.certificate_list:
        blame(Fault.EMPTY_SERVER_CERTIFICATE)
    proof = yield from expect(Step.WAIT_CV, CertificateVerify)
    signed = check_proof(hs, certificate, proof, settings.negotiation.schemes, settings.trust.anchors, kind)
    finished = yield from expect(Step.WAIT_FINISHED, Finished)
    finish = check_finished(hs, secrets.suite, secrets.server_finished, finished)
    verified = yield from judge(hs, request_about(signed, settings.trust, Purpose.SERVER, target))
    return AuthenticatedServer(verified, signed, finish, request, hs.clock.now())


def server_with_psk(
    hs: HandshakeContext, psk: OfferedPSK, secrets: HandshakeSecrets
) -> Script[AuthenticatedServer]:
    """Read the Finished of a server that has the PSK, and verify whom it stands for (RFC 9846 2.2).

    The server of a session was verified before the offer.
    """
    finished = yield from expect(Step.WAIT_FINISHED, Finished)
    finish = check_finished(hs, secrets.suite, secrets.server_finished, finished)
    if isinstance(psk, OfferedKey):
        return AuthenticatedServer((yield from judge(hs, psk.request)), None, finish, None, None)
    verified = yield from judge_if_due(hs, psk.verified)
    return AuthenticatedServer(verified, None, finish, None, psk.session.authenticated)


def client_authentication(
    hs: HandshakeContext,
    settings: ClientSettings,
    request: CertificateRequest,
    own: Sequence[Own],
    kind: int | None = X509,
) -> Script[tuple[Caution, ...]]:
    """Send the certificate of `own` that fits the request and sign, or send an empty one (RFC 9846 4.5.1.3).

    kind: the type of what the server asks for.  Returns the warnings about the choice.
    """
    choice = choose_for_request(own, request, settings.negotiation.schemes, kind)
    if choice.credentials is None:
        hs.send(Certificate(b"", ()))
        return choice.cautions
    yield from prove(hs, settings.identity, choice.credentials, choice.scheme, request.extensions)
    return choice.cautions


def _note_choices(observer: Observer, hello: ClientHello, suite: Suite, group: int) -> None:
    offered = ext.find(hello.extensions or (), ext.SupportedGroups)
    groups = offered.groups if offered is not None else ()
    observer(
        Chosen("cipher suite", tuple(all_spelled(CipherSuite, hello.cipher_suites)), suite.name, "server")
    )
    observer(Chosen("group", tuple(all_spelled(NamedGroup, groups)), spelled(NamedGroup, group), "server"))
