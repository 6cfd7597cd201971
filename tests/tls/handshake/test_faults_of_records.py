"""Everything that can be wrong with records: who refuses what, and the alert as the other side saw it."""

from __future__ import annotations

import pytest

from bothways import Connection, Fault
from bothways.iana import Alert, HandshakeType
from bothways.roles import Role
from bothways.tls.events import Epoch
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.message_io import CHANGE_CIPHER_SPEC, EMPTY_RECORD_LIMIT
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateVerify,
    EncryptedExtensions,
    Finished,
    KeyUpdate,
    NewSessionTicket,
)
from inside import machinery
from pair import Pair
from tamper import (
    Act,
    Refusal,
    after,
    after_handshake,
    before,
    behind,
    both,
    extending,
    framed,
    in_parts,
    refused,
    sealed,
    wire,
)
from tls.handshake.conversations import CONVERSATIONS, EXAMPLES, client_config, server_config

CLIENT, SERVER = Role.CLIENT, Role.SERVER
UNEXPECTED = Alert.UNEXPECTED_MESSAGE
GARBAGE = b"\x17\x03\x03\x00\x40" + bytes(64)


def inner(content: bytes) -> Act:
    """Put a protected record with exactly this inside on the wire: content, type and padding."""

    def act(hs: HandshakeContext) -> None:
        hs.out.flush()
        hs.out.put_records(hs.out.keys.seal_inner(content))

    return act


def exhausted(talk: Pair, sender: Connection) -> None:
    """Have all numbers of records used up where they are read."""
    reader = talk.client if sender is talk.server else talk.server
    machinery(reader).inbox.keys.sequence = 2**64 - 1
    sender.send(b"one too many")


def renewed(hs: HandshakeContext) -> None:
    """Go on under the keys that follow a KeyUpdate."""
    hs.out.change_keys(hs.out.keys.next(), Epoch.APPLICATION)


ALERT_CLOSE = b"\x01\x00"
USER_CANCELED = b"\x01\x5a"
UPDATE = encode_message(KeyUpdate(0))
TICKET = encode_message(EXAMPLES[HandshakeType.new_session_ticket])
EARLY = wire(b"\x17\x03\x03\x3e\x80" + bytes(16000))
TOO_MANY = EMPTY_RECORD_LIMIT + 1
LONGEST = 2**14

