"""The largest records that each side accepts: the extension record_size_limit of both roles (RFC 8449).

max_fragment_length, which it replaces, is not supported, and ignored beside it (RFC 8449 5).
"""

from __future__ import annotations

from collections.abc import Iterable

from bothways.faults import Fault, blame
from bothways.roles import Version
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.record.protection import LARGEST_RECORD, SMALLEST_RECORD
from bothways.tls.wire import extensions as ext


def check_offered_limit(own: int | None, offered: ext.RecordSizeLimit | None) -> None:
    """Blame a client whose limit is too small, before anything is computed for it; arguments as for `answer_limit`."""
    if own is not None and offered is not None:
        _check(offered.limit, None)


def answer_limit(
    hs: HandshakeContext, own: int | None, offered: ext.RecordSizeLimit | None, version: Version
) -> tuple[ext.RecordSizeLimit, ...]:
    """Keep to the limit that a client offers, which was checked, and return our answer; nothing without its offer.

    own: the limit of our configuration; None to ignore the client's.  offered: in the ClientHello.  A client may offer
    more than the version has, since it may support others (RFC 8449 4).
    """
    if own is None or offered is None:
        return ()
    most = LARGEST_RECORD[version]
    own = min(own, most)
    hs.out.limit_records(min(offered.limit, most))
    hs.inbox.limit_records(own)
    return (ext.RecordSizeLimit(own),)


def keep_to_limit(
    hs: HandshakeContext, own: int | None, answer: Iterable[ext.Extension], version: Version
) -> None:
    """Keep to the limit of a server that answered ours, which holds from then on (RFC 8449 4)."""
    limit = ext.find(answer, ext.RecordSizeLimit)
    if own is None or limit is None:
        return
    most = LARGEST_RECORD[version]
    _check(limit.limit, most)
    hs.out.limit_records(limit.limit)
    hs.inbox.limit_records(min(own, most))


def _check(limit: int, most: int | None) -> None:
    if limit < SMALLEST_RECORD or (most is not None and limit > most):
        allowed = f"at least {SMALLEST_RECORD}" if most is None else f"{SMALLEST_RECORD} to {most}"
        blame(Fault.BAD_RECORD_SIZE_LIMIT, got=limit, allowed=allowed)
