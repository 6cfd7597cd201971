"""Splits the bytes of handshake records into messages, and encodes messages (RFC 9846 4).

It knows the code of each message, its largest size and its extensions, but not the order of messages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple

from bothways.faults import Fault, blame
from bothways.iana import HandshakeType, name
from bothways.roles import Version
from bothways.tls.wire import tls12
from bothways.tls.wire.codec import Codec, decode, write_whole
from bothways.tls.wire.decode_errors import DecodeError
from bothways.tls.wire.describe import FieldSeen, fields_in
from bothways.tls.wire.extension_placement import check_placement
from bothways.tls.wire.extension_table import CERTIFICATE_STATUS, ExtensionContext
from bothways.tls.wire.extensions import CertificateStatus, Extensions, SelectedVersion, find
from bothways.tls.wire.hello import (
    CLIENT_HELLO,
    HELLO_RETRY_REQUEST,
    SERVER_HELLO,
    ClientHello,
    ServerHello,
    is_retry,
)
from bothways.tls.wire.tls13 import (
    CERTIFICATE,
    CERTIFICATE_REQUEST,
    CERTIFICATE_VERIFY,
    COMPRESSED_CERTIFICATE,
    ENCRYPTED_EXTENSIONS,
    FINISHED,
    KEY_UPDATE,
    NEW_SESSION_TICKET,
    Certificate,
    CertificateRequest,
    CertificateVerify,
    CompressedCertificate,
    EncryptedExtensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
)

MESSAGE_LIMIT = 64 * 1024
# The largest ClientHello that can be encoded (RFC 9846 4.2.2), so that none is refused for its size.
CLIENT_HELLO_LIMIT = 2 + 32 + (1 + 32) + (2 + 2**16 - 2) + (1 + 255) + (2 + 2**16 - 1)
HEADER = 4
_read_header, _write_header = Struct(">I").unpack_from, Struct(">I").pack_into

Message = (
    ClientHello
    | ServerHello
    | EncryptedExtensions
    | CertificateRequest
    | Certificate
    | CompressedCertificate
    | CertificateVerify
    | Finished
    | NewSessionTicket
    | KeyUpdate
    | tls12.HelloRequest
    | tls12.Certificate
    | CertificateStatus
    | tls12.ServerKeyExchange
    | tls12.CertificateRequest
    | tls12.ServerHelloDone
    | tls12.ClientKeyExchange
    | tls12.NewSessionTicket
)

MESSAGES_13: Mapping[int, tuple[type[Any], Codec[Any]]] = {
    HandshakeType.client_hello: (ClientHello, CLIENT_HELLO),
    HandshakeType.server_hello: (ServerHello, SERVER_HELLO),
    HandshakeType.new_session_ticket: (NewSessionTicket, NEW_SESSION_TICKET),
    HandshakeType.encrypted_extensions: (EncryptedExtensions, ENCRYPTED_EXTENSIONS),
    HandshakeType.certificate: (Certificate, CERTIFICATE),
    HandshakeType.certificate_request: (CertificateRequest, CERTIFICATE_REQUEST),
    HandshakeType.certificate_verify: (CertificateVerify, CERTIFICATE_VERIFY),
    HandshakeType.finished: (Finished, FINISHED),
    HandshakeType.key_update: (KeyUpdate, KEY_UPDATE),
    HandshakeType.compressed_certificate: (CompressedCertificate, COMPRESSED_CERTIFICATE),
}

MESSAGES_12: Mapping[int, tuple[type[Any], Codec[Any]]] = {
    HandshakeType.hello_request: (tls12.HelloRequest, tls12.HELLO_REQUEST),
    HandshakeType.client_hello: (ClientHello, CLIENT_HELLO),
    HandshakeType.server_hello: (ServerHello, SERVER_HELLO),
    HandshakeType.new_session_ticket: (tls12.NewSessionTicket, tls12.NEW_SESSION_TICKET),
    HandshakeType.certificate: (tls12.Certificate, tls12.CERTIFICATE),
    HandshakeType.server_key_exchange: (tls12.ServerKeyExchange, tls12.SERVER_KEY_EXCHANGE),
    HandshakeType.certificate_request: (tls12.CertificateRequest, tls12.CERTIFICATE_REQUEST),
    HandshakeType.server_hello_done: (tls12.ServerHelloDone, tls12.SERVER_HELLO_DONE),
    HandshakeType.certificate_verify: (CertificateVerify, CERTIFICATE_VERIFY),
    HandshakeType.client_key_exchange: (tls12.ClientKeyExchange, tls12.CLIENT_KEY_EXCHANGE),
    HandshakeType.finished: (Finished, tls12.FINISHED),
    HandshakeType.certificate_status: (CertificateStatus, CERTIFICATE_STATUS),
}

MESSAGES_IN: Mapping[Version, Mapping[int, tuple[type[Any], Codec[Any]]]] = {
    Version.TLS12: MESSAGES_12,
    Version.TLS13: MESSAGES_13,
}

# Classes used in both versions have the same encoding in both.
_FORMS: Mapping[type[Any], tuple[int, Codec[Any]]] = {
    cls: (int(message_type), codec)
    for messages in MESSAGES_IN.values()
    for message_type, (cls, codec) in messages.items()
}


# These are the same in all handshakes with one peer, and contain no random or secret values.
_ALIKE = frozenset(
    {
        HandshakeType.encrypted_extensions,
        HandshakeType.certificate_request,
        HandshakeType.certificate,
        HandshakeType.server_hello_done,
    }
)
_ALIKE_LIMIT = 4096


def decode_message(message_type: int, body: bytes, version: Version = Version.TLS13) -> Message:
    """Return the message in `body`, which has no header, in the encoding of `version`.

    Short messages that repeat are cached. Raises `DecodeError`.
    """
    if message_type in _ALIKE and len(body) <= _ALIKE_LIMIT:
        return _decode_once(message_type, body, version)
    return _decode(message_type, body, version)


def _decode(message_type: int, body: bytes, version: Version) -> Message:
    row = MESSAGES_IN[version].get(message_type)
    if row is None:
        error = DecodeError("this version of TLS has no such message")
        error.within(name(HandshakeType, message_type))
        error.locate()
        raise error
    cls, codec = row
    message: Message = decode(codec, body, cls.__name__)
    return message


_decode_once = lru_cache(maxsize=64)(_decode)


class Encoded(NamedTuple):
    """A message and its encoding, created once for all handshakes with the same message."""

    message: Message
    raw: bytes


def encoded(message: Message) -> Encoded:
    """Encode a message that is sent many times."""
    return Encoded(message, encode_message(message))


def encode_message(message: Message) -> bytes:
    """Return the encoding of `message` with its header of type and length.

    Raises `ValueError` if a field cannot be encoded.
    """
    message_type, codec = _FORMS[type(message)]
    out = bytearray(HEADER)
    write_whole(codec, message, out)
    _write_header(out, 0, message_type << 24 | len(out) - HEADER)
    return bytes(out)


def check_extensions(message: Message, offered: Collection[int]) -> None:
    """Check that the extensions of `message` are allowed there, and answer what was offered (RFC 9846 4.3).

    offered: the codes of the extensions that we sent, which the peer may answer.
    """
    blocks_of = _BLOCKS.get(type(message))
    if blocks_of is not None:
        for context, extensions in blocks_of(message):
            if extensions:
                check_placement(context, extensions, offered)


Blocks = Sequence[tuple[ExtensionContext, Extensions | None]]

_BLOCKS: Mapping[type[Any], Callable[[Any], Blocks]] = {
    ClientHello: lambda message: ((ExtensionContext.CH, message.extensions),),
    ServerHello: lambda message: ((server_hello_context(message), message.extensions),),
    EncryptedExtensions: lambda message: ((ExtensionContext.EE, message.extensions),),
    CertificateRequest: lambda message: ((ExtensionContext.CR, message.extensions),),
    Certificate: lambda message: [
        (ExtensionContext.CT, entry.extensions) for entry in message.certificate_list
    ],
    NewSessionTicket: lambda message: ((ExtensionContext.NST, message.extensions),),
}


def server_hello_context(hello: ServerHello) -> ExtensionContext:
    """Return which of the three kinds of ServerHello this is; their extensions differ (RFC 9846 4.2.3)."""
    if is_retry(hello):
        return ExtensionContext.HRR
    return (
        ExtensionContext.SH
        if find(hello.extensions or (), SelectedVersion) is not None
        else ExtensionContext.SH12
    )


class Flight:
    """Splits the content of handshake records into messages.

    Take all messages with `next` before you feed the next record: the rest is then less than one message, whose size is
    checked as soon as its header is complete. `empty`: no part of a message is buffered.
    """

    def __init__(self, max_certificate_bytes: int = MESSAGE_LIMIT) -> None:
        self.empty = True
        self._buffer: bytes | bytearray = b""
        self._at = 0
        self._max_certificate_bytes = max_certificate_bytes
        self._shortest_limit = min(MESSAGE_LIMIT, max_certificate_bytes)

    def feed(self, fragment: bytes | bytearray | memoryview) -> None:
        """Add the content of one handshake record."""
        if self.empty:
            self._buffer = bytes(fragment)  # usually these are whole messages, and nothing has to be copied
            self.empty = not self._buffer
            return
        if isinstance(self._buffer, bytes):
            self._buffer = bytearray(self._buffer)
        self._buffer += fragment

    def next(self) -> tuple[int, bytes] | None:
        """Return the next complete message: its type, and its bytes with the header. None if there is none."""
        if self.empty:
            return None
        buffer, at = self._buffer, self._at
        body = at + HEADER
        if len(buffer) < body:
            self._compact()
            return None
        (header,) = _read_header(buffer, at)
        message_type, length = header >> 24, header & 0xFFFFFF
        end = body + length
        if length > self._shortest_limit:
            self._check_length(message_type, length)
        if len(buffer) < end:
            self._compact()
            return None
        if end == len(buffer):
            self._buffer, self._at, self.empty = b"", 0, True
        else:
            self._at = end
        return message_type, bytes(buffer[at:end])

    def _compact(self) -> None:
        if self._at:
            self._buffer = self._buffer[self._at :]
            self._at = 0

    def _check_length(self, message_type: int, length: int) -> None:
        limits: dict[int, int] = {
            HandshakeType.client_hello: CLIENT_HELLO_LIMIT,
            HandshakeType.certificate: self._max_certificate_bytes,
            HandshakeType.compressed_certificate: self._max_certificate_bytes,
        }
        limit = limits.get(message_type, MESSAGE_LIMIT)
        if length > limit:
            message = name(HandshakeType, message_type)
            blame(Fault.MESSAGE_TOO_LONG, message=message, length=length, limit=limit)


def fields_of(message: Message) -> list[FieldSeen]:
    """Return the fields of `message` in order, each with its value as text."""
    _, codec = _FORMS[type(message)]
    if isinstance(message, ServerHello) and is_retry(message):
        codec = HELLO_RETRY_REQUEST
    return fields_in(codec, message)
