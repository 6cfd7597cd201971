"""Messages out of and into the bytes of handshake records (RFC 9846 4).

Knows which code stands for which message, how long one may be, and where its extensions are; not in
which order messages come.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bothways.faults import Fault, blame
from bothways.iana import HandshakeType, name
from bothways.tls.wire import tls12
from bothways.tls.wire.extension_table import CERTIFICATE_STATUS, Place, check_placement
from bothways.tls.wire.extensions import CertificateStatus, SelectedVersion, find
from bothways.tls.wire.fields import Codec, DecodeError, decode, write_whole
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
    ENCRYPTED_EXTENSIONS,
    FINISHED,
    KEY_UPDATE,
    NEW_SESSION_TICKET,
    Certificate,
    CertificateRequest,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
)
from bothways.tls.wire.words import FieldSeen, fields_in

MESSAGE_LIMIT = 64 * 1024
HEADER = 4

Message = (
    ClientHello
    | ServerHello
    | EncryptedExtensions
    | CertificateRequest
    | Certificate
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

# Classes that both versions share are written in the same form by both.
_FORMS: Mapping[type[Any], tuple[int, Codec[Any]]] = {
    cls: (int(message_type), codec)
    for version in (MESSAGES_12, MESSAGES_13)
    for message_type, (cls, codec) in version.items()
}


def decode_message(message_type: int, body: bytes, tls13: bool = True) -> Message:
    """Return the message in `body`, which has no header any more, as TLS 1.3 or 1.2 has it.

    Raises `DecodeError` for bytes that are no message of that type.
    """
    row = (MESSAGES_13 if tls13 else MESSAGES_12).get(message_type)
    if row is None:
        error = DecodeError("this version of TLS has no such message")
        error.within(name(HandshakeType, message_type))
        error.locate()
        raise error
    cls, codec = row
    message: Message = decode(codec, body, cls.__name__)
    return message


def encode_message(message: Message) -> bytes:
    """Return the bytes of `message` behind its header of type and length.

    Raises `ValueError` if a field does not fit its form.
    """
    message_type, codec = _FORMS[type(message)]
    out = bytearray(HEADER)
    write_whole(codec, message, out)
    out[:HEADER] = (message_type << 24 | len(out) - HEADER).to_bytes(HEADER, "big")
    return bytes(out)


def check_extensions(message: Message, offered: Collection[int]) -> None:
    """Check once where the extensions of `message` stand and what they answer (RFC 9846 4.3).

    offered: the code points of the extensions that we sent, which the peer may answer.
    """
    if isinstance(message, Certificate):
        for entry in message.certificate_list:
            if entry.extensions:
                check_placement(Place.CT, entry.extensions, offered)
    elif isinstance(message, ServerHello):
        check_placement(server_hello_place(message), message.extensions or (), offered)
    elif isinstance(message, _WITH_EXTENSIONS):
        check_placement(_PLACES[type(message)], message.extensions or (), offered)


_WITH_EXTENSIONS = (ClientHello, EncryptedExtensions, CertificateRequest, NewSessionTicket)
_PLACES = dict(zip(_WITH_EXTENSIONS, (Place.CH, Place.EE, Place.CR, Place.NST), strict=True))


def server_hello_place(hello: ServerHello) -> Place:
    """Tell which of the three ServerHellos this is: their extensions differ (RFC 9846 4.2.3)."""
    if is_retry(hello):
        return Place.HRR
    return Place.SH if find(hello.extensions or (), SelectedVersion) is not None else Place.SH12


class Flight:
    """Handshake bytes as they come out of records, cut into messages.

    Take all messages with `next` before feeding the next record: what then stays is less than one
    message, whose length is checked as soon as its header is there.
    """

    def __init__(self, max_certificate_bytes: int = MESSAGE_LIMIT) -> None:
        self._buffer = bytearray()
        self._at = 0
        self._max_certificate_bytes = max_certificate_bytes
        self._shortest_limit = min(MESSAGE_LIMIT, max_certificate_bytes)

    @property
    def empty(self) -> bool:
        """Whether no byte of a message waits here."""
        return not self._buffer

    def feed(self, fragment: bytes | bytearray | memoryview) -> None:
        """Add the content of one handshake record."""
        self._buffer += fragment

    def next(self) -> tuple[int, bytes] | None:
        """Return the next whole message as its type and its bytes with the header; None if there is none."""
        buffer, at = self._buffer, self._at
        if not buffer:
            return None
        body = at + HEADER
        if len(buffer) < body:
            self._compact()
            return None
        message_type = buffer[at]
        end = body + int.from_bytes(buffer[at + 1 : body], "big")
        if end - body > self._shortest_limit:
            self._check_length(message_type, end - body)
        if len(buffer) < end:
            self._compact()
            return None
        raw = bytes(buffer[at:end])
        if end == len(buffer):
            buffer.clear()
            end = 0
        self._at = end
        return message_type, raw

    def _compact(self) -> None:
        if self._at:
            del self._buffer[: self._at]
            self._at = 0

    def _check_length(self, message_type: int, length: int) -> None:
        limit = MESSAGE_LIMIT
        if message_type == HandshakeType.certificate:
            limit = self._max_certificate_bytes
        if length > limit:
            message = name(HandshakeType, message_type)
            blame(Fault.MESSAGE_TOO_LONG, message=message, length=length, limit=limit)


def fields_of(message: Message) -> list[FieldSeen]:
    """Return the fields of `message` in their order, each with its value in words."""
    _, codec = _FORMS[type(message)]
    if isinstance(message, ServerHello) and is_retry(message):
        codec = HELLO_RETRY_REQUEST
    return fields_in(codec, message)
