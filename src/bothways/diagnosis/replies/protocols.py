"""The first reply of services other than HTTP: databases, directories, mail servers, brokers, by their codes.

PostgreSQL, MySQL, LDAP, MQTT, AMQP, XMPP; those that speak in lines are in `lines`. Codes have precedence over
texts, which may be in any language.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from bothways.diagnosis.replies.found import Found, judged, verified
from bothways.diagnosis.replies.lines import read_lines
from bothways.diagnosis.replies.texts import BACKENDS, LINES, Meaning, match_text, texts

MESSAGES_LOOKED_AT = 32  # PostgreSQL sends some fifteen before it refuses a user whom it has authenticated
MESSAGE_LIMIT = 16 * 1024


def read_protocols(data: bytes) -> Found | None:
    """Return what the first bytes of a service say about us, by their protocol; None where they say nothing."""
    return next((found for reader in READERS if (found := reader(data)) is not None), None)


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _printable(raw: bytes) -> str:
    return "".join(chr(each) for each in raw if 32 <= each < 127)


class BinaryMessage(NamedTuple):
    """A message of a binary protocol: what is before its content, and the content, which may be incomplete."""

    head: bytes
    content: bytes


def _messages(data: bytes, bounds: Callable[[bytes, int], tuple[int, int] | None]) -> Iterator[BinaryMessage]:
    """Yield the first messages. bounds: where the content of the one at a place begins and ends; None for none."""
    at = 0
    for _ in range(MESSAGES_LOOKED_AT):
        found = bounds(data, at) if at < len(data) else None
        if found is None or found[1] - at > MESSAGE_LIMIT:
            return
        start, end = found
        yield BinaryMessage(data[at:start], data[start:end])
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
    by_code = SQL_STATES.get(code) or SQL_STATES.get(code[:2])
    is_fatal = (fields.get(b"V") or fields.get(b"S")) in (b"FATAL", b"PANIC")
    return verified(judged(text, by_text or by_code or (_of_text(text) if is_fatal else None)))


def _of_text(text: str) -> Meaning:
    """What is said where a connection is refused by a code that is not known: as by proxies in front of databases."""
    found = match_text(text, BACKENDS, LINES)
    return Meaning.UNWILLING if found is None else found.meaning


def _mysql(data: bytes) -> Found | None:
    """An ERR packet: three bytes of length, a number, 0xFF, the code, perhaps "#" and a state, a text.

    One before an OK packet refuses the login, whatever its code is. A request for another method of authentication
    that nothing follows was not answered.
    """
    let_in, asked = False, b""
    for head, content in _messages(data, _of_mysql):
        let_in = let_in or content[:1] == b"\0"
        asked = content[1:].partition(b"\0")[0] if content[:1] == b"\xfe" and not let_in else b""
        if content[:1] == b"\xff" and 4 <= len(content) == int.from_bytes(head[:3], "little"):
            code = int.from_bytes(content[1:3], "little")
            text = _decoded(content[9:] if content[3:4] == b"#" else content[3:])
            return verified(judged(text, MYSQL.get(code) or (None if let_in else _of_text(text))))
    method = _printable(asked)
    return Found(f"MySQL requests {method}", Meaning.LOGIN, verifies=True) if method else None


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
    **dict.fromkeys((1040, 1041, 1053, 1135, 1203, 1226), Meaning.BUSY),
    **dict.fromkeys((1044, 1129, 1130, 3118, 4151), Meaning.FORBIDDEN),
    **dict.fromkeys((1045, 1698), Meaning.DENIED),  # also for a password or a certificate that is missing
    **dict.fromkeys((1251, 1820, 1862), Meaning.LOGIN),
}

BER_LENGTH = rb"(?:[\0-\x7f]|\x81.|\x82..|\x84....)"  # X.690 8.1.3

# -- directories -----------------------------------------------------------------------------------------


def _ldap(data: bytes) -> Found | None:
    """The first response with a result code that refuses (RFC 4511 4.1.9, 4.4.1, appendix A)."""
    for _, content in _messages(data, _of_ldap):
        match = _LDAP_RESULT.match(content)
        code = match[2][0] if match is not None else 0
        if code in LDAP or (match is not None and match[1] == BIND and code not in (0, SASL_GOES_ON)):
            text, meaning = LDAP.get(code, ("it refuses the bind", Meaning.UNWILLING))
            words = _diagnostic_message(content[match.end() :]) if match else ""
            if code in LDAP_BY_TEXT and match_text(words.lower(), LDAP_WANTS_LOGIN) is not None:
                meaning = Meaning.LOGIN
            return judged(f"LDAP result {code}, {text}" + (f": {words}" if words else ""), meaning)
    return None


BIND, SASL_GOES_ON = b"\x61", 14
# All that have a result: bind, search done, modify, add, delete, modify DN, compare, extended.
_LDAP_RESULT = re.compile(
    rb"\x02[\x01-\x04].{1,4}?([\x61\x65\x67\x69\x6b\x6d\x6f\x78])" + BER_LENGTH + rb"\x0a\x01(.)", re.DOTALL
)


def _diagnostic_message(raw: bytes) -> str:
    """Return the second of two octet strings: matchedDN, diagnosticMessage (RFC 4511 4.1.9, X.690 8.1.3)."""
    at, text = 0, b""
    for _ in range(2):
        head = _OCTETS.match(raw, at)
        if head is None:
            return ""
        length = head[1]
        size = int.from_bytes(length[1:], "big") if length[0] & 0x80 else length[0]
        text, at = raw[head.end() : head.end() + size], head.end() + size
    return _printable(text)


_OCTETS = re.compile(rb"\x04(" + BER_LENGTH + rb")", re.DOTALL)


def _of_ldap(data: bytes, at: int) -> tuple[int, int] | None:
    if data[at : at + 1] != b"\x30" or len(data) < at + 2:
        return None
    size = data[at + 1] & 0x7F if data[at + 1] & 0x80 else 0
    start = at + 2 + size
    length = int.from_bytes(data[at + 2 : start], "big") if size else data[at + 1]
    return None if size > 4 else (start, start + length)


LDAP: Mapping[int, tuple[str, Meaning]] = {
    1: ("operationsError", Meaning.LOGIN),
    2: ("protocolError", Meaning.UNWILLING),
    7: ("authMethodNotSupported", Meaning.LOGIN),
    8: ("strongerAuthRequired", Meaning.CERTIFICATE_WANTED),
    13: ("confidentialityRequired", Meaning.UNWILLING),
    48: ("inappropriateAuthentication", Meaning.LOGIN),
    49: ("invalidCredentials", Meaning.LOGIN),
    50: ("insufficientAccessRights", Meaning.FORBIDDEN),
    11: ("adminLimitExceeded", Meaning.BUSY),
    51: ("busy", Meaning.BUSY),
    52: ("unavailable", Meaning.BUSY),
    53: ("unwillingToPerform", Meaning.UNWILLING),
    80: ("other", Meaning.UNWILLING),
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
    """The first packet that refuses us: CONNACK, DISCONNECT, and what answers a message or a subscription.

    Versions 3.1.1 (3.2.2.3, 3.9.3) and 5 (3.2.2.2, 3.4.2.1, 3.9.3, 3.14.2.1).
    """
    if data[:1] not in (b"\x20", b"\xe0"):
        return None
    for head, content in _messages(data, _of_mqtt):
        kind, at = MQTT_REASONS.get(head[0], ("", 0))
        if head[0] == SUBACK:
            at = max(len(content) - 1, 2)  # of the last subscription
        code = content[at] if kind and at < len(content) else 0
        if code and (kind == "the connection" or code >= MQTT_REFUSALS):
            text, meaning = MQTT.get(code, (f"reason code {code}", Meaning.UNWILLING))
            if kind != "the connection" and meaning is Meaning.NOT_AUTHORIZED:
                meaning = Meaning.FORBIDDEN  # past the login
            words = _reason_string(content[at + 1 :])
            said = f"MQTT refused {kind}: {text}" + (f": {words}" if words else "")
            return verified(judged(said, meaning))
    return None


def _reason_string(properties: bytes) -> str:
    """Return the reason that the properties of version 5 give in words, or "" (2.2.2.2, 3.2.2.3.9)."""
    at = next((place + 1 for place, each in enumerate(properties[:4]) if each < 0x80), len(properties))
    while at < len(properties):
        kind, size = properties[at], PROPERTY_SIZES.get(properties[at], 0)
        length = int.from_bytes(properties[at + 1 : at + 3], "big")
        if kind == REASON_STRING:
            return _printable(properties[at + 3 : at + 3 + length])
        at += 1 + (size or 2 + length)
    return ""


REASON_STRING = 0x1F
# Octets of the values in CONNACK that are numbers; all others begin with their length (MQTT 5, 2.2.2.2).
PROPERTY_SIZES: Mapping[int, int] = {
    0x11: 4, 0x27: 4, 0x13: 2, 0x21: 2, 0x22: 2, 0x24: 1, 0x25: 1, 0x28: 1, 0x29: 1, 0x2A: 1,
}  # fmt: skip


def _of_mqtt(data: bytes, at: int) -> tuple[int, int] | None:
    """The length has seven bits a byte, and at most two of them here."""
    first, second = (data[at + 1 : at + 3] + b"\0\0")[:2]
    if first < 0x80:
        return at + 2, at + 2 + first
    return None if second >= 0x80 else (at + 3, at + 3 + (first & 0x7F | second << 7))


SUBACK = 0x90
MQTT_REFUSALS = 0x80
# What is answered by each packet, and where it has its reason: CONNACK, DISCONNECT, PUBACK, PUBREC, SUBACK.
MQTT_REASONS: Mapping[int, tuple[str, int]] = {
    0x20: ("the connection", 1),
    0xE0: ("the connection", 0),
    0x40: ("a message", 2),
    0x50: ("a message", 2),
    SUBACK: ("a subscription", 2),
}
MQTT: Mapping[int, tuple[str, Meaning]] = {
    1: ("it does not speak this version", Meaning.UNWILLING),
    2: ("it rejects the client identifier", Meaning.UNWILLING),
    3: ("server unavailable", Meaning.BUSY),
    4: ("bad user name or password", Meaning.LOGIN),
    5: ("not authorized", Meaning.NOT_AUTHORIZED),
    0x80: ("failure", Meaning.NOT_AUTHORIZED),
    0x84: ("it does not speak this version", Meaning.UNWILLING),
    0x85: ("it rejects the client identifier", Meaning.UNWILLING),
    0x86: ("bad user name or password", Meaning.LOGIN),
    0x87: ("not authorized", Meaning.NOT_AUTHORIZED),
    0x88: ("server unavailable", Meaning.BUSY),
    0x89: ("server busy", Meaning.BUSY),
    0x8A: ("banned", Meaning.FORBIDDEN),
    0x8B: ("server shutting down", Meaning.BUSY),
    0x8C: ("bad authentication method", Meaning.LOGIN),
    0x8D: ("nothing came in time", Meaning.NO_REQUEST),
    0x95: ("packet too large", Meaning.TOO_LARGE),
    0x97: ("quota exceeded", Meaning.BUSY),
    0x9C: ("use another server", Meaning.ELSEWHERE),
    0x9D: ("the server has moved", Meaning.ELSEWHERE),
    0x9F: ("connection rate exceeded", Meaning.BUSY),
}


def _amqp(data: bytes) -> Found | None:
    """The first frame by which a connection or a channel is closed (AMQP 0-9-1, 1.4.2.7, 1.5.2.5): a code and a text.

    One that answers by its version alone does not speak that of the client (2.2.1); by SASL (AMQP 1.0, 5.3.3.6).
    """
    if data.startswith(b"AMQP"):
        outcome = _AMQP_OUTCOME.search(data)
        if outcome is not None:
            return Found("AMQP: authentication failed", Meaning.LOGIN)
        version = ".".join(map(str, data[4:8]))
        return Found(f"AMQP: it speaks version {version}", Meaning.UNWILLING) if len(data) == 8 else None
    for _, content in _messages(data, _of_amqp):
        if content.startswith((AMQP_CLOSE, AMQP_CLOSE_CHANNEL)) and len(content) >= 7:
            code = int.from_bytes(content[4:6], "big")
            text = _decoded(content[7 : 7 + content[6]])
            meaning = AMQP.get(code, Meaning.UNWILLING)
            if content.startswith(AMQP_CLOSE_CHANNEL) and meaning is Meaning.LOGIN:
                meaning = Meaning.FORBIDDEN  # past the login
            return verified(judged(f"AMQP {code}: {text}", meaning)) if code != AMQP_DONE else None
    return None


def _of_amqp(data: bytes, at: int) -> tuple[int, int] | None:
    """A frame of a method: its type, a channel, the size, and a byte behind the content."""
    if data[at : at + 1] != b"\x01" or len(data) < at + 7:
        return None
    return at + 7, at + 8 + int.from_bytes(data[at + 3 : at + 7], "big")


AMQP_CLOSE = b"\0\x0a\0\x32"  # class connection, method close
AMQP_CLOSE_CHANNEL = b"\0\x14\0\x28"
AMQP_DONE = 200
_AMQP_OUTCOME = re.compile(rb"\0\x53\x44\xc0..\x50[\1-\4]", re.DOTALL)
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
    return judged(f"XMPP: {match[1].decode('ascii')}{said}", XMPP[match[1]])


XMPP: Mapping[bytes, Meaning] = {
    b"not-authorized": Meaning.LOGIN,
    b"credentials-expired": Meaning.LOGIN,
    **dict.fromkeys((b"invalid-mechanism", b"mechanism-too-weak", b"invalid-authzid"), Meaning.LOGIN),
    **dict.fromkeys(
        (b"conflict", b"not-well-formed", b"invalid-namespace", b"unsupported-version"), Meaning.UNWILLING
    ),
    b"see-other-host": Meaning.ELSEWHERE,
    b"remote-connection-failed": Meaning.NO_BACKEND,
    b"internal-server-error": Meaning.FAILED,
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

READERS: Sequence[Callable[[bytes], Found | None]] = (
    _postgresql,
    _mysql,
    _ldap,
    _mqtt,
    _amqp,
    _xmpp,
    read_lines,
)
