"""STARTTLS in LDAP: one extended operation in BER (RFC 4511 4.14), with its own decoder.

Microsoft's directory servers write lengths in more bytes than needed, which DER forbids and BER (RFC 4511 5.1) allows.
"""

from __future__ import annotations

from typing import NoReturn

from bothways.starttls.talk import MESSAGE_LIMIT, Talk, Wait, quoted

LENGTH_BYTES = 4
START_TLS = b"1.3.6.1.4.1.1466.20037"
SEQUENCE, INTEGER, ENUMERATED, OCTETS, REQUEST_NAME, RESPONSE = 0x30, 0x02, 0x0A, 0x04, 0x80, 0x78
SUCCESS, PROTOCOL_ERROR, BUSY = 0, 2, 51
# Result codes of RFC 4511 appendix A.1 that a server may return for this request.
RESULTS = {
    0: "success", 1: "operationsError", 2: "protocolError", 7: "authMethodNotSupported", 8: "strongerAuthRequired",
    10: "referral", 11: "adminLimitExceeded", 13: "confidentialityRequired", 50: "insufficientAccessRights",
    51: "busy", 52: "unavailable", 53: "unwillingToPerform", 80: "other",
}  # fmt: skip


def element(tag: int, content: bytes) -> bytes:
    """Return an element with a content of less than 128 bytes."""
    return bytes((tag, len(content))) + content


REQUEST = element(SEQUENCE, element(INTEGER, b"\1") + element(0x77, element(REQUEST_NAME, START_TLS)))


def ldap(talk: Talk, _name: str) -> Wait[None]:
    """Send the request and read its response, or a notice of disconnection instead (RFC 4511 4.4.1)."""
    talk.send(REQUEST)
    yield from talk.expect_start(b"\x30")
    content = yield from read_message(talk)
    number, code, text = _response(talk, content)
    words = f"{RESULTS.get(code, f'result {code}')}: {quoted(text)}".encode()
    if code == SUCCESS and number == 1:
        return
    if code == SUCCESS:
        talk.malformed("a response to another request", words)
    if number != 1 or code == BUSY:  # the message ID of a notice of disconnection is 0
        talk.not_accepted(words)
    (talk.not_offered if code == PROTOCOL_ERROR else talk.refused)(words)


def read_message(talk: Talk, most: int = MESSAGE_LIMIT) -> Wait[bytes]:
    """Read one LDAPMessage of at most so many bytes; return the content of its SEQUENCE."""
    head = yield from talk.read_exactly(2)
    if head[0] != SEQUENCE:
        talk.malformed("what is no message", head)
    length = head[1]
    if length & 0x80:
        size = length & 0x7F
        if not 1 <= size <= LENGTH_BYTES:
            talk.malformed("a length that is none", head)
        length = int.from_bytes((yield from talk.read_exactly(size)), "big")
    return (yield from talk.read_exactly(length, most))


def _response(talk: Talk, content: bytes) -> tuple[int, int, bytes]:
    """Return the message ID, the result code and the diagnostic message."""
    cursor = Cursor(talk, content)
    number = cursor.integer(INTEGER)
    body = Cursor(talk, cursor.content(RESPONSE))
    code = body.integer(ENUMERATED)
    body.content(OCTETS)
    return number, code, body.content(OCTETS)


class Cursor:
    """Reads elements in order, within the content that it was given."""

    def __init__(self, talk: Talk, data: bytes) -> None:
        self._talk = talk
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._data)

    def content(self, tag: int) -> bytes:
        """Return the content of the next element, which must have this tag."""
        found, content = self.any_element()
        if found != tag:
            self._wrong("an element that does not belong there")
        return content

    def any_element(self) -> tuple[int, bytes]:
        """Return the tag of the next element, which is one byte, and its content."""
        tag, length = self._byte(), self._byte()
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= LENGTH_BYTES:
                self._wrong("a length that is none")
            length = int.from_bytes(bytes(self._byte() for _ in range(size)), "big")
        if length > len(self._data) - self._at:
            self._wrong("an element longer than its message")
        self._at += length
        return tag, self._data[self._at - length : self._at]

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
