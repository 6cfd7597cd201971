"""One HTTP request and its response over a channel, in HTTP/1.1 or HTTP/2, as negotiated by ALPN.

Everything that a server sends is bounded: the head in bytes, the content in bytes and in pieces, and all of it in time.
Violations of HTTP raise `NotHTTP`, whichever parser finds them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec

import httpcore

from bothways.diagnosis.replies.http2 import ERROR_NAMES
from bothways.errors import ConfigError, TLSError
from bothways.faults import shown
from bothways.http.location import Location
from bothways.http.stream import ChannelStream, Deadline
from bothways.net.channel import Channel

# A longer body needs HTTP/1.1, where a server's early refusal is read although the body is not sent completely.
FIRST_WINDOW = 65_535
# The number of pieces of content, and one more for every so many bytes: each costs time, however short it is.
FREE_PIECES, PIECE_AT_LEAST = 1024, 64
HTTP1, HTTP2 = "http/1.1", "h2"
EXACTLY = {"1.1": (HTTP1,), "2": (HTTP2,)}
INSTALL = "pip install 'bothways[http]'"

Header = tuple[bytes, bytes]


class NotHTTP(Exception):
    """The server's response is not HTTP, or it ended the request. start: the first bytes of what it sent."""

    def __init__(self, text: str, start: bytes = b"") -> None:
        self.start = start
        super().__init__(text)

    @property
    def sentence(self) -> str:
        """The text with what it is about."""
        return f"the server's response is not valid HTTP: {self}"


class EndedByCode(NotHTTP):
    """The server ended the request by an error code of HTTP/2, which is HTTP as it should be (RFC 9113 5.4, 7)."""

    @property
    def sentence(self) -> str:
        """The text with what it is about."""
        return f"the server's response: {self}"


class Unfinished(EndedByCode):
    """The response is HTTP, and was not received whole: it was cut off, or is beyond what we accept."""


class OtherVersion(NotHTTP):
    """The server did not choose the version of HTTP that was demanded; nothing was sent."""

    @property
    def sentence(self) -> str:
        """The text, which says what it is about."""
        return str(self)


