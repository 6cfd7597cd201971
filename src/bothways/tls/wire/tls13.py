"""The messages of TLS 1.3 after the hellos (RFC 9846 4.4 to 4.7). EndOfEarlyData is not supported."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.iana import CertificateCompressionAlgorithm, KeyUpdateRequest, SignatureScheme
from bothways.tls.wire.extension_table import ExtensionContext, extension_block
from bothways.tls.wire.extensions import Extensions
from bothways.tls.wire.fields import opaque, record, rest, single_field, uint, vector

# The number of certificates that are decoded; verification has a lower limit of its own.
MOST_CERTIFICATES = 256


@dataclass(frozen=True, slots=True)
class EncryptedExtensions:
    """The server's extensions that are encrypted (RFC 9846 4.4.1)."""

    extensions: Extensions


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """The server requests a certificate of the client (RFC 9846 4.4.2)."""

    certificate_request_context: bytes
    extensions: Extensions


@dataclass(frozen=True, slots=True)
class CertificateEntry:
    """One certificate (DER) with its extensions (RFC 9846 4.5.1)."""

    cert_data: bytes
    extensions: Extensions


@dataclass(frozen=True, slots=True)
class Certificate:
    """The sender's certificates, its own first; empty for a client without one (RFC 9846 4.5.1)."""

    certificate_request_context: bytes
    certificate_list: tuple[CertificateEntry, ...]


@dataclass(frozen=True, slots=True)
class CompressedCertificate:
    """A Certificate message, compressed; its length in bytes without compression (RFC 8879 4)."""

    algorithm: int
    uncompressed_length: int
    compressed_certificate_message: bytes


@dataclass(frozen=True, slots=True)
class CertificateVerify:
    """The sender's signature over the transcript (RFC 9846 4.5.2)."""

    algorithm: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class Finished:
    """The sender's MAC over the transcript (RFC 9846 4.5.3)."""

    verify_data: bytes


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """A session ticket; lifetime in seconds (RFC 9846 4.7.1)."""

    ticket_lifetime: int
    ticket_age_add: int
    ticket_nonce: bytes
    ticket: bytes
    extensions: Extensions


@dataclass(frozen=True, slots=True)
class KeyUpdate:
    """The sender uses new keys from here on, and may request the same of the peer (RFC 9846 4.7.3)."""

    request_update: int


ENCRYPTED_EXTENSIONS = single_field(EncryptedExtensions, extensions=extension_block(ExtensionContext.EE))
CERTIFICATE_REQUEST = record(
    CertificateRequest,
    certificate_request_context=opaque(0, 2**8 - 1),
    extensions=extension_block(ExtensionContext.CR),
)
CERTIFICATE_ENTRY = record(
    CertificateEntry, cert_data=opaque(1, 2**24 - 1), extensions=extension_block(ExtensionContext.CT)
)
CERTIFICATE = record(
    Certificate,
    certificate_request_context=opaque(0, 2**8 - 1),
    certificate_list=vector(CERTIFICATE_ENTRY, 0, 2**24 - 1, most=MOST_CERTIFICATES),
)
COMPRESSED_CERTIFICATE = record(
    CompressedCertificate,
    algorithm=uint(2, CertificateCompressionAlgorithm),
    uncompressed_length=uint(3),
    compressed_certificate_message=opaque(1, 2**24 - 1),
)
CERTIFICATE_VERIFY = record(
    CertificateVerify, algorithm=uint(2, SignatureScheme), signature=opaque(0, 2**16 - 1)
)
# The size of the hash is not known here; it is checked by the comparison.
FINISHED = single_field(Finished, verify_data=rest())
NEW_SESSION_TICKET = record(
    NewSessionTicket,
    ticket_lifetime=uint(4),
    ticket_age_add=uint(4),
    ticket_nonce=opaque(0, 255),
    ticket=opaque(1, 2**16 - 1),
    extensions=extension_block(ExtensionContext.NST),
)
KEY_UPDATE = single_field(KeyUpdate, request_update=uint(1, KeyUpdateRequest))
