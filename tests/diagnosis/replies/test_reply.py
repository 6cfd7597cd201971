"""The reply of a service about us, strictly decoded; replies that fail a command are distinguished."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bothways.diagnosis import refusal_in
from bothways.diagnosis.replies.reply import LOOKED_AT, read_reply
from bothways.diagnosis.replies.texts import Meaning


def http(status: int, body: str = "", *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Words", *headers, "", body]).encode()


def frame(kind: int, payload: bytes, flags: int = 4) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + b"\0\0\0\1" + payload


def headers(block: bytes) -> bytes:
    return frame(1, block)


SETTINGS = frame(4, b"", 0)

REPLIES: list[tuple[bytes, Meaning | None, bool]] = [
    (http(200), None, False),
    (http(404), None, False),
    (http(400, "Bad Request"), None, False),
    (http(400, "<center>No required SSL certificate was sent</center>"), Meaning.CERTIFICATE_WANTED, True),
    (http(400, "<center>The SSL certificate error</center>"), Meaning.CERTIFICATE_WRONG, True),
    (http(400, "The plain HTTP request was sent to HTTPS port"), Meaning.PLAIN_WANTED, True),
    (http(400, "<h2>Bad Request - Invalid Hostname</h2>"), Meaning.MISDIRECTED, False),
    (http(401, "", "WWW-Authenticate: Basic realm=x"), Meaning.LOGIN, True),
    (http(403, "Request forbidden by administrative rules."), Meaning.FORBIDDEN, True),
    (http(403, "RBAC: access denied"), Meaning.FORBIDDEN, True),
    (http(403, "Reason: Cannot perform Post-Handshake Authentication."), Meaning.LATER_IMPOSSIBLE, True),
    (http(403, "403.7 - Forbidden: SSL client certificate is required."), Meaning.CERTIFICATE_WANTED, True),
    (http(403, "HTTP Error 403.13 - Forbidden"), Meaning.CERTIFICATE_REVOKED_OR_NOT, True),
    (http(403, "HTTP Error 403.16 - Forbidden"), Meaning.CERTIFICATE_UNTRUSTED, True),
    (http(403, "<h1>HTTP/1.0 403 Forbidden</h1><p>Missing ALPN Protocol, expected `h2`"), Meaning.NO_PROTOCOL, True),
    (http(403, "HTTP Error 403.17 - Forbidden"), Meaning.CERTIFICATE_EXPIRED, True),
    (http(401, '{"error":"CERT_HAS_EXPIRED"}'), Meaning.CERTIFICATE_EXPIRED, True),
    (http(400, "FAILED:unable to get certificate CRL"), Meaning.CERTIFICATE_STATUS, True),
    (http(401, "", 'WWW-Authenticate: Bearer x="certificate revoked"'), Meaning.CERTIFICATE_REVOKED, True),
    (http(401, '{"error":"token_expired","status":"expired"}'), Meaning.LOGIN, True),
    (http(403, "<p>Access control configuration prevents your request from being allowed"), Meaning.BY_RULES, True),
    (http(403, "missing scope: read. (A client certificate is not required for this path.)"), Meaning.LOGIN, True),
    (http(403, "This path does not require a client certificate."), Meaning.FORBIDDEN, True),
    (http(403, "<Code>RequestTimeTooSkewed</Code>"), Meaning.SKEWED, True),
    (http(401, "Token used before issued"), Meaning.SKEWED, True),
    (http(403, "Your IP 192.0.2.4 has been blocked"), Meaning.ADDRESS_REFUSED, True),
    (http(403, "access from your country is not permitted"), Meaning.ADDRESS_REFUSED, True),
    (http(403, "rate limit exceeded"), Meaning.BUSY, True),
    (http(403, "Invalid Host header"), Meaning.MISDIRECTED, True),
    (http(451), Meaning.ADDRESS_REFUSED, False),
    (http(511), Meaning.PROXY_LOGIN, False),
    (http(522), Meaning.NO_BACKEND, False),
    (http(529), Meaning.BUSY, False),
    (http(403, "Client Certificate Required"), Meaning.CERTIFICATE_WANTED, True),
    (http(403, '{"error": "invalid client certificate"}'), Meaning.CERTIFICATE_WRONG, True),
    (http(407), Meaning.PROXY_LOGIN, True),
    (http(408), Meaning.NO_REQUEST, False),
    (http(413), Meaning.TOO_LARGE, False),
    (http(414), Meaning.TOO_LARGE, False),
    (http(431), Meaning.TOO_LARGE, False),
    (http(494), Meaning.TOO_LARGE, False),
    (http(400, "<center>Request Header Or Cookie Too Large</center>"), Meaning.TOO_LARGE, False),
    (http(400, "Size of a request header field exceeds server limit."), Meaning.TOO_LARGE, False),
    (http(400, "Request header is too large"), Meaning.TOO_LARGE, False),
    (http(400, "<h1>Bad Message 400</h1><pre>reason: Header Fields Too Large"), Meaning.TOO_LARGE, False),
    (http(421), Meaning.MISDIRECTED, True),
    (http(495), Meaning.CERTIFICATE_WRONG, True),
    (http(496), Meaning.CERTIFICATE_WANTED, True),
    (http(497), Meaning.PLAIN_WANTED, True),
    (http(500), None, False),
    (b"HTTP/1.1 500 Proxy Error\r\n\r\n", Meaning.NO_BACKEND, False),
    (http(500, "<p>Reason: Error during SSL Handshake with remote server"), Meaning.NO_BACKEND, False),
    (http(500, "connect ECONNREFUSED 127.0.0.1:8080"), Meaning.NO_BACKEND, False),
    (http(500, "tls: failed to verify certificate: x509: certificate has expired"), Meaning.NO_BACKEND, False),
    (http(500, "upstream request failed"), Meaning.NO_BACKEND, False),
    (http(500, '{"message": "Internal server error"}'), None, False),
    (http(503, "<title>503 Backend fetch failed</title>"), Meaning.NO_BACKEND, False),
    (http(504, "upstream request timeout"), Meaning.NO_BACKEND, False),
    (http(502), Meaning.NO_BACKEND, False),
    (http(503, "No server is available to handle this request."), Meaning.NO_BACKEND, False),
    (http(503, "503 Service Temporarily Unavailable"), Meaning.BUSY, False),
    (http(503, '{"fault":"temporarily unavailable","reason":"TARGET_HANDSHAKE_FAILED"}'), Meaning.NO_BACKEND, False),
    (http(503, "temporarily unavailable: messaging.flow.SslHandshakeFailed"), Meaning.NO_BACKEND, False),
    (http(503, "temporarily unavailable: messaging.flow.NoActiveTargets"), Meaning.NO_BACKEND, False),
    (http(503, "TLS handshake with the origin failed, try again later"), Meaning.NO_BACKEND, False),
    (http(503, "", "Retry-After: 120"), Meaning.BUSY, False),
    (http(503, "due to maintenance downtime or capacity problems. Please try again later."), Meaning.NO_BACKEND, False),
    (http(429), Meaning.BUSY, False),
    (http(525), Meaning.NO_BACKEND, False),
    (http(400, "Invalid SNI"), Meaning.MISDIRECTED, False),
    (http(400, "Client sent an HTTP request to an HTTPS server."), Meaning.PLAIN_WANTED, True),
    (http(400, '{"errors":["client certificate must be supplied"]}'), Meaning.CERTIFICATE_WANTED, True),
    (http(401, '{"message":"No required TLS certificate was sent"}'), Meaning.CERTIFICATE_WANTED, True),
    (http(401, '{"message":"TLS certificate failed verification"}'), Meaning.CERTIFICATE_WRONG, True),
    (http(401, "x509: certificate signed by unknown authority"), Meaning.CERTIFICATE_UNTRUSTED, True),
    (http(401, "the client certificate has expired"), Meaning.CERTIFICATE_EXPIRED, True),
    (http(401, "certificate was revoked"), Meaning.CERTIFICATE_REVOKED, True),
    (http(401, "", "WWW-Authenticate: Negotiate"), Meaning.LOGIN, True),
    (http(401, "", "WWW-Authenticate: Mutual-TLS realm=x"), Meaning.CERTIFICATE_WANTED, True),
    (http(401, "Full authentication is required to access this resource"), Meaning.LOGIN, True),
    (http(403, '{"message":"forbidden: User \\"system:anonymous\\" cannot get path"}'), Meaning.CERTIFICATE_WANTED,
    True), (http(403, '{"message":"Missing Authentication Token"}'), Meaning.LOGIN, True),
    (http(403, "the certificate of ada is not authorized"), Meaning.FORBIDDEN, True),
    (http(403, "No client certificate chain in this request"), Meaning.CERTIFICATE_WANTED, True),
    (http(500, "the SSL certificate error"), None, False),
    (b"SIP/2.0 403 Forbidden\r\n\r\n", Meaning.FORBIDDEN, True),
    (b"RTSP/1.0 401 Unauthorized\r\n\r\n", Meaning.LOGIN, True),
    (b"", None, False),
    (b"hello", None, False),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says", "refuses"), REPLIES, ids=[str(at) for at in range(len(REPLIES))])
def test_a_reply_is_read_for_what_it_says_of_us(data: bytes, says: Meaning | None, refuses: bool) -> None:
    found = read_reply(data)
    assert (found.meaning if found is not None else None) is says
    assert (refusal_in(data) is not None) is refuses


def test_the_deciding_text_is_quoted_unchanged() -> None:
    found = read_reply(http(403, "<p>The Client Certificate has Expired.</p>"))
    assert found is not None and found.text == "HTTP/1.1 403 Words, Certificate has Expired"


@pytest.mark.parametrize(
    ("framed", "text", "says", "refuses"),
    [
        (headers(b"\x08\x03403"), "HTTP/2 403", Meaning.FORBIDDEN, True),
        (headers(b"\x8c") + frame(0, b"No required SSL certificate was sent"),
         "HTTP/2 400, No required SSL certificate was sent", Meaning.CERTIFICATE_WANTED, True),
        (headers(b"\x88\x40\x0bgrpc-status\x0216"),
         "HTTP/2 200, grpc-status 16 (UNAUTHENTICATED)", Meaning.LOGIN, True),
        (headers(b"\x88\x40\x0bgrpc-status\x017"),
         "HTTP/2 200, grpc-status 7 (PERMISSION_DENIED)", Meaning.FORBIDDEN, True),
        (headers(b"\x88\x40\x0bgrpc-status\x0214"),
         "HTTP/2 200, grpc-status 14 (UNAVAILABLE)", Meaning.NO_BACKEND, True),
        (headers(b"\x88\x40\x0bgrpc-status\x010"), "HTTP/2 200, grpc-status 0", None, False),
        (frame(7, bytes(4) + b"\0\0\0\x0d"), "HTTP_1_1_REQUIRED", Meaning.HTTP1_WANTED, True),
    ],
)  # fmt: skip
def test_a_reply_in_http_2_is_read_from_its_frames(
    framed: bytes, text: str, says: Meaning, refuses: bool
) -> None:
    found = read_reply(SETTINGS + framed)
    assert found is not None and (found.text, found.meaning, found.refuses) == (text, says, refuses)


def test_relevant_headers_are_kept() -> None:
    date = "Date: Sun, 01 Nov 2026 10:00:00 GMT"
    found = read_reply(http(401, "", "Server: nginx/1.22.1", date, "WWW-Authenticate: Bearer", "X: y"))
    assert found is not None
    assert (found.status, found.server, found.login) == (401, "nginx/1.22.1", "Bearer")
    assert found.date == datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("date", ["yesterday", "", "Sun, 99 Nov 99999999 10:00:00 GMT"])
def test_an_invalid_date_is_omitted(date: str) -> None:
    found = read_reply(http(403, "", f"Date: {date}"))
    assert found is not None and found.date is None


def test_only_the_first_16_kib_are_decoded() -> None:
    """RFC 9110 sets no bound on a body."""
    assert refusal_in(http(400, " " * (LOOKED_AT - 200) + "The SSL certificate error"))
    assert not refusal_in(http(400, " " * LOOKED_AT + "The SSL certificate error"))
