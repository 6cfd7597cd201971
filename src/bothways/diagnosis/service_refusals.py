"""A service that turns us away in its own words, inside a channel that stands: HTTP and PostgreSQL.

Servers that ask for certificates "optionally" let the handshake pass and say no afterwards, each in its own way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bothways.diagnosis import own_side
from bothways.diagnosis.case import Case, Rule, one
from bothways.diagnosis.causes import Cause, Party
from bothways.diagnosis.diagnosis import Explanation, Likely, Weight, ranked
from bothways.diagnosis.peer_alerts import CERTIFICATE
from bothways.diagnosis.situation import Situation
from bothways.faults import shown

LOOKED_AT = 4096
OURS, PEERS = Party.OURS, Party.PEERS

_STATUS = re.compile(rb"HTTP/[\d.]+ (\d{3})([^\r\n]*)")


MEANING = (
    "TLS succeeded, and the service behind it says no: its own rules ask for more than the handshake did"
)
SILENCE = "TLS succeeded, and the service behind it closed without a word; some turn clients away so"


class Answer(Exception):
    """What a service said instead of serving us. Never raised."""


def explain_answer(data: bytes, situation: Situation) -> Explanation | None:
    """Explain the first bytes of a service, if they say that it turns a client away for its certificate or name.

    data: what came first over the established channel, b"" where it closed at once.  situation: as for `explain`.
    None: they say no such thing, or nothing had been asked of the server.
    """
    said, rules = _refusal(bytes(data[:LOOKED_AT]))
    case = Case(Answer(said), situation)
    if not data and case.request is not None and case.seen.said:
        said, rules = "nothing, and closed", SILENT
    if not rules:
        return None
    causes = ranked(each for rule in rules for each in rule(case))
    causes = causes or (case.likely(Cause.REFUSED_BY_SERVICE, PEERS),)
    return Explanation(f"the server answered: {said}", MEANING if data else SILENCE, causes)


SILENT: tuple[Rule, ...] = (
    own_side.absent,
    own_side.flawed,
    own_side.not_let_in,
    one(Cause.PEER_STOPPED, PEERS),
)


def _refusal(data: bytes) -> tuple[str, tuple[Rule, ...]]:
    status = _STATUS.match(data)
    if status is not None:
        return _http(int(status.group(1)), shown(status.group().decode("latin-1").strip()), data.lower())
    if data[:1] == b"E" and data[1:3] == b"\0\0":
        return _postgresql(data)
    return "", ()


# -- HTTP ------------------------------------------------------------------------------------------------


def _http(status: int, line: str, data: bytes) -> tuple[str, tuple[Rule, ...]]:
    if status == 496 or b"no required ssl certificate was sent" in data:
        return f"{line}, no required SSL certificate was sent", (own_side.absent, _unsent)
    if status == 495 or b"the ssl certificate error" in data:
        return f"{line}, the SSL certificate error", (*CERTIFICATE, own_side.status)
    if status == 421:
        return line, (own_side.name,)
    if status in (401, 403):
        return line, (own_side.absent, _unasked, own_side.not_let_in, one(Cause.REFUSED_BY_SERVICE, PEERS))
    return line, ()


def _unsent(case: Case) -> Iterator[Likely]:
    if case.request is None and case.ours.own:
        yield from _unasked(case)
    else:
        yield case.likely(Cause.NO_CERTIFICATE, OURS, Weight.LIKELY, "the server says so")


def _unasked(case: Case) -> Iterator[Likely]:
    """It wants one here, and did not ask for it in the handshake."""
    if case.request is None:
        evidence = "no CertificateRequest came in the handshake"
        yield case.likely(Cause.WANTS_CERTIFICATE_LATER, PEERS, Weight.POSSIBLE, evidence)


# -- PostgreSQL ------------------------------------------------------------------------------------------


def _postgresql(data: bytes) -> tuple[str, tuple[Rule, ...]]:
    """Read an ErrorResponse: fields of a letter and a text that ends in zero."""
    fields = {each[:1]: each[1:] for each in data[5:].split(b"\0") if each}
    message = fields.get(b"M", b"").decode("utf-8", "replace")
    if "valid client certificate" in message:
        return shown(message), (own_side.absent, _unsent)
    if "authentication failed for user" in message:
        return shown(message), (own_side.absent, own_side.not_let_in)
    return "", ()
