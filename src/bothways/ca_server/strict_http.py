"""An HTTP/1.1 parser that refuses requests of ambiguous length, and large heads.

If a proxy in front finds another end of a body than the server does, a request can be smuggled in another one (RFC 9112
6.1, 6.3 and 11.2). h11 accepts some of these requests.
"""

from __future__ import annotations

from typing import Any

import h11

HEAD_LIMIT = 16 * 1024  # bytes of the request line and the header fields
FIELDS_LIMIT = 64  # header fields


class StrictConnection(h11.Connection):
    """The server side of h11 with stricter checks."""

    def next_event(self) -> Any:
        """Return the next event as h11 does; raises `h11.RemoteProtocolError` for a request that is refused."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            problem = objection(event)
            if problem:
                raise h11.RemoteProtocolError(problem)
        return event


def objection(request: h11.Request) -> str:
    """Return what is wrong with the head of a request; empty if nothing."""
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
