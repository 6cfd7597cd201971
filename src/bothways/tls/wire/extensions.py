"""What extensions say: one dataclass for each form that we speak.

The same code point may have another form in another message, and then another class: a client's
SupportedVersions is answered by a SelectedVersion. Forms and places are in `extension_table`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar


@dataclass(frozen=True, slots=True)
class UnknownExtension:
    """An extension, or a form of one, that we do not know, as it came (RFC 9846 4.3)."""

    extension_type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ServerName:
    """The name of the server that the client wants; None is the server's answer to it (RFC 6066 3)."""

    host_name: str | None = None


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """The client wants an OCSP response with the certificate (RFC 6066 8)."""

    responder_ids: tuple[bytes, ...] = ()
    request_extensions: bytes = b""


@dataclass(frozen=True, slots=True)
class EmptyStatusRequest:
    """A server of TLS 1.2 will send a status; one of TLS 1.3 wants the client's (RFC 9846 4.5.1.1)."""


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """An OCSP response for a certificate: an extension in TLS 1.3, a message in TLS 1.2 (RFC 6066 8)."""

    response: bytes


@dataclass(frozen=True, slots=True)
class SupportedGroups:
    """Groups for key exchange, the preferred first (RFC 9846 4.3.7)."""

    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EcPointFormats:
    """Forms of curve points, of which only the uncompressed is left (RFC 8422 5.1.2)."""

    formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithms:
    """Schemes by which the peer may sign, the preferred first (RFC 9846 4.3.3)."""

    schemes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithmsCert:
    """Schemes by which the peer's certificates may be signed (RFC 9846 4.3.3)."""

    schemes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ApplicationProtocols:
    """Protocols that a client offers, or the one that a server chose (RFC 7301 3.1)."""

    protocols: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """The sender wants signed certificate timestamps (RFC 6962 3.3.1)."""


@dataclass(frozen=True, slots=True)
class SignedCertificateTimestamps:
    """Signed certificate timestamps, each as its log made it (RFC 6962 3.3)."""

    timestamps: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Padding:
    """Bytes that only make a ClientHello longer (RFC 7685 3)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ExtendedMainSecret:
    """The main secret of TLS 1.2 shall depend on the whole conversation (RFC 7627 5.1)."""


@dataclass(frozen=True, slots=True)
class CompressCertificate:
    """Algorithms by which the peer may compress its certificates (RFC 8879 3)."""

    algorithms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RecordSizeLimit:
    """The longest record content that the sender takes, in bytes (RFC 8449 4)."""

    limit: int


@dataclass(frozen=True, slots=True)
class SessionTicket:
    """A ticket of TLS 1.2, or the wish for one when empty (RFC 5077 3.2)."""

    ticket: bytes = b""


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """The name of a key that both sides share, with the age of its ticket in milliseconds, masked."""

    identity: bytes
    obfuscated_ticket_age: int


@dataclass(frozen=True, slots=True)
class PreSharedKeys:
    """Shared keys that a client offers, with the proof for each (RFC 9846 4.3.11)."""

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SelectedIdentity:
    """The place, in the client's list, of the shared key that the server chose (RFC 9846 4.3.11)."""

    index: int


@dataclass(frozen=True, slots=True)
class EarlyDataIndication:
    """Early data follows; in EncryptedExtensions, it is accepted (RFC 9846 4.3.10)."""


@dataclass(frozen=True, slots=True)
class MaxEarlyData:
    """How many bytes of early data a ticket allows (RFC 9846 4.3.10)."""

    size: int


@dataclass(frozen=True, slots=True)
class SupportedVersions:
    """Versions that a client offers, the preferred first (RFC 9846 4.3.1)."""

    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SelectedVersion:
    """The version that the server chose (RFC 9846 4.3.1)."""

    version: int


@dataclass(frozen=True, slots=True)
class Cookie:
    """What the server wants to see again in the second ClientHello (RFC 9846 4.3.2)."""

    cookie: bytes


@dataclass(frozen=True, slots=True)
class PskKeyExchangeModes:
    """How a shared key may be used (RFC 9846 4.3.9)."""

    modes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CertificateAuthorities:
    """Names (DER) of authorities that the sender trusts (RFC 9846 4.3.4)."""

    authorities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OidFilter:
    """A certificate extension by its OID (DER), and the values that it must have (RFC 9846 4.3.5)."""

    oid: bytes
    values: bytes


@dataclass(frozen=True, slots=True)
class OidFilters:
    """What a client's certificate must hold (RFC 9846 4.3.5)."""

    filters: tuple[OidFilter, ...]


@dataclass(frozen=True, slots=True)
class PostHandshakeAuth:
    """The client would also prove itself after the handshake (RFC 9846 4.3.6)."""


@dataclass(frozen=True, slots=True)
class KeyShareEntry:
    """A public key for one group (RFC 9846 4.3.8)."""

    group: int
    key_exchange: bytes


@dataclass(frozen=True, slots=True)
class KeyShares:
    """Public keys for the groups that the client expects to be chosen (RFC 9846 4.3.8)."""

    shares: tuple[KeyShareEntry, ...]


@dataclass(frozen=True, slots=True)
class ServerShare:
    """The server's public key for the group that it chose (RFC 9846 4.3.8)."""

    entry: KeyShareEntry


@dataclass(frozen=True, slots=True)
class RetryGroup:
    """The group for which a HelloRetryRequest wants a share (RFC 9846 4.3.8)."""

    group: int


@dataclass(frozen=True, slots=True)
class RenegotiationInfo:
    """Ties a renegotiation to the connection before it; empty in a first handshake (RFC 5746 3.2)."""

    renegotiated_connection: bytes = b""


Extension = (
    UnknownExtension
    | ServerName
    | StatusRequest
    | EmptyStatusRequest
    | CertificateStatus
    | SupportedGroups
    | EcPointFormats
    | SignatureAlgorithms
    | SignatureAlgorithmsCert
    | ApplicationProtocols
    | TimestampRequest
    | SignedCertificateTimestamps
    | Padding
    | ExtendedMainSecret
    | CompressCertificate
    | RecordSizeLimit
    | SessionTicket
    | PreSharedKeys
    | SelectedIdentity
    | EarlyDataIndication
    | MaxEarlyData
    | SupportedVersions
    | SelectedVersion
    | Cookie
    | PskKeyExchangeModes
    | CertificateAuthorities
    | OidFilters
    | PostHandshakeAuth
    | KeyShares
    | ServerShare
    | RetryGroup
    | RenegotiationInfo
)
Extensions = tuple[Extension, ...]

E = TypeVar("E")


def find(extensions: Iterable[Extension], cls: type[E]) -> E | None:
    """Return the extension of class `cls`, if it is there."""
    for extension in extensions:
        if type(extension) is cls:
            return extension
    return None
