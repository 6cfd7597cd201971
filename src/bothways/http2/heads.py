"""The fields of heads of HTTP/2: what makes a message malformed (RFC 9113 8.1.1 to 8.6).

Names are tokens, as HTTP has them (RFC 9110 5.1). What else is wrong with a request or a response is for those to say
who know what it is for.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from bothways.http2.violations import Rule, Violation

Field = tuple[bytes, bytes]

REQUEST = frozenset({b":method", b":scheme", b":authority", b":path"})
RESPONSE = frozenset({b":status"})
CONNECTION_FIELDS = frozenset(
    {b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"}
)
BODYLESS = frozenset({204, 304})  # statuses of responses without content (RFC 9110 6.4.1)
SWITCHING = 101
MOST_DIGITS = 19  # of a length: a longer one is that of no body
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9a-z-]+")
_NO_VALUE = re.compile(rb"[\0\r\n]|\A[ \t]|[ \t]\Z")
_STATUS = re.compile(rb"[1-5][0-9]{2}")  # RFC 9110 15: all others are invalid


def check_request(fields: Sequence[Field]) -> int | None:
    """Return the length that a request says of its body. Raises Violation where its head is malformed."""
    pseudo = _pseudo_fields(fields, REQUEST)
    hosts = [value for name, value in fields if name == b"host"]
    authority = pseudo.get(b":authority")
    if pseudo.get(b":method") == b"CONNECT":
        if b":scheme" in pseudo or b":path" in pseudo or not authority:
            raise Violation(Rule.CONNECT)
    elif not all(pseudo.get(each) for each in (b":method", b":scheme", b":path")):
        raise Violation(Rule.REQUEST_FIELDS)
    named = hosts if authority is None else [authority, *hosts]
    if not named or len(hosts) > 1 or not all(named) or len({each.lower() for each in named}) > 1:
        raise Violation(Rule.AUTHORITY)
    return length_of(fields)


def check_response(fields: Sequence[Field], *, is_end: bool) -> int:
    """Return the status of a response. Raises Violation where its head is malformed. is_end: nothing follows."""
    text = _pseudo_fields(fields, RESPONSE).get(b":status", b"")
    if not _STATUS.fullmatch(text):
        raise Violation(Rule.STATUS)
    status = int(text)
    if status == SWITCHING:
        raise Violation(Rule.SWITCH)
    if status < 200 and is_end:
        raise Violation(Rule.ORDER)
    length_of(fields)
    return status


def check_trailers(fields: Sequence[Field], *, is_end: bool) -> None:
    """Raise Violation for fields that cannot end a message. is_end: nothing follows."""
    if not is_end:
        raise Violation(Rule.ORDER)
    _pseudo_fields(fields, frozenset())


def length_of(fields: Sequence[Field]) -> int | None:
    """Return the length that Content-Length says; None without one. Raises Violation for several, or no number."""
    lengths = {value for name, value in fields if name == b"content-length"}
    if not lengths:
        return None
    if not all(each.isdigit() for each in lengths) or len(lengths) > 1:
        raise Violation(Rule.CONTENT_LENGTH)
    [digits] = (each.lstrip(b"0") or b"0" for each in lengths)
    return int(digits) if len(digits) <= MOST_DIGITS else int("9" * (MOST_DIGITS + 1))


def _pseudo_fields(fields: Sequence[Field], known: Collection[bytes]) -> dict[bytes, bytes]:
    """Return the pseudo-header fields, of which only these may be there; all fields are checked."""
    found: dict[bytes, bytes] = {}
    is_over = False
    for name, value in fields:
        if name.startswith(b":"):
            if is_over or name in found or name not in known:
                raise Violation(Rule.PSEUDO_FIELD)
            found[name] = value
        else:
            is_over = True
            _check_name(name, value)
        if _NO_VALUE.search(value):
            raise Violation(Rule.VALUE)
    return found


def _check_name(name: bytes, value: bytes) -> None:
    if not _NAME.fullmatch(name):
        raise Violation(Rule.NAME)
    if name in CONNECTION_FIELDS or (name == b"te" and value.lower() != b"trailers"):
        raise Violation(Rule.CONNECTION_FIELD)


def split(fields: Sequence[Field]) -> tuple[dict[bytes, bytes], list[Field]]:
    """Return the pseudo-header fields of a head, and the others."""
    pseudo = {name: value for name, value in fields if name.startswith(b":")}
    return pseudo, [each for each in fields if not each[0].startswith(b":")]
