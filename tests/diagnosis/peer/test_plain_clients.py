"""A client that does not begin with TLS is told by what it speaks; certain is only what its bytes leave no doubt of."""

from __future__ import annotations

import pytest

import identities
from bothways import explain_failure
from bothways.diagnosis import Explanation, HandshakeFacts, Weight, explain
from bothways.errors import StartTLSFailed, StartTLSProblem
from diagnosis.talks import first
from pair import FrozenClock, Pair
from starttls.clients_that_ask import Asking, failure, held

SSL_REQUEST, STARTUP = bytes.fromhex("0000000804d2162f"), b"\0\0\0\x15\0\3\0\0user\0ada\0\0"
BIND, LONG_BIND = (
    bytes.fromhex(each)
    for each in ("300c020101600702010304008000", "3084000000100201016084000000070201030400")
)
SNMP = bytes.fromhex("302902010104") + b"\x09community" + bytes.fromhex("a01902046a")
STREAM = b"<?xml version='1.0'?><stream:stream to='x' xmlns='jabber:client'>"
CERTAIN, LIKELY = Weight.CERTAIN, Weight.LIKELY


def told(start: bytes) -> Explanation:
    """The failure as a server has it explained that receives these bytes."""
    config = identities.server_config()
    observed = HandshakeFacts(config)
    connection = config.connection(observer=observed)
    connection.receive(start)
    assert connection.failure is not None
    return explain(connection.failure, observed.situation())


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        (b"AUTH secret\r\n", "b'AUTH' and so on"),
        (b"a LOGIN me secret\r\n", "b'a' and so on"),
        (b"GET /secret HTTP/1.1\r\n", "b'GET' and so on"),
        (bytes.fromhex("302902010104") + b"\x06secret", r"b'0)\x02\x01\x01' and so on"),
        (b"PING\r\n", r"b'PING\r\n'"),
    ],
)
def test_a_password_that_a_client_sends_without_tls_is_in_no_explanation(start: bytes, shown: str) -> None:
    """It would be in the log of the server: only the first word is shown, or the length of a record's header."""
    text = " ".join(" ".join(told(start).lines()).split())
    assert "secret" not in text
    assert f"its first bytes are {shown}" in text
    error, _ = failure("imap", (start + b"\r\n",))
    assert error is not None
    assert "secret" not in f"{error} {' '.join(explain_failure(error).lines())}"


@pytest.mark.parametrize(
    ("start", "cause", "weight", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "HTTP_CLIENT", CERTAIN, "plain HTTP"),
        (b"GET /index", "HTTP_CLIENT", LIKELY, "plain HTTP"),
        (b"OPTIONS sip:pbx.example SIP/2.0\r\n", "PLAIN_CLIENT", LIKELY, "SIP"),
        (b"OPTIONS rtsp://x RTSP/1.0\r\n", "PLAIN_CLIENT", LIKELY, "RTSP"),
        (b"GET key\r\n", "OUR_PLAIN_PORT", LIKELY, "scanner"),
        (b"*1\r\n$4\r\nPING\r\n", "PLAIN_CLIENT", LIKELY, "Redis"),
        (bytes.fromhex("0000003700120003"), "PLAIN_CLIENT", LIKELY, "Kafka"),
        (b"PROXY TCP4 127.0.0.1", "PROXY_HEADER", CERTAIN, "PROXY"),
        (b"\0\1\2\3\4", "OUR_PLAIN_PORT", LIKELY, "scanner"),
        (SNMP, "OUR_PLAIN_PORT", LIKELY, "scanner"),
        (
            b'<?xml version="1.0"?><hello xmlns="urn:ietf:params:xml:ns:netconf">',
            "OUR_PLAIN_PORT",
            LIKELY,
            "scanner",
        ),
        (SSL_REQUEST, "STARTTLS_CLIENT", CERTAIN, "PostgreSQL"),
        (SSL_REQUEST[:5], "STARTTLS_CLIENT", LIKELY, "PostgreSQL"),
        (STARTUP, "STARTTLS_CLIENT", CERTAIN, "PostgreSQL"),
        (BIND, "STARTTLS_CLIENT", CERTAIN, "LDAP"),
        (LONG_BIND, "STARTTLS_CLIENT", CERTAIN, "LDAP"),
        (BIND[:5], "STARTTLS_CLIENT", LIKELY, "LDAP"),
        (LONG_BIND[:5], "STARTTLS_CLIENT", LIKELY, "LDAP"),
        (STREAM, "STARTTLS_CLIENT", CERTAIN, "XMPP"),
        (STREAM[:5], "STARTTLS_CLIENT", LIKELY, "XMPP"),
        (b"EHLO x.example\r\n", "STARTTLS_CLIENT", CERTAIN, "SMTP"),
    ],
    ids=ascii,
)
def test_a_client_is_told_by_what_it_speaks(start: bytes, cause: str, weight: Weight, words: str) -> None:
    """RFC 2595, 3207, 4511, 6120; PostgreSQL 55.2.10."""
    found = told(start)
    assert first(found) == (cause, "the peer's")
    assert found.first.weight is weight
    assert words in found.first.text


