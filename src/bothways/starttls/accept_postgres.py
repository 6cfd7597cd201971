"""How clients of PostgreSQL request TLS: by SSLRequest, or by TLS at once with ALPN (PostgreSQL 55.2.10, 55.2.11)."""

from __future__ import annotations

from typing import NoReturn

from bothways.starttls.databases import SSL_REQUEST
from bothways.starttls.talk import Talk, Wait

GSSENC_REQUEST = bytes.fromhex("0000000804d21630")  # GSSENCRequest: the protocol version 1234.5680
CANCEL = bytes.fromhex("04d2162e")  # CancelRequest: the protocol version 1234.5678
HANDSHAKE_RECORD = b"\x16"
REFUSAL = b"SFATAL\0VFATAL\0C28000\0MTLS is required here: connect with sslmode=verify-full\0\0"


def postgres(talk: Talk) -> Wait[None]:
    """Answer N to one GSSENCRequest and S to SSLRequest, behind which nothing may wait (CVE-2021-23214)."""
    first = yield from talk.read_exactly(1)
    if first == HANDSHAKE_RECORD:
        talk.begin_tls(first)
        return
    request = first + (yield from talk.read_exactly(7))
    if request == GSSENC_REQUEST:
        talk.send(b"N")
        request = yield from talk.read_exactly(8)
    if request != SSL_REQUEST:
        _refuse(talk, request)
    talk.send(b"S")


def _refuse(talk: Talk, request: bytes) -> NoReturn:
    """Refuse who goes on without TLS with an ErrorResponse (55.7); who wants to cancel a query gets no response."""
    version = request[4:]
    if version == CANCEL:
        talk.refused()
    if version[:2] != b"\0\3" or not 8 < int.from_bytes(request[:4]) <= 10_000:
        talk.other_protocol(request)
    talk.reply_last(b"E" + (len(REFUSAL) + 4).to_bytes(4) + REFUSAL)
    talk.refused()
