"""Clients of HTTP/2 that break its rules, or go to their limits, frame by frame (RFC 9113 3 to 8, RFC 7541).

Written from the RFCs. Each case is what a client sends after its preface and its settings, and what has to come of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from bothways.http2.frames import END_HEADERS, END_STREAM, PADDED, PRIORITY_FIELDS, Frame, Kind
from bothways.http2.violations import ErrorCode

OK = "a response"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = Kind
WRONG, SIZE, CLOSED = ErrorCode.PROTOCOL_ERROR, ErrorCode.FRAME_SIZE_ERROR, ErrorCode.STREAM_CLOSED
FLOW, PACKED = ErrorCode.FLOW_CONTROL_ERROR, ErrorCode.COMPRESSION_ERROR
WHOLE = END_HEADERS | END_STREAM
STREAMS = 100


@dataclass(frozen=True)
class Case:
    """What a client sends. ends: the code by which the connection ends, if it does.

    resets: the code by which each stream ends that does not end by a response; None where any will do.  answers: the
    streams that have to be answered.
    """

    section: str
    what: str
    sent: bytes
    ends: ErrorCode | None = None
    resets: dict[int, ErrorCode | None] | None = None
    answers: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        return f"{self.section} {self.what}"


def f(kind: int, flags: int, stream: int, content: bytes = b"") -> bytes:
    return Frame(kind, flags, stream, content).wire


def literal(name: str | bytes, value: str | bytes) -> bytes:
    """A field as it is, not indexed (RFC 7541 6.2.2)."""
    parts = [each.encode("latin-1") if isinstance(each, str) else each for each in (name, value)]
    return b"\0" + b"".join(_integer(len(each)) + each for each in parts)


def _integer(value: int) -> bytes:
    if value < 127:
        return bytes((value,))
    value, made = value - 127, b"\x7f"
    while value >= 128:
        value, made = value >> 7, made + bytes((value & 127 | 128,))
    return made + bytes((value,))


GET = ((":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "localhost"))
POST = ((":method", "POST"), *GET[1:])


def block(*fields: tuple[str, str]) -> bytes:
    return b"".join(literal(*each) for each in fields)


def request(stream: int, *fields: tuple[str, str], flags: int = WHOLE) -> bytes:
    return f(HEADERS, flags, stream, block(*(fields or GET)))


def posted(stream: int, *fields: tuple[str, str]) -> bytes:
    """The head of a request whose body follows."""
    return request(stream, *POST, *fields, flags=END_HEADERS)


def without(name: str, *more: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return (*(each for each in GET if each[0] != name), *more)


def setting(code: int, value: int) -> bytes:
    return code.to_bytes(2) + value.to_bytes(4)


def malformed(section: str, what: str, *fields: tuple[str, str]) -> Case:
    return Case(section, what, request(1, *fields), resets={1: WRONG})


def fails(section: str, what: str, sent: bytes, code: ErrorCode) -> Case:
    return Case(section, what, sent, ends=code)


def passes(section: str, what: str, sent: bytes, *answers: int) -> Case:
    return Case(section, what, sent, answers=answers or (1,))


def number(value: int) -> bytes:
    return value.to_bytes(4)


FRAMES = [
    passes("4.1", "a frame of an unknown type", f(0x77, 0xFF, 0, b"x") + f(0x77, 0, 1) + request(1)),
    passes("4.1", "undefined flags", f(PING, 0x16, 0, bytes(8)) + request(1)),
    passes("4.1", "the reserved bit", f(PING, 0, 2**31, bytes(8)) + request(1)),
    passes("4.2", "DATA of 16,384 bytes", posted(1) + f(DATA, END_STREAM, 1, bytes(16384))),
    fails("4.2", "DATA of 16,385 bytes", posted(1) + f(DATA, 0, 1, bytes(16385)), SIZE),
    fails("4.2", "HEADERS of 16,385 bytes", f(HEADERS, WHOLE, 1, bytes(16385)), SIZE),
    fails("4.3", "a head that ends within a field", f(HEADERS, WHOLE, 1, block(*GET) + b"\0\x05a"), PACKED),
    fails("4.3", "PRIORITY within a head", request(1, flags=0) + f(PRIORITY, 0, 1, bytes(5)), WRONG),
    fails("4.3", "HEADERS within a head", request(1, flags=0) + request(3), WRONG),
    fails("5.1", "DATA on an idle stream", f(DATA, END_STREAM, 1, b"x"), WRONG),
    fails("5.1", "RST_STREAM on an idle stream", f(RST, 0, 1, number(8)), WRONG),
    fails("5.1", "WINDOW_UPDATE on an idle stream", f(WINDOW, 0, 1, number(1)), WRONG),
    fails("5.1", "WINDOW_UPDATE on an idle stream of ours", f(WINDOW, 0, 2, number(1)), WRONG),
    fails("5.1", "CONTINUATION on an idle stream", f(CONTINUATION, END_HEADERS, 1, block(*GET)), WRONG),
    passes("5.1", "PRIORITY on an idle stream", f(PRIORITY, 0, 1, number(0) + b"\1") + request(1)),
    Case("5.1", "DATA after END_STREAM", request(1) + f(DATA, END_STREAM, 1, b"x"), resets={1: CLOSED}),
    Case("5.1", "HEADERS after END_STREAM", request(1) + request(1), resets={1: CLOSED}),
    fails("5.1", "CONTINUATION after END_STREAM", request(1) + f(CONTINUATION, 4, 1, block(*GET)), WRONG),
    Case(
        "5.1", "DATA after RST_STREAM", posted(1) + f(RST, 0, 1, number(8)) + f(DATA, 1, 1, b"x") + request(3),
        resets={1: CLOSED}, answers=(3,),
    ),
    Case(
        "5.1", "HEADERS after RST_STREAM", posted(1) + f(RST, 0, 1, number(8)) + request(1) + request(3),
        resets={1: CLOSED}, answers=(3,),
    ),
    passes(
        "5.1", "WINDOW_UPDATE and RST_STREAM on a closed stream",
        posted(1) + f(RST, 0, 1, number(8)) + f(WINDOW, 0, 1, number(1)) + f(RST, 0, 1, number(8)) + request(3), 3,
    ),
    fails("5.1.1", "an even stream", request(2), WRONG),
    fails("5.1.1", "a stream with a lower number", request(5) + request(3), WRONG),
    passes("5.1.1", "streams that are left out", request(1) + request(2**31 - 1), 1, 2**31 - 1),
    Case(
        "5.1.2", "one request too many",
        b"".join(posted(2 * each + 1) for each in range(STREAMS + 1)) + f(DATA, 1, 1)
        + b"".join(f(RST, 0, 2 * each + 1, number(8)) for each in range(1, STREAMS - 28)),
        resets={2 * STREAMS + 1: ErrorCode.REFUSED_STREAM}, answers=(1,),
    ),
    passes("5.3.1", "PRIORITY on itself", f(PRIORITY, 0, 1, number(1) + b"\1") + request(1)),
    passes("5.3.1", "HEADERS on itself", f(HEADERS, WHOLE | PRIORITY_FIELDS, 1, number(1) + b"\1" + block(*GET))),
    fails("5.5", "an unknown frame within a head", request(1, flags=0) + f(0x77, 0, 1), WRONG),
    passes("5.5", "an unknown setting", f(SETTINGS, 0, 0, setting(0xFF, 7)) + request(1)),
    fails("6.1", "DATA on stream 0", f(DATA, 0, 0, b"x"), WRONG),
    fails("6.1", "DATA with too much padding", posted(1) + f(DATA, PADDED, 1, b"\x05abc"), WRONG),
    fails("6.1", "DATA whose padding is all and more", posted(1) + f(DATA, PADDED, 1, b"\x04abc"), WRONG),
    fails("6.1", "DATA without the length of its padding", posted(1) + f(DATA, PADDED, 1), SIZE),
    passes("6.1", "DATA that is all padding", posted(1) + f(DATA, PADDED | END_STREAM, 1, b"\x03abc")),
    passes("6.2", "HEADERS with padding", f(HEADERS, WHOLE | PADDED, 1, b"\x02" + block(*GET) + b"ab")),
    fails("6.2", "HEADERS with too much padding", f(HEADERS, WHOLE | PADDED, 1, b"\xff" + block(*GET)), WRONG),
    fails("6.2", "HEADERS on stream 0", request(0), WRONG),
    fails("6.2", "HEADERS without its priority", f(HEADERS, WHOLE | PRIORITY_FIELDS, 1, b"abcd"), SIZE),
    fails("6.3", "PRIORITY on stream 0", f(PRIORITY, 0, 0, bytes(5)), WRONG),
    Case("6.3", "PRIORITY of 4 bytes", posted(1) + f(PRIORITY, 0, 1, bytes(4)), resets={1: SIZE}),
    fails("6.4", "RST_STREAM on stream 0", f(RST, 0, 0, number(8)), WRONG),
    fails("6.4", "RST_STREAM of 3 bytes", posted(1) + f(RST, 0, 1, bytes(3)), SIZE),
    fails("6.5", "SETTINGS that confirm, with content", f(SETTINGS, 1, 0, setting(4, 1)), SIZE),
    fails("6.5", "SETTINGS on a stream", f(SETTINGS, 0, 1), WRONG),
    fails("6.5", "SETTINGS of 5 bytes", f(SETTINGS, 0, 0, bytes(5)), SIZE),
    fails("6.5.2", "ENABLE_PUSH of 2", f(SETTINGS, 0, 0, setting(2, 2)), WRONG),
    fails("6.5.2", "a wrong setting before a right one", f(SETTINGS, 0, 0, setting(2, 2) + setting(2, 0)), WRONG),
    fails("6.5.2", "INITIAL_WINDOW_SIZE of 2^31", f(SETTINGS, 0, 0, setting(4, 2**31)), FLOW),
    fails("6.5.2", "MAX_FRAME_SIZE of 16,383", f(SETTINGS, 0, 0, setting(5, 16383)), WRONG),
    fails("6.5.2", "MAX_FRAME_SIZE of 2^24", f(SETTINGS, 0, 0, setting(5, 2**24)), WRONG),
    passes("6.5.3", "a setting twice", f(SETTINGS, 0, 0, setting(4, 1) + setting(4, 65535)) + request(1)),
    fails("6.6", "PUSH_PROMISE of a client", request(1) + f(PUSH, END_HEADERS, 1, number(2) + block(*GET)), WRONG),
    passes("6.7", "PING that confirms", f(PING, 1, 0, bytes(8)) + request(1)),
    fails("6.7", "PING on a stream", f(PING, 0, 1, bytes(8)), WRONG),
    fails("6.7", "PING of 7 bytes", f(PING, 0, 0, bytes(7)), SIZE),
    fails("6.8", "GOAWAY on a stream", f(GOAWAY, 0, 1, bytes(8)), WRONG),
    fails("6.8", "GOAWAY of 7 bytes", f(GOAWAY, 0, 0, bytes(7)), SIZE),
    passes("6.8", "GOAWAY with debug data, within a request", posted(1) + f(GOAWAY, 0, 0, bytes(99)) + f(DATA, 1, 1)),
    fails("6.9", "WINDOW_UPDATE of 3 bytes", f(WINDOW, 0, 0, bytes(3)), SIZE),
    fails("6.9", "the connection's window opened by 0", f(WINDOW, 0, 0, bytes(4)), WRONG),
    Case("6.9", "a stream's window opened by 0", posted(1) + f(WINDOW, 0, 1, bytes(4)), resets={1: WRONG}),
    fails("6.9.1", "the connection's window above 2^31-1", f(WINDOW, 0, 0, number(2**31 - 1)), FLOW),
    Case("6.9.1", "a stream's window above 2^31-1", posted(1) + f(WINDOW, 0, 1, number(2**31 - 1)), resets={1: FLOW}),
    fails(
        "6.9.2", "a setting that takes a window above 2^31-1",
        posted(1) + f(WINDOW, 0, 1, number(2**31 - 65536)) + f(SETTINGS, 0, 0, setting(4, 2**31 - 1)), FLOW,
    ),
    passes(
        "6.10", "a head in many frames",
        request(1, GET[0], flags=END_STREAM)
        + b"".join(f(CONTINUATION, 0, 1, block(each)) for each in GET[1:]) + f(CONTINUATION, END_HEADERS, 1),
    ),
    fails("6.10", "CONTINUATION after the end of a head", posted(1) + f(CONTINUATION, END_HEADERS, 1, b""), WRONG),
    fails("6.10", "CONTINUATION on stream 0", request(1, flags=0) + f(CONTINUATION, END_HEADERS, 0), WRONG),
    fails("6.10", "CONTINUATION of another stream", request(1, flags=0) + f(CONTINUATION, 4, 3), WRONG),
    fails("6.10", "CONTINUATION after DATA", posted(1) + f(DATA, 0, 1, b"x") + f(CONTINUATION, 4, 1), WRONG),
    passes("7", "RST_STREAM with an unknown code", posted(1) + f(RST, 0, 1, number(0xFF)) + request(3), 3),
]  # fmt: skip

HPACK = [
    fails("RFC 7541 2.3.3", "an index beyond the tables", f(HEADERS, WHOLE, 1, b"\xff\x80\x01"), PACKED),
    fails("RFC 7541 4.2", "a size of the table after a field", f(HEADERS, WHOLE, 1, block(*GET) + b"\x20"), PACKED),
    fails("RFC 7541 5.2", "8 bits of padding", f(HEADERS, WHOLE, 1, b"\0\x82\x1f\xff\x01a"), PACKED),
    fails("RFC 7541 5.2", "padding of zeros", f(HEADERS, WHOLE, 1, b"\0\x81\x18\x01a"), PACKED),
    fails("RFC 7541 5.2", "EOS within a string", f(HEADERS, WHOLE, 1, b"\0\x84\xff\xff\xff\xff\x01a"), PACKED),
    fails("RFC 7541 5.1", "a number without an end", f(HEADERS, WHOLE, 1, b"\x7f" + b"\xff" * 20), PACKED),
    fails("RFC 7541 6.1", "the index 0", f(HEADERS, WHOLE, 1, b"\x80"), PACKED),
    fails("RFC 7541 6.3", "a table above our setting", f(HEADERS, WHOLE, 1, b"\x3f\xe1\xff\x03" + block(*GET)), PACKED),
    passes("RFC 7541 6.3", "a table without bytes", f(HEADERS, WHOLE, 1, b"\x20" + block(*GET))),
]  # fmt: skip

MESSAGES = [
    Case("8.1", "a second head without an end", posted(1) + posted(1), resets={1: WRONG}),
    malformed("8.1", "an informational response of a client", (":status", "103")),
    malformed("8.2.1", "a name with an upper-case letter", *GET, ("X-Y", "a")),
    malformed("8.2.1", "a name with a space", *GET, ("x y", "a")),
    malformed("8.2.1", "a name with a colon", *GET, ("x:y", "a")),
    malformed("8.2.1", "a name above ASCII", *GET, ("x\xe4", "a")),
    malformed("8.2.1", "a name with a control character", *GET, ("x\x7f", "a")),
    malformed("8.2.1", "a name without characters", *GET, ("", "a")),
    malformed("8.2.1", "a value with NUL", *GET, ("x", "a\0b")),
    malformed("8.2.1", "a value with CR", *GET, ("x", "a\rb")),
    malformed("8.2.1", "a value with LF", *GET, ("x", "a\nb")),
    malformed("8.2.1", "a value that ends in LF", *GET, ("x", "a\n")),
    malformed("8.2.1", "a value after a space", *GET, ("x", " a")),
    malformed("8.2.1", "a value before a tab", *GET, ("x", "a\t")),
    malformed("8.2.1", "a pseudo-header field with a line end", *without(":path", (":path", "/\r\nx: y"))),
    passes("8.2.1", "a value without characters", request(1, *GET, ("x", ""))),
    *(
        malformed("8.2.2", name, *GET, (name, value))
        for name, value in (
            ("connection", "x"), ("proxy-connection", "x"), ("keep-alive", "x"), ("transfer-encoding", "chunked"),
            ("upgrade", "x"), ("te", "gzip"), ("te", "trailers, deflate"),
        )
    ),
    passes("8.2.2", "te: trailers", request(1, *GET, ("te", "trailers"))),
    malformed("8.3", "a pseudo-header field that is unknown", *GET, (":x", "y")),
    malformed("8.3", "a pseudo-header field of responses", *GET, (":status", "200")),
    malformed("8.3", "a pseudo-header field after another field", *without(":path", ("x", "y"), (":path", "/"))),
    Case("8.3", "a pseudo-header field in trailers", posted(1) + request(1, (":path", "/")), resets={1: WRONG}),
    *(malformed("8.3", f"{name} twice", *GET, (name, value)) for name, value in GET),
    *(malformed("8.3.1", f"no {name}", *without(name)) for name, _ in GET),
    *(malformed("8.3.1", f"an empty {name}", *without(name, (name, ""))) for name, _ in GET),
    passes("8.3.1", "Host alone", request(1, *without(":authority"), ("host", "localhost"))),
    malformed("8.3.1", "Host of another", *GET, ("host", "other.example")),
    malformed("8.3.1", "an empty Host", *GET, ("host", "")),
    malformed("8.3.1", "Host twice", *GET, ("host", "localhost"), ("host", "localhost")),
    malformed("8.5", "CONNECT with a scheme", (":method", "CONNECT"), (":scheme", "https"), (":authority", "a:1")),
    malformed("8.5", "CONNECT with a path", (":method", "CONNECT"), (":path", "/"), (":authority", "a:1")),
    malformed("8.5", "CONNECT without an authority", (":method", "CONNECT")),
    malformed(
        "RFC 8441 4", "CONNECT with :protocol, which we do not offer",
        *without(":method", (":method", "CONNECT")), (":protocol", "websocket"),
    ),
    malformed("8.1.1", "Content-Length and no body", *GET, ("content-length", "1")),
    malformed("8.1.1", "Content-Length that is no number", *GET, ("content-length", "+1")),
    malformed("8.1.1", "two values of Content-Length", *GET, ("content-length", "0"), ("content-length", "1")),
    malformed("8.1.1", "Content-Length with 3,000 digits", *GET, ("content-length", "9" * 3000)),
    *(
        Case("8.1.1", what, posted(1, ("content-length", length)) + rest, resets={1: WRONG})
        for what, length, rest in (
            ("a body that is too short", "2", f(DATA, 1, 1, b"x")),
            ("a body that is too long", "1", f(DATA, 0, 1, b"xy")),
            ("a body in parts that are too long", "3", f(DATA, 0, 1, b"xy") * 2),
            ("a body that is too short, before trailers", "2", f(DATA, 0, 1, b"x") + request(1, ("x", "y"))),
        )
    ),
    passes("8.1.1", "padding does not count", posted(1, ("content-length", "1")) + f(DATA, 9, 1, b"\x02xab")),
    passes("8.1", "trailers", posted(1) + f(DATA, 0, 1, b"x") + request(1, ("x-sum", "y"))),
    Case("8.1", "trailers with a connection field", posted(1) + request(1, ("connection", "x")), resets={1: WRONG}),
]  # fmt: skip

ALL = [*FRAMES, *HPACK, *MESSAGES]
