"""Recognizes other protocols by their first bytes, when these are not a TLS record.

Five bytes, the size of a record header, are enough for most. Some begin alike, and are told apart where there are more.
"""

from __future__ import annotations

import re
from enum import Enum

LOOKED_AT = 128


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
    REDIS = "Redis in the clear"
    KAFKA = "Kafka in the clear"
    MQTT = "MQTT in the clear"
    STOMP = "STOMP in the clear"
    NATS = "NATS in the clear"
    SIP = "SIP in the clear"
    RTSP = "RTSP in the clear"
    XML = "XML, as NETCONF or SOAP"
    VNC = "VNC"
    RSYNC = "rsync"
    TLCP = "TLCP, a protocol like TLS with algorithms of its own (GB/T 38636)"
    DTLS = "DTLS, which belongs to UDP"
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
    (OtherProtocol.STOMP, (b"STOMP",)),
    (OtherProtocol.VNC, (b"RFB ",)),
    (OtherProtocol.RSYNC, (b"@RSYN",)),
    (OtherProtocol.TLCP, (b"\x16\x01\x01",)),
    (OtherProtocol.DTLS, (b"\x16\xfe\xff", b"\x16\xfe\xfd")),
    (OtherProtocol.PROXY_HEADER, (b"PROXY", b"\r\n\r\n\0")),
)


_BINARY: tuple[tuple[OtherProtocol, re.Pattern[bytes]], ...] = (
    (OtherProtocol.HTTP2, re.compile(rb"\0..\x04\0", re.DOTALL)),  # SETTINGS begin a server (RFC 9113 3.4)
    # The length and number of a packet, then version 10 of the greeting.
    (OtherProtocol.MYSQL, re.compile(rb"...\0\x0a", re.DOTALL)),
    (
        OtherProtocol.MQTT,
        re.compile(rb"\x10[\x80-\xff]{0,3}[\0-\x7f]\0(?:\x04M|\x06M)"),
    ),  # 3.1 of its versions
    (OtherProtocol.KAFKA, re.compile(rb"\0\0..\0\x12", re.DOTALL)),  # a length, then the key of ApiVersions
    (OtherProtocol.REDIS, re.compile(rb"\*\d{1,4}\r\n\$?")),
    (OtherProtocol.SSL2, re.compile(rb"[\x80-\xff].\x01", re.DOTALL)),  # RFC 5246 E.2
)
_OF_XMPP = (b"stream:stream", b"jabber:")
_TARGETS = ((OtherProtocol.SIP, (b"sip:", b"sips:", b"tel:")), (OtherProtocol.RTSP, (b"rtsp:", b"rtsps:")))
_VERSIONS = (
    (OtherProtocol.HTTP_REQUEST, b" HTTP/"),
    (OtherProtocol.SIP, b" SIP/"),
    (OtherProtocol.RTSP, b" RTSP/"),
)


def recognise(start: bytes) -> OtherProtocol | None:
    """Return the protocol that starts with these bytes; None if it is not known."""
    start = bytes(start[:LOOKED_AT])
    for other, beginnings in BEGINNINGS:
        if start.startswith(beginnings):
            if other is OtherProtocol.HTTP_REQUEST:
                return _of_request(start)
            return _of_xml(start) if other is OtherProtocol.XMPP else other
    return next((other for other, pattern in _BINARY if pattern.match(start)), None)


def is_whole_request(start: bytes) -> bool:
    """Whether the first line of an HTTP request is there, with its version (RFC 9112 3)."""
    line, ended, _ = start[:LOOKED_AT].partition(b"\n")
    return bool(ended) and b" HTTP/" in line and recognise(start) is OtherProtocol.HTTP_REQUEST


def _of_request(start: bytes) -> OtherProtocol | None:
    """A line that begins with a method: SIP and RTSP have some of HTTP's, Redis, NATS and STOMP words like them."""
    line, ended, _ = start.partition(b"\n")
    target = line.partition(b" ")[2].lower()
    for other, schemes in _TARGETS:
        if target.startswith(schemes):
            return other
    if line.startswith(b"CONNECT {"):
        return OtherProtocol.NATS
    if not ended:
        may_be = not target or target.startswith((b"/", b"*", b"http")) or line.startswith(b"CONNECT ")
        return OtherProtocol.HTTP_REQUEST if may_be else None
    for other, version in _VERSIONS:
        if version in line:
            return other
    if line.strip() == b"CONNECT":
        return OtherProtocol.STOMP
    return OtherProtocol.HTTP_REQUEST if target.startswith(b"/") else None  # of HTTP/0.9


def _of_xml(start: bytes) -> OtherProtocol:
    """XMPP begins with its stream (RFC 6120 4.2), perhaps behind a declaration."""
    _, declared, rest = start.partition(b"?>")
    is_stream = start.startswith(b"<stre") or any(each in start for each in _OF_XMPP)
    has_other = (
        bool(declared) and rest.lstrip().startswith(b"<") and len(rest.lstrip()) >= len("<stream:stream")
    )
    return OtherProtocol.XML if has_other and not is_stream else OtherProtocol.XMPP
