"""The first answer of a service over an established connection, as far as it says whether it accepts us.

HTTP (RFC 9110), PostgreSQL, MySQL, LDAP, IMAP, POP3, Redis and MQTT. The work is bounded and nothing is trusted: texts
are quoted as those of the peer.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from bothways.faults import shown

LOOKED_AT = 16 * 1024
HEADERS_LOOKED_AT = 64
LINES_LOOKED_AT = 16
KEPT_HEADERS = frozenset({"date", "server", "www-authenticate", "proxy-authenticate"})


class Says(Enum):
    """What a reply says about our certificate or us."""

    CERTIFICATE_WANTED = "it requires a certificate and got none"
    CERTIFICATE_WRONG = "it does not accept the certificate"
    CERTIFICATE_EXPIRED = "the certificate is outside its validity period"
    CERTIFICATE_REVOKED = "the certificate is revoked"
    CERTIFICATE_UNTRUSTED = "the certificate's issuer is not trusted"
    LATER_IMPOSSIBLE = "it would request a certificate after the handshake, and cannot"
    WRONG_NAME = "it does not serve this server name"
    FORBIDDEN = "we are not authorized"
    LOGIN = "it requires credentials other than a certificate"
    PROXY_LOGIN = "a proxy requires credentials"
    NO_BACKEND = "the service behind it does not answer"
    NO_REQUEST = "no request arrived in time"
    PLAIN_WANTED = "it read what it received as plain text"


# Statuses and texts by which a service refuses a client for its identity; others concern only the service.
REFUSED_STATUSES = frozenset({401, 403, 407, 421, 495, 496, 497})


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """A reply in short. status: of HTTP. login: the authentication schemes that it names. date: the time it sent."""

    text: str
    says: Says | None
    status: int | None = None
    server: str = ""
    login: str = ""
    date: datetime | None = None

    @property
    def refuses(self) -> bool:
        """Whether it refuses us for our identity or our connection, so that a command fails."""
        if self.status is not None:
            return self.status in REFUSED_STATUSES or (self.status == 400 and self.says in ABOUT_CERTIFICATES)
        return self.says not in (None, Says.NO_BACKEND, Says.NO_REQUEST)


ABOUT_CERTIFICATES = frozenset(
    {
        Says.CERTIFICATE_WANTED,
        Says.CERTIFICATE_WRONG,
        Says.CERTIFICATE_EXPIRED,
        Says.CERTIFICATE_REVOKED,
        Says.CERTIFICATE_UNTRUSTED,
        Says.LATER_IMPOSSIBLE,
        Says.PLAIN_WANTED,
    }
)

# Texts of nginx, Apache, IIS and Azure, Envoy and others, in lower case; the first that fits decides.
BODIES: Sequence[tuple[re.Pattern[bytes], Says]] = tuple(
    (re.compile(pattern), says)
    for pattern, says in (
        (rb"no required ssl certificate was sent", Says.CERTIFICATE_WANTED),
        (rb"the ssl certificate error", Says.CERTIFICATE_WRONG),
        (rb"plain http request was sent to https port|speaking plain http to an ssl", Says.PLAIN_WANTED),
        (rb"cannot perform post-handshake authentication", Says.LATER_IMPOSSIBLE),
        (rb"\b403[. ]13\b|client certificate (?:has been |was |is )?revoked", Says.CERTIFICATE_REVOKED),
        (rb"\b403[. ]16\b|client certificate is (?:untrusted|not trusted)", Says.CERTIFICATE_UNTRUSTED),
        (rb"\b403[. ]17\b|client certificate (?:has |is )?expired", Says.CERTIFICATE_EXPIRED),
        (rb"\b403[. ]7\b|client certificate (?:is |was )?(?:required|missing|not (?:provided|presented|sent))",
         Says.CERTIFICATE_WANTED),
        (rb"(?:no|missing|requires? an?|without an?|provide an?|present an?) (?:\w+ )?client certificate",
         Says.CERTIFICATE_WANTED),
        (rb"(?:invalid|bad|untrusted|unacceptable) client certificate|client certificate (?:is )?(?:invalid|not valid)",
         Says.CERTIFICATE_WRONG),
        (rb"invalid hostname|does not match the server name indication|provided via sni and hostname", Says.WRONG_NAME),
        (rb"upstream connect error|no server is available|no healthy upstream", Says.NO_BACKEND),
    )
)  # fmt: skip
STATUSES = {
    401: Says.LOGIN, 403: Says.FORBIDDEN, 407: Says.PROXY_LOGIN, 408: Says.NO_REQUEST, 421: Says.WRONG_NAME,
    495: Says.CERTIFICATE_WRONG, 496: Says.CERTIFICATE_WANTED, 497: Says.PLAIN_WANTED,
    502: Says.NO_BACKEND, 503: Says.NO_BACKEND, 504: Says.NO_BACKEND,
}  # fmt: skip
TOLD_BY_BODY = frozenset({400, 401, 403, 421, 495, 496, 497, 503})


def read_reply(data: bytes) -> ServiceReply | None:
    """Return what the first bytes of a service say about us, or None where they say nothing about us."""
    data = bytes(data[:LOOKED_AT])
    for reader in READERS:
        found = reader(data)
        if found is not None:
            return found
    return None


# -- HTTP ------------------------------------------------------------------------------------------------

_STATUS = re.compile(rb"HTTP/[\d.]{1,8} (\d{3})([^\r\n]*)")


def _http(data: bytes) -> ServiceReply | None:
    match = _STATUS.match(data)
    if match is None:
        return None
    status = int(match.group(1))
    head, _, body = data.partition(b"\r\n\r\n")
    headers = _headers(head)
    says = _said_by_body(body.lower()) if status in TOLD_BY_BODY else None
    line = shown(match.group().decode("latin-1").strip())
    words = {
        Says.CERTIFICATE_WANTED: "no required SSL certificate was sent",
        Says.CERTIFICATE_WRONG: "the SSL certificate error",
    }
    also = words.get(says or STATUSES.get(status, Says.FORBIDDEN), "")
    return ServiceReply(
        text=f"{line}, {also}" if also else line,
        says=says or STATUSES.get(status),
        status=status,
        server=headers.get("server", ""),
        login=headers.get("proxy-authenticate" if status == 407 else "www-authenticate", ""),
        date=_date(headers.get("date", "")),
    )


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1 : HEADERS_LOOKED_AT + 1]:
        name, colon, value = line.decode("latin-1").partition(":")
        key = name.strip().lower()
        if colon and key in KEPT_HEADERS:
            found.setdefault(key, shown(value.strip()))
    return found


def _said_by_body(body: bytes) -> Says | None:
    return next((says for pattern, says in BODIES if pattern.search(body)), None)


def _date(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# -- others ------------------------------------------------------------------------------------------------


def _postgresql(data: bytes) -> ServiceReply | None:
    """An ErrorResponse: fields of a letter and a text that ends in zero."""
    if data[:1] != b"E" or data[1:3] != b"\0\0":
        return None
    fields = {each[:1]: each[1:] for each in data[5:].split(b"\0") if each}
    message = fields.get(b"M", b"").decode("utf-8", "replace")
    return _by_text(message, POSTGRESQL)


def _mysql(data: bytes) -> ServiceReply | None:
    """An ERR packet: three bytes of length, a number, 0xFF, the code, "#" and a state, a text."""
    if len(data) < 13 or data[4:5] != b"\xff" or int.from_bytes(data[:3], "little") > len(data):
        return None
    return _by_text(data[13:].decode("utf-8", "replace"), MYSQL)


def _lines(data: bytes) -> ServiceReply | None:
    """Lines of IMAP, POP3 or Redis: the first of them that refuses counts."""
    if not data.startswith(LINES_BEGIN):
        return None
    lines = (each.decode("latin-1").strip() for each in data.split(b"\n", LINES_LOOKED_AT)[:LINES_LOOKED_AT])
    return next(filter(None, (_by_text(line, LINES) for line in lines)), None)


def _ldap(data: bytes) -> ServiceReply | None:
    """A BindResponse or an ExtendedResponse with a result code (RFC 4511 4.1.9)."""
    match = re.match(rb"\x30.{1,5}?\x02.{2,5}?[\x61\x65\x78].{1,5}?\x0a\x01(.)", data, re.DOTALL)
    if match is None:
        return None
    code = match.group(1)[0]
    text, says = LDAP.get(code, ("", None))
    return None if says is None else ServiceReply(f"LDAP result {code}, {text}", says)


def _mqtt(data: bytes) -> ServiceReply | None:
    """A CONNACK that refuses: versions 3.1.1 (3.2.2.3) and 5 (3.2.2.2)."""
    if len(data) < 4 or data[0] != 0x20 or data[1] > 127 or data[3] not in MQTT:
        return None
    text, says = MQTT[data[3]]
    return ServiceReply(f"MQTT refused the connection: {text}", says)


POSTGRESQL: Sequence[tuple[str, Says]] = (
    ("valid client certificate", Says.CERTIFICATE_WANTED),
    ("password authentication failed", Says.LOGIN),
    ("authentication failed for user", Says.FORBIDDEN),
    ("no pg_hba.conf entry", Says.FORBIDDEN),
)
MYSQL: Sequence[tuple[str, Says]] = (("Access denied for user", Says.FORBIDDEN),)
LINES_BEGIN = (b"* ", b"-", b"+OK", b"a", b"A")
LINES: Sequence[tuple[str, Says]] = (
    ("present valid SSL certificate", Says.CERTIFICATE_WANTED),
    ("NOAUTH", Says.LOGIN),
    ("WRONGPASS", Says.LOGIN),
    ("NOPERM", Says.FORBIDDEN),
    ("AUTHENTICATIONFAILED", Says.LOGIN),
    ("PRIVACYREQUIRED", Says.LOGIN),
)
LDAP = {
    7: ("authMethodNotSupported", Says.LOGIN),
    8: ("strongerAuthRequired", Says.CERTIFICATE_WANTED),
    48: ("inappropriateAuthentication", Says.LOGIN),
    49: ("invalidCredentials", Says.LOGIN),
    50: ("insufficientAccessRights", Says.FORBIDDEN),
    52: ("unavailable", Says.NO_BACKEND),
}
MQTT = {
    4: ("bad user name or password", Says.LOGIN),
    5: ("not authorized", Says.FORBIDDEN),
    0x86: ("bad user name or password", Says.LOGIN),
    0x87: ("not authorized", Says.FORBIDDEN),
    0x8C: ("bad authentication method", Says.LOGIN),
}
READERS: Sequence[Callable[[bytes], ServiceReply | None]] = (_http, _postgresql, _mysql, _ldap, _mqtt, _lines)


def _by_text(text: str, table: Sequence[tuple[str, Says]]) -> ServiceReply | None:
    says = next((says for words, says in table if words in text), None)
    return None if says is None else ServiceReply(shown(text), says)
