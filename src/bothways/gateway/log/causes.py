"""The likely causes of each ending of a connection and of each request without an answer: stable codes for programs.

Where an error made the end our diagnosis names its causes; for limits, reloads and requests tables do.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bothways.diagnosis.causes import Cause
from bothways.diagnosis.diagnosis import Explanation, Weight
from bothways.diagnosis.failure import explain_failure, failure_of
from bothways.gateway.log.endings import Code, Ending, Why

# Why a connection ended where no error tells; None for what is neither a failure nor a refusal.
BY_CODE: Mapping[str, Cause | None] = {
    each.name: cause
    for each, cause in {
        Code.CLOSED: None,
        Code.IDLE_TIMEOUT: None,
        Code.GATEWAY_ENDED: None,
        Code.CLIENT_LEFT: Cause.GAVE_UP,
        Code.CLIENT_LOST: Cause.CUT,
        Code.CLIENT_TRUNCATED: Cause.CUT,
        Code.BACKEND_LOST: Cause.PEER_STOPPED,
        Code.BACKEND_REFUSED: Cause.NOT_ACCEPTED,
        Code.BACKEND_UNREACHABLE: Cause.BACKEND_DOWN,
        Code.BACKEND_TIMEOUT: Cause.BACKEND_DOWN,
        Code.HELLO_TIMEOUT: Cause.SLOW,
        Code.BYTES_LIMIT: Cause.BEYOND_OUR_LIMITS,
        Code.FIELDS_LIMIT: Cause.BEYOND_OUR_LIMITS,
        Code.CONNECTIONS_LIMIT: Cause.SERVICE_BUSY,
        Code.ADDRESS_LIMIT: Cause.SERVICE_BUSY,
        Code.IDENTITY_LIMIT: Cause.SERVICE_BUSY,
        Code.HANDSHAKES_LIMIT: Cause.SERVICE_BUSY,
        Code.REQUEST_REFUSED: Cause.PEER_BREAKS_RULES,
        Code.ROUTE_GONE: Cause.NAME_NOT_SERVED,
        Code.ROUTE_CHANGED: Cause.OTHER_SERVICE,
        Code.BAD_PROXY_HEADER: Cause.WANTS_PROXY_HEADER,
        Code.STARTTLS_FAILED: Cause.PLAIN_CLIENT,
        Code.NOT_RECORDED: Cause.LOCAL_FAILURE,
        Code.SVID_EXPIRED: Cause.EXPIRED,
        Code.DEFECT: Cause.OUR_DEFECT,
    }.items()
}
# What an error of the network tells where nothing of TLS was seen; all others say that nobody answers.
OF_NETWORK = frozenset({Cause.HOST_UNKNOWN, Cause.UNREACHABLE, Cause.LOCAL_FAILURE})
UNSAID = frozenset(each.name for each in (Code.CLIENT_LEFT, Code.CLIENT_LOST, Code.CLIENT_TRUNCATED))
MOST_CAUSES = 5  # of one line; explanations for people show as many
ABSENT = frozenset({errno.ENOENT, errno.ECONNREFUSED})  # the first for a Unix socket


def causes_of(ending: Ending | None) -> tuple[Cause, ...]:
    """Return the likely causes of the end of a connection, the most likely first; none where nothing failed."""
    if ending is None:
        return ()
    told = _told_by(ending.why, has_said=ending.code not in UNSAID)
    by_code = BY_CODE.get(ending.code)
    return told or (() if by_code is None else (by_code,))


def _told_by(why: Why, *, has_said: bool = True) -> tuple[Cause, ...]:
    """Return the causes that our diagnosis shows, the first of its list first; none where it knows none.

    has_said: the peer did not end without a word. Of one that did, what is only possible is one of many reasons.
    """
    if not isinstance(why, Exception):
        return why if isinstance(why, tuple) else () if why is None else (why,)
    explanation = explain_failure(why)
    first = explanation.first
    if not has_said and first.weight is Weight.POSSIBLE:
        return ()
    if failure_of(why) is not None or getattr(why, "situation", None) is not None:
        return shown_by(explanation, Weight.POSSIBLE if has_said else Weight.LIKELY)
    known = first.cause in OF_NETWORK and getattr(why, "errno", None) not in ABSENT
    return (first.cause,) if known else ()


def shown_by(explanation: Explanation, least: Weight = Weight.POSSIBLE) -> tuple[Cause, ...]:
    """Return the causes that an explanation shows to people, the most likely first. least: evidence that each needs."""
    shown = (each.cause for each in explanation.shown_causes if each.weight >= least)
    return tuple(dict.fromkeys((explanation.first.cause, *shown)))[:MOST_CAUSES]
