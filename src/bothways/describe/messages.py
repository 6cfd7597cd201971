"""Describes a handshake message in one line, by its content that matters at a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import IntEnum
from functools import partial
from typing import TypeVar

from bothways.describe.documents import key_text
from bothways.describe.escape import visible
from bothways.iana import (
    CertificateCompressionAlgorithm,
    CertificateType,
    CipherSuite,
    NamedGroup,
    ProtocolVersion,
    SignatureScheme,
    is_grease,
    name,
)
from bothways.roles import StepId
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    CompressedCertificate,
    EncryptedExtensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
)
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.raw_public_key import read_raw_key
from bothways.trust.decoding import parsing
from bothways.trust.decoding.parsing import attempt
from bothways.trust.names.distinguished import dn_text, is_readable

T = TypeVar("T")

LISTED = 4


def version(code: int) -> str:
    """Return the name of a protocol version as text."""
    text = name(ProtocolVersion, code).replace("TLSv1", "TLS 1").replace("_", ".")
    return "TLS 1.0" if text == "TLS 1" else text


def listed(names: Sequence[str]) -> str:
    """Return the first names, and the number of the others."""
    return _first_of(names, str)


def _first_of(values: Sequence[T], describe: Callable[[T], str]) -> str:
    """Return the first values as text, and the number of the others, which a peer can choose."""
    more = f" and {len(values) - LISTED} more" if len(values) > LISTED else ""
    return ", ".join(map(describe, values[:LISTED])) + more if values else "none"


def title(message: Message) -> str:
    """Return the name of a message in the RFC: a HelloRetryRequest is encoded as ServerHello."""
    if isinstance(message, ServerHello) and is_retry(message):
        return "HelloRetryRequest"
    return type(message).__name__


def summary(message: Message, step: StepId | None = None, certificate: Message | None = None) -> str:
    """Return the content of a message as text; at step 2.4 of a hello only its key shares.

    certificate: that in a CompressedCertificate, where it could be read.
    """
    match message:
        case ClientHello():
            return _shares(message) if step is StepId.KEY_EXCHANGE else _client_hello(message)
        case ServerHello():
            return _server_share(message) if step is StepId.KEY_EXCHANGE else _server_hello(message)
        case EncryptedExtensions():
            return "; ".join(_further_choices(message)) or "no further choices"
        case CertificateRequest():
            return _request(message)
        case Certificate():
            return _chain(message)
        case CompressedCertificate(algorithm, size, data):
            text = f"{name(CertificateCompressionAlgorithm, algorithm)}, {size} bytes in {len(data)}"
            return f"{text}; {_chain(certificate)}" if isinstance(certificate, Certificate) else text
        case CertificateVerify(algorithm, signature):
            return f"{name(SignatureScheme, algorithm)}, a signature of {len(signature)} bytes"
        case Finished(verify_data):
            return f"a MAC of {len(verify_data)} bytes"
        case KeyUpdate(request):
            return "the peer has to change its keys too" if request else "the following records use new keys"
        case NewSessionTicket(ticket_lifetime=lifetime):
            return f"a ticket for {lifetime} seconds"
        case _:
            return _summary12(message)


def _summary12(message: Message) -> str:
    """Return the content of a message that has another form in TLS 1.2 (RFC 5246 7.4)."""
    match message:
        case tls12.Certificate(chain):
            return "; ".join(_certificate(der) for der in chain[:LISTED]) or "empty: no certificate"
        case tls12.CertificateRequest(_, schemes, authorities):
            named = ", ".join(_authority(each) for each in authorities[:LISTED])
            return (
                "schemes "
                + _code_names(SignatureScheme, schemes)
                + (f"; issued under {named}" if named else "")
            )
        case tls12.ServerKeyExchange(curve, public, scheme):
            signed = name(SignatureScheme, scheme)
            return f"key share for {name(NamedGroup, curve)} ({len(public)} bytes), signed by {signed}"
        case tls12.ClientKeyExchange(keys):
            return f"{len(keys)} bytes from which only the server can compute the secret"
        case tls12.NewSessionTicket(lifetime):
            return f"a ticket for {lifetime} seconds"
    return ""


def _client_hello(hello: ClientHello) -> str:
    extensions = hello.extensions or ()
    versions = ext.find(extensions, ext.SupportedVersions)
    groups = ext.find(extensions, ext.SupportedGroups)
    server_name = ext.find(extensions, ext.ServerName)
    parts = [
        _versions(versions.versions if versions else (hello.legacy_version,)),
        "suites " + _code_names(CipherSuite, hello.cipher_suites),
        "groups " + _code_names(NamedGroup, groups.groups if groups else ()),
        "compression null",
    ]
    for whose, found in (
        ("server", ext.find(extensions, ext.ServerCertificateTypes)),
        ("client", ext.find(extensions, ext.ClientCertificateTypes)),
    ):
        if found is not None:
            parts.append(f"{whose} authenticated by {_code_names(CertificateType, found.types)}")
    if server_name is not None and server_name.host_name is not None:
        parts.append(f"for {visible(server_name.host_name)}")
    return "; ".join(parts)


def _server_hello(hello: ServerHello) -> str:
    suite = name(CipherSuite, hello.cipher_suite)
    if is_retry(hello):
        group = ext.find(hello.extensions or (), ext.RetryGroup)
        return f"{suite}; requests a key share for {name(NamedGroup, group.group) if group else 'the same group'}"
    selected = ext.find(hello.extensions or (), ext.SelectedVersion)
    chosen = version(selected.version if selected else hello.legacy_version)
    what = "echoed" if selected else "given"
    session = f"session ID of {len(hello.legacy_session_id_echo)} bytes {what}"
    return f"{chosen}; {suite}; compression null; {session}"


def _shares(hello: ClientHello) -> str:
    shares = ext.find(hello.extensions or (), ext.KeyShares)
    named = (
        [f"{name(NamedGroup, each.group)} ({len(each.key_exchange)} bytes)" for each in shares.shares]
        if shares
        else []
    )
    return "key shares for " + (", ".join(named) or "nothing yet")


def _server_share(hello: ServerHello) -> str:
    share = ext.find(hello.extensions or (), ext.ServerShare)
    if share is None:
        return "no key share yet"
    return f"key share for {name(NamedGroup, share.entry.group)} ({len(share.entry.key_exchange)} bytes)"


def _request(request: CertificateRequest) -> str:
    schemes = ext.find(request.extensions, ext.SignatureAlgorithms)
    authorities = ext.find(request.extensions, ext.CertificateAuthorities)
    text = "schemes " + _code_names(SignatureScheme, schemes.schemes if schemes else ())
    if authorities is not None:
        text += "; issued under " + ", ".join(_authority(each) for each in authorities.authorities[:LISTED])
    return text


def _chain(certificate: Certificate) -> str:
    if not certificate.certificate_list:
        return "empty: no certificate"
    return "; ".join(_certificate(entry.cert_data) for entry in certificate.certificate_list[:LISTED])


def _further_choices(message: EncryptedExtensions) -> Iterator[str]:
    protocols = ext.find(message.extensions, ext.ApplicationProtocols)
    if protocols:
        yield f"application protocol {_protocol(protocols)}"
    for whose, found in (
        ("server", ext.find(message.extensions, ext.ServerCertificateType)),
        ("client", ext.find(message.extensions, ext.ClientCertificateType)),
    ):
        if found is not None:
            yield f"the {whose} is authenticated by {name(CertificateType, found.type)}"


def _certificate(der: bytes) -> str:
    try:
        raw_key = read_raw_key(der)
    except ValueError:
        return _x509(der)
    return f"a raw public key, {key_text(raw_key.key)}, with the SHA-256 {raw_key.fingerprint}"


def _x509(der: bytes) -> str:
    try:
        parsed = ParsedCertificate(der)
        key = attempt("key", parsing.open_certificate(der).public_key)
    except ValueError:
        return f"{len(der)} bytes that are not a certificate"
    return f"{visible(dn_text(parsed.subject)) or '(empty subject)'} with a key: {key_text(key)}"


def _authority(der: bytes) -> str:
    return visible(dn_text(der)) if is_readable(der) else "a name that cannot be parsed"


def _protocol(protocols: ext.ApplicationProtocols) -> str:
    return (
        visible(protocols.protocols[0].decode("utf-8", "backslashreplace")) if protocols.protocols else "none"
    )


def _code_names(registry: type[IntEnum], codes: Iterable[int]) -> str:
    return _first_of([code for code in codes if not is_grease(code)], partial(name, registry))


def _versions(codes: Iterable[int]) -> str:
    return _first_of([code for code in codes if not is_grease(code)], version)
