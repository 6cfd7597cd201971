"""The contents of extensions: one dataclass for each form that we support.

The same code may have different forms in different messages, and then different classes: a client's SupportedVersions
is answered by a SelectedVersion. Their codecs are in `extension_table`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar, cast


@dataclass(frozen=True, slots=True)
class UnknownExtension:
    """An extension, or a form of one, that we do not know, as bytes (RFC 9846 4.3)."""

    extension_type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class ServerName:
    """The server name that the client requests; None in the server's answer (RFC 6066 3)."""

    host_name: str | None = None


@dataclass(frozen=True, slots=True)
class StatusRequest:
    """The client requests an OCSP response with the certificate (RFC 6066 8)."""

    responder_ids: tuple[bytes, ...] = ()
    request_extensions: bytes = b""


@dataclass(frozen=True, slots=True)
class EmptyStatusRequest:
    """A server of TLS 1.2 will send CertificateStatus; one of TLS 1.3 requests the client's (RFC 9846 4.5.1.1)."""


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """An OCSP response for a certificate: an extension in TLS 1.3, a message in TLS 1.2 (RFC 6066 8)."""

    response: bytes


@dataclass(frozen=True, slots=True)
class SupportedGroups:
    """Groups for key exchange, the preferred one first (RFC 9846 4.3.7)."""

    groups: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EcPointFormats:
    """Formats of curve points, of which only the uncompressed one is in use (RFC 8422 5.1.2)."""

    formats: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithms:
    """Schemes that the peer may sign with, the preferred one first (RFC 9846 4.3.3)."""

    schemes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SignatureAlgorithmsCert:
    """Schemes allowed for signatures in the peer's certificates (RFC 9846 4.3.3)."""

    schemes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ApplicationProtocols:
    """Application protocols that a client offers, or the one that a server chose (RFC 7301 3.1)."""

    protocols: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ClientCertificateTypes:
    """What the client can authenticate itself with, the preferred first (RFC 7250 3)."""

    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClientCertificateType:
    """What the server wants the client to authenticate itself with (RFC 7250 3)."""

    type: int


@dataclass(frozen=True, slots=True)
class ServerCertificateTypes:
    """What the client accepts to authenticate the server, the preferred first (RFC 7250 3)."""

    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ServerCertificateType:
    """What the server authenticates itself with (RFC 7250 3)."""

    type: int


@dataclass(frozen=True, slots=True)
class TimestampRequest:
    """The sender requests signed certificate timestamps (RFC 6962 3.3.1)."""


@dataclass(frozen=True, slots=True)
class SignedCertificateTimestamps:
    """Signed certificate timestamps, each as encoded by its log (RFC 6962 3.3)."""

    timestamps: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Padding:
    """Padding of a ClientHello (RFC 7685 3)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class ExtendedMainSecret:
    """The sender supports the extended main secret in TLS 1.2 (RFC 7627 5.1)."""


@dataclass(frozen=True, slots=True)
class CompressCertificate:
    """Algorithms that the peer may use to compress its Certificate message (RFC 8879 3)."""

    algorithms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RecordSizeLimit:
    """The largest record content that the sender accepts, in bytes (RFC 8449 4)."""

    limit: int


@dataclass(frozen=True, slots=True)
class SessionTicket:
    """A ticket of TLS 1.2, or if empty the request for one (RFC 5077 3.2)."""

    ticket: bytes = b""


@dataclass(frozen=True, slots=True)
class PskIdentity:
    """The identity of a PSK, with its obfuscated_ticket_age in milliseconds (RFC 9846 4.3.11)."""

    identity: bytes
    obfuscated_ticket_age: int


@dataclass(frozen=True, slots=True)
class PreSharedKeys:
    """PSKs that a client offers, with a binder for each (RFC 9846 4.3.11)."""

    identities: tuple[PskIdentity, ...]
    binders: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SelectedIdentity:
    """The index, in the client's list, of the PSK that the server chose (RFC 9846 4.3.11)."""

    index: int


@dataclass(frozen=True, slots=True)
class EarlyDataIndication:
    """Early data follows; in EncryptedExtensions: it is accepted (RFC 9846 4.3.10)."""


@dataclass(frozen=True, slots=True)
class MaxEarlyData:
    """The number of bytes of early data that a ticket allows (RFC 9846 4.3.10)."""

    size: int


