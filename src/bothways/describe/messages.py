"""One line for each handshake message: what a reader wants to know of it at a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from functools import partial
from typing import TypeVar

from bothways.describe.documents import key_words
from bothways.describe.escape import visible
from bothways.iana import CipherSuite, NamedGroup, ProtocolVersion, SignatureScheme, is_grease, name
from bothways.roles import StepId
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12
from bothways.tls.wire.flight import Message
from bothways.tls.wire.hello import ClientHello, ServerHello, is_retry
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
)
from bothways.trust import parsing
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.distinguished_names import dn_text, is_readable
from bothways.trust.parsing import attempt

T = TypeVar("T")

LISTED = 4


def version(code: int) -> str:
    """Return a version's name as people write it."""
    return name(ProtocolVersion, code).replace("TLSv1", "TLS 1").replace("_", ".")


def listed(names: Sequence[str]) -> str:
    """Return the first of several names, and how many more there are."""
    return _first_of(names, str)


def _first_of(values: Sequence[T], told: Callable[[T], str]) -> str:
    """Return the first of several in words, and how many more there are: a peer chose how many."""
    more = f" and {len(values) - LISTED} more" if len(values) > LISTED else ""
    return ", ".join(map(told, values[:LISTED])) + more if values else "none"


def title(message: Message) -> str:
    """Return what the RFC calls a message; a HelloRetryRequest is a ServerHello by its type only."""
    if isinstance(message, ServerHello) and is_retry(message):
        return "HelloRetryRequest"
    return type(message).__name__


def summary(message: Message, step: StepId | None = None) -> str:
    """Say what a message carries; at step 2.4 of a hello, only its part in the key exchange."""
    match message:
        case ClientHello():
            return _shares(message) if step is StepId.KEY_EXCHANGE else _client_hello(message)
        case ServerHello():
            return _server_share(message) if step is StepId.KEY_EXCHANGE else _server_hello(message)
        case EncryptedExtensions():
            protocols = ext.find(message.extensions, ext.ApplicationProtocols)
            return f"application protocol {_protocol(protocols)}" if protocols else "no further choices"
        case CertificateRequest():
            return _request(message)
        case Certificate():
            return _chain(message)
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
    """Say the same of the messages that TLS 1.2 has in a form of its own (RFC 5246 7.4)."""
    match message:
        case tls12.Certificate(chain):
            return "; ".join(_certificate(der) for der in chain[:LISTED]) or "empty: no certificate"
        case tls12.CertificateRequest(_, schemes, authorities):
            named = ", ".join(_authority(each) for each in authorities[:LISTED])
            return (
                "schemes " + _listed(SignatureScheme, schemes) + (f"; issued under {named}" if named else "")
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
    asked = ext.find(extensions, ext.ServerName)
    parts = [
        _versions(versions.versions if versions else (hello.legacy_version,)),
        "suites " + _listed(CipherSuite, hello.cipher_suites),
        "groups " + _listed(NamedGroup, groups.groups if groups else ()),
        "compression null",
    ]
    if asked is not None and asked.host_name is not None:
        parts.append(f"for {visible(asked.host_name)}")
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
    text = "schemes " + _listed(SignatureScheme, schemes.schemes if schemes else ())
    if authorities is not None:
        text += "; issued under " + ", ".join(_authority(each) for each in authorities.authorities[:LISTED])
    return text


def _chain(certificate: Certificate) -> str:
    if not certificate.certificate_list:
        return "empty: no certificate"
    return "; ".join(_certificate(entry.cert_data) for entry in certificate.certificate_list[:LISTED])


def _certificate(der: bytes) -> str:
    try:
        parsed = ParsedCertificate(der)
        key = attempt("key", parsing.open_certificate(der).public_key)
    except ValueError:
        return f"{len(der)} bytes that are not a certificate"
    return f"{visible(dn_text(parsed.subject)) or '(empty subject)'} with a key: {key_words(key)}"


def _authority(der: bytes) -> str:
    return visible(dn_text(der)) if is_readable(der) else "a name that cannot be parsed"


def _protocol(protocols: ext.ApplicationProtocols) -> str:
    return (
        visible(protocols.protocols[0].decode("utf-8", "backslashreplace")) if protocols.protocols else "none"
    )


def _listed(registry: type[IntEnum], codes: Iterable[int]) -> str:
    return _first_of([code for code in codes if not is_grease(code)], partial(name, registry))


def _versions(codes: Iterable[int]) -> str:
    return _first_of([code for code in codes if not is_grease(code)], version)
