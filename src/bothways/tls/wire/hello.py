"""ClientHello and ServerHello; a HelloRetryRequest is a ServerHello with one fixed random (RFC 9846 4.2)."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.iana import CipherSuite, CompressionMethod, ProtocolVersion
from bothways.tls.wire.codec import Codec
from bothways.tls.wire.extension_table import ExtensionContext, extension_block
from bothways.tls.wire.extensions import Extensions
from bothways.tls.wire.fields import fixed, opaque, optional, record, uint, vector

RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")


@dataclass(frozen=True, slots=True)
class ClientHello:
    """What a client offers (RFC 9846 4.2.2). extensions: None if the field is absent, as TLS 1.2 allows."""

    legacy_version: int
    random: bytes
    legacy_session_id: bytes
    cipher_suites: tuple[int, ...]
    legacy_compression_methods: bytes
    extensions: Extensions | None


@dataclass(frozen=True, slots=True)
class ServerHello:
    """What a server chose (RFC 9846 4.2.3), or a HelloRetryRequest (4.2.4)."""

    legacy_version: int
    random: bytes
    legacy_session_id_echo: bytes
    cipher_suite: int
    legacy_compression_method: int
    extensions: Extensions | None


def with_extensions(hello: ClientHello, extensions: Extensions) -> ClientHello:
    """Return the same ClientHello with other extensions."""
    return ClientHello(
        hello.legacy_version,
        hello.random,
        hello.legacy_session_id,
        hello.cipher_suites,
        hello.legacy_compression_methods,
        extensions,
    )


def is_retry(hello: ServerHello) -> bool:
    """Whether this is a HelloRetryRequest (RFC 9846 4.2.3)."""
    return hello.random == RETRY_RANDOM


CLIENT_HELLO = record(
    ClientHello,
    legacy_version=uint(2, ProtocolVersion),
    random=fixed(32, title="Random"),
    legacy_session_id=opaque(0, 32),
    cipher_suites=vector(uint(2, CipherSuite), 2, 2**16 - 2),
    legacy_compression_methods=opaque(1, 2**8 - 1),
    extensions=optional(extension_block(ExtensionContext.CH)),
)


def _server_hello(*places: ExtensionContext) -> Codec[ServerHello]:
    return record(
        ServerHello,
        legacy_version=uint(2, ProtocolVersion),
        random=fixed(32, title="Random"),
        legacy_session_id_echo=opaque(0, 32),
        cipher_suite=uint(2, CipherSuite),
        legacy_compression_method=uint(1, CompressionMethod, title="uint8"),
        extensions=optional(extension_block(*places)),
    )


_FINAL = _server_hello(ExtensionContext.SH, ExtensionContext.SH12)
HELLO_RETRY_REQUEST = _server_hello(ExtensionContext.HRR)


def _read(data: bytes, at: int, end: int) -> tuple[ServerHello, int]:
    codec = HELLO_RETRY_REQUEST if data[at + 2 : at + 34] == RETRY_RANDOM else _FINAL
    return codec.read(data, at, end)


def _write(hello: ServerHello, out: bytearray) -> None:
    (HELLO_RETRY_REQUEST if is_retry(hello) else _FINAL).write(hello, out)


SERVER_HELLO = _FINAL._replace(read=_read, write=_write)
