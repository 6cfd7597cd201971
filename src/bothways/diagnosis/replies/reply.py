"""The first answer of a service over an established connection, as far as it says whether it accepts us.

HTTP (RFC 9110) here, all others in `protocols`. The work is bounded and nothing is trusted: texts are quoted
as those of the peer.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote

from bothways.diagnosis.replies.certificate_texts import about_certificates, says_needless, verification_time
from bothways.diagnosis.replies.http2 import Framed, grpc_text, read_http2
from bothways.diagnosis.replies.protocols import read_protocols
from bothways.diagnosis.replies.texts import (
    ADDRESSES,
    BACKENDS,
    CLOCKS,
    FILTERS,
    LOGINS,
    PLACES,
    PROXIES,
    RATES,
    RULES,
    SIZES,
    Meaning,
    match_text,
)
from bothways.faults import shown

LOOKED_AT = 16 * 1024
HEADERS_LOOKED_AT = 64
KEPT_HEADERS = frozenset(
    {
        "date", "server", "www-authenticate", "proxy-authenticate", "retry-after", "content-type", "grpc-status",
        "grpc-message",
    }
)  # fmt: skip


# Statuses by which a service refuses a client for its identity; others concern only the service.
REFUSED_STATUSES = frozenset({401, 403, 407, 421, 495, 496, 497})


@dataclass(frozen=True, slots=True)
class ServiceReply:
    """A reply in short. status: of HTTP. login: the authentication schemes that it names. date: the time it sent.

    verifies: whether services of its protocol verify our certificate in the handshake, which this one completed.
    verified_at: the time by which it verified our certificate, where it says so.  needs_none: whether it says that no
    certificate is required.
    """

    text: str
    meaning: Meaning | None
    status: int | None = None
    server: str = ""
    login: str = ""
    date: datetime | None = None
    verifies: bool = False
    verified_at: datetime | None = None
    needs_none: bool = False

    @property
    def refuses(self) -> bool:
        """Whether the service refuses us for our identity or our connection, so that a command fails."""
        if self.status is not None:
            return self.status in REFUSED_STATUSES or (
                self.status == 400 and self.meaning in ABOUT_CERTIFICATES
            )
        return self.meaning not in (None, Meaning.NO_REQUEST)


class ServiceRefusal(Exception):
    """The reply by which a service refused us. Never raised: an explanation contains it in place of an error."""

    def __init__(self, reply: ServiceReply) -> None:
        super().__init__(f"the service answered: {reply.text}")
        self.reply = reply


ABOUT_CERTIFICATES = frozenset(
    (
        *(each for each in Meaning if each.name.startswith("CERTIFICATE_")),
        Meaning.LATER_IMPOSSIBLE,
        Meaning.PLAIN_WANTED,
        Meaning.NO_PROTOCOL,
    )
)

STATUSES = {
    401: Meaning.LOGIN, 403: Meaning.FORBIDDEN, 407: Meaning.PROXY_LOGIN, 408: Meaning.NO_REQUEST, 421:
    Meaning.MISDIRECTED, 413: Meaning.TOO_LARGE, 414: Meaning.TOO_LARGE, 431: Meaning.TOO_LARGE, 494:
    Meaning.TOO_LARGE, 429: Meaning.BUSY, 495: Meaning.CERTIFICATE_WRONG, 496: Meaning.CERTIFICATE_WANTED, 497:
    Meaning.PLAIN_WANTED, 502: Meaning.NO_BACKEND, 503: Meaning.NO_BACKEND, 504: Meaning.NO_BACKEND, 525:
    Meaning.NO_BACKEND, 526: Meaning.NO_BACKEND,
    **dict.fromkeys((520, 521, 522, 523, 524), Meaning.NO_BACKEND), 529: Meaning.BUSY,
    440: Meaning.LOGIN, 451: Meaning.ADDRESS_REFUSED, 498: Meaning.LOGIN, 511: Meaning.PROXY_LOGIN, 561: Meaning.LOGIN,
}  # fmt: skip
# Which texts of a body count, by the status; with some statuses first what it says about a certificate.
TOLD_BY_BODY = {
    400: (PLACES, SIZES, CLOCKS),
    **dict.fromkeys((495, 496, 497), (PLACES,)),
    401: (PLACES, CLOCKS, LOGINS, FILTERS),
    403: (PLACES, CLOCKS, ADDRESSES, RATES, LOGINS, FILTERS, RULES),
    421: (PLACES,),
    500: (PROXIES,),
    503: (BACKENDS,),
}
BY_REASON = frozenset((500,))  # Apache says "Proxy Error" there
OF_CERTIFICATES = frozenset((400, 401, 403, 495, 496, 497))


def read_reply(data: bytes) -> ServiceReply | None:
    """Return what the first bytes of a service say about us, or None where they say nothing about us."""
    data = bytes(data[:LOOKED_AT])
    if (http := _http(data)) is not None:
        return http
    if (framed := read_http2(data)) is not None:
        return _framed(framed)
    found = read_protocols(data)
    if found is None:
        return None
    at = verification_time(found.text)
    return ServiceReply(shown(found.text), found.meaning, verifies=found.verifies, verified_at=at)


# -- HTTP ------------------------------------------------------------------------------------------------

_STATUS = re.compile(rb"(?:HTTP|SIP|RTSP|ICAP)/[\d.]{1,8} (\d{3})([^\r\n]*)")


def _http(data: bytes) -> ServiceReply | None:
    match = _STATUS.match(data)
    if match is None:
        return None
    status = int(match.group(1))
    head, _, body = data.partition(b"\r\n\r\n")
    headers = _headers(head)
    if (grpc := grpc_status(status, headers)) is not None:
        words = shown(unquote(headers.get("grpc-message", "")))
        return _of_grpc(grpc, f"{grpc_text(grpc)}, {words}" if words else grpc_text(grpc))
    line = shown(match.group().decode("latin-1").strip())
    meaning, words = _meaning(status, headers, body, line if status in BY_REASON else "")
    return ServiceReply(
        text=f"{line}, {shown(words)}" if words and words not in line else line,
        meaning=meaning,
        status=status,
        server=headers.get("server", ""),
        login=headers.get("proxy-authenticate" if status == 407 else "www-authenticate", ""),
        date=_date(headers.get("date", "")),
        verified_at=verification_time(words),
        needs_none=status in OF_CERTIFICATES and says_needless(body.decode("latin-1")),
    )


def grpc_status(status: int, headers: Mapping[str, str]) -> int | None:
    """Return the status of gRPC in an answer of HTTP 200, or None. headers: by names in lower case."""
    text = headers.get("grpc-status", "")
    is_grpc = status == 200 and headers.get("content-type", "").lower().startswith("application/grpc")
    return int(text) if is_grpc and re.fullmatch(r"[0-9]{1,3}", text) else None


def _framed(framed: Framed) -> ServiceReply | None:
    """A reply in HTTP/2; a status of gRPC replaces that of HTTP, which is 200 then."""
    if framed.grpc is not None:
        return _of_grpc(framed.grpc, framed.text)
    if framed.status is None:
        return ServiceReply(framed.text, ERRORS.get(framed.error))
    meaning, words = _meaning(framed.status, {}, framed.body)
    return ServiceReply(f"{framed.text}, {shown(words)}" if words else framed.text, meaning, framed.status)


def _of_grpc(status: int, text: str) -> ServiceReply:
    """A status of gRPC; a text about a certificate says more than that we are not authorized."""
    meaning = GRPC.get(status)
    about = about_certificates(text) if meaning in (Meaning.FORBIDDEN, Meaning.LOGIN) else None
    return ServiceReply(
        text, meaning if about is None else about.meaning, verified_at=verification_time(text)
    )


# https://grpc.io/docs/guides/status-codes; RFC 9113 7, 8.7.
GRPC = {7: Meaning.FORBIDDEN, 8: Meaning.BUSY, 14: Meaning.NO_BACKEND, 16: Meaning.LOGIN}
ERRORS = {
    0x1: Meaning.FAILED,
    0x2: Meaning.FAILED,
    0x8: Meaning.FAILED,
    0x7: Meaning.BUSY,
    0xB: Meaning.BUSY,
    0xD: Meaning.HTTP1_WANTED,
}


def _headers(head: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in head.split(b"\r\n")[1 : HEADERS_LOOKED_AT + 1]:
        name, colon, value = line.decode("latin-1").partition(":")
        key = name.strip().lower()
        if colon and key in KEPT_HEADERS:
            found.setdefault(key, shown(value.strip()))
    return found


def _meaning(
    status: int, headers: Mapping[str, str], body: bytes, reason: str = ""
) -> tuple[Meaning | None, str]:
    """Return what an authentication scheme, the body or the status alone says, and the text that says it.

    reason: the words of the status line, where they are not those of every server.
    """
    scheme = headers.get("www-authenticate", "").partition(" ")[0].lower()
    if status == 401 and re.search(r"cert|mutual|mtls", scheme):
        return Meaning.CERTIFICATE_WANTED, scheme
    text = body.decode("latin-1")
    if status == 401:
        text = f"{headers.get('www-authenticate', '')}\n{text}"
    found = about_certificates(text) if status in OF_CERTIFICATES else None
    found = found or match_text(f"{reason}\n{text}" if reason else text, *TOLD_BY_BODY.get(status, ()))
    if found is not None:
        return found
    if status == 503 and "retry-after" in headers:
        return Meaning.BUSY, ""
    words = {495: "the SSL certificate error", 496: "no required SSL certificate was sent"}
    return STATUSES.get(status), words.get(status, "")


def _date(text: str) -> datetime | None:
    try:
        found = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
