"""Requests that are written so that two parsers read them in two ways, with what has to come of each.

`wire` is what a client of HTTP/1.1 sends, followed by FOLLOWER; `answers` are the statuses that it gets; `passed` what
the service behind the gateway gets, byte for byte but for the fields that the gateway adds. A request that is refused
in its head reaches no service; of one that breaks off in its body the service gets a part that is no whole request.
"""

from __future__ import annotations

from dataclasses import dataclass

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
FOLLOWER = b"GET /follower HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True)
class Case:
    """One of them. cut: the service gets `passed` and no end of it."""

    name: str
    wire: bytes
    answers: tuple[int, ...]
    passed: tuple[bytes, ...] = ()
    cut: bytes | None = None


def head(first: bytes, *fields: bytes) -> bytes:
    return b"".join(each + b"\r\n" for each in (first, b"Host: localhost", *fields)) + b"\r\n"


def to_service(first: bytes, *fields: bytes) -> bytes:
    return b"".join(each + b"\r\n" for each in (first, b"host: localhost", *fields)) + b"\r\n"


POST = b"POST /p HTTP/1.1"
GET = b"GET /g HTTP/1.1"
CHUNKED = b"Transfer-Encoding: chunked"
CHUNKED_ON = to_service(POST, b"transfer-encoding: chunked")
LAST = b"0\r\n\r\n"


def refused(name: str, wire: bytes, status: int = 400) -> Case:
    return Case(name, wire, (status,))


def broken(name: str, body: bytes, part: bytes = b"") -> Case:
    """A chunked body that breaks off: the service gets the head, and so much of the body."""
    return Case(name, head(POST, CHUNKED) + body, (400,), cut=CHUNKED_ON + part)


def passes(name: str, wire: bytes, passed: bytes) -> Case:
    return Case(name, wire, (200, 200), (passed,))


