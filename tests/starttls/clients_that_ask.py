"""What clients say before TLS, by protocol: what begins TLS, and what is refused. Written from the RFCs."""

from __future__ import annotations

from typing import NamedTuple

from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.starttls import ACCEPTED, AcceptTLS

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
GSSENC_REQUEST = bytes.fromhex("0000000804d21630")
CANCEL_REQUEST = bytes.fromhex("0000001004d2162e0000000100000002")
STARTUP = bytes.fromhex("0000001400030000") + b"user\0ada\0\0\0\0"
CAPABILITY = b"CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED"
HELLO = bytes.fromhex("160301000501")


class Asking(NamedTuple):
    """One conversation: what the client says, and what we say before, between and after."""

    protocol: str
    said: tuple[bytes, ...]
    replies: tuple[bytes, ...]


def ldap(number: bytes, tag: int, content: bytes, controls: bytes = b"") -> bytes:
    inner = b"\x02" + bytes((len(number),)) + number + bytes((tag, len(content))) + content + controls
    return b"\x30" + bytes((len(inner),)) + inner


OID = b"\x80\x161.3.6.1.4.1.1466.20037"
START = ldap(b"\x01", 0x77, OID)
STARTED = bytes.fromhex("300c02010178070a010004000400")
TLS_FIRST = b"StartTLS comes first"


def refused(number: int, tag: int, code: int) -> bytes:
    body = bytes((0x0A, 1, code, 4, 0, 4, len(TLS_FIRST))) + TLS_FIRST
    return ldap(bytes((number,)), tag, body)


SMTP = b"220 mail.invalid ESMTP\r\n"
OFFER = b"250-mail.invalid\r\n250 STARTTLS\r\n"
READY = b"220 2.0.0 Ready to start TLS\r\n"
NOT_YET = b"530 5.7.0 Must issue a STARTTLS command first\r\n"
IMAP = b"* OK [" + CAPABILITY + b"] TLS is required\r\n"
BEGIN = b"a OK Begin TLS negotiation now\r\n"

ASKS = (
    Asking("postgres", (SSL_REQUEST,), (b"", b"S")),
    Asking("postgres", (GSSENC_REQUEST, SSL_REQUEST), (b"", b"N", b"S")),
    Asking("postgres", (HELLO,), (b"", b"")),
    Asking("smtp", (b"EHLO me\r\n", b"STARTTLS\r\n"), (SMTP, OFFER, READY)),
    Asking("smtp", (b"ehlo [::1]\r\n", b"starttls\r\n"), (SMTP, OFFER, READY)),
    Asking(
        "smtp",
        (b"HELO me\r\n", b"STARTTLS\r\n", b"EHLO\r\n", b"NOOP\r\n", b"EHLO me\r\n", b"MAIL FROM:<a@b.example>\r\n",
         b"AUTH PLAIN AGEAYg==\r\n", b"STARTTLS now\r\n", b"STARTTLS\r\n"),
        (SMTP, NOT_YET, b"503 5.5.1 EHLO comes first\r\n", b"501 5.5.4 EHLO needs a name\r\n", b"250 2.0.0 OK\r\n",
         OFFER, NOT_YET, NOT_YET, b"501 5.5.4 STARTTLS has no parameters\r\n", READY),
    ),
    Asking("imap", (b"a STARTTLS\r\n",), (IMAP, BEGIN)),
    Asking(
        "imap",
        (b"a1 capability\r\n", b"a2 LOGIN ada secret\r\n", b"a3 NOOP\r\n", b"a4 STARTTLS now\r\n", b"a starttls\r\n"),
        (IMAP, b"* " + CAPABILITY + b"\r\na1 OK done\r\n", b"a2 NO [PRIVACYREQUIRED] STARTTLS comes first\r\n",
         b"a3 OK done\r\n", b"a4 BAD it has no arguments\r\n", BEGIN),
    ),
    Asking("ldap", (START,), (b"", STARTED)),
    Asking("ldap", (START.replace(b"\x30\x1d", b"\x30\x84\0\0\0\x1d"),), (b"", STARTED)),
    Asking(
        "ldap",
        (
            ldap(b"\x07", 0x60, b"\x02\x01\x03\x04\x00\x80\x00"),
            ldap(b"\x08", 0x4A, b"cn=a"),
            ldap(b"\x09", 0x77, b"\x80\x161.3.6.1.4.1.4203.1.11."),
            ldap(b"\x0a", 0x77, OID + b"\x81\x01x"),
            ldap(b"\x0b", 0x77, OID, b"\xa0\x00"),
            START,
        ),
        (b"", refused(7, 0x61, 13), refused(8, 0x6B, 13), refused(9, 0x78, 13), refused(10, 0x78, 2),
         refused(11, 0x78, 12), STARTED),
    ),
)  # fmt: skip

