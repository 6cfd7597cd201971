"""STARTTLS in LDAP: one extended operation in BER (RFC 4511 4.14), with its own decoder.

Microsoft's directory servers write lengths in more bytes than needed, which DER forbids and BER (RFC 4511 5.1) allows.
"""

from __future__ import annotations

from typing import NoReturn

from bothways.starttls.talk import MESSAGE_LIMIT, Talk, Wait, quoted

LENGTH_BYTES = 4
START_TLS = b"1.3.6.1.4.1.1466.20037"
SEQUENCE, INTEGER, ENUMERATED, OCTETS, RESPONSE = 0x30, 0x02, 0x0A, 0x04, 0x78
SUCCESS, PROTOCOL_ERROR, BUSY = 0, 2, 51
# Result codes of RFC 4511 appendix A.1 that a server may return for this request.
RESULTS = {
    0: "success", 1: "operationsError", 2: "protocolError", 7: "authMethodNotSupported", 8: "strongerAuthRequired",
    10: "referral", 11: "adminLimitExceeded", 13: "confidentialityRequired", 50: "insufficientAccessRights",
    51: "busy", 52: "unavailable", 53: "unwillingToPerform", 80: "other",
}  # fmt: skip


def _element(tag: int, content: bytes) -> bytes:
    return bytes((tag, len(content))) + content


REQUEST = _element(SEQUENCE, _element(INTEGER, b"\1") + _element(0x77, _element(0x80, START_TLS)))


def ldap(talk: Talk, _name: str) -> Wait[None]:
    """Send the request and read its response, or a notice of disconnection instead (RFC 4511 4.4.1)."""
    talk.send(REQUEST)
    yield from talk.expect_start(b"\x30")
    content = yield from _message(talk)
    number, code, text = _response(talk, content)
    words = f"{RESULTS.get(code, f'result {code}')}: {quoted(text)}".encode()
    if code == SUCCESS and number == 1:
        return
    if code == SUCCESS:
        talk.malformed("a response to another request", words)
    if number != 1 or code == BUSY:  # the message ID of a notice of disconnection is 0
        talk.not_accepted(words)
    (talk.not_offered if code == PROTOCOL_ERROR else talk.refused)(words)


def _message(talk: Talk) -> Wait[bytes]:
    """Read one LDAPMessage; return the content of its SEQUENCE."""
    head = yield from talk.read_exactly(2)
    length = head[1]
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= LENGTH_BYTES:
            talk.malformed("a length that is none", head)
        length = int.from_bytes((yield from talk.read_exactly(size)), "big")
    return (yield from talk.read_exactly(length, MESSAGE_LIMIT))


def _response(talk: Talk, content: bytes) -> tuple[int, int, bytes]:
    """Return the message ID, the result code and the diagnostic message."""
    cursor = _Cursor(talk, content)
    number = cursor.integer(INTEGER)
    body = _Cursor(talk, cursor.content(RESPONSE))
    code = body.integer(ENUMERATED)
    body.content(OCTETS)
    return number, code, body.content(OCTETS)


class _Cursor:
    """Reads elements in order, within the content that it was given."""

    def __init__(self, talk: Talk, data: bytes) -> None:
        self._talk = talk
        self._data = data
        self._at = 0

    def content(self, tag: int) -> bytes:
        """Return the content of the next element, which must have this tag."""
        if self._byte() != tag:
            self._wrong("an element that does not belong there")
        length = self._byte()
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= LENGTH_BYTES:
                self._wrong("a length that is none")
            length = int.from_bytes(bytes(self._byte() for _ in range(size)), "big")
        if length > len(self._data) - self._at:
            self._wrong("an element longer than its message")
        self._at += length
        return self._data[self._at - length : self._at]

    def integer(self, tag: int) -> int:
        """Return an integer of at most four bytes."""
        content = self.content(tag)
        if not 1 <= len(content) <= LENGTH_BYTES:
            self._wrong("a number of no such size")
        return int.from_bytes(content, "big", signed=True)

    def _byte(self) -> int:
        if self._at >= len(self._data):
            self._wrong("a message that ends too early")
        self._at += 1
        return self._data[self._at - 1]

    def _wrong(self, detail: str) -> NoReturn:
        self._talk.malformed(detail, self._data)
