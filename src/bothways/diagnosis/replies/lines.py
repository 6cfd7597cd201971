"""The first reply of services that speak in lines: SMTP, IMAP, POP3, FTP, NNTP, ManageSieve, Redis, NATS, IRC, STOMP.

Texts have precedence over codes, which are for many reasons.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bothways.diagnosis.replies.certificate_texts import about_certificates
from bothways.diagnosis.replies.found import Found, verified
from bothways.diagnosis.replies.texts import BACKENDS, LINES, LOGINS, Meaning, match_text

LINES_LOOKED_AT = 64


def read_lines(data: bytes) -> Found | None:
    """Return what the first line that refuses us says; None where none does."""
    if not data.startswith(LINES_BEGIN):
        return None
    if (frame := _STOMP.search(data)) is not None:
        return _stomp(data[frame.end() :])
    lines = _lines(data)
    at = next((at for at, line in enumerate(lines) if _REFUSING.match(line)), len(lines))
    return next((found for line in lines[at:] if (found := _line(line, lines[:at])) is not None), None)


def _stomp(data: bytes) -> Found:
    """What an ERROR frame of STOMP says in its headers and content; the connection ends by it (STOMP 1.2, ERROR)."""
    line = " ".join(("ERROR", *filter(None, (each.strip("\0") for each in _lines(data)))))
    return _line(line, ()) or Found(line, Meaning.UNWILLING)


def _lines(data: bytes) -> list[str]:
    """Return the first lines, without strings whose length stands before them: those of Redis, literals of IMAP."""
    found: list[str] = []
    at = 0
    while at < len(data) and len(found) < LINES_LOOKED_AT:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        found.append(data[at:end].decode("latin-1").strip())
        at = end + 1
        if (length := _STRING.search(found[-1])) is not None:
            at += int(length[1] or length[2])
    return found or [""]


def error_line(data: bytes) -> str | None:
    """Return the first line by which a service says that something failed, whatever it was; None for none."""
    if not data.startswith(LINES_BEGIN):
        return None
    return next((each for each in _lines(data) if _REFUSING.match(each)), None)


def _line(line: str, before: Sequence[str]) -> Found | None:
    """What a line says that refuses. before: the lines in front of the first of those."""
    if not _REFUSING.match(line):
        return None
    if _OF_RECIPIENT.match(line.lower()):
        return Found(line, Meaning.UNWILLING)
    found = about_certificates(line) or match_text(line, LINES, LOGINS, BACKENDS)
    if _OF_REDIS.match(line):
        return verified(Found(line, Meaning.UNWILLING if found is None else found.meaning))
    meaning = _of_code(line, before) if found is None else found.meaning
    return None if meaning is None else Found(line, meaning)


def _of_code(line: str, before: Sequence[str]) -> Meaning | None:
    """What a code says: of a class that is not listed, its first digit, and how far the client had come."""
    code, codes = line[:3], {each[:3] for each in before}
    if code in CODES:
        return CODES[code]
    if _LATER.match(line):
        return Meaning.BUSY
    if not _PERMANENT.match(line) or codes & LET_IN:
        return None
    is_of_policy = _OF_POLICY.match(line) is not None
    return Meaning.SHUT_OUT if is_of_policy or codes <= {"", "220"} else Meaning.UNWILLING


LINES_BEGIN = (
    b"* ", b"-", b"a", b"A", b"2", b"3", b"4", b"5", b"INFO ", b"ERROR", b"NO ", b"BYE ", b"OK", b'"',
    b":", b"+", b"$", b"*", b"SERVER_ERROR ", b"CLIENT_ERROR ", b"CONNECTED",
)  # fmt: skip
# With a header behind it, or without any: as a reply of memcached the word stands alone.
_STOMP = re.compile(rb"(?:\A|\0[\r\n]{0,8})ERROR\r?\n(?=[\w-]{1,64}:|\r?\n)")
_STRING = re.compile(r"^\$(\d{1,9})$|\{(\d{1,9})\+?\}$")  # RESP; RFC 9051 4.3
_REFUSING = re.compile(
    r"[45]\d\d[ -]|(?-i:-[A-Z]{2,20}\b)|\* (?:BYE|BAD|NO)|\w+ (?:NO|BAD) |(?:NO|BYE) |(?:SERVER_|CLIENT_)?ERROR"
    r"|:\S{1,128} 46[345] ",
    re.IGNORECASE,
)
_OF_REDIS = re.compile(r"-(?!ERR)[A-Z]+ ")  # NOPERM, NOAUTH, WRONGPASS; POP3 and NATS have -ERR alone
# Not those by which a command is not understood, or in a wrong order (RFC 5321 4.2.3).
_PERMANENT = re.compile(r"5(?:[1-9]\d|0[5-9])[ -]")
# Of one message, whoever sends it (RFC 5321 3.6.2).
_OF_RECIPIENT = re.compile(
    r"55\d[ -].{0,200}(?:(?:unknown|no such|invalid|unrouteable) (?:local )?(?:user|recipient|mailbox|address)"
    r"|(?:user|recipient|mailbox|address) (?:is )?(?:unknown|unavailable|not found|rejected))"
)
_LATER = re.compile(r"4\d\d[ -]4\.\d{1,3}\.\d{1,3}\b")  # RFC 3463 2
_OF_POLICY = re.compile(r"5\d\d[ -]5\.7\.\d{1,3}\b")  # RFC 3463 3.8
LET_IN = frozenset(("230",))  # FTP refuses files by 550 (RFC 959 4.2.1)
# RFC 5321 4.2.3, RFC 4954 6, RFC 959 4.2.1, RFC 4643 2.2.
CODES: Mapping[str, Meaning] = {
    "421": Meaning.BUSY, "450": Meaning.BUSY, "451": Meaning.BUSY, "452": Meaning.BUSY, "454": Meaning.BUSY,
    "530": Meaning.LOGIN, "534": Meaning.LOGIN, "535": Meaning.LOGIN, "538": Meaning.LOGIN, "332": Meaning.LOGIN,
    "554": Meaning.FORBIDDEN, "480": Meaning.LOGIN, "481": Meaning.LOGIN,
}  # fmt: skip