@dataclass(frozen=True, slots=True)
class Request:
    """Method, location, headers other than Host and Content-Length, and body (None: no body)."""

    method: str
    location: Location
    headers: tuple[Header, ...] = ()
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: version such as "HTTP/1.1", status, reason, headers, and the pieces of its content.

    received: returns the first bytes of the connection up to now, as they came, at most `stream.START_LIMIT`.
    """

    version: str
    status: int
    reason: str
    headers: tuple[Header, ...]
    content: Iterator[bytes]
    received: Callable[[], bytes] = bytes

    def header(self, name: str) -> str:
        """Return the first header with this name, which is in lower case; "" without one."""
        wanted = name.encode()
        return next((value.decode("latin-1") for key, value in self.headers if key.lower() == wanted), "")


def protocols(body: bytes | None, only: str | None = None) -> tuple[str, ...]:
    """Return the ALPN names for a request (RFC 7301), the preferred one first. only: "1.1" or "2".

    Raises ConfigError if the package for HTTP/2 is not installed.
    """
    offered = EXACTLY[only] if only is not None else (HTTP2, HTTP1)
    if HTTP2 in offered and find_spec("h2") is None:
        raise ConfigError(f"HTTP/2 needs a package that is not installed: {INSTALL}")
    if only is None and body is not None and len(body) > FIRST_WINDOW:
        return (HTTP1,)
    return offered


def check_version(channel: Channel, only: str | None) -> None:
    """Check that the server has chosen the version that was demanded. Raises OtherVersion.

    only: "1.1", "2" or None.  Without an answer to ALPN a server speaks HTTP/1.1 (RFC 9113 3.2).
    """
    if only is not None and (channel.alpn or HTTP1) not in EXACTLY[only]:
        raise OtherVersion(
            f"the server does not speak HTTP/{only}: it chose no protocol in the handshake (ALPN)"
        )


def exchange(channel: Channel, request: Request, deadline: Deadline, most: int) -> Answer:
    """Send a request, and return the response after its head; the content is received while it is read.

    most: the largest content, in bytes. Raises NotHTTP, TLSError, OSError (also TimeoutError), here and while the
    content is read.
    """
    stream = ChannelStream(channel, deadline)
    asked = httpcore.Request(
        request.method,
        httpcore.URL(
            scheme="https",
            host=request.location.host,
            port=request.location.port,
            target=request.location.target,
        ),
        headers=_headers(request, channel.alpn),
        content=request.body,
    )
    with _errors_converted(stream):
        response = _connection(channel, asked, stream).handle_request(asked)
    stream.head_is_over()
    return Answer(
        response.extensions["http_version"].decode("latin-1"),
        response.status,
        response.extensions.get("reason_phrase", b"").decode("latin-1"),
        tuple(response.headers),
        _bounded(response, stream, most),
        lambda: stream.start,
    )


def _connection(
    channel: Channel, asked: httpcore.Request, stream: ChannelStream
) -> httpcore.HTTP11Connection | httpcore.HTTP2Connection:
    kind = httpcore.HTTP2Connection if channel.alpn == HTTP2 else httpcore.HTTP11Connection
    return kind(asked.url.origin, stream)


def _headers(request: Request, protocol: str | None) -> list[Header]:
    """Return all headers; a body has a Content-Length (RFC 9112 6.2), and TE a Connection (RFC 9110 10.1.4)."""
    own = {key.lower() for key, _ in request.headers}
    headers = list(request.headers)
    if b"host" not in own:
        headers.insert(0, (b"Host", request.location.authority.encode()))
    if request.body is not None:
        headers.append((b"Content-Length", str(len(request.body)).encode()))
    if b"te" in own and protocol != HTTP2:
        headers.append((b"Connection", b"TE"))
    return headers


def _bounded(response: httpcore.Response, stream: ChannelStream, most: int) -> Iterator[bytes]:
    """Yield the pieces of the content; raise NotHTTP if it is too long or has too many pieces."""
    size = pieces = 0
    with _errors_converted(stream):
        for piece in response.iter_stream():
            size += len(piece)
            pieces += 1
            if size > most:
                raise Unfinished(f"it is longer than {most} bytes, which is the limit for it", stream.start)
            if pieces > FREE_PIECES + size // PIECE_AT_LEAST:
                raise Unfinished("it comes in too many small pieces", stream.start)
            yield piece


@contextlib.contextmanager
def _errors_converted(stream: ChannelStream) -> Iterator[None]:
    """Convert every exception of the HTTP parsers about the server's bytes into NotHTTP."""
    try:
        yield
    except (NotHTTP, TLSError, OSError):
        raise
    except httpcore.WriteError:
        raise NotHTTP("it closed before the request was sent whole", stream.start) from None
    except httpcore.RemoteProtocolError as error:
        raise _ended(error, stream) from None
    except Exception as error:  # noqa: BLE001 - two parsers of others, which raise kinds of their own and ValueError
        raise _violation(error, stream.start) from None


def _violation(error: Exception, start: bytes) -> NotHTTP:
    return NotHTTP(f"a parser refused it: {shown(str(error) or type(error).__name__)}", start)


def _ended(error: httpcore.RemoteProtocolError, stream: ChannelStream) -> NotHTTP:
    """Return the error code of HTTP/2 by which the server ended the request, if that is what it did."""
    code = getattr(error.args[0], "error_code", None) if error.args else None  # of an event of h2
    if isinstance(code, int):
        name = ERROR_NAMES.get(int(code), f"number {int(code)}")
        return EndedByCode(f"it ended the request with the error {name} of HTTP/2", stream.start)
    if stream.ended_in_content:
        return Unfinished("the server closed the connection before it was complete", stream.start)
    return _violation(error, stream.start)
