"""The likely cause of each ending of a connection and of each request without an answer: a stable code for programs.

Where an error made the end our diagnosis names its cause; for limits, reloads and requests tables do.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

from bothways.diagnosis.causes import Cause
from bothways.diagnosis.diagnosis import Weight
from bothways.diagnosis.failure import explain_failure, failure_of
from bothways.gateway.endings import Code, Ending, Why

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
ABSENT = frozenset({errno.ENOENT, errno.ECONNREFUSED})  # the first for a Unix socket


def cause_of(ending: Ending | None) -> Cause | None:
    """Return the likely cause of the end of a connection; None where it neither failed nor was refused."""
    if ending is None:
        return None
    return _told_by(ending.why, has_said=ending.code not in UNSAID) or BY_CODE.get(ending.code)


def cause_of_request(why: Why) -> Cause:
    """Return the likely cause of a request that got no answer, or a part of it. why: what made that."""
    return _told_by(why) or Cause.BACKEND_DOWN


def _told_by(why: Why, *, has_said: bool = True) -> Cause | None:
    """Return the cause that our diagnosis names first; None where it knows none.

    has_said: the peer did not end without a word. Of one that did, what is only possible is one of many reasons.
    """
    if not isinstance(why, Exception):
        return why
    first = explain_failure(why).first
    if not has_said and first.weight is Weight.POSSIBLE:
        return None
    found = first.cause
    if failure_of(why) is not None or getattr(why, "situation", None) is not None:
        return found
    return found if found in OF_NETWORK and getattr(why, "errno", None) not in ABSENT else None
