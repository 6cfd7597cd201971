"""STARTTLS in protocols with text lines: SMTP, LMTP, IMAP, POP3, FTP, NNTP, ManageSieve."""

from __future__ import annotations

import re

from bothways.starttls.talk import Talk, Wait

_REPLY = re.compile(rb"([1-5][0-9][0-9])([ -]|$)")


def smtp(talk: Talk, _name: str) -> Wait[None]:
    """RFC 3207 4, RFC 5321 4.1.1.1."""
    return _mail(talk, b"EHLO")


def lmtp(talk: Talk, _name: str) -> Wait[None]:
    """RFC 2033 4.1: as SMTP, with another greeting."""
    return _mail(talk, b"LHLO")


def smtp_greeting(talk: Talk) -> Wait[None]:
    """Read what a server says first (RFC 5321 4.3.1)."""
    yield from talk.expect_start(b"220", b"421", b"5")
    code, _ = yield from _reply(talk)
    if code != b"220":
        talk.not_accepted()


def _mail(talk: Talk, greeting: bytes) -> Wait[None]:
    yield from smtp_greeting(talk)
    talk.send(greeting + b" [127.0.0.1]\r\n")  # our own host name is not sent without TLS
    code, lines = yield from _reply(talk)
    if code != b"250":
        (talk.not_accepted if code.startswith(b"4") else talk.not_offered)()
    if not any(_keyword(each) == b"STARTTLS" for each in lines[1:]):
        talk.not_offered(b", ".join(lines))
    talk.send(b"STARTTLS\r\n")
    code, _ = yield from _reply(talk)
    if code != b"220":
        talk.refused()


def ftp(talk: Talk, _name: str) -> Wait[None]:
    """RFC 4217 4, RFC 2228 3."""
    yield from talk.expect_start(b"1", b"2", b"4", b"5")
    code, _ = yield from _reply(talk)
    while code == b"120":  # 120: ready later (RFC 959 5.4)
        code, _ = yield from _reply(talk)
    if code != b"220":
        talk.not_accepted()
    talk.send(b"AUTH TLS\r\n")
    code, _ = yield from _reply(talk)
    if code in (b"500", b"502", b"504"):
        talk.not_offered()
    if code != b"234":
        talk.refused()


def nntp(talk: Talk, _name: str) -> Wait[None]:
    """RFC 4642 2.2, RFC 3977 5.1: each reply is one line."""
    yield from talk.expect_start(b"200", b"201", b"4", b"5")
    line = yield from talk.line()
    if line[:3] not in (b"200", b"201"):
        talk.not_accepted()
    talk.send(b"STARTTLS\r\n")
    line = yield from talk.line()
    if line[:3] == b"500":
        talk.not_offered()
    if line[:3] != b"382":
        talk.refused()


def _reply(talk: Talk) -> Wait[tuple[bytes, list[bytes]]]:
    """Read a reply of one or more lines (RFC 5321 4.2); return its code and its texts."""
    lines: list[bytes] = []
    code = b""
    while True:
        line = yield from talk.line()
        found = _REPLY.match(line)
        if found is None or (lines and found[1] != code):
            talk.malformed("a reply without its code", line)
        code = found[1]
        lines.append(line[4:])
        if found[2] != b"-":
            return code, lines


def _keyword(line: bytes) -> bytes:
    return line.partition(b" ")[0].upper()


def imap_greeting(talk: Talk) -> Wait[None]:
    """Read what a server says first (RFC 9051 7.1)."""
    yield from talk.expect_start(b"* OK", b"* PRE", b"* BYE")
    greeting = yield from talk.line()
    match _words(greeting)[1:2]:
        case [b"OK"]:
            pass
        case [b"BYE"]:
            talk.not_accepted()
        case (
            _
        ):  # PREAUTH: the client is authenticated already, and STARTTLS is then not allowed (RFC 9051 6.2.1)
            talk.refused()


def imap(talk: Talk, _name: str) -> Wait[None]:
    """RFC 9051 6.2.1, 7.1."""
    yield from imap_greeting(talk)
    talk.send(b"a1 CAPABILITY\r\n")
    offered, status = yield from _tagged(talk, b"a1")
    if status != b"OK" or b"STARTTLS" not in offered:
        talk.not_offered()
    talk.send(b"a2 STARTTLS\r\n")
    _, status = yield from _tagged(talk, b"a2")
    if status != b"OK":
        talk.refused()


def _tagged(talk: Talk, tag: bytes) -> Wait[tuple[frozenset[bytes], bytes]]:
    """Read up to the line with our tag; return the capabilities before it, and its status."""
    offered: frozenset[bytes] = frozenset()
    while True:
        line = yield from talk.line()
        words = _words(line)
        match words[:2]:
            case [b"*", b"CAPABILITY"]:
                offered = frozenset(words[2:])
            case [b"*", b"BYE", *_]:
                talk.not_accepted()
            case [b"*", *_]:
                pass
            case [found, (b"OK" | b"NO" | b"BAD") as status] if found == tag.upper():
                return offered, status
            case _:
                talk.malformed("a line that is no answer", line)


def _words(line: bytes) -> list[bytes]:
    return line.upper().split(b" ")


def pop3(talk: Talk, _name: str) -> Wait[None]:
    """RFC 2595 4, RFC 2449 5: not every server knows CAPA."""
    yield from talk.expect_start(b"+OK", b"-ERR")
    if not (yield from _is_ok(talk)):
        talk.not_accepted()
    talk.send(b"CAPA\r\n")
    if (yield from _is_ok(talk)):
        offered = set()
        while (line := (yield from talk.line())) != b".":
            offered.add(_keyword(line))
        if b"STLS" not in offered:
            talk.not_offered(b"CAPA without STLS")
    talk.send(b"STLS\r\n")
    if not (yield from _is_ok(talk)):
        talk.refused()


def _is_ok(talk: Talk) -> Wait[bool]:
    line = yield from talk.line()
    if _keyword(line) not in (b"+OK", b"-ERR"):
        talk.malformed("an answer without +OK or -ERR", line)
    return line.startswith(b"+")


def sieve(talk: Talk, _name: str) -> Wait[None]:
    """RFC 5804 1.7, 2.2: the server first sends its capabilities."""
    yield from talk.expect_start(b'"', b"BYE", b"NO", b"OK")
    offered, status = yield from _capabilities(talk)
    if status != b"OK":
        talk.not_accepted()
    if b'"STARTTLS"' not in offered:
        talk.not_offered()
    talk.send(b"STARTTLS\r\n")
    _, status = yield from _capabilities(talk)
    if status != b"OK":
        talk.refused()


def _capabilities(talk: Talk) -> Wait[tuple[set[bytes], bytes]]:
    found: set[bytes] = set()
    while True:
        line = yield from talk.line()
        word = _keyword(line)
        if word in (b"OK", b"NO", b"BYE"):
            return found, word
        if not word.startswith(b'"'):
            talk.malformed("a line that is no capability", line)
        found.add(word)
