"""Recognizes other protocols by their first bytes, when these are not a TLS record.

Five bytes, the size of a record header, are enough.
"""

from __future__ import annotations

from enum import Enum


class OtherProtocol(Enum):
    """Other protocols, with a description for people."""

    HTTP_ANSWER = "HTTP in the clear"
    HTTP_REQUEST = "an HTTP request in the clear"
    HTTP2 = "HTTP/2 in the clear"
    SSH = "SSH"
    MAIL_OR_FILES = "SMTP or FTP, which may want STARTTLS or AUTH TLS first"
    POP3 = "POP3, which may want STLS first"
    IMAP = "IMAP, which may want STARTTLS first"
    MANAGE_SIEVE = "ManageSieve, which may want STARTTLS first"
    XMPP = "XMPP, which may want STARTTLS first"
    MYSQL = "MySQL, which wants its own negotiation first"
    POSTGRESQL = "PostgreSQL, which wants its own negotiation first"
    RDP = "RDP, which wants its own negotiation first"
    REDIS_OR_POP3 = "Redis or POP3 in the clear"
    AMQP = "AMQP in the clear"
    VNC = "VNC"
    RSYNC = "rsync"
    PROXY_HEADER = "the header of the PROXY protocol"
    SSL2 = "the hello of SSL 2, which nobody may speak any more"


BEGINNINGS: tuple[tuple[OtherProtocol, tuple[bytes, ...]], ...] = (
    (OtherProtocol.HTTP_ANSWER, (b"HTTP/", b"<html", b"<HTML", b"<!doc", b"<!DOC")),
    (
        OtherProtocol.HTTP_REQUEST,
        (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"OPTIO", b"CONNE", b"DELET", b"PATCH", b"PRI *"),
    ),
    (OtherProtocol.SSH, (b"SSH-",)),
    (OtherProtocol.MAIL_OR_FILES, (b"220", b"421", b"500 ", b"502 ", b"554")),
    (OtherProtocol.POP3, (b"+OK",)),
    (OtherProtocol.IMAP, (b"* OK", b"* PRE", b"* BYE", b"* BAD")),
    (OtherProtocol.MANAGE_SIEVE, (b'"IMPL', b'BYE "', b'NO "')),
    (OtherProtocol.XMPP, (b"<?xml", b"<stre")),
    (OtherProtocol.POSTGRESQL, (b"E\0\0",)),
    (OtherProtocol.RDP, (b"\3\0\0",)),
    (OtherProtocol.REDIS_OR_POP3, (b"-ERR",)),
    (OtherProtocol.AMQP, (b"AMQP",)),
    (OtherProtocol.VNC, (b"RFB ",)),
    (OtherProtocol.RSYNC, (b"@RSYN",)),
    (OtherProtocol.PROXY_HEADER, (b"PROXY", b"\r\n\r\n\0")),
)


def recognise(start: bytes) -> OtherProtocol | None:
    """Return the protocol that starts with these bytes; None if it is not known."""
    for other, beginnings in BEGINNINGS:
        if start.startswith(beginnings):
            return other
    if start[:1] == b"\0" and start[3:5] == b"\x04\0":  # SETTINGS, with which a server begins (RFC 9113 3.4)
        return OtherProtocol.HTTP2
    if start[3:5] == b"\0\x0a":  # the length and number of a packet, then version 10 of the greeting
        return OtherProtocol.MYSQL
    if len(start) > 2 and start[0] & 0x80 and start[2] == 1:  # RFC 5246 E.2
        return OtherProtocol.SSL2
    return None
