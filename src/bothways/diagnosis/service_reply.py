"""The first answer of a service over an established connection, as far as it says whether it accepts us.

HTTP (RFC 9110) here, all others in `service_protocols`. The work is bounded and nothing is trusted: texts are quoted
as those of the peer.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bothways.diagnosis.http2_reply import Framed, read_http2
from bothways.diagnosis.service_protocols import read_protocols
from bothways.diagnosis.service_texts import BACKENDS, CERTIFICATES, LOGINS, PLACES, Says, said
from bothways.faults import shown

LOOKED_AT = 16 * 1024
HEADERS_LOOKED_AT = 64
KEPT_HEADERS = frozenset({"date", "server", "www-authenticate", "proxy-authenticate", "retry-after"})


# Statuses by which a service refuses a client for its identity; others concern only the service.
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
        """Whether the service refuses us for our identity or our connection, so that a command fails."""
        if self.status is not None:
            return self.status in REFUSED_STATUSES or (self.status == 400 and self.says in ABOUT_CERTIFICATES)
        return self.says not in (None, Says.NO_BACKEND, Says.NO_REQUEST, Says.BUSY)


ABOUT_CERTIFICATES = frozenset(
    {
        Says.CERTIFICATE_WANTED,
        Says.CERTIFICATE_WRONG,
        Says.CERTIFICATE_EXPIRED,
        Says.CERTIFICATE_REVOKED,
        Says.CERTIFICATE_UNTRUSTED,
        Says.LATER_IMPOSSIBLE,
        Says.PLAIN_WANTED,
        Says.NO_PROTOCOL,
    }
)

STATUSES = {
    401: Says.LOGIN, 403: Says.FORBIDDEN, 407: Says.PROXY_LOGIN, 408: Says.NO_REQUEST, 421: Says.WRONG_NAME,
    429: Says.BUSY, 495: Says.CERTIFICATE_WRONG, 496: Says.CERTIFICATE_WANTED, 497: Says.PLAIN_WANTED,
    502: Says.NO_BACKEND, 503: Says.NO_BACKEND, 504: Says.NO_BACKEND, 525: Says.NO_BACKEND, 526: Says.NO_BACKEND,
}  # fmt: skip
# Which texts of a body count, by the status.
TOLD_BY_BODY = {
    **dict.fromkeys((400, 495, 496, 497), (CERTIFICATES, PLACES)),
    **dict.fromkeys((401, 403), (CERTIFICATES, PLACES, LOGINS)),
    421: (PLACES,),
    503: (BACKENDS,),
}


def read_reply(data: bytes) -> ServiceReply | None:
    """Return what the first bytes of a service say about us, or None where they say nothing about us."""
    data = bytes(data[:LOOKED_AT])
    if (http := _http(data)) is not None:
        return http
    if (framed := read_http2(data)) is not None:
        return _framed(framed)
    found = read_protocols(data)
    return None if found is None else ServiceReply(shown(found.text), found.says)


# -- HTTP ------------------------------------------------------------------------------------------------

_STATUS = re.compile(rb"(?:HTTP|SIP|RTSP|ICAP)/[\d.]{1,8} (\d{3})([^\r\n]*)")


def _http(data: bytes) -> ServiceReply | None:
    match = _STATUS.match(data)
    if match is None:
        return None
    status = int(match.group(1))
    head, _, body = data.partition(b"\r\n\r\n")
    headers = _headers(head)
    says, words = _said(status, headers, body)
    line = shown(match.group().decode("latin-1").strip())
    return ServiceReply(
        text=f"{line}, {shown(words)}" if words else line,
        says=says,
        status=status,
        server=headers.get("server", ""),
        login=headers.get("proxy-authenticate" if status == 407 else "www-authenticate", ""),
        date=_date(headers.get("date", "")),
    )


def _framed(framed: Framed) -> ServiceReply | None:
    """A reply in HTTP/2; a status of gRPC replaces that of HTTP, which is 200 then."""
    if framed.grpc is not None:
        return ServiceReply(framed.text, GRPC.get(framed.grpc))
    if framed.status is None:
        return ServiceReply(framed.text, ERRORS.get(framed.error))
    says, words = _said(framed.status, {}, framed.body)
    return ServiceReply(f"{framed.text}, {shown(words)}" if words else framed.text, says, framed.status)


# https://grpc.io/docs/guides/status-codes; RFC 9113 7: a server that has to request a certificate later wants HTTP/1.1.
GRPC = {7: Says.FORBIDDEN, 8: Says.BUSY, 14: Says.NO_BACKEND, 16: Says.LOGIN}
ERRORS = {0xB: Says.BUSY, 0xD: Says.LATER_IMPOSSIBLE}


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1 : HEADERS_LOOKED_AT + 1]:
        name, colon, value = line.decode("latin-1").partition(":")
        key = name.strip().lower()
        if colon and key in KEPT_HEADERS:
            found.setdefault(key, shown(value.strip()))
    return found


def _said(status: int, headers: Mapping[str, str], body: bytes) -> tuple[Says | None, str]:
    """Return what an authentication scheme, the body or the status alone says, and the text that says it."""
    scheme = headers.get("www-authenticate", "").partition(" ")[0].lower()
    if status == 401 and re.search(r"cert|mutual|mtls", scheme):
        return Says.CERTIFICATE_WANTED, scheme
    found = said(body.decode("latin-1"), *TOLD_BY_BODY.get(status, ()))
    if found is not None:
        return found
    if status == 503 and "retry-after" in headers:
        return Says.BUSY, ""
    words = {495: "the SSL certificate error", 496: "no required SSL certificate was sent"}
    return STATUSES.get(status), words.get(status, "")


def _date(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
