"""What a service says of us is read strictly and briefly; what fails a command is told from what does not."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bothways.diagnosis import refusal_in
from bothways.diagnosis.service_reply import LINES_LOOKED_AT, LOOKED_AT, Says, read_reply


def http(status: int, body: str = "", *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status} Words", *headers, "", body]).encode()


REPLIES: list[tuple[bytes, Says | None, bool]] = [
    (http(200), None, False),
    (http(404), None, False),
    (http(400, "Bad Request"), None, False),
    (http(400, "<center>No required SSL certificate was sent</center>"), Says.CERTIFICATE_WANTED, True),
    (http(400, "<center>The SSL certificate error</center>"), Says.CERTIFICATE_WRONG, True),
    (http(400, "The plain HTTP request was sent to HTTPS port"), Says.PLAIN_WANTED, True),
    (http(400, "<h2>Bad Request - Invalid Hostname</h2>"), Says.WRONG_NAME, False),
    (http(401, "", "WWW-Authenticate: Basic realm=x"), Says.LOGIN, True),
    (http(403, "Request forbidden by administrative rules."), Says.FORBIDDEN, True),
    (http(403, "RBAC: access denied"), Says.FORBIDDEN, True),
    (http(403, "Reason: Cannot perform Post-Handshake Authentication."), Says.LATER_IMPOSSIBLE, True),
    (http(403, "403.7 - Forbidden: SSL client certificate is required."), Says.CERTIFICATE_WANTED, True),
    (http(403, "HTTP Error 403.13 - Forbidden"), Says.CERTIFICATE_REVOKED, True),
    (http(403, "HTTP Error 403.16 - Forbidden"), Says.CERTIFICATE_UNTRUSTED, True),
    (http(403, "HTTP Error 403.17 - Forbidden"), Says.CERTIFICATE_EXPIRED, True),
    (http(403, "Client Certificate Required"), Says.CERTIFICATE_WANTED, True),
    (http(403, '{"error": "invalid client certificate"}'), Says.CERTIFICATE_WRONG, True),
    (http(407), Says.PROXY_LOGIN, True),
    (http(408), Says.NO_REQUEST, False),
    (http(421), Says.WRONG_NAME, True),
    (http(495), Says.CERTIFICATE_WRONG, True),
    (http(496), Says.CERTIFICATE_WANTED, True),
    (http(497), Says.PLAIN_WANTED, True),
    (http(500), None, False),
    (http(502), Says.NO_BACKEND, False),
    (http(503, "No server is available to handle this request."), Says.NO_BACKEND, False),
    (b"E\0\0\0\x60SFATAL\0Mconnection requires a valid client certificate\0\0", Says.CERTIFICATE_WANTED, True),
    (b"E\0\0\0\x60SFATAL\0Mpassword authentication failed for user x\0\0", Says.LOGIN, True),
    (b"E\0\0\0\x10SERROR\0Mno table\0\0", None, False),
    (b"\x24\0\0\x02\xff\x15\x04#28000Access denied for user 'ada'@'x'", Says.FORBIDDEN, True),
    (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\0\x04\0", Says.LOGIN, True),
    (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x32\x04\0\x04\0", Says.FORBIDDEN, True),
    (b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\0\x04\0", None, False),
    (b"\x20\x02\x00\x05", Says.FORBIDDEN, True),
    (b"\x20\x02\x00\x00", None, False),
    (b"-NOAUTH Authentication required.\r\n", Says.LOGIN, True),
    (b"-ERR unknown command\r\n", None, False),
    (b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", Says.LOGIN, True),
    (b"* BYE Client didn't present valid SSL certificate\r\n", Says.CERTIFICATE_WANTED, True),
    (b"* OK ready\r\na NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", Says.LOGIN, True),
    (b"* OK\r\n" * LINES_LOOKED_AT + b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", None, False),
    (b"", None, False),
    (b"hello", None, False),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says", "refuses"), REPLIES, ids=[str(at) for at in range(len(REPLIES))])
def test_a_reply_is_read_for_what_it_says_of_us(data: bytes, says: Says | None, refuses: bool) -> None:
    found = read_reply(data)
    assert (found.says if found is not None else None) is says
    assert (refusal_in(data) is not None) is refuses


def test_headers_that_tell_something_are_kept() -> None:
    date = "Date: Sun, 01 Nov 2026 10:00:00 GMT"
    found = read_reply(http(401, "", "Server: nginx/1.22.1", date, "WWW-Authenticate: Bearer", "X: y"))
    assert found is not None
    assert (found.status, found.server, found.login) == (401, "nginx/1.22.1", "Bearer")
    assert found.date == datetime(2026, 11, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("date", ["yesterday", "", "Sun, 99 Nov 99999999 10:00:00 GMT"])
def test_a_date_that_is_none_is_left_out(date: str) -> None:
    found = read_reply(http(403, "", f"Date: {date}"))
    assert found is not None and found.date is None


def test_no_more_than_the_first_16_kib_are_looked_at() -> None:
    """RFC 9110 sets no bound on a body."""
    assert refusal_in(http(400, " " * (LOOKED_AT - 200) + "The SSL certificate error"))
    assert not refusal_in(http(400, " " * LOOKED_AT + "The SSL certificate error"))
