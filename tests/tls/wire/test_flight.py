"""RFC 9846 4 and 5.1: messages in any cut of records, their headers, their limits, their extensions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import wire_values
from bothways.faults import Fault
from bothways.iana import HandshakeType
from bothways.roles import Version
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import flight, tls13
from bothways.tls.wire.extension_table import ExtensionContext
from bothways.tls.wire.flight import (
    CLIENT_HELLO_LIMIT,
    HEADER,
    MESSAGE_LIMIT,
    MESSAGES_IN,
    Flight,
    Message,
    check_extensions,
    decode_message,
    encode_message,
    fields_of,
)
from bothways.tls.wire.hello import RETRY_RANDOM, ClientHello, ServerHello
from faults import blames

RANDOM = bytes(range(32))


def server_hello(*extensions: ext.Extension, random: bytes = RANDOM) -> ServerHello:
    return ServerHello(0x0303, random, b"", 0x1301, 0, extensions)


EVERY_MESSAGE = [(version, each) for version in Version for each in sorted(MESSAGES_IN[version])]


@wire_values.SAMPLE
@given(st.data())
@pytest.mark.parametrize(("version", "message_type"), EVERY_MESSAGE)
def test_message_has_its_header(version: Version, message_type: HandshakeType, data: st.DataObject) -> None:
    """RFC 9846 4, RFC 5246 7.4: one byte of type, three of length."""
    cls, codec = MESSAGES_IN[version][message_type]
    message = data.draw(wire_values.values(codec))
    raw = encode_message(message)
    assert raw[0] == message_type
    assert int.from_bytes(raw[1:4], "big") == len(raw) - 4
    assert decode_message(raw[0], raw[4:], version) == message
    assert isinstance(message, cls)


def test_messages_that_come_again_are_decoded_once_and_their_faults_found_again() -> None:
    """What is alike in all handshakes with one peer; nothing that is fresh, long or wrong is kept."""
    request = tls13.CertificateRequest(b"", (ext.SignatureAlgorithms((0x0403, 0x0807)),))
    raw = encode_message(request)
    assert decode_message(raw[0], raw[4:]) is decode_message(raw[0], bytes(bytearray(raw[4:])))
    for other in (server_hello(), tls13.Finished(bytes(32)), tls13.CertificateVerify(0x0403, b"s")):
        fresh = encode_message(other)
        assert decode_message(fresh[0], fresh[4:]) is not decode_message(fresh[0], fresh[4:])
    long = encode_message(tls13.Certificate(b"", (tls13.CertificateEntry(bytes(5000), ()),)))
    assert decode_message(long[0], long[4:]) is not decode_message(long[0], long[4:])
    for _ in range(2):
        with blames(Fault.UNDECODABLE, place="CertificateRequest.extensions"):
            decode_message(raw[0], raw[4:-1])


def test_error_names_the_message() -> None:
    with blames(Fault.UNDECODABLE, place="KeyUpdate.request_update"):
        decode_message(HandshakeType.key_update, b"")


@pytest.mark.parametrize(
    ("version", "message_type", "place"),
    [
        (Version.TLS13, HandshakeType.end_of_early_data, "end_of_early_data"),
        (Version.TLS13, HandshakeType.server_hello_done, "server_hello_done"),
        (Version.TLS13, 99, "HandshakeType 99"),
        (Version.TLS12, HandshakeType.key_update, "key_update"),
        (Version.TLS12, HandshakeType.encrypted_extensions, "encrypted_extensions"),
    ],
)
def test_message_that_a_version_does_not_have_cannot_be_decoded(
    version: Version, message_type: int, place: str
) -> None:
    with blames(Fault.UNDECODABLE, place=place, problem="this version of TLS has no such message"):
        decode_message(message_type, b"", version)


def test_message_that_does_not_fit_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="KeyUpdate does not fit"):
        encode_message(tls13.KeyUpdate(256))


# -- records into messages ---------------------------------------------------------------------------------

MESSAGES: list[Message] = [
    tls13.KeyUpdate(0),
    tls13.Finished(bytes(48)),
    tls13.CertificateVerify(0x0403, b"s"),
]
STREAM = b"".join(map(encode_message, MESSAGES))


def read_all(fragments: list[bytes]) -> list[Message]:
    flight = Flight()
    found = []
    for fragment in fragments:
        flight.feed(fragment)
        while (message := flight.next()) is not None:
            found.append(decode_message(message[0], message[1][4:]))
    assert flight.empty
    return found


@pytest.mark.parametrize("cut", range(1, len(STREAM)))
def test_any_cut_of_the_stream_gives_the_same_messages(cut: int) -> None:
    assert read_all([STREAM[:cut], STREAM[cut:]]) == MESSAGES


def test_stream_byte_by_byte_gives_the_same_messages() -> None:
    assert read_all([bytes([each]) for each in STREAM]) == MESSAGES


def test_part_of_a_message_is_not_empty() -> None:
    """RFC 9846 5.1: whoever changes keys must know of it."""
    flight = Flight()
    assert flight.empty
    flight.feed(STREAM[:6])
    assert flight.next() == (24, STREAM[:5])
    assert not flight.empty
    assert flight.next() is None
    assert not flight.empty


def test_message_longer_than_our_limit_is_refused_at_its_header() -> None:
    flight = Flight()
    flight.feed(b"\x0d" + (MESSAGE_LIMIT + 1).to_bytes(3, "big"))
    with blames(Fault.MESSAGE_TOO_LONG, message="certificate_request", length=MESSAGE_LIMIT + 1):
        flight.next()
    longest = ClientHello(
        0x0303,
        bytes(32),
        bytes(32),
        (0x1301,) * (2**15 - 1),
        bytes(255),
        (ext.UnknownExtension(0x1234, bytes(2**16 - 1 - 4)),),
    )
    assert len(encode_message(longest)) == CLIENT_HELLO_LIMIT + HEADER
    flight = Flight()
    flight.feed(encode_message(longest))
    assert flight.next() == (1, encode_message(longest))
    flight.feed(b"\x01" + (CLIENT_HELLO_LIMIT + 1).to_bytes(3, "big"))
    with blames(Fault.MESSAGE_TOO_LONG, message="client_hello", length=CLIENT_HELLO_LIMIT + 1):
        flight.next()
    flight = Flight()
    flight.feed(b"\x0d" + MESSAGE_LIMIT.to_bytes(3, "big"))
    assert flight.next() is None


@pytest.mark.parametrize("limit", [1000, 200_000])
def test_certificates_have_a_limit_of_their_own(limit: int) -> None:
    flight = Flight(max_certificate_bytes=limit)
    flight.feed(b"\x0b" + limit.to_bytes(3, "big"))
    assert flight.next() is None
    flight.feed(bytes(limit))
    assert flight.next() == (11, b"\x0b" + limit.to_bytes(3, "big") + bytes(limit))
    flight.feed(b"\x0b" + (limit + 1).to_bytes(3, "big"))
    with blames(Fault.MESSAGE_TOO_LONG, message="certificate", limit=limit):
        flight.next()


def test_bytes_that_remain_after_a_message_are_bounded() -> None:
    """A thousand messages in one record leave nothing behind when a part of one more follows."""
    flight = Flight()
    update = encode_message(tls13.KeyUpdate(0))
    flight.feed(update * 1000 + update[:3])
    assert sum(1 for _ in iter(flight.next, None)) == 1000
    flight.feed(update[3:])
    assert flight.next() == (24, update)
    assert flight.empty


# -- where extensions stand --------------------------------------------------------------------------------

ENTRY = tls13.CertificateEntry(b"der", (ext.CertificateStatus(b"ocsp"),))
DUPLICATE = (ext.Cookie(b"c"), ext.Cookie(b"c"))
ALL_HELLOS = frozenset({0, 5, 16, 43, 51})

ALLOWED: list[tuple[Message, frozenset[int]]] = [
    (ClientHello(0x0303, RANDOM, b"", (0x1301,), b"\0", None), frozenset()),
    (ClientHello(0x0303, RANDOM, b"", (0x1301,), b"\0", (ext.Cookie(b"c"),)), frozenset()),
    (server_hello(ext.SelectedVersion(0x0304)), ALL_HELLOS),
    (server_hello(ext.ServerName()), ALL_HELLOS),
    (server_hello(ext.Cookie(b"c"), random=RETRY_RANDOM), frozenset()),
    (ServerHello(0x0303, RANDOM, b"", 0x1301, 0, None), frozenset()),
    (tls13.EncryptedExtensions((ext.ServerName(),)), ALL_HELLOS),
    (tls13.CertificateRequest(b"", (ext.UnknownExtension(0x0A0A, b""),)), frozenset()),
    (tls13.Certificate(b"", (ENTRY, ENTRY, tls13.CertificateEntry(b"ca", ()))), frozenset({5})),
    (tls13.NewSessionTicket(0, 0, b"", b"t", (ext.MaxEarlyData(1),)), frozenset()),
    (tls13.KeyUpdate(0), frozenset()),
]


@pytest.mark.parametrize(("message", "offered"), ALLOWED)
def test_extension_in_its_place_passes(message: Message, offered: frozenset[int]) -> None:
    check_extensions(message, offered)


BLAMED: list[tuple[Message, frozenset[int], Fault, str]] = [
    (
        ClientHello(0x0303, RANDOM, b"", (0x1301,), b"\0", DUPLICATE),
        frozenset(),
        Fault.DUPLICATE_EXTENSION,
        "ClientHello",
    ),
    (
        server_hello(ext.SelectedVersion(0x0304), ext.ServerName()),
        ALL_HELLOS,
        Fault.MISPLACED_EXTENSION,
        "ServerHello",
    ),
    (server_hello(ext.ServerName()), frozenset(), Fault.UNSOLICITED_EXTENSION, "ServerHello of TLS 1.2"),
    (
        server_hello(ext.ServerName(), random=RETRY_RANDOM),
        ALL_HELLOS,
        Fault.MISPLACED_EXTENSION,
        "HelloRetryRequest",
    ),
    (
        tls13.EncryptedExtensions((ext.UnknownExtension(51, b""),)),
        ALL_HELLOS,
        Fault.MISPLACED_EXTENSION,
        "EncryptedExtensions",
    ),
    (
        tls13.CertificateRequest(b"", (ext.UnknownExtension(51, b""),)),
        ALL_HELLOS,
        Fault.MISPLACED_EXTENSION,
        "CertificateRequest",
    ),
    (tls13.Certificate(b"", (ENTRY,)), frozenset(), Fault.UNSOLICITED_EXTENSION, "Certificate"),
    (
        tls13.NewSessionTicket(0, 0, b"", b"t", (ext.UnknownExtension(43, b""),)),
        ALL_HELLOS,
        Fault.MISPLACED_EXTENSION,
        "NewSessionTicket",
    ),
]


@pytest.mark.parametrize(("message", "offered", "fault", "named"), BLAMED)
def test_extension_out_of_its_place_is_blamed(
    message: Message, offered: frozenset[int], fault: Fault, named: str
) -> None:
    """RFC 9846 4.3."""
    with blames(fault, message=named):
        check_extensions(message, offered)


# -- fields in words -----------------------------------------------------------------------------------------


@wire_values.SAMPLE
@given(st.data())
@pytest.mark.parametrize(("version", "message_type"), EVERY_MESSAGE)
def test_every_message_tells_its_fields_in_printable_words(
    version: Version, message_type: int, data: st.DataObject
) -> None:
    cls, codec = MESSAGES_IN[version][message_type]
    message: Any = data.draw(wire_values.values(codec))
    seen = fields_of(message)
    assert [each.name for each in seen] == list(cls.__slots__)
    assert [each.value for each in seen] == [getattr(message, name) for name in cls.__slots__]
    for each in seen:
        assert each.text and each.text.isascii() and each.text.isprintable()


def test_retry_tells_its_fields_though_they_differ_from_a_server_hello() -> None:
    seen = {each.name: each.text for each in fields_of(server_hello(ext.RetryGroup(29), random=RETRY_RANDOM))}
    assert seen["extensions"] == "key_share x25519"
    assert seen["cipher_suite"] == "TLS_AES_128_GCM_SHA256"


def test_message_of_two_versions_has_two_classes() -> None:
    assert flight.server_hello_context(server_hello(ext.SelectedVersion(0x0304))) is ExtensionContext.SH
    assert flight.server_hello_context(server_hello()) is ExtensionContext.SH12
