"""STARTTLS in XMPP (RFC 6120 5): the few XML elements before TLS, read tag by tag.

RFC 6120 11.1 forbids comments, processing instructions and DTDs in a stream; without them a tag ends at the first ">"
outside of quotes, and there are no entities to expand.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from bothways.starttls.talk import Talk, Wait

TAG_LIMIT = 2048
TAGS_LIMIT = 256
NAMESPACE = b"urn:ietf:params:xml:ns:xmpp-tls"
_ATTRIBUTE = rb"""\s+[A-Za-z_:][\w:.-]*\s*=\s*(?:"[^"<]*"|'[^'<]*')"""
_TAG = re.compile(rb"<(/?)((?:[\w.-]+:)?([\w.-]+))((?:" + _ATTRIBUTE + rb")*)\s*(/?)>")
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", '"': "&quot;"}


class Tag(NamedTuple):
    """One tag: the local name, its content, and whether it starts and ends an element."""

    name: bytes
    attributes: bytes
    opens: bool
    closes: bool


def client(talk: Talk, name: str) -> Wait[None]:
    """Request TLS as a client (RFC 6120 4.7)."""
    return _stream(talk, name, "jabber:client")


def server(talk: Talk, name: str) -> Wait[None]:
    """Request TLS as another server (RFC 6120 4.7)."""
    return _stream(talk, name, "jabber:server")


def _stream(talk: Talk, name: str, namespace: str) -> Wait[None]:
    to = "".join(_ESCAPED.get(each, each) for each in name)
    talk.send(
        f"<?xml version='1.0'?><stream:stream to='{to}' xmlns='{namespace}' "
        "xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>".encode()
    )
    yield from talk.expect_start(b"<?xml", b"<stre")
    reader = _Reader(talk)
    yield from reader.begin()
    if not (yield from reader.offers_tls()):
        talk.not_offered(b"stream features without starttls")
    talk.send(b"<starttls xmlns='" + NAMESPACE + b"'/>")
    answer = yield from reader.tag()
    if answer.name != b"proceed" or NAMESPACE not in answer.attributes:
        talk.refused(answer.name)
    if not answer.closes:
        end = yield from reader.tag()
        if end.name != b"proceed" or end.opens:
            talk.malformed("an answer without its end", end.name)


class _Reader:
    """Reads tags; text between them is skipped, within the limits of the exchange."""

    def __init__(self, talk: Talk) -> None:
        self._talk = talk
        self._count = 0

    def begin(self) -> Wait[None]:
        """Read the server's stream header, after an optional XML declaration."""
        first = yield from self._raw()
        tag = self._read((yield from self._raw()) if first.startswith(b"<?xml") else first)
        if tag.name != b"stream" or not tag.opens or tag.closes:
            self._talk.malformed("another beginning than that of a stream", tag.name)

    def offers_tls(self) -> Wait[bool]:
        """Read the stream features; a stream error instead is a refusal (RFC 6120 4.9)."""
        tag = yield from self.tag()
        if tag.name == b"error":
            condition = yield from self.tag()
            self._talk.not_accepted(condition.name)
        if tag.name != b"features" or not tag.opens:
            self._talk.malformed("no features of the stream", tag.name)
        offered = False
        while not (tag.name == b"features" and tag.closes):
            tag = yield from self.tag()
            offered = offered or (tag.name == b"starttls" and tag.opens and NAMESPACE in tag.attributes)
        return offered

    def tag(self) -> Wait[Tag]:
        """Read the next tag."""
        return self._read((yield from self._raw()))

    def _raw(self) -> Wait[bytes]:
        """Read up to the end of a tag: a ">" outside of quotes."""
        self._count += 1
        if self._count > TAGS_LIMIT:
            self._talk.limit_exceeded(f"more than {TAGS_LIMIT} tags")
        raw, inside, quote = bytearray(), False, 0
        while quote or not inside:
            piece = yield from self._talk.read_until(b">", TAG_LIMIT)
            raw += piece
            if len(raw) > TAG_LIMIT:
                self._talk.limit_exceeded(f"a tag of more than {TAG_LIMIT} bytes")
            inside, quote = _scanned(piece, inside, quote)
        return bytes(raw)

    def _read(self, raw: bytes) -> Tag:
        found = _TAG.fullmatch(raw[max(raw.find(b"<"), 0) :])
        if found is None:
            self._talk.malformed("what is no tag of XMPP", raw)
        return Tag(found[3], found[4], not found[1], bool(found[1] or found[5]))


def _scanned(piece: bytes, inside: bool, quote: int) -> tuple[bool, int]:
    """Scan a piece: return whether it is inside a tag at its end, and the open quote, 0 for none."""
    for each in piece:
        if not inside:
            inside = each == ord("<")
        elif each == quote:
            quote = 0
        elif not quote and each in b"'\"":
            quote = each
    return inside, quote
