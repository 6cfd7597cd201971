"""How clients of LDAP request TLS: one extended operation (RFC 4511 4.14); every other gets confidentialityRequired."""

from __future__ import annotations

from bothways.errors import StartTLSProblem
from bothways.starttls.ldap import (
    ENUMERATED,
    INTEGER,
    OCTETS,
    PROTOCOL_ERROR,
    REQUEST_NAME,
    RESPONSE,
    SEQUENCE,
    START_TLS,
    SUCCESS,
    Cursor,
    element,
    read_message,
)
from bothways.starttls.talk import Talk, Wait

REQUEST_LIMIT = 4096  # bytes of one request
REQUESTS_LIMIT = 16
EXTENDED, UNBIND, ABANDON, CONTROLS = 0x77, 0x42, 0x50, 0xA0
UNAVAILABLE_CRITICAL_EXTENSION, CONFIDENTIALITY_REQUIRED = 12, 13
# The responses to requests, by their tags (RFC 4511 4): bind, search, modify, add, delete, rename, compare, extended.
RESPONSES = {
    0x60: 0x61,
    0x63: 0x65,
    0x66: 0x67,
    0x68: 0x69,
    0x4A: 0x6B,
    0x6C: 0x6D,
    0x6E: 0x6F,
    EXTENDED: RESPONSE,
}


def ldap(talk: Talk) -> Wait[None]:
    """Answer requests until one is for TLS."""
    yield from talk.expect_start(b"\x30")
    for _ in range(REQUESTS_LIMIT):
        cursor = Cursor(talk, (yield from read_message(talk, REQUEST_LIMIT)))
        number = cursor.integer(INTEGER)
        if number < 1:
            talk.malformed("a request without a message ID")
        tag, content = cursor.any_element()
        if tag == UNBIND:
            talk.fail(StartTLSProblem.ENDED)
        if tag == ABANDON:
            continue
        if tag not in RESPONSES:
            talk.malformed("an element that is no request")
        code = CONFIDENTIALITY_REQUIRED if tag != EXTENDED else _decision(talk, content, cursor)
        talk.send(_response(number, RESPONSES[tag], code))
        if code == SUCCESS:
            return
    talk.limit_exceeded(f"more than {REQUESTS_LIMIT} requests")


def _decision(talk: Talk, content: bytes, after: Cursor) -> int:
    """Return the result code for an extended request. after: what follows it, which is controls or nothing."""
    request = Cursor(talk, content)
    if request.content(REQUEST_NAME) != START_TLS:
        return CONFIDENTIALITY_REQUIRED
    if not request.is_at_end:  # RFC 4511 4.14.1: without a value
        return PROTOCOL_ERROR
    return SUCCESS if after.is_at_end else UNAVAILABLE_CRITICAL_EXTENSION


def _response(number: int, tag: int, code: int) -> bytes:
    words = b"" if code == SUCCESS else b"StartTLS comes first"
    result = element(ENUMERATED, bytes((code,))) + element(OCTETS, b"") + element(OCTETS, words)
    identifier = number.to_bytes(number.bit_length() // 8 + 1)
    return element(SEQUENCE, element(INTEGER, identifier) + element(tag, result))
