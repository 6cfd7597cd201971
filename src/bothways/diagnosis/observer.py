"""An observer of one connection that keeps what is needed to explain a failure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from bothways.describe.messages import title
from bothways.diagnosis.situation import (
    UNNAMED,
    AcceptedCertificates,
    Chain,
    Files,
    HelloOffer,
    Observed,
    OwnSide,
    Situation,
)
from bothways.iana import ContentType
from bothways.roles import Role
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.events import Epoch, MessageSeen, Note, Observer, Progressed, RecordSeen
from bothways.tls.handshake.certificate_types import RAW
from bothways.tls.handshake.history import FailureFacts
from bothways.tls.handshake.negotiation import client_versions
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry

MESSAGE_LIMIT = 64


class HandshakeFacts:
    """An `observer` of one connection; `situation()` returns what `explain` needs.

    config: that of the connection.  server_name: the server that a client wants to reach.  address: "HOST:PORT".
    files: the names of our files.  also: another observer, which receives every note too.  starttls: the protocol in
    which TLS was requested first.  local: a server's own IP address, to which the client connected.
    """

    def __init__(
        self,
        config: ClientConfig | ServerConfig,
        server_name: str | None = None,
        *,
        address: str = "",
        files: Files = UNNAMED,
        also: Observer | None = None,
        starttls: str = "",
        local: str = "",
    ) -> None:
        self._ours = OwnSide.of(
            config, server_name, address=address, files=files, starttls=starttls, local=local
        )
        self._clock = config.clock
        self._also = also
        self._seen = Observed()

    def __call__(self, note: Note) -> None:
        """Keep what a note contributes to an explanation."""
        match note:
            case Progressed(progress):
                self._seen = replace(self._seen, progress=progress)
            case MessageSeen(sent):
                self._seen = after_message(self._seen, sent, note.content)
            case RecordSeen(sent, ContentType.application_data, _, Epoch.APPLICATION):
                if sent and not self._seen.said:
                    self._seen = replace(self._seen, said=True)
                elif not sent and not self._seen.data:
                    self._seen = replace(self._seen, data=True)
            case RecordSeen(True, ContentType.alert, _, Epoch.APPLICATION):
                self._seen = replace(self._seen, closed=True)
        if self._also is not None:
            self._also(note)

    def situation(self) -> Situation:
        """Return what is known so far."""
        return Situation(self._ours, self._seen, self._clock.now())


def situation_of(facts: FailureFacts) -> Situation:
    """Return what the engine kept of a connection that failed, as an explanation needs it."""
    types = facts.types
    own, peer = (types.client, types.server) if facts.role is Role.CLIENT else (types.server, types.client)
    seen = Observed(shows_raw_key=own == RAW, sees_raw_key=peer == RAW)
    for sent, message in facts.messages[: facts.in_handshake]:
        seen = after_message(seen, sent, message)
    if facts.complete and "Finished" not in seen.received:
        seen = replace(seen, received=(*seen.received, "Finished"))
    for sent, message in facts.messages[facts.in_handshake :]:
        seen = after_message(seen, sent, message)
    if facts.complete:  # the messages that say it are not kept
        seen = replace(seen, protocol=facts.alpn)
    seen = replace(
        seen,
        version=facts.version,
        data=facts.has_data,
        closed=facts.closed,
        progress=facts.progress,
        by_psk=facts.by_psk,
    )
    return Situation(OwnSide.of_failure(facts), seen, facts.at)


def after_message(seen: Observed, sent: bool, message: Message) -> Observed:
    """Return what was seen once this message has passed too."""
    name = title(message)
    if len(seen.sent) + len(seen.received) < MESSAGE_LIMIT:
        if sent:
            seen = replace(seen, sent=(*seen.sent, name))
        else:
            seen = replace(seen, received=(*seen.received, name))
    match message:
        case ClientHello() if not sent:
            return replace(seen, offer=offer_of(message))
        case ClientHello():
            return replace(seen, offers_raw_keys=_without_certificates(message))
        case ServerHello() if not is_retry(message):
            return replace(
                seen,
                version=chosen_version(message),
                protocol=chosen_protocol(message.extensions),
                by_psk=ext.find(message.extensions or (), ext.SelectedIdentity) is not None,
            )
        case tls13.EncryptedExtensions():
            seen = replace(seen, protocol=chosen_protocol(message.extensions))
            return _with_types(seen, sent, message)
        case tls13.CertificateRequest() | tls12.CertificateRequest() if not sent:
            return replace(seen, request=request_of(message))
        case tls13.Certificate() | tls12.Certificate():
            if seen.shows_raw_key if sent else seen.sees_raw_key:
                return seen
            chain = chain_of(message)
            if not sent:
                return replace(seen, chain=chain)
            return replace(seen, shown=chain, stapled=_has_staple(message))
        case ext.CertificateStatus() if sent:
            return replace(seen, stapled=True)
    return seen


def _with_types(seen: Observed, sent: bool, message: tls13.EncryptedExtensions) -> Observed:
    """Return what was seen with what the Certificate messages will contain (RFC 7250 4.2)."""
    server = ext.find(message.extensions, ext.ServerCertificateType)
    client = ext.find(message.extensions, ext.ClientCertificateType)
    theirs, ours = (client, server) if sent else (server, client)
    return replace(
        seen,
        shows_raw_key=ours is not None and ours.type == RAW,
        sees_raw_key=theirs is not None and theirs.type == RAW,
    )


def _without_certificates(hello: ClientHello) -> tuple[Role, ...]:
    """Return the sides for which our hello offers raw public keys alone."""
    extensions = hello.extensions or ()
    offered = (
        (Role.SERVER, ext.find(extensions, ext.ServerCertificateTypes)),
        (Role.CLIENT, ext.find(extensions, ext.ClientCertificateTypes)),
    )
    return tuple(role for role, types in offered if types is not None and set(types.types) == {RAW})


def asked_and_shown(messages: Iterable[tuple[bool, Message]]) -> tuple[str | None, Chain]:
    """Return the server name that a client asks for, and the chain that we have sent it; () where we sent none.

    messages: of a server's connection, each with True if we sent it.
    """
    asked: str | None = None
    shown: Chain = ()
    for sent, message in messages:
        match message:
            case ClientHello() if not sent:
                asked = _name_in(message)
            case tls13.Certificate() | tls12.Certificate() if sent:
                shown = chain_of(message)
    return asked, shown


def _name_in(hello: ClientHello) -> str | None:
    name = ext.find(hello.extensions or (), ext.ServerName)
    return name.host_name if name else None


def offer_of(hello: ClientHello) -> HelloOffer:
    """Return the parameters that a ClientHello offers."""
    extensions = hello.extensions or ()
    groups = ext.find(extensions, ext.SupportedGroups)
    schemes = ext.find(extensions, ext.SignatureAlgorithms)
    protocols = ext.find(extensions, ext.ApplicationProtocols)
    return HelloOffer(
        versions=client_versions(hello),
        suites=hello.cipher_suites,
        groups=groups.groups if groups else (),
        schemes=schemes.schemes if schemes else (),
        protocols=protocols.protocols if protocols else (),
        server_name=_name_in(hello),
        wants_staple=ext.find(extensions, ext.StatusRequest) is not None,
    )


def chosen_version(hello: ServerHello) -> int:
    """Return the version that a ServerHello chooses."""
    selected = ext.find(hello.extensions or (), ext.SelectedVersion)
    return selected.version if selected else hello.legacy_version


def chosen_protocol(extensions: Sequence[ext.Extension] | None) -> bytes | None:
    """Return the application protocol that a server's extensions choose, or None."""
    chosen = ext.find(extensions or (), ext.ApplicationProtocols)
    return chosen.protocols[0] if chosen and chosen.protocols else None


def request_of(request: tls13.CertificateRequest | tls12.CertificateRequest) -> AcceptedCertificates:
    """Return the signature schemes and CAs of a CertificateRequest."""
    if isinstance(request, tls12.CertificateRequest):
        return AcceptedCertificates(request.supported_signature_algorithms, request.certificate_authorities)
    schemes = ext.find(request.extensions, ext.SignatureAlgorithms)
    named = ext.find(request.extensions, ext.CertificateAuthorities)
    return AcceptedCertificates(schemes.schemes if schemes else (), named.authorities if named else ())


def _has_staple(message: tls13.Certificate | tls12.Certificate) -> bool:
    """Whether a Certificate message has an OCSP response for its leaf; in TLS 1.2 a message of its own has it."""
    if isinstance(message, tls12.Certificate):
        return False
    leaf = message.certificate_list[:1]
    return any(ext.find(each.extensions, ext.CertificateStatus) is not None for each in leaf)


def chain_of(certificate: tls13.Certificate | tls12.Certificate) -> Chain:
    """Return the certificates of a Certificate message in DER."""
    if isinstance(certificate, tls12.Certificate):
        return tuple(certificate.certificate_list)
    return tuple(entry.cert_data for entry in certificate.certificate_list)
