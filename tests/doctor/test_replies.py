"""Replies to a hello: choices, alerts, ends, and other protocols."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import identities
from bothways.doctor.probes import GOOD_SUITES_12, SUITES_13, ProbeOffer, offer_record
from bothways.doctor.replies import CLOSED, GARBLED, LIMIT, SHOWN, SILENCE, HelloReply, ReplyReader, speaks
from bothways.iana import Alert, NamedGroup
from bothways.roles import Role
from bothways.tls.wire.hello import ServerHello
from bothways.trust.path.name_matching import server_name
from tamper import altering, changing


def asked(versions: tuple[int, ...], suites: tuple[int, ...], **server) -> bytes:
    """The first flight of a real server of ours."""
    connection = identities.server_config(**server).connection()
    connection.receive(
        offer_record(server_name("localhost"), ProbeOffer(versions, suites, protocols=(b"h2",)))
    )
    return connection.data_to_send()


def heard(data: bytes, *, by: int = 0, **options) -> HelloReply:
    """What an ear makes of `data`, in pieces of `by` bytes."""
    ear = ReplyReader(**options)
    for at in range(0, len(data), by or max(1, len(data))):
        answer = ear.feed(data[at : at + (by or len(data))])
        if answer is not None:
            return answer
    return ear.end()


@pytest.mark.parametrize("by", [0, 1, 7])
def test_a_hello_retry_request_has_version_suite_and_group(by: int):
    """RFC 9846 4.2.4: a HelloRetryRequest has already chosen them."""
    data = asked((0x0304, 0x0303), (*SUITES_13, *GOOD_SUITES_12), groups=("secp384r1",))
    answer = heard(data, by=by)
    assert (answer.kind, answer.version, answer.suite) == ("choice", 0x0304, 0x1301)
    assert answer.group == NamedGroup.secp384r1
    assert not answer.session_id and not answer.ticket


@pytest.mark.parametrize("by", [0, 1, 1000])
def test_the_group_of_tls_1_2_is_read_from_the_server_key_exchange(by: int):
    """RFC 8422 5.4: the group is in ServerKeyExchange."""
    data = asked((0x0303,), GOOD_SUITES_12, alpn=("h2",), groups=("x25519", "secp256r1"))
    answer = heard(data, by=by)
    assert (answer.version, answer.group, answer.protocol) == (0x0303, None, "h2")
    assert not answer.session_id
    with altering(Role.SERVER, changing(ServerHello, legacy_session_id_echo=bytes(32))):
        assert heard(asked((0x0303,), GOOD_SUITES_12), by=by).session_id
    assert heard(data, by=by, until_key_exchange=True).group == NamedGroup.x25519


def test_an_alert_is_a_reply_and_a_warning_is_not():
    """RFC 6066 3: a server may warn of a name and go on."""
    refused = bytes.fromhex("15030300020228")
    warning = bytes.fromhex("15030300020170")
    assert heard(refused) == HelloReply("alert", alert=Alert.HANDSHAKE_FAILURE)
    assert heard(warning + refused) == HelloReply("alert", alert=Alert.HANDSHAKE_FAILURE)
    assert heard(warning * 99).kind == "alert"
    assert heard(warning + asked((0x0303,), GOOD_SUITES_12)).kind == "choice"


@pytest.mark.parametrize(
    ("start", "what"),
    [
        (b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n", "HTTP in the clear"),
        (b"<html><h1>no</h1>", "HTTP in the clear"),
        (b"HTTP/1.1 400 Bad Request\r\nVia: 1.1 gate\r\n\r\n", "an HTTP proxy"),
        (b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n", "an HTTP proxy"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"220 mail.example ESMTP Postfix\r\n", "SMTP, which may require STARTTLS first"),
        (b"220 (vsFTPd 3.0.3)\r\n", "FTP, which may require AUTH TLS first"),
        (b"220 ready\r\n", "SMTP or FTP, which may want STARTTLS or AUTH TLS first"),
        (b"+OK POP3 ready\r\n", "POP3, which may want STLS first"),
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", "IMAP, which may want STARTTLS first"),
        (b"J\x00\x00\x00\x0a8.0.36\x00", "MySQL, which wants its own negotiation first"),
        (b"\x03\x00\x00\x13\x0e\xd0", "RDP, which wants its own negotiation first"),
        (b"hello there", "something other than TLS"),
        (b"\x00\x01", "something other than TLS"),
    ],
)
def test_another_protocol_is_named_by_its_beginning(start: bytes, what: str):
    """The commonest mistake is the wrong port."""
    answer = heard(start)
    assert (answer.kind, answer.speaks) == ("foreign", what)
    assert speaks(start) == what
    assert heard(start, by=1).kind == "foreign"


def test_another_protocol_is_shown_escaped_and_cut():
    """A banner may turn a terminal's colours or writing direction, and may never end."""
    answer = heard(b"220 \x1b[31m\xe2\x80\xae<script>\x00" + b"a" * 100_000)
    assert answer.kind == "foreign"
    assert answer.start.isprintable()
    assert len(answer.start) <= SHOWN
    assert "\\x1b[31m" in answer.start


def test_a_closed_connection_is_not_silence():
    """One was closed, of the other nothing came."""
    assert ReplyReader().end() == CLOSED
    assert ReplyReader().end(timed_out=True) == SILENCE
    half = asked((0x0303,), GOOD_SUITES_12)[:20]
    assert heard(half) == GARBLED


def test_an_endless_reply_is_given_up():
    """Handshake records that hold one message that never ends."""
    ear = ReplyReader()
    piece = bytes.fromhex("1603034000") + b"\x02\x00\xff\xff" + bytes(0x4000 - 4)
    answers = [answer for _ in range(LIMIT // len(piece) + 2) if (answer := ear.feed(piece))]
    assert answers[0] == GARBLED


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("1603030004") + b"\x0b\x00\x00\x00",  # a Certificate before any hello
        bytes.fromhex("1603030006") + b"\x02\x00\x00\x02\x03\x03",  # a hello that is too short
        bytes.fromhex("150303000102"),  # half an alert
        bytes.fromhex("170303000101"),  # data
        bytes.fromhex("140303000101"),
        bytes.fromhex("16030300ff") + b"\x02\x00\xff\xff" + bytes(251),
    ],
)
def test_malformed_tls_reply_is_reported_as_garbled(data: bytes):
    """It begins like TLS and is malformed."""
    assert heard(data).kind == "garbled"


@given(st.lists(st.binary(max_size=400), max_size=6), st.booleans())
def test_any_bytes_give_a_reply(pieces: list[bytes], until_key_exchange: bool):
    """No exception leaves."""
    ear = ReplyReader(until_key_exchange=until_key_exchange)
    answers = [ear.feed(piece) for piece in pieces]
    assert isinstance(next((each for each in answers if each), ear.end()), HelloReply)


@given(st.data())
def test_an_altered_flight_gives_a_reply(data: st.DataObject):
    """One byte of a real one turned into another."""
    flight = bytearray(FLIGHT)
    flight[data.draw(st.integers(0, len(flight) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(heard(bytes(flight), until_key_exchange=True), HelloReply)


FLIGHT = asked((0x0303,), GOOD_SUITES_12)