@dataclass(frozen=True, slots=True)
class SupportedVersions:
    """Versions that a client offers, the preferred one first (RFC 9846 4.3.1)."""

    versions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SelectedVersion:
    """The version that the server chose (RFC 9846 4.3.1)."""

    version: int


@dataclass(frozen=True, slots=True)
class Cookie:
    """A value of the server that the second ClientHello must repeat (RFC 9846 4.3.2)."""

    cookie: bytes


@dataclass(frozen=True, slots=True)
class PskKeyExchangeModes:
    """The modes in which a PSK may be used (RFC 9846 4.3.9)."""

    modes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CertificateAuthorities:
    """Distinguished names (DER) of CAs that the sender trusts (RFC 9846 4.3.4)."""

    authorities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class OidFilter:
    """A certificate extension by its OID (DER), and the values that it must contain (RFC 9846 4.3.5)."""

    oid: bytes
    values: bytes


@dataclass(frozen=True, slots=True)
class OidFilters:
    """Requirements for a client's certificate (RFC 9846 4.3.5)."""

    filters: tuple[OidFilter, ...]


@dataclass(frozen=True, slots=True)
class PostHandshakeAuth:
    """The client supports post-handshake authentication (RFC 9846 4.3.6)."""


@dataclass(frozen=True, slots=True)
class KeyShareEntry:
    """A public key for one group (RFC 9846 4.3.8)."""

    group: int
    key_exchange: bytes


@dataclass(frozen=True, slots=True)
class KeyShares:
    """The client's key shares (RFC 9846 4.3.8)."""

    shares: tuple[KeyShareEntry, ...]


@dataclass(frozen=True, slots=True)
class ServerShare:
    """The server's key share for the chosen group (RFC 9846 4.3.8)."""

    entry: KeyShareEntry


@dataclass(frozen=True, slots=True)
class RetryGroup:
    """The group for which a HelloRetryRequest requests a key share (RFC 9846 4.3.8)."""

    group: int


@dataclass(frozen=True, slots=True)
class RenegotiationInfo:
    """Binds a renegotiation to the earlier handshake; empty in the first one (RFC 5746 3.2)."""

    renegotiated_connection: bytes = b""


@dataclass(frozen=True, slots=True)
class EncryptedClientHello:
    """An encrypted ClientHello, or inside of one the sign that it came encrypted (RFC 9849 5).

    kind: an `ECHClientHelloType`; the other fields are those of `outer`.  kdf, aead: codes of HPKE.
    """

    kind: int
    kdf: int = 0
    aead: int = 0
    config_id: int = 0
    enc: bytes = b""
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class OuterExtensions:
    """The codes of extensions that an encrypted ClientHello has in common with the one around it (RFC 9849 5.1)."""

    types: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ECHConfigEntry:
    """A configuration for an encrypted ClientHello, with its contents as bytes (RFC 9849 4)."""

    version: int
    contents: bytes


@dataclass(frozen=True, slots=True)
class RetryConfigs:
    """The configurations by which a client may try again (RFC 9849 5)."""

    configs: tuple[ECHConfigEntry, ...]


@dataclass(frozen=True, slots=True)
class RetryConfirmation:
    """A HelloRetryRequest answers the encrypted ClientHello (RFC 9849 5)."""

    confirmation: bytes


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
    | ClientCertificateTypes
    | ClientCertificateType
    | ServerCertificateTypes
    | ServerCertificateType
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
    | EncryptedClientHello
    | OuterExtensions
    | RetryConfigs
    | RetryConfirmation
)
Extensions = tuple[Extension, ...]

E = TypeVar("E")


class Find(Protocol):
    """Finds extensions in one message."""

    def __call__(self, cls: type[E], /) -> E | None:
        """Return the extension of class `cls`; None without one."""


def finder(extensions: Iterable[Extension]) -> Find:
    """Return what finds the extensions of one message by their class, where many are looked for.

    No extension may occur twice, which `check_placement` refuses.
    """
    return cast(Find, {type(each): each for each in extensions}.get)


def find(extensions: Iterable[Extension], cls: type[E]) -> E | None:
    """Return the extension of class `cls`; None without one."""
    for extension in extensions:
        if type(extension) is cls:
            return extension
    return None
