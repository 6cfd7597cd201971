"""The messages of TLS 1.2 other than the hellos (RFC 5246 7.4, RFC 8422, RFC 6066 8, RFC 5077).

CertificateVerify is that of TLS 1.3, and so is Finished, with a fixed length. The content of a ClientKeyExchange
depends on the cipher suite, so it is kept as bytes until a script decodes it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bothways.iana import ClientCertificateType, ECCurveType, NamedGroup, SignatureScheme
from bothways.tls.wire.codec import Codec, Custom, Record, decode, encode
from bothways.tls.wire.decode_errors import fail
from bothways.tls.wire.fields import fixed, opaque, record, rest, single_field, uint, vector
from bothways.tls.wire.tls13 import MOST_CERTIFICATES, Finished

VERIFY_DATA_LENGTH = 12


@dataclass(frozen=True, slots=True)
class HelloRequest:
    """The server requests a renegotiation (RFC 5246 7.4.1.1)."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """The sender's certificates (DER), its own first; empty for a client without one (RFC 5246 7.4.2)."""

    certificate_list: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ServerKeyExchange:
    """The server's key share, signed together with both randoms (RFC 8422 5.4)."""

    named_curve: int
    public: bytes
    algorithm: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """The server requests a certificate of the client (RFC 5246 7.4.4)."""

    certificate_types: tuple[int, ...]
    supported_signature_algorithms: tuple[int, ...]
    certificate_authorities: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class ServerHelloDone:
    """The end of the server's first messages (RFC 5246 7.4.5)."""


@dataclass(frozen=True, slots=True)
class ClientKeyExchange:
    """The client's part of the key exchange, encoded as the cipher suite requires (RFC 5246 7.4.7)."""

    exchange_keys: bytes


@dataclass(frozen=True, slots=True)
class NewSessionTicket:
    """A session ticket; lifetime in seconds, 0 if unspecified (RFC 5077 3.3)."""

    ticket_lifetime_hint: int
    ticket: bytes


@dataclass(frozen=True, slots=True)
class _ServerKey:
    curve_type: int
    named_curve: int
    public: bytes


@dataclass(frozen=True, slots=True)
class _SignedServerKey:
    params: _ServerKey
    algorithm: int
    signature: bytes


@dataclass(frozen=True, slots=True)
class _ClientKey:
    ecdh_yc: bytes


@dataclass(frozen=True, slots=True)
class _EncryptedSecret:
    pre_master_secret: bytes


HELLO_REQUEST = record(HelloRequest)
CERTIFICATE = single_field(
    Certificate,
    certificate_list=vector(opaque(1, 2**24 - 1, title="ASN.1Cert"), 0, 2**24 - 1, most=MOST_CERTIFICATES),
)
SERVER_KEY = record(
    _ServerKey,
    title="ServerECDHParams",
    spelled={"named_curve": "namedcurve"},
    curve_type=uint(1, ECCurveType),
    named_curve=uint(2, NamedGroup, title="NamedCurve"),
    public=opaque(1, 2**8 - 1, title="ECPoint"),
)
SIGNED_SERVER_KEY = record(
    _SignedServerKey,
    title="ServerKeyExchange",
    params=SERVER_KEY,
    algorithm=uint(2, SignatureScheme, title="SignatureAndHashAlgorithm"),
    signature=opaque(0, 2**16 - 1),
)
CERTIFICATE_REQUEST = record(
    CertificateRequest,
    certificate_types=vector(uint(1, ClientCertificateType), 1, 2**8 - 1),
    supported_signature_algorithms=vector(
        uint(2, SignatureScheme, title="SignatureAndHashAlgorithm"), 2, 2**16 - 2
    ),
    certificate_authorities=vector(opaque(1, 2**16 - 1, title="DistinguishedName"), 0, 2**16 - 1),
)
SERVER_HELLO_DONE = record(ServerHelloDone)
CLIENT_KEY_EXCHANGE = single_field(ClientKeyExchange, exchange_keys=rest())
FINISHED = single_field(Finished, verify_data=fixed(VERIFY_DATA_LENGTH))
NEW_SESSION_TICKET = record(NewSessionTicket, ticket_lifetime_hint=uint(4), ticket=opaque(0, 2**16 - 1))
CLIENT_KEY = single_field(
    _ClientKey,
    title="ClientECDiffieHellmanPublic",
    spelled="ecdh_Yc",
    ecdh_yc=opaque(1, 2**8 - 1, title="ECPoint"),
)
ENCRYPTED_SECRET = single_field(
    _EncryptedSecret, title="EncryptedPreMasterSecret", pre_master_secret=opaque(0, 2**16 - 1)
)


def _server_key_exchange() -> Codec[ServerKeyExchange]:
    """The parameters of a named curve, the only type that RFC 8422 5.4 has, and their signature."""

    def read(data: bytes, at: int, end: int) -> tuple[ServerKeyExchange, int]:
        signed, at = SIGNED_SERVER_KEY.read(data, at, end)
        key = signed.params
        if key.curve_type != ECCurveType.named_curve:
            fail(f"curve type {key.curve_type} is not named_curve")
        return ServerKeyExchange(key.named_curve, key.public, signed.algorithm, signed.signature), at

    def write(value: ServerKeyExchange, out: bytearray) -> None:
        key = _ServerKey(ECCurveType.named_curve, value.named_curve, value.public)
        SIGNED_SERVER_KEY.write(_SignedServerKey(key, value.algorithm, value.signature), out)

    fields = (*_fields(SERVER_KEY)[1:], *_fields(SIGNED_SERVER_KEY)[1:])
    return Codec(read, write, SIGNED_SERVER_KEY.notation, Custom(SIGNED_SERVER_KEY, fields))


def _fields(codec: Codec[Any]) -> tuple[tuple[str, Codec[Any]], ...]:
    return codec.shape.fields if isinstance(codec.shape, Record) else ()


SERVER_KEY_EXCHANGE = _server_key_exchange()


def signed_params(named_curve: int, public: bytes) -> bytes:
    """Return the part of a ServerKeyExchange that is signed after both randoms (RFC 8422 5.4)."""
    return encode(SERVER_KEY, _ServerKey(ECCurveType.named_curve, named_curve, public))


def ecdh_key_exchange(public: bytes) -> ClientKeyExchange:
    """Return the ClientKeyExchange for ECDHE (RFC 8422 5.7)."""
    return ClientKeyExchange(encode(CLIENT_KEY, _ClientKey(public)))


def ecdh_public(message: ClientKeyExchange) -> bytes:
    """Return the client's public key for ECDHE. Raises `DecodeError` (RFC 8422 5.7)."""
    return decode(CLIENT_KEY, message.exchange_keys, "ClientKeyExchange").ecdh_yc


def rsa_key_exchange(encrypted: bytes) -> ClientKeyExchange:
    """Return the ClientKeyExchange for RSA key transport (RFC 5246 7.4.7.1)."""
    return ClientKeyExchange(encode(ENCRYPTED_SECRET, _EncryptedSecret(encrypted)))


def encrypted_premaster(message: ClientKeyExchange) -> bytes:
    """Return the encrypted premaster secret for RSA key transport. Raises `DecodeError` (RFC 5246 7.4.7.1)."""
    return decode(ENCRYPTED_SECRET, message.exchange_keys, "ClientKeyExchange").pre_master_secret
