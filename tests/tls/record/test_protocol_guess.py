"""Other protocols, told by how they begin."""

from __future__ import annotations

import pytest

from bothways.tls.record.framing import HEADER_SIZE
from bothways.tls.record.protocol_guess import BEGINNINGS, OtherProtocol, is_whole_request, recognise

# How each begins on the wire, as its standard or its server has it.
STARTS = {
    OtherProtocol.HTTP_ANSWER: b"HTTP/1.1 400 Bad Request\r\n",
    OtherProtocol.HTTP_REQUEST: b"OPTIONS * HTTP/1.1\r\n",
    OtherProtocol.HTTP2: bytes.fromhex("000012040000000000") + bytes(18),
    OtherProtocol.SSH: b"SSH-2.0-OpenSSH_9.2\r\n",
    OtherProtocol.MAIL_OR_FILES: b"220 mail.example ESMTP\r\n",
    OtherProtocol.POP3: b"+OK ready\r\n",
    OtherProtocol.IMAP: b"* PREAUTH ready\r\n",
    OtherProtocol.MANAGE_SIEVE: b'"IMPLEMENTATION" "x"\r\n',
    OtherProtocol.XMPP: b"<stream:stream>",
    OtherProtocol.MYSQL: b"J\0\0\0\x0a8.0.36\0",
    OtherProtocol.POSTGRESQL: b"E\0\0\0\x8aSFATAL\0",
    OtherProtocol.RDP: b"\3\0\0\x13\x0e\xd0",
    OtherProtocol.REDIS_OR_POP3: b"-ERR unknown command\r\n",
    OtherProtocol.AMQP: b"AMQP\0\0\x09\x01",
    OtherProtocol.REDIS: b"*1\r\n$4\r\nPING\r\n",
    OtherProtocol.KAFKA: bytes.fromhex("00000037001200030000000100"),
    OtherProtocol.MQTT: b"\x10\x10\0\x04MQTT\x04\x02\0\x3c",
    OtherProtocol.STOMP: b"STOMP\naccept-version:1.2\n",
    OtherProtocol.NATS: b'CONNECT {"verbose":false}\r\n',
    OtherProtocol.SIP: b"OPTIONS sip:pbx.example SIP/2.0\r\n",
    OtherProtocol.RTSP: b"OPTIONS rtsp://camera.example/ RTSP/1.0\r\n",
    OtherProtocol.XML: b'<?xml version="1.0" encoding="UTF-8"?><hello xmlns="urn:ietf:params:xml:ns:netconf:base:1.0">',
    OtherProtocol.VNC: b"RFB 003.008\n",
    OtherProtocol.RSYNC: b"@RSYNCD: 31.0\n",
    OtherProtocol.TLCP: bytes.fromhex("1601010033010000"),
    OtherProtocol.DTLS: bytes.fromhex("16feff0000000000000000"),
    OtherProtocol.PROXY_HEADER: b"\r\n\r\n\0\r\nQUIT\n",
    OtherProtocol.SSL2: bytes.fromhex("802e0100020015000000100100800200800300"),
}


# Those that begin as another one does, which is meant by so few bytes.
LATER = {
    OtherProtocol.KAFKA: None,
    OtherProtocol.NATS: OtherProtocol.HTTP_REQUEST,
    OtherProtocol.SIP: OtherProtocol.HTTP_REQUEST,
    OtherProtocol.RTSP: OtherProtocol.HTTP_REQUEST,
    OtherProtocol.XML: OtherProtocol.XMPP,
}


@pytest.mark.parametrize("other", OtherProtocol)
def test_a_protocol_is_known_by_as_much_as_a_records_header_holds_or_a_line(other: OtherProtocol) -> None:
    assert recognise(STARTS[other]) is other
    assert recognise(STARTS[other][:HEADER_SIZE]) is LATER.get(other, other)


@pytest.mark.parametrize(
    ("start", "other"),
    [
        (b"GET key\r\n", None),
        (b"GET key", None),
        (b"GET /\r\n", OtherProtocol.HTTP_REQUEST),
        (b"GET http://x.example/ HTTP/1.1\r\n", OtherProtocol.HTTP_REQUEST),
        (b"CONNECT x.example:443 HTTP/1.1\r\n", OtherProtocol.HTTP_REQUEST),
        (b"CONNECT\naccept-version:1.2\n", OtherProtocol.STOMP),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", OtherProtocol.HTTP_REQUEST),
        (b"GET /" + b"a" * 1000, OtherProtocol.HTTP_REQUEST),
        (b"<?xml version='1.0'?>", OtherProtocol.XMPP),
        (b"<?xml version='1.0'?>\n<stream:stream xmlns='jabber:client'>", OtherProtocol.XMPP),
        (b"\x80\x01\0\x03key", None),
    ],
)
def test_protocols_with_the_same_beginning_are_distinguished_by_what_follows(
    start: bytes, other: OtherProtocol | None
) -> None:
    assert recognise(start) is other


def test_a_request_is_whole_with_its_version() -> None:
    assert is_whole_request(b"GET / HTTP/1.1\r\n")
    assert not any(
        map(is_whole_request, (b"GET /", b"GET / HTTP/1.1", b"GET /\r\n", b"OPTIONS sip:x SIP/2.0\r\n"))
    )


@pytest.mark.parametrize("start", [b"", b"\x80", b"\0\1", b"hello", b"\x16\x03\x01\0\5", b"\x80\x2e\x02\0\2"])
def test_no_protocol_is_guessed_from_unknown_bytes(start: bytes) -> None:
    assert recognise(start) is None


def test_no_beginning_is_longer_than_a_header_or_hidden_by_an_earlier_one() -> None:
    """Whoever has five bytes and whoever has more say the same."""
    for other, beginnings in BEGINNINGS:
        for beginning in beginnings:
            assert len(beginning) <= HEADER_SIZE
            assert recognise(beginning) is other


@pytest.mark.parametrize(
    ("said", "other"),
    [
        (b"* BYE Too many invalid commands.\r\n", OtherProtocol.IMAP),
        (b'BYE "Too many invalid commands."\r\n', OtherProtocol.MANAGE_SIEVE),
    ],
)
def test_a_server_that_ends_before_its_greeting_is_known_too(said: bytes, other: OtherProtocol) -> None:
    """RFC 9051 7.1.5, RFC 5804 1.3: a ClientHello may come to a busy server before its greeting has left."""
    assert recognise(said[:HEADER_SIZE]) is other