CASES = [
    # two lengths: CL.TE and TE.CL (RFC 9112 6.3, 11.2)
    refused("CL.TE", head(POST, b"Content-Length: 6", CHUNKED) + LAST + b"X"),
    refused("TE.CL", head(POST, CHUNKED, b"Content-Length: 4") + b"2d\r\n" + SMUGGLED + b"\r\n" + LAST),
    refused("CL.TE in lower case", head(POST, b"content-length: 6", CHUNKED.lower()) + LAST + b"X"),
    refused("CL.0", head(GET, b"Content-Length: 5", CHUNKED) + LAST),
    # TE.TE: a spelling that one side does not know
    refused("two Transfer-Encoding", head(POST, CHUNKED, b"Transfer-Encoding: x") + LAST, 501),
    refused("Transfer-Encoding twice", head(POST, CHUNKED, CHUNKED) + LAST, 501),
    refused("chunked is not the last", head(POST, b"Transfer-Encoding: chunked, gzip") + LAST, 501),
    refused("identity", head(POST, b"Transfer-Encoding: identity") + SMUGGLED, 501),
    refused("chunked in quotes", head(POST, b'Transfer-Encoding: "chunked"') + LAST, 501),
    refused("a coding with a parameter", head(POST, b"Transfer-Encoding: chunked;q=1") + LAST, 501),
    refused("a coding after a comma", head(POST, b"Transfer-Encoding: ,chunked") + LAST, 501),
    refused("a space before the colon", head(POST, b"Transfer-Encoding : chunked") + LAST),
    refused("a tab before the colon", head(POST, b"Transfer-Encoding\t: chunked") + LAST),
    refused("a comma after the coding", head(POST, b"Transfer-Encoding: chunked,") + LAST, 501),
    refused("chunked twice in one field", head(POST, b"Transfer-Encoding: chunked, chunked") + LAST, 501),
    refused("a space of Latin-1", head(POST, b"Transfer-Encoding: \xa0chunked") + LAST, 501),
    refused("a line end of Latin-1", head(POST, b"Transfer-Encoding: chunked\x85") + LAST, 501),
    refused("a vertical tab", head(POST, b"Transfer-Encoding:\x0bchunked") + LAST),
    refused("a NUL in the name", head(POST, b"Transfer-Enc\x00oding: chunked") + LAST),
    refused("a NUL in the value", head(POST, b"Transfer-Encoding: chunked\x00") + LAST),
    refused("a field that begins with a space", head(POST, b" Transfer-Encoding: chunked") + LAST),
    refused("folded", head(POST, b"Transfer-Encoding:\r\n chunked") + LAST),
    refused("folded after another field", head(POST, b"X: y\r\n Transfer-Encoding: chunked") + LAST),
    passes("chunked in capitals", head(POST, b"Transfer-Encoding: CHUNKED") + LAST, CHUNKED_ON + LAST),
    passes("a tab after the colon", head(POST, b"Transfer-Encoding:\tchunked") + LAST, CHUNKED_ON + LAST),
    # names that services of CGI and WSGI read as those of framing
    passes(
        "Transfer_Encoding",
        head(POST, b"Transfer_Encoding: chunked", b"Content-Length: 2") + b"ok",
        to_service(POST, b"content-length: 2") + b"ok",
    ),
    passes(
        "Content.Length",
        head(POST, b"Content.Length: 100", b"Content-Length: 2") + b"ok",
        to_service(POST, b"content-length: 2") + b"ok",
    ),
    passes("Content_Length", head(GET, b"Content_Length: 50"), to_service(GET)),
    passes("other names with _", head(GET, b"X_A: b"), to_service(GET, b"x_a: b")),
    # lengths
    refused("two lengths", head(POST, b"Content-Length: 5", b"Content-Length: 6") + b"hello"),
    refused("two lengths in one field", head(POST, b"Content-Length: 5, 6") + b"hello"),
    passes(
        "the same length twice",
        head(POST, b"Content-Length: 2", b"Content-Length: 2") + b"ok",
        to_service(POST, b"content-length: 2") + b"ok",
    ),
    *(
        refused(f"length {text!r}", head(POST, b"Content-Length: " + text) + b"hello")
        for text in (b"+5", b"-5", b"5 5", b"0x5", b"5.0", b"1e1", b"5_0", b"", b"five", b"\xb2", b"9" * 40)
    ),
    # what wraps in 64 bits to the length of the body that follows
    refused("a length of 2^64 + 1", head(POST, b"Content-Length: 18446744073709551617") + b"x", 413),
    refused("a length of 2^63", head(POST, b"Content-Length: 9223372036854775808") + b"x", 413),
    passes(
        "a length with zeros before it",
        head(POST, b"Content-Length: 002") + b"ok",
        to_service(POST, b"content-length: 2") + b"ok",
    ),
    passes("no body, no length", head(POST), to_service(POST, b"content-length: 0")),
    # lines (RFC 9112 2.2)
    refused("lines end in LF", head(GET).replace(b"\r\n", b"\n")),
    refused("the first line ends in LF", head(GET).replace(b"\r\n", b"\n", 1)),
    refused("a field ends in LF", head(GET, b"X: y\nTransfer-Encoding: chunked") + LAST),
    refused("a field ends in CR", head(GET, b"X: y\rTransfer-Encoding: chunked") + LAST),
    refused("CR CR LF", head(GET, b"X: y\r")),
    refused("LF CR", head(GET).replace(b"\r\n", b"\n\r", 1)),
    refused("a space after the version", head(GET + b" ")),
    refused("the empty line is LF", head(GET)[:-2] + b"\n"),
    refused("no colon", head(GET, b"X")),
    refused("no name", head(GET, b": y")),
    refused("two empty lines before", b"\r\n\r\n" + head(GET)),
    passes("an empty line before", b"\r\n" + head(GET), to_service(GET)),
    # the request line, and for whom it is (RFC 9112 3)
    refused("two spaces", head(b"GET  /g HTTP/1.1")),
    refused("a tab for a space", head(b"GET\t/g HTTP/1.1")),
    refused("a space in the target", head(b"GET /g x HTTP/1.1")),
    refused("a fragment", head(b"GET /g#/p HTTP/1.1")),
    refused("a fragment of an absolute-form", head(b"GET https://localhost#/p HTTP/1.1")),
    refused("* without OPTIONS", head(b"GET * HTTP/1.1")),
    refused("an escape sequence in a field", head(GET, b"X: a\x1b[2J")),
    refused("HTTP/1.0", head(b"GET /g HTTP/1.0"), 505),
    refused("HTTP/0.9", b"GET /g\r\n\r\n"),
    refused("HTTP/1.10", head(b"GET /g HTTP/1.10")),
    refused("http/1.1", head(b"GET /g http/1.1")),
    refused("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    refused("no Host", b"GET /g HTTP/1.1\r\n\r\n"),
    refused("two Host", head(GET, b"Host: localhost")),
    refused("another Host", head(GET).replace(b"localhost", b"other.example"), 421),
    refused("Host with a path", head(GET).replace(b"localhost", b"localhost/x")),
    refused("Host with a user", head(GET).replace(b"localhost", b"a@localhost")),
    refused("Host with a space", head(GET).replace(b"localhost", b"local host")),
    refused("absolute-form of another host", head(b"GET https://other.example/g HTTP/1.1")),
    refused("absolute-form of http", head(b"GET http://localhost/g HTTP/1.1")),
    refused("absolute-form with a user", head(b"GET https://a@localhost/g HTTP/1.1")),
    passes("absolute-form", head(b"GET https://localhost/g HTTP/1.1"), to_service(GET)),
    refused("authority-form", head(b"CONNECT localhost:443 HTTP/1.1")),
    refused("CONNECT with a path", head(b"CONNECT /g HTTP/1.1"), 501),
    refused("TRACE", head(b"TRACE /g HTTP/1.1"), 405),
    # what is for one connection (RFC 9110 7.6.1, 7.8)
    passes(
        "an upgrade to h2c",
        head(GET, b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABk"),
        to_service(GET),
    ),
    passes(
        "an upgrade of a request with a body",
        head(POST, b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 2") + b"ok",
        to_service(POST, b"content-length: 2") + b"ok",
    ),
    passes(
        "Connection names the coding",
        head(POST, b"Connection: Transfer-Encoding", CHUNKED) + b"2\r\nok\r\n" + LAST,
        CHUNKED_ON + b"2\r\nok\r\n" + LAST,
    ),
    passes("an upgrade to TLS", head(GET, b"Connection: Upgrade", b"Upgrade: TLS/1.3"), to_service(GET)),
    passes("Connection names a field", head(GET, b"Connection: X-A", b"X-A: b"), to_service(GET)),
    refused(
        "Connection names the length", head(POST, b"Connection: Content-Length", b"Content-Length: 2") + b"ok"
    ),
    refused("Connection names Host", head(GET, b"Connection: host")),
    # chunks (RFC 9112 7.1)
    passes(
        "chunks",
        head(POST, CHUNKED) + b"2\r\nok\r\n" + LAST,
        CHUNKED_ON + b"2\r\nok\r\n" + LAST,
    ),
    passes(
        "an extension of a chunk",
        head(POST, CHUNKED) + b"2;a=b\r\nok\r\n" + LAST,
        CHUNKED_ON + b"2\r\nok\r\n" + LAST,
    ),
    passes(
        "a size with zeros before it",
        head(POST, CHUNKED) + b"0002\r\nok\r\n" + LAST,
        CHUNKED_ON + b"2\r\nok\r\n" + LAST,
    ),
    passes(
        "trailers without those that frame or tell of the client",
        head(POST, CHUNKED) + b"0\r\nX-Sum: 1\r\nContent-Length: 9\r\nClient-Cert: x\r\nHost: other\r\n\r\n",
        CHUNKED_ON + b"0\r\nx-sum: 1\r\n\r\n",
    ),
    broken("a size that is none", b"x\r\n"),
    broken("a size with a space before it", b" 2\r\nok\r\n" + LAST),
    broken("an extension with a CR", b"2;a\rb\r\nok\r\n" + LAST),
    broken("a negative size", b"-1\r\n"),
    broken("a size with 0x", b"0x2\r\nok\r\n" + LAST),
    broken("a size with a plus", b"+2\r\nok\r\n" + LAST),
    broken("a size with _", b"1_0\r\n" + LAST),
    broken("a size of 21 digits", b"0" * 20 + b"2\r\nok\r\n" + LAST),
    broken("a size beyond 64 bits", b"f" * 24 + b"\r\nok\r\n"),
    broken("a size that ends in LF", b"2\nok\r\n" + LAST),
    broken("an extension with a LF", b"2;a\nok\r\n" + LAST),
    broken("an extension without end", b"2;" + b"x" * 100_000),
    broken("a chunk that is longer than its size", b"2\r\nok!\r\n" + LAST, b"2\r\nok\r\n"),
    broken("a chunk that ends in LF", b"2\r\nok\n" + LAST, b"2\r\nok\r\n"),
    broken("a trailer without a colon", b"0\r\nX\r\n\r\n"),
    broken("a trailer that is folded", b"0\r\nX: a\r\n b\r\n\r\n"),
    broken("a trailer that ends in LF", b"0\r\nX: y\nZ: y\r\n\r\n"),
    broken("trailers that end in LF LF", b"0\r\nX: y\n\n"),
    broken("a last chunk that ends in LF", b"0\n\r\n"),
    broken("an empty line after the last chunk that is LF", b"0\r\n\n"),
    broken("a trailer with a CR", b"0\r\nX: a\rb\r\n\r\n"),
    broken("a trailer with a space before the colon", b"0\r\nX : a\r\n\r\n"),
    broken("trailers without end", b"0\r\n" + b"X: y\r\n" * 20_000),
]