REFUSALS = (
    Refusal("HTTP request", CLIENT, Fault.NOT_TLS, UNEXPECTED, wire=lambda _: b"GET / HTTP/1.1\r\n\r\n"),
    Refusal("hello of SSL 2", CLIENT, Fault.NOT_TLS, UNEXPECTED, wire=lambda _: b"\x80\x2e\x01\x00\x02\x00"),
    Refusal("HTTP answer", SERVER, Fault.NOT_TLS, UNEXPECTED, edit=before(ServerHello, wire(b"HTTP/1.1 4"))),
    Refusal(
        "unprotected",
        CLIENT,
        Fault.RECORD_TOO_LONG,
        Alert.RECORD_OVERFLOW,
        edit=before(ClientHello, wire(b"\x16\x03\x01\x40\x01")),
    ),
    Refusal(
        "protected, 2^14+257",
        SERVER,
        Fault.RECORD_TOO_LONG,
        Alert.RECORD_OVERFLOW,
        then=after_handshake(wire(b"\x17\x03\x03\x41\x01")),
    ),
    Refusal(
        "protected, 2^14+1 inside",
        SERVER,
        Fault.RECORD_TOO_LONG,
        Alert.RECORD_OVERFLOW,
        then=after_handshake(inner(bytes(LONGEST + 1) + b"\x17")),
    ),
    Refusal(
        "padding to more than 2^14+1 inside",
        CLIENT,
        Fault.RECORD_TOO_LONG,
        Alert.RECORD_OVERFLOW,
        then=after_handshake(inner(b"x\x17" + bytes(LONGEST))),
    ),
    Refusal(
        "of type handshake, in the clear",
        CLIENT,
        Fault.EMPTY_FRAGMENT,
        UNEXPECTED,
        edit=before(ClientHello, wire(b"\x16\x03\x03\x00\x00")),
    ),
    Refusal(
        "of type handshake",
        SERVER,
        Fault.EMPTY_FRAGMENT,
        UNEXPECTED,
        edit=before(EncryptedExtensions, sealed(22)),
    ),
    Refusal("of type alert", CLIENT, Fault.EMPTY_FRAGMENT, UNEXPECTED, then=after_handshake(sealed(21))),
    Refusal(
        "of type heartbeat, in the clear",
        CLIENT,
        Fault.UNEXPECTED_RECORD,
        UNEXPECTED,
        edit=after(ClientHello, wire(b"\x18\x03\x03\x00\x01\x00")),
    ),
    Refusal(
        "of type 0 after TLS has begun",
        SERVER,
        Fault.UNEXPECTED_RECORD,
        UNEXPECTED,
        edit=after(ServerHello, wire(b"\x00\x03\x03\x00\x01\x00")),
    ),
    Refusal(
        "change_cipher_spec, protected",
        SERVER,
        Fault.UNEXPECTED_RECORD,
        UNEXPECTED,
        edit=before(EncryptedExtensions, sealed(20, b"\1")),
    ),
    Refusal(
        "of type 99, protected",
        CLIENT,
        Fault.UNEXPECTED_RECORD,
        UNEXPECTED,
        then=after_handshake(sealed(99, b"x")),
    ),
    Refusal(
        "a message",
        SERVER,
        Fault.UNPROTECTED_RECORD,
        UNEXPECTED,
        edit=before(EncryptedExtensions, wire(b"\x16\x03\x03\x00\x06\x08\x00\x00\x02\x00\x00")),
    ),
    Refusal(
        "a message of the client's last flight",
        CLIENT,
        Fault.UNPROTECTED_RECORD,
        UNEXPECTED,
        edit=before(Certificate, wire(b"\x16\x03\x03\x00\x08\x0b\x00\x00\x04\x00\x00\x00\x00")),
    ),
    Refusal(
        "an alert after a protected record",
        SERVER,
        Fault.UNPROTECTED_RECORD,
        UNEXPECTED,
        edit=before(CertificateVerify, wire(b"\x15\x03\x03\x00\x02\x02\x28")),
    ),
    Refusal(
        "an alert after the handshake",
        CLIENT,
        Fault.UNPROTECTED_RECORD,
        UNEXPECTED,
        then=after_handshake(wire(b"\x15\x03\x03\x00\x02\x02\x28")),
    ),
    Refusal(
        "garbage in the handshake",
        SERVER,
        Fault.BAD_RECORD,
        Alert.BAD_RECORD_MAC,
        edit=before(EncryptedExtensions, wire(GARBAGE)),
    ),
    Refusal(
        "garbage after it",
        CLIENT,
        Fault.BAD_RECORD,
        Alert.BAD_RECORD_MAC,
        then=after_handshake(wire(GARBAGE)),
    ),
    Refusal(
        "shorter than its tag",
        SERVER,
        Fault.BAD_RECORD,
        Alert.BAD_RECORD_MAC,
        then=after_handshake(wire(b"\x17\x03\x03\x00\x0f" + bytes(15))),
    ),
    Refusal(
        "nothing at all inside",
        SERVER,
        Fault.BAD_RECORD,
        Alert.BAD_RECORD_MAC,
        then=after_handshake(wire(b"\x17\x03\x03\x00\x00")),
    ),
    Refusal(
        "zeros alone", SERVER, Fault.NO_CONTENT_TYPE, UNEXPECTED, then=after_handshake(inner(bytes(100)))
    ),
    Refusal("not even a type", CLIENT, Fault.NO_CONTENT_TYPE, UNEXPECTED, then=after_handshake(inner(b""))),
    Refusal(
        "before the ClientHello",
        CLIENT,
        Fault.BAD_CHANGE_CIPHER_SPEC,
        UNEXPECTED,
        edit=before(ClientHello, wire(CHANGE_CIPHER_SPEC)),
    ),
    Refusal(
        "with the value 2",
        SERVER,
        Fault.BAD_CHANGE_CIPHER_SPEC,
        UNEXPECTED,
        edit=before(EncryptedExtensions, wire(bytes.fromhex("140303000102"))),
    ),
    Refusal(
        "of two bytes",
        SERVER,
        Fault.BAD_CHANGE_CIPHER_SPEC,
        UNEXPECTED,
        edit=before(EncryptedExtensions, wire(bytes.fromhex("14030300020101"))),
    ),
    Refusal(
        "of no byte",
        CLIENT,
        Fault.BAD_CHANGE_CIPHER_SPEC,
        UNEXPECTED,
        edit=before(Finished, wire(bytes.fromhex("1403030000"))),
    ),
    Refusal(
        "after the client's Finished",
        CLIENT,
        Fault.BAD_CHANGE_CIPHER_SPEC,
        UNEXPECTED,
        then=after_handshake(wire(CHANGE_CIPHER_SPEC)),
    ),
    Refusal(
        "after the server's Finished",
        SERVER,
        Fault.BAD_CHANGE_CIPHER_SPEC,
        UNEXPECTED,
        then=after_handshake(wire(CHANGE_CIPHER_SPEC)),
    ),
    Refusal(
        "data",
        SERVER,
        Fault.TOO_MANY_EMPTY_RECORDS,
        UNEXPECTED,
        then=after_handshake(sealed(23, times=TOO_MANY)),
    ),
    Refusal(
        "data, after a KeyUpdate",
        CLIENT,
        Fault.TOO_MANY_EMPTY_RECORDS,
        UNEXPECTED,
        then=after_handshake(sealed(22, UPDATE), renewed, sealed(23, times=TOO_MANY)),
    ),
    Refusal(
        "change_cipher_spec",
        CLIENT,
        Fault.TOO_MANY_EMPTY_RECORDS,
        UNEXPECTED,
        edit=after(ClientHello, wire(CHANGE_CIPHER_SPEC * TOO_MANY)),
    ),
    Refusal(
        "user_canceled without an end",
        SERVER,
        Fault.TOO_MANY_EMPTY_RECORDS,
        UNEXPECTED,
        then=after_handshake(sealed(21, USER_CANCELED, TOO_MANY)),
    ),
    Refusal(
        "user_canceled without an end, in the clear",
        CLIENT,
        Fault.TOO_MANY_EMPTY_RECORDS,
        UNEXPECTED,
        edit=before(ClientHello, sealed(21, USER_CANCELED, TOO_MANY)),
    ),
    Refusal(
        "EncryptedExtensions in the record of the ServerHello",
        SERVER,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(ServerHello, behind(encode_message(EXAMPLES[HandshakeType.encrypted_extensions]))),
    ),
    Refusal(
        "the beginning of a message in the record of the ServerHello",
        SERVER,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(ServerHello, behind(b"\x08")),
    ),
    Refusal(
        "a second ClientHello in the record of the first",
        CLIENT,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(ClientHello, behind(encode_message(EXAMPLES[HandshakeType.client_hello]))),
    ),
    Refusal(
        "the beginning of a message in the record of the first ClientHello",
        CLIENT,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(ClientHello, behind(b"\x01")),
        conversation="mutual after a retry",
    ),
    Refusal(
        "a whole message in the record of the first ClientHello, before a HelloRetryRequest",
        CLIENT,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(ClientHello, behind(encode_message(EXAMPLES[HandshakeType.client_hello]))),
        conversation="mutual after a retry",
    ),
    Refusal(
        "a ServerHello in the record of the HelloRetryRequest",
        SERVER,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(ServerHello, behind(encode_message(EXAMPLES[HandshakeType.server_hello]))),
        conversation="mutual after a retry",
    ),
    Refusal(
        "a ticket in the record of the server's Finished",
        SERVER,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(Finished, behind(TICKET)),
    ),
    Refusal(
        "a KeyUpdate in the record of the client's Finished",
        CLIENT,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        edit=after(Finished, behind(UPDATE)),
    ),
    Refusal(
        "two KeyUpdates in one record",
        CLIENT,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        then=after_handshake(sealed(22, UPDATE + UPDATE)),
    ),
    Refusal(
        "a ticket begun behind a KeyUpdate",
        SERVER,
        Fault.MESSAGE_SPANS_KEY_CHANGE,
        UNEXPECTED,
        then=after_handshake(sealed(22, UPDATE + TICKET[:3])),
    ),
    Refusal(
        "data",
        SERVER,
        Fault.INTERLEAVED,
        UNEXPECTED,
        then=after_handshake(sealed(22, TICKET[:9]), sealed(23, b"data")),
    ),
    Refusal(
        "an alert",
        SERVER,
        Fault.INTERLEAVED,
        UNEXPECTED,
        then=after_handshake(sealed(22, TICKET[:9]), sealed(21, ALERT_CLOSE)),
    ),
    Refusal(
        "data in a KeyUpdate of the client",
        CLIENT,
        Fault.INTERLEAVED,
        UNEXPECTED,
        then=after_handshake(sealed(22, UPDATE[:1]), sealed(23, b"data")),
    ),
    Refusal(
        "change_cipher_spec in the second ClientHello",
        CLIENT,
        Fault.INTERLEAVED,
        UNEXPECTED,
        edit=in_parts(ClientHello, wire(CHANGE_CIPHER_SPEC), nth=1),
        conversation="mutual after a retry",
    ),
    Refusal(
        "change_cipher_spec in the server's Certificate",
        SERVER,
        Fault.INTERLEAVED,
        UNEXPECTED,
        edit=in_parts(Certificate, wire(CHANGE_CIPHER_SPEC)),
    ),
    Refusal(
        "an alert in the ClientHello",
        CLIENT,
        Fault.INTERLEAVED,
        UNEXPECTED,
        edit=in_parts(ClientHello, sealed(21, USER_CANCELED)),
    ),
    Refusal("by the server", SERVER, Fault.RECORD_LIMIT_REACHED, UNEXPECTED, then=exhausted),
    Refusal("by the client", CLIENT, Fault.RECORD_LIMIT_REACHED, UNEXPECTED, then=exhausted),
    Refusal(
        "behind the first ClientHello",
        CLIENT,
        Fault.EARLY_DATA,
        UNEXPECTED,
        edit=both(
            extending(ClientHello, ext.EarlyDataIndication()),
            after(ClientHello, *[EARLY] * 5),
        ),
    ),
    Refusal(
        "before the second ClientHello",
        CLIENT,
        Fault.EARLY_DATA,
        UNEXPECTED,
        edit=both(
            extending(ClientHello, ext.EarlyDataIndication()),
            after(ClientHello, *[EARLY] * 5),
        ),
        conversation="mutual after a retry",
    ),
    Refusal(
        "of three bytes, as an alert",
        CLIENT,
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        then=after_handshake(sealed(21, b"\x02\x28\x00")),
    ),
    Refusal(
        "of one byte, as an alert",
        SERVER,
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        then=after_handshake(sealed(21, b"\x02")),
    ),
    Refusal(
        "two alerts in one record",
        SERVER,
        Fault.UNDECODABLE,
        Alert.DECODE_ERROR,
        then=after_handshake(sealed(21, USER_CANCELED + ALERT_CLOSE)),
    ),
    Refusal(
        "data before the ServerHello",
        SERVER,
        Fault.UNEXPECTED_MESSAGE,
        UNEXPECTED,
        edit=before(ServerHello, wire(b"\x17\x03\x03\x00\x01x")),
    ),
    Refusal(
        "data instead of a hello",
        CLIENT,
        Fault.UNEXPECTED_MESSAGE,
        UNEXPECTED,
        edit=before(ClientHello, wire(b"\x17\x03\x03\x00\x01x")),
    ),
    Refusal(
        "empty data instead of a hello",
        CLIENT,
        Fault.UNEXPECTED_MESSAGE,
        UNEXPECTED,
        edit=before(ClientHello, wire(b"\x17\x03\x03\x00\x00")),
    ),
    Refusal(
        "data before the server's Finished",
        SERVER,
        Fault.UNEXPECTED_MESSAGE,
        UNEXPECTED,
        edit=before(Finished, sealed(23, b"too early")),
    ),
    Refusal(
        "data before the client's Finished",
        CLIENT,
        Fault.UNEXPECTED_MESSAGE,
        UNEXPECTED,
        edit=before(Finished, sealed(23, b"too early")),
    ),
    Refusal(
        "empty data before the client's Certificate",
        CLIENT,
        Fault.UNEXPECTED_MESSAGE,
        UNEXPECTED,
        edit=before(Certificate, sealed(23)),
    ),
    Refusal(
        "a ClientHello that is longer than any",
        CLIENT,
        Fault.MESSAGE_TOO_LONG,
        Alert.DECODE_ERROR,
        edit=before(ClientHello, b"\x01\x02\x01\x45"),
    ),
    Refusal(
        "a message of 64 KiB and one byte",
        SERVER,
        Fault.MESSAGE_TOO_LONG,
        Alert.DECODE_ERROR,
        edit=before(ServerHello, b"\x02\x01\x00\x01"),
    ),
    Refusal(
        "a message of 16 MiB that would never end",
        SERVER,
        Fault.MESSAGE_TOO_LONG,
        Alert.DECODE_ERROR,
        then=after_handshake(sealed(22, b"\x04\xff\xff\xff")),
    ),
    Refusal(
        "a Certificate longer than the server's limit",
        CLIENT,
        Fault.MESSAGE_TOO_LONG,
        Alert.DECODE_ERROR,
        server={"max_certificate_bytes": 1024},
        edit=before(Certificate, framed(11, bytes(1025))),
    ),
)


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_record_is_refused(case: Refusal) -> None:
    """RFC 9846 5: each fault of a record, its alert, and nothing handed out."""
    settings = CONVERSATIONS[case.conversation]
    refused(
        case, client_config(**settings.client | case.client), server_config(**settings.server | case.server)
    )


def test_ticket_that_is_never_complete_is_not_taken() -> None:
    """The pieces that the table is made from are what they seem."""
    assert isinstance(EXAMPLES[HandshakeType.new_session_ticket], NewSessionTicket)
    assert len(TICKET) > 9 and len(UPDATE) == 5