@pytest.mark.parametrize("start", [SSL_REQUEST, BIND, STREAM])
def test_the_remedy_is_that_of_the_protocol(start: bytes) -> None:
    remedies = {told(each).first.remedy for each in (SSL_REQUEST, BIND, STREAM)}
    assert len(remedies) == 3 and told(start).first.remedy in remedies
    assert ("ldaps" in told(start).first.remedy) is (start == BIND)


@pytest.mark.parametrize(
    ("start", "is_proxied"),
    [
        (b"CONNECT api.example:443 HTTP/1.1\r\n", True),
        (b"GET http://api.example/ HTTP/1.1\r\n", True),
        (b"GET / HTTP/1.1\r\n", False),
        (b"GET /?to=http://x HTTP/1.1\r\n", False),
    ],
)
def test_a_client_that_takes_us_for_its_proxy_is_told_so(start: bytes, is_proxied: bool) -> None:
    found = told(start).first
    assert found.cause.name == "HTTP_CLIENT"
    assert ("takes us for its HTTP proxy" in found.remedy) == is_proxied


PLAIN, PROBES, OTHER = "PLAIN_CLIENT", "PROBE", "OTHER_STARTTLS"
CONVERSATIONS: list[tuple[str, tuple[bytes, ...], str, Weight]] = [
    ("smtp", (), PROBES, LIKELY),
    ("smtp", (b"EHLO me\r\n", b"QUIT\r\n"), PLAIN, Weight.POSSIBLE),
    ("smtp", (b"EHLO me\r\n", b"MAIL FROM:<a@example>\r\n", b"QUIT\r\n"), PLAIN, LIKELY),
    ("imap", (b"a LOGIN ada secret\r\n", b"b LOGOUT\r\n"), PLAIN, LIKELY),
    ("ldap", (BIND,), PLAIN, LIKELY),
    ("ldap", (bytes.fromhex("30050201014200"),), PLAIN, Weight.POSSIBLE),
    ("postgres", (STARTUP,), PLAIN, LIKELY),
    ("imap", (bytes.fromhex("1603010124010001") + b"\n",), "TLS_AT_ONCE", LIKELY),
    ("smtp", (bytes.fromhex("1603010124010001"),), "TLS_AT_ONCE", LIKELY),
    ("ldap", (bytes.fromhex("1603010124010001"),), "TLS_AT_ONCE", LIKELY),
    (
        "imap",
        (b"EHLO mail.example\r\n", b"STARTTLS\r\n", bytes.fromhex("1603010124010001") + b"\n"),
        OTHER,
        LIKELY,
    ),
    ("smtp", (BIND,), OTHER, LIKELY),
    ("smtp", (SSL_REQUEST,), OTHER, LIKELY),
    ("ldap", (b"GET / HTTP/1.1\r\n",), OTHER, LIKELY),
    ("postgres", (b"SSH-2.0-OpenSSH_9\r\n",), OTHER, LIKELY),
    ("smtp", (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",), "PROXY_HEADER", LIKELY),
    ("smtp", (b"EHLO me\r\nSTARTTLS\r\n",), "AHEAD_OF_TLS", LIKELY),
    ("smtp", (b"EHLO " + b"x" * 2048,), "BEYOND_OUR_LIMITS", LIKELY),
    ("smtp", (b"EHLO me\n",), "PEER_BREAKS_RULES", LIKELY),
    ("postgres", (bytes(8),), "OUR_PLAIN_PORT", LIKELY),
]


@pytest.mark.parametrize(("protocol", "said", "cause", "weight"), CONVERSATIONS)
def test_a_client_that_requests_no_tls_in_our_protocol_is_told_by_what_it_said(
    protocol: str, said: tuple[bytes, ...], cause: str, weight: Weight
) -> None:
    """Never as a server that has none; and one that sent a password in the clear is told to."""
    error, _ = failure(protocol, said)
    if error is None:
        error = held(Asking(protocol, said, ()))[0].ended()
    found = explain_failure(error)
    assert (found.first.cause.name, found.first.weight) == (cause, weight)
    assert all("secret" not in each.text + each.evidence for each in found.causes)
    assert ("a password in it" in found.first.evidence) == (
        cause == PLAIN and weight is LIKELY and protocol != "postgres"
    )


def test_a_client_that_does_not_begin_in_time_may_be_slow() -> None:
    late = StartTLSFailed(StartTLSProblem.LATE, "SMTP", peer="client")
    assert [each.cause.name for each in explain_failure(late).causes] == ["PROBE", "SLOW"]


def test_a_client_that_begins_with_tls_is_told_of_the_port_and_not_of_our_command() -> None:
    error, _ = failure("ldap", (bytes.fromhex("1603010124010001"),))
    assert error is not None
    found = explain_failure(error).first
    assert found.text == "the client begins with TLS at once, and this port expects a request for it in LDAP"
    assert found.remedy.startswith("have the client request TLS in LDAP (STARTTLS)") and found.command == ""


def after_handshake(plain: bytes, said: bytes = b"") -> Explanation:
    """The failure as a server has it explained that gets these bytes behind a complete handshake."""
    config = identities.server_config()
    pair = Pair(
        identities.client_config(identities.client()).connection("localhost"),
        config.connection(observer=(observed := HandshakeFacts(config))),
    )
    pair.exchange()
    if said:
        pair.client.send(said)
        pair.exchange()
    pair.server.receive(plain)
    assert pair.server.failure is not None
    return explain(pair.server.failure, observed.situation())


UNBIND, TERMINATE = bytes.fromhex("30050201034200"), b"X\0\0\0\x04"


@pytest.mark.parametrize(
    ("plain", "protocol"),
    [
        (UNBIND, "LDAP"),
        (UNBIND[:5], "LDAP"),
        (bytes.fromhex("30840000000502010342"), "LDAP"),
        (TERMINATE, "PostgreSQL"),
        (b"QUIT\r\n", "plain text"),
    ],
)
def test_a_client_that_goes_on_without_tls_has_refused_us_and_has_no_defect(plain, protocol):
    """OpenLDAP's clients say so that they refuse a certificate by StartTLS: for its CA, or its name."""
    found = after_handshake(plain)
    assert first(found) == ("CA_NOT_ACCEPTED", "ours")
    assert f"it goes on without TLS, in {protocol}, and sent nothing in TLS" in found.first.evidence
    assert "goes on in plain" in found.usually and "defect" not in str(found)
    last = {each.cause.name: each.weight for each in found.causes}
    assert last["PEER_BREAKS_RULES"] is Weight.POSSIBLE and "GAVE_UP" in last


@pytest.mark.parametrize(
    ("plain", "said"),
    [
        (b"\x63\3\3\0\1x", b""),
        (b"\0\0\0\0\0", b""),
        (b"\xff\xfe\xfd\xfc\xfb", b""),
        (UNBIND, b"a request"),
        (b"QUIT\r\n", b"a request"),
    ],
)
def test_other_records_that_are_none_break_the_rules(plain, said):
    """Of no protocol, altered on the way, or behind data that was sent in TLS."""
    assert first(after_handshake(plain, said=said)) == ("PEER_BREAKS_RULES", "the peer's")


@pytest.mark.parametrize("start", [b"\5\2\0\1", b"\xc0\0", b"QUIT", b"\r\n\r\n"])
@pytest.mark.parametrize("is_late", [False, True])
def test_fewer_bytes_than_a_header_are_not_forgotten(start, is_late):
    """Who waits for an answer, as SOCKS's clients do, was no port scan, and had sent something."""
    clock = FrozenClock()
    config = identities.server_config(clock=clock)
    connection = config.connection(observer=(observed := HandshakeFacts(config)))
    connection.receive(start)
    if is_late:
        clock.pass_time(1000)
        connection.tick()
    else:
        connection.receive_eof()
    assert connection.failure is not None
    found = explain(connection.failure, observed.situation())
    assert first(found) == ("OUR_PLAIN_PORT", "the peer's") and repr(start) in str(found)
