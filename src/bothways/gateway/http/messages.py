"""Requests and responses of any version of HTTP, and why one is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from bothways.diagnosis.causes import Cause
from bothways.gateway.log.endings import Code, Ending, Why

Field = tuple[bytes, bytes]  # the name in lower case, and the value

HEAD_LIMIT = 32 * 1024  # bytes of the head of a request
FIELDS_LIMIT = 128  # header fields of a request
RESPONSE_HEAD_LIMIT = 64 * 1024
LENGTH_LIMIT = 2**63 - 1  # of a body: what services keep in 64 bits with a sign
PIECE = 64 * 1024  # bytes of a body that are held at once


@dataclass(slots=True)
class RequestHead:
    """The head of a request. target: a path with its query, or "*".  authority: for whom it is, as it was written.

    length: of its body in bytes; None where that is not known before its end.  websocket: whether it asks to go on as a
    WebSocket.
    """

    method: bytes
    target: bytes
    authority: bytes
    fields: list[Field] = field(repr=False)
    length: int | None = 0
    websocket: bool = False

    @property
    def has_body(self) -> bool:
        """Whether a body follows."""
        return self.length != 0


@dataclass(slots=True)
class Response:
    """The head of a response; an informational one (1xx) is followed by another.

    is_end: whether HTTP/2 says with the head that nothing follows; gRPC makes a difference of it.
    """

    status: int
    fields: list[Field] = field(repr=False)
    reason: bytes = b""
    is_end: bool = False

    @property
    def is_final(self) -> bool:
        """Whether no other head follows."""
        return self.status >= 200 or self.status == 101


@dataclass(frozen=True, slots=True)
class BodyEnd:
    """The end of a body, with the fields after it."""

    trailers: list[Field] = field(default_factory=list, repr=False)


# Why a request is refused, by the status; all others break a rule of HTTP.
BY_STATUS: Mapping[int, Cause] = {
    404: Cause.OTHER_SERVICE,
    405: Cause.REFUSED_BY_SERVICE,
    408: Cause.NO_REQUEST,
    413: Cause.REQUEST_TOO_LARGE,
    414: Cause.REQUEST_TOO_LARGE,
    421: Cause.MISDIRECTED,
    431: Cause.REQUEST_TOO_LARGE,
    501: Cause.REFUSED_BY_SERVICE,
    502: Cause.BACKEND_DOWN,
    503: Cause.SERVICE_BUSY,
    504: Cause.BACKEND_DOWN,
}


class NotServed(Exception):
    """A request was not served, or not to its end. why: what made it.  code: of a connection that ends with it."""

    def __init__(self, text: str, why: Why, code: Code) -> None:
        self.why = why
        self.code = code
        super().__init__(text)

    @property
    def ending(self) -> Ending:
        """How the request ended, and the connection if it ends with it."""
        return Ending.of(self.code, str(self), self.why)


class RefusedRequest(NotServed):
    """A request gets no answer of the service, but this status of ours. The text says why, to the client too.

    why, code: where the status alone does not say it.
    """

    def __init__(self, status: int, text: str, why: Why = None, code: Code | None = None) -> None:
        self.status = status
        by_status = Code.BACKEND_TIMEOUT if status == 504 else Code.REQUEST_REFUSED
        cause = BY_STATUS.get(status, Cause.PEER_BREAKS_RULES) if why is None and code is None else why
        super().__init__(text, cause, code or by_status)


def body_length(text: bytes) -> int:
    """Return the length that Content-Length says of a request. Raises RefusedRequest."""
    if not text.isdigit():
        raise RefusedRequest(400, "the length of the request is no number")
    length = length_in(text)
    if length is None:
        raise RefusedRequest(413, f"the body of the request has more than {LENGTH_LIMIT} bytes")
    return length


def length_in(text: bytes) -> int | None:
    """Return the length of a body that Content-Length says; None for what is no number, or beyond the limit."""
    digits = text.lstrip(b"0") or b"0"
    if not text.isdigit() or len(digits) > len(str(LENGTH_LIMIT)):
        return None
    return length if (length := int(digits)) <= LENGTH_LIMIT else None


class ClientGone(NotServed, ConnectionError):
    """The client ended before its request was served, or is ended."""

    def __init__(self, text: str, why: Why = Cause.GAVE_UP, code: Code = Code.CLIENT_LOST) -> None:
        super().__init__(text, why, code)


class ServiceFailed(NotServed, ConnectionError):
    """The service ended, or did not speak HTTP. is_unused: it was lost before a byte of its response came.

    is_refused: the service says that it did nothing for the request (RFC 9113 8.7).
    """

    def __init__(
        self,
        text: str,
        *,
        is_unused: bool = False,
        is_refused: bool = False,
        why: Why = Cause.PEER_STOPPED,
        code: Code = Code.BACKEND_LOST,
    ) -> None:
        self.is_unused = is_unused
        self.is_refused = is_refused
        super().__init__(text, why, code)


class RequestExchange(Protocol):
    """A request as its client makes it, and the way for its response."""

    request: RequestHead

    @property
    def has_response(self) -> bool:
        """Whether a response has begun."""

    async def receive(self) -> bytes | BodyEnd:
        """Return the next part of the body. Raises RefusedRequest or ClientGone."""

    async def respond(self, response: Response) -> None:
        """Send a head, also an informational one. Raises ClientGone, as all that sends."""

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""

    async def finish(self, trailers: list[Field]) -> None:
        """End the response."""


class ServiceExchange(Protocol):
    """A request as it is made to the service. All raise ServiceFailed."""

    async def begin(self, request: RequestHead) -> None:
        """Send the head."""

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""

    async def finish(self, trailers: list[Field]) -> None:
        """End the request."""

    async def response(self) -> Response:
        """Return the next head."""

    async def receive(self) -> bytes | BodyEnd:
        """Return the next part of the body of the response."""
