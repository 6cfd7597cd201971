"""The first reply of services other than HTTP: databases, directories, mail servers, brokers, by their codes.

PostgreSQL, MySQL, LDAP, MQTT, AMQP, XMPP; line by line SMTP, IMAP, POP3, FTP, Redis, NATS. Codes have precedence over
texts, which may be in any language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bothways.diagnosis.certificate_texts import about_certificates
from bothways.diagnosis.service_texts import BACKENDS, LINES, LOGINS, Meaning, match_text, texts

LINES_LOOKED_AT = 64
MESSAGES_LOOKED_AT = 32  # PostgreSQL sends some fifteen before it refuses a user whom it has authenticated
MESSAGE_LIMIT = 16 * 1024


class Found(NamedTuple):
    """What a reply says about us, and its text.

    verifies: whether services of this protocol verify a client's certificate in the handshake, or complete none.
    """

    text: str
    meaning: Meaning
    verifies: bool = False


def read_protocols(data: bytes) -> Found | None:
    """Return what the first bytes of a service say about us, by their protocol; None where they say nothing."""
    return next((found for reader in READERS if (found := reader(data)) is not None), None)


def _judged(text: str, meaning: Meaning | None) -> Found | None:
    """Prefer a text about a certificate to a code, since it says more."""
    about = about_certificates(text)
    meaning = meaning if about is None else about.meaning
    return None if meaning is None else Found(text, meaning)


def _verified(found: Found | None) -> Found | None:
    """As it is, unless it speaks of a certificate."""
    return found._replace(verifies=found.meaning in PAST_CERTIFICATES) if found is not None else None


PAST_CERTIFICATES = (Meaning.LOGIN, Meaning.FORBIDDEN, Meaning.NOT_AUTHORIZED, Meaning.DENIED)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _printable(raw: bytes) -> str:
    return "".join(chr(each) for each in raw if 32 <= each < 127)


class Message(NamedTuple):
    """A message of a binary protocol: what is before its content, and the content, which may be incomplete."""

    head: bytes
    content: bytes


def _messages(data: bytes, bounds: Callable[[bytes, int], tuple[int, int] | None]) -> Iterator[Message]:
    """Yield the first messages. bounds: where the content of the one at a place begins and ends; None for none."""
    at = 0
    for _ in range(MESSAGES_LOOKED_AT):
        found = bounds(data, at) if at < len(data) else None
        if found is None or found[1] - at > MESSAGE_LIMIT:
            return
        start, end = found
        yield Message(data[at:start], data[start:end])
        at = end


# -- databases -------------------------------------------------------------------------------------------


def _postgresql(data: bytes) -> Found | None:
    """The first ErrorResponse that ends a connection: some come after AuthenticationOk (PostgreSQL 55.7, appendix A).

    An error behind ReadyForQuery which does not end it is about a query. A request for a password that nothing follows
    was not answered.
    """
    ready, asked = False, ""
    for head, content in _messages(data, _of_postgresql):
        ready = ready or head[:1] == b"Z"
        if head[:1] == b"E":
            fields = {each[:1]: each[1:] for each in content.split(b"\0") if each}
            if not ready or (fields.get(b"V") or fields.get(b"S")) in (b"FATAL", b"PANIC"):
                return _postgresql_error(fields)
        asked = POSTGRESQL_LOGINS.get(int.from_bytes(content[:4], "big"), "") if head[:1] == b"R" else ""
    return Found(f"PostgreSQL requests {asked}", Meaning.LOGIN, verifies=True) if asked else None


def _of_postgresql(data: bytes, at: int) -> tuple[int, int] | None:
    size = int.from_bytes(data[at + 1 : at + 5], "big")
    if data[at : at + 1] not in (b"E", b"K", b"N", b"R", b"S", b"Z") or size < 4:
        return None
    return at + 5, at + 1 + size


def _postgresql_error(fields: Mapping[bytes, bytes]) -> Found | None:
    """What the fields of an ErrorResponse say, each a letter and a text."""
    code = fields.get(b"C", b"").decode("ascii", "replace")
    text = _decoded(fields.get(b"M", b""))
    by_text = next((meaning for words, meaning in POSTGRESQL_TEXTS if words in text), None)
    return _verified(_judged(text, by_text or SQL_STATES.get(code) or SQL_STATES.get(code[:2])))


def _mysql(data: bytes) -> Found | None:
    """An ERR packet: three bytes of length, a number, 0xFF, the code, perhaps "#" and a state, a text."""
    for head, content in _messages(data, _of_mysql):
        if content[:1] == b"\xff" and 4 <= len(content) == int.from_bytes(head[:3], "little"):
            code = int.from_bytes(content[1:3], "little")
            text = _decoded(content[9:] if content[3:4] == b"#" else content[3:])
            return _verified(_judged(text, MYSQL.get(code)))
    return None


def _of_mysql(data: bytes, at: int) -> tuple[int, int]:
    return at + 4, at + 4 + int.from_bytes(data[at : at + 3], "little")


# Requests for authentication that a client has to answer (PostgreSQL 55.7).
POSTGRESQL_LOGINS: Mapping[int, str] = {
    3: "a password", 5: "a password (MD5)", 7: "authentication by GSSAPI", 9: "authentication by SSPI",
    10: "a password (SASL)", 11: "a password (SASL)",
}  # fmt: skip
POSTGRESQL_TEXTS: Sequence[tuple[str, Meaning]] = (
    ("valid client certificate", Meaning.CERTIFICATE_WANTED),
    ("password authentication failed", Meaning.LOGIN),
    ("no password supplied", Meaning.LOGIN),
)
SQL_STATES: Mapping[str, Meaning] = {
    "28P01": Meaning.LOGIN, "28": Meaning.FORBIDDEN, "3D000": Meaning.UNWILLING, "42501": Meaning.FORBIDDEN,
    "53": Meaning.BUSY, "57P03": Meaning.BUSY, "57P01": Meaning.BUSY,
}  # fmt: skip
MYSQL: Mapping[int, Meaning] = {
    **dict.fromkeys((1040, 1041, 1053, 1203, 1226), Meaning.BUSY),
    **dict.fromkeys((1044, 1129, 1130, 3118, 4151), Meaning.FORBIDDEN),
    **dict.fromkeys((1045, 1698), Meaning.DENIED),  # also for a password or a certificate that is missing
    **dict.fromkeys((1251, 1820, 1862), Meaning.LOGIN),
}

# -- directories -----------------------------------------------------------------------------------------


def _ldap(data: bytes) -> Found | None:
    """The first response with a result code that refuses (RFC 4511 4.1.9, 4.4.1, appendix A)."""
    for _, content in _messages(data, _of_ldap):
        match = _LDAP_RESULT.match(content)
        code = match[1][0] if match is not None else 0
        if code in LDAP:
            text, meaning = LDAP[code]
            words = _printable(content[match.end() :]) if match else ""
            if code in LDAP_BY_TEXT and match_text(words.lower(), LDAP_WANTS_LOGIN) is not None:
                meaning = Meaning.LOGIN
            return _judged(f"LDAP result {code}, {text}" + (f": {words}" if words else ""), meaning)
    return None


BER_LENGTH = rb"(?:[\0-\x7f]|\x81.|\x82..|\x84....)"  # X.690 8.1.3
# All that have a result: bind, search done, modify, add, delete, modify DN, compare, extended.
_LDAP_RESULT = re.compile(
    rb"\x02[\x01-\x04].{1,4}?[\x61\x65\x67\x69\x6b\x6d\x6f\x78]" + BER_LENGTH + rb"\x0a\x01(.)", re.DOTALL
)


def _of_ldap(data: bytes, at: int) -> tuple[int, int] | None:
    if data[at : at + 1] != b"\x30" or len(data) < at + 2:
        return None
    size = data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0
    start = at + 2 + size
    length = int.from_bytes(data[at + 2 : start], "big") if size else data[at + 1]
    return None if size > 4 else (start, start + length)


LDAP: Mapping[int, tuple[str, Meaning]] = {
    1: ("operationsError", Meaning.LOGIN),
    7: ("authMethodNotSupported", Meaning.LOGIN),
    8: ("strongerAuthRequired", Meaning.CERTIFICATE_WANTED),
    13: ("confidentialityRequired", Meaning.UNWILLING),
    48: ("inappropriateAuthentication", Meaning.LOGIN),
    49: ("invalidCredentials", Meaning.LOGIN),
    50: ("insufficientAccessRights", Meaning.FORBIDDEN),
    51: ("busy", Meaning.BUSY),
    52: ("unavailable", Meaning.BUSY),
    53: ("unwillingToPerform", Meaning.UNWILLING),
}
# Texts of OpenLDAP and 389 Directory Server with codes that servers send for many reasons.
LDAP_BY_TEXT = (8, 53)
LDAP_WANTS_LOGIN = texts(
    (
        Meaning.LOGIN,
        (
            r"authentication (?:is )?required",
            r"requires? authentication",
            r"unauthenticated bind",
            r"anonymous bind",
            r"simple (?:authentication|bind)",
            r"minimum ssf",
        ),
    ),
)

# -- brokers ---------------------------------------------------------------------------------------------


def _mqtt(data: bytes) -> Found | None:
    """A CONNACK that refuses, or an end with a reason after it: versions 3.1.1 (3.2.2.3) and 5 (3.2.2.2, 3.14.2.1)."""
    if data[:1] not in (b"\x20", b"\xe0"):
        return None
    for head, content in _messages(data, _of_mqtt):
        at = MQTT_REASONS.get(head[0])
        if at is not None and content[at : at + 1] and content[at] in MQTT:
            text, meaning = MQTT[content[at]]
            words = _printable(content[at + 1 :])  # the properties of version 5, such as a reason string
            said = f"MQTT refused the connection: {text}" + (f": {words}" if words else "")
            return _verified(_judged(said, meaning))
    return None


def _of_mqtt(data: bytes, at: int) -> tuple[int, int] | None:
    """The length has seven bits a byte, and at most two of them here."""
    first, second = (data[at + 1 : at + 3] + b"\0\0")[:2]
    if first < 0x80:
        return at + 2, at + 2 + first
    return None if second >= 0x80 else (at + 3, at + 3 + (first & 0x7F | second << 7))


MQTT_REASONS = {0x20: 1, 0xE0: 0}  # where CONNACK and DISCONNECT have their reason
MQTT: Mapping[int, tuple[str, Meaning]] = {
    1: ("it does not speak this version", Meaning.UNWILLING),
    2: ("it rejects the client identifier", Meaning.UNWILLING),
    3: ("server unavailable", Meaning.BUSY),
    4: ("bad user name or password", Meaning.LOGIN),
    5: ("not authorized", Meaning.NOT_AUTHORIZED),
    0x84: ("it does not speak this version", Meaning.UNWILLING),
    0x85: ("it rejects the client identifier", Meaning.UNWILLING),
    0x86: ("bad user name or password", Meaning.LOGIN),
    0x87: ("not authorized", Meaning.NOT_AUTHORIZED),
    0x88: ("server unavailable", Meaning.BUSY),
    0x89: ("server busy", Meaning.BUSY),
    0x8A: ("banned", Meaning.FORBIDDEN),
    0x8C: ("bad authentication method", Meaning.LOGIN),
    0x97: ("quota exceeded", Meaning.BUSY),
    0x9F: ("connection rate exceeded", Meaning.BUSY),
}


def _amqp(data: bytes) -> Found | None:
    """The first frame with connection.close (AMQP 0-9-1, 1.4.2.7): a code and a text."""
    for _, content in _messages(data, _of_amqp):
        if content.startswith(AMQP_CLOSE) and len(content) >= 7:
            code = int.from_bytes(content[4:6], "big")
            text = _decoded(content[7 : 7 + content[6]])
            return _verified(_judged(f"AMQP {code}: {text}", AMQP.get(code)))
    return None


def _of_amqp(data: bytes, at: int) -> tuple[int, int] | None:
    """A frame of a method: its type, a channel, the size, and a byte behind the content."""
    if data[at : at + 1] != b"\x01" or len(data) < at + 7:
        return None
    return at + 7, at + 8 + int.from_bytes(data[at + 3 : at + 7], "big")


AMQP_CLOSE = b"\0\x0a\0\x32"  # class connection, method close
AMQP: Mapping[int, Meaning] = {
    403: Meaning.LOGIN,
    530: Meaning.FORBIDDEN,
    320: Meaning.BUSY,
    506: Meaning.BUSY,
}


def _xmpp(data: bytes) -> Found | None:
    """A failure of SASL or an error of the stream (RFC 6120 4.9.3, 6.5)."""
    if not data.startswith((b"<?xml", b"<stre", b"<fail")):
        return None
    match = _XMPP.search(data)
    if match is None:
        return None
    words = _XMPP_TEXT.search(data, match.end())
    said = "" if words is None else f", {_decoded(words[1])}"
    return _judged(f"XMPP: {match[1].decode('ascii')}{said}", XMPP[match[1]])


XMPP: Mapping[bytes, Meaning] = {
    b"not-authorized": Meaning.LOGIN,
    b"credentials-expired": Meaning.LOGIN,
    b"account-disabled": Meaning.FORBIDDEN,
    b"policy-violation": Meaning.FORBIDDEN,
    b"host-unknown": Meaning.NO_SUCH_HOST,
    b"host-gone": Meaning.NO_SUCH_HOST,
    b"resource-constraint": Meaning.BUSY,
    b"system-shutdown": Meaning.BUSY,
    b"temporary-auth-failure": Meaning.BUSY,
    b"connection-timeout": Meaning.NO_REQUEST,
}
_XMPP = re.compile(rb"<(" + b"|".join(XMPP) + rb")\b")
_XMPP_TEXT = re.compile(rb"<text\b[^>]{0,200}>([^<]{1,400})<")

# -- lines -----------------------------------------------------------------------------------------------


def _lines(data: bytes) -> Found | None:
    """Lines of SMTP, IMAP, POP3, FTP, NNTP, ManageSieve, Redis, NATS or IRC: the first one that refuses us counts."""
    if not data.startswith(LINES_BEGIN):
        return None
    lines = [each.decode("latin-1").strip() for each in data.split(b"\n", LINES_LOOKED_AT)[:LINES_LOOKED_AT]]
    if lines[0] == "ERROR":  # a frame of STOMP, whose headers and content say why
        lines = [" ".join(lines)]
    at = next((at for at, line in enumerate(lines) if _REFUSING.match(line)), len(lines))
    return next((found for line in lines[at:] if (found := _line(line, lines[:at])) is not None), None)


def _line(line: str, before: Sequence[str]) -> Found | None:
    """What a line says that refuses. before: the lines in front of the first of those."""
    if not _REFUSING.match(line):
        return None
    found = about_certificates(line) or match_text(line, LINES, LOGINS, BACKENDS)
    meaning = _of_code(line, before) if found is None else found.meaning
    if meaning is None:
        return None
    said = Found(line, meaning)
    return _verified(said) if _OF_REDIS.match(line) else said


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
    b"* ", b"-", b"+OK", b"a", b"A", b"2", b"3", b"4", b"5", b"INFO ", b"ERROR", b"NO ", b"BYE ", b"OK", b'"', b":",
)  # fmt: skip
_REFUSING = re.compile(
    r"[45]\d\d[ -]|-|\* (?:BYE|BAD|NO)|\w+ (?:NO|BAD) |(?:NO|BYE) |ERROR|:\S{1,128} 46[345] ", re.IGNORECASE
)
_OF_REDIS = re.compile(r"-(?!ERR)[A-Z]+ ")  # NOPERM, NOAUTH, WRONGPASS; POP3 and NATS have -ERR alone
# Not those by which a command is not understood, or in a wrong order (RFC 5321 4.2.3).
_PERMANENT = re.compile(r"5(?:[1-9]\d|0[5-9])[ -]")
_LATER = re.compile(r"4\d\d[ -]4\.\d{1,3}\.\d{1,3}\b")  # RFC 3463 2
_OF_POLICY = re.compile(r"5\d\d[ -]5\.7\.\d{1,3}\b")  # RFC 3463 3.8
LET_IN = frozenset(("230",))  # FTP refuses files by 550 (RFC 959 4.2.1)
# RFC 5321 4.2.3, RFC 4954 6, RFC 959 4.2.1, RFC 4643 2.2.
CODES: Mapping[str, Meaning] = {
    "421": Meaning.BUSY, "450": Meaning.BUSY, "451": Meaning.BUSY, "452": Meaning.BUSY, "454": Meaning.BUSY,
    "530": Meaning.LOGIN, "534": Meaning.LOGIN, "535": Meaning.LOGIN, "538": Meaning.LOGIN, "332": Meaning.LOGIN,
    "554": Meaning.FORBIDDEN, "480": Meaning.LOGIN, "481": Meaning.LOGIN,
}  # fmt: skip
READERS: Sequence[Callable[[bytes], Found | None]] = (_postgresql, _mysql, _ldap, _mqtt, _amqp, _xmpp, _lines)