P = StartTLSProblem
FAILS: tuple[tuple[str, tuple[bytes, ...], StartTLSProblem, bytes], ...] = (
    # behind the switch, and ahead of our replies
    *(
        (each.protocol, (*each.said[:-1], each.said[-1] + b"x"), P.SPOKE_AHEAD, b"")
        for each in ASKS
        if HELLO not in each.said
    ),
    ("postgres", (SSL_REQUEST + STARTUP,), P.SPOKE_AHEAD, b""),
    ("postgres", (GSSENC_REQUEST + SSL_REQUEST,), P.SPOKE_AHEAD, b""),
    ("smtp", (b"EHLO me\r\nSTARTTLS\r\n",), P.SPOKE_AHEAD, b""),
    ("smtp", (b"EHLO me\r\n", b"STARTTLS\r\nRCPT TO:<eve@example>\r\n"), P.SPOKE_AHEAD, b""),
    ("imap", (b"a STARTTLS\r\nb LOGIN eve x\r\n",), P.SPOKE_AHEAD, b""),
    ("ldap", (START + START,), P.SPOKE_AHEAD, b""),
    # without TLS
    ("postgres", (STARTUP,), P.REFUSED, b"E"),
    ("postgres", (GSSENC_REQUEST, STARTUP), P.REFUSED, b"E"),
    ("postgres", (CANCEL_REQUEST,), P.REFUSED, b""),
    ("smtp", (b"QUIT\r\n",), P.ENDED, b"221 2.0.0 Bye\r\n"),
    ("imap", (b"a LOGOUT\r\n",), P.ENDED, b"* BYE\r\na OK done\r\n"),
    ("ldap", (ldap(b"\x01", 0x42, b""),), P.ENDED, b""),
    # what is none of the protocol
    ("postgres", (GSSENC_REQUEST, GSSENC_REQUEST), P.OTHER_PROTOCOL, b""),
    ("postgres", (b"GET / HTTP/1.1\r\n",), P.OTHER_PROTOCOL, b""),
    ("postgres", (GSSENC_REQUEST, HELLO + HELLO), P.OTHER_PROTOCOL, b""),
    ("ldap", (b"GET / HTTP/1.1\r\n",), P.OTHER_PROTOCOL, b""),
    ("ldap", (HELLO,), P.OTHER_PROTOCOL, b""),
    ("smtp", (HELLO + b"\n",), P.MALFORMED, b""),
    ("smtp", (b"EHLO me\n",), P.MALFORMED, b""),
    ("smtp", (b"EHLO me\rSTARTTLS\r\n",), P.MALFORMED, b""),
    ("smtp", (b"EHLO\0me\r\n",), P.MALFORMED, b""),
    ("imap", (b"\r\n",), P.MALFORMED, b""),
    ("imap", (b"+ STARTTLS\r\n",), P.MALFORMED, b""),
    ("imap", (b"a{3} STARTTLS\r\n",), P.MALFORMED, b""),
    ("ldap", (ldap(b"\x00", 0x77, OID),), P.MALFORMED, b""),
    ("ldap", (ldap(b"\xff", 0x77, OID),), P.MALFORMED, b""),
    ("ldap", (ldap(b"\x01", 0x61, b"\x0a\x01\x00"),), P.MALFORMED, b""),
    ("ldap", (ldap(b"\x01", 0x77, b"\x80\x7f1.3"),), P.MALFORMED, b""),
    ("ldap", (ldap(b"\x01", 0x60, b""), b"\x31\x05\x02\x01\x01\x42\0"), P.MALFORMED, b""),
    # beyond our limits
    ("smtp", (b"EHLO " + b"x" * 2048,), P.TOO_MUCH, b""),
    ("smtp", (b"NOOP\r\n",) * 33, P.TOO_MUCH, b""),
    ("smtp", (b"NOOP " + b"x" * 1900 + b"\r\n",) * 5, P.TOO_MUCH, b""),
    ("imap", (b"a NOOP\r\n",) * 33, P.TOO_MUCH, b""),
    ("ldap", (b"\x30\x82\x10\x01\x02",), P.TOO_MUCH, b""),
    ("ldap", (ldap(b"\x01", 0x50, b"\x01"),) * 17, P.TOO_MUCH, b""),
)  # fmt: skip


def held(asking: Asking, size: int = 0) -> tuple[AcceptTLS, list[bytes]]:
    """Hold a conversation in pieces of one size (0: whole parts); return it, and our replies. Raises its failure."""
    exchange = AcceptTLS(ACCEPTED[asking.protocol])
    replies = [exchange.data_to_send()]
    for part in asking.said:
        replied = b""
        for at in range(0, len(part), size or len(part)):
            exchange.receive(part[at : at + (size or len(part))])
            replied += exchange.data_to_send()
        replies.append(replied)
    return exchange, replies


def failure(protocol: str, said: tuple[bytes, ...]) -> tuple[StartTLSFailed | None, bytes]:
    """Return how a conversation fails, and our last words."""
    exchange = AcceptTLS(ACCEPTED[protocol])
    for part in said:
        exchange.data_to_send()
        try:
            exchange.receive(part)
        except StartTLSFailed as failed:
            return failed, exchange.data_to_send()
    return None, b""
