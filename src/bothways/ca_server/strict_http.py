"""An HTTP/1.1 parser that refuses what two parsers might read in two ways, and heads without measure.

Where a request's body ends must not be a matter of opinion: a proxy in front that reads it otherwise lets one
client's request stand in another's (RFC 9112 6.1, 6.3 and 11.2). h11 bears some of that, so it is refused here.
"""

from __future__ import annotations

from typing import Any

import h11

HEAD_LIMIT = 16 * 1024  # bytes of a request's line and header fields
FIELDS_LIMIT = 64  # header fields


class StrictConnection(h11.Connection):
    """A server's side of h11 that holds what it reads to more."""

    def next_event(self) -> Any:
        """Return the next event as h11 does; raises `h11.RemoteProtocolError` for a request that is refused."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            words = objection(event)
            if words:
                raise h11.RemoteProtocolError(words)
        return event


def objection(request: h11.Request) -> str:
    """Return what is wrong with a request's head; nothing if it may pass."""
    fields = request.headers.raw_items()
    names = [name.lower() for name, _ in fields]
    if len(fields) > FIELDS_LIMIT:
        return "too many header fields"
    if len(request.target) + sum(len(name) + len(value) + 4 for name, value in fields) > HEAD_LIMIT:
        return "the head is too long"
    if b"transfer-encoding" in names:
        if b"content-length" in names:
            return "Content-Length beside Transfer-Encoding"
        if request.http_version < b"1.1":
            return "Transfer-Encoding in HTTP/1.0"
    return ""
