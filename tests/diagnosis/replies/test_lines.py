"""What services that speak in lines say of us is read from their texts, or from their codes where these say nothing."""

from __future__ import annotations

import pytest

from bothways.diagnosis import refusal_in
from bothways.diagnosis.replies.lines import LINES_LOOKED_AT, error_line, read_lines
from bothways.diagnosis.replies.texts import Meaning

REPLIES: list[tuple[bytes, Meaning | None, bool]] = [
    (b"331 Please specify the password.\r\n530 Login incorrect.\r\n", Meaning.LOGIN, True),
    (b"-CLUSTERDOWN Hash slot not served\r\n", Meaning.BUSY, True),
    (b"-BUSY Redis is busy running a script.\r\n", Meaning.BUSY, True),
    (b"-MOVED 3999 127.0.0.1:6381\r\n", Meaning.ELSEWHERE, True),
    (b"-READONLY You can't write against a read only replica.\r\n", Meaning.ELSEWHERE, True),
    (b"-NOAUTH Authentication required.\r\n", Meaning.LOGIN, True),
    (b"-DENIED Redis is running in protected mode", Meaning.FORBIDDEN, True),
    (b"-ERR max number of clients reached\r\n", Meaning.BUSY, True),
    (b"-ERR unknown command\r\n", None, False),
    (b"$31\r\n-NOAUTH Authentication required\r\n", None, False),
    (b"$5\r\nhello\r\n-NOPERM this user has no permissions\r\n", Meaning.FORBIDDEN, True),
    (b"*2\r\n$2\r\nab\r\n$4\r\n-BYE\r\n", None, False),
    (b"$99999\r\n-NOAUTH", None, False),
    (b"* 1 FETCH (BODY[] {16}\r\n* BYE overloaded\r\n)\r\na OK\r\n", None, False),
    (b"+OK 9 octets\r\n-- \r\n- not allowed\r\n.\r\n", None, False),
    (b"-NOREPLICAS Not enough good replicas to write.\r\n", Meaning.BUSY, True),
    (b"+PONG\r\n-MISCONF Redis is configured to save RDB snapshots\r\n", Meaning.UNWILLING, True),
    (b"CLIENT_ERROR unauthenticated\r\n", Meaning.LOGIN, True),
    (b"SERVER_ERROR out of memory storing object\r\n", Meaning.BUSY, True),
    (b"INFO {}\r\n-ERR 'Authorization Violation'\r\n", Meaning.LOGIN, True),
    (b"a NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", Meaning.LOGIN, True),
    (b"* BYE Client didn't present valid SSL certificate\r\n", Meaning.CERTIFICATE_WANTED, True),
    (b"* BYE Disconnected for inactivity.\r\n", Meaning.NO_REQUEST, False),
    (b"a NO [LIMIT] exceeded\r\n", Meaning.BUSY, True),
    (b"-ERR [IN-USE] locked\r\n", Meaning.BUSY, True),
    (b"530 Sorry, the maximum number of users is reached\r\n", Meaning.BUSY, True),
    (b"530 Maximum login limit has been reached.\r\n", Meaning.BUSY, True),
    (b"554 5.7.0 Too many unauthenticated connections from your host\r\n", Meaning.BUSY, True),
    (b"554 Connection limit exceeded\r\n", Meaning.BUSY, True),
    (b"ERROR :Closing Link: [192.0.2.1] (Bad password)\r\n", Meaning.LOGIN, True),
    (b"* BYE Too many connections\r\n", Meaning.BUSY, True),
    (b"* OK ready\r\na NO [AUTHENTICATIONFAILED] Authentication failed.\r\n", Meaning.LOGIN, True),
    (b"* OK\r\n" * LINES_LOOKED_AT + b"a NO [AUTHENTICATIONFAILED] no.\r\n", None, False),
    (b"* OK too many cooks\r\n", None, False),
    (b"220 mx ESMTP\r\n530 5.7.0 Authentication required\r\n", Meaning.LOGIN, True),
    (b"220 mx ESMTP\r\n250 mx\r\n", None, False),
    (b"220 mx\r\n454 4.7.0 TLS client certificate required\r\n", Meaning.CERTIFICATE_WANTED, True),
    (b"421 4.3.2 mx closing\r\n", Meaning.BUSY, True),
    (b"554 5.7.1 <x[1.2.3.4]>: Client host rejected: Access denied\r\n", Meaning.FORBIDDEN, True),
    (b"554 no\r\n", Meaning.FORBIDDEN, True),
    (b"550 HELO name is not acceptable\r\n503 HELO or EHLO required\r\n", Meaning.SHUT_OUT, True),
    (b"220 mx ESMTP\r\n550 we know nobody there\r\n", Meaning.SHUT_OUT, True),
    (b"250-mx\r\n250 HELP\r\n250 OK\r\n550 Unknown user\r\n", Meaning.UNWILLING, True),
    (b"250 mx\r\n550 5.1.1 <b@x>: Recipient address rejected\r\n", Meaning.UNWILLING, True),
    (b"a NO [NONEXISTENT] Unknown mailbox\r\n", None, False),
    (b"250 mx\r\n550 5.7.23 SPF check failed\r\n", Meaning.SHUT_OUT, True),
    (b"250 mx\r\n552 5.2.2 mailbox is over its quota\r\n", Meaning.UNWILLING, True),
    (b"250 mx\r\n455 4.3.0 not now\r\n", Meaning.BUSY, True),
    (b"250 mx\r\n550 relay not permitted\r\n", Meaning.FORBIDDEN, True),
    (b"250 mx\r\n502 not implemented\r\n", None, False),
    (b"503 sender not yet given\r\n", None, False),
    (b"230 Login successful.\r\n550 Failed to open file.\r\n", None, False),
    (b"480 Authentication required for command\r\n", Meaning.LOGIN, True),
    (b'NO "Authentication failed."\r\n', Meaning.LOGIN, True),
    (b":irc.example NOTICE * :wait\r\n:irc.example 465 ada :You are banned\r\n", Meaning.FORBIDDEN, True),
    (b":irc.example 464 ada :Password incorrect\r\n", Meaning.LOGIN, True),
    (b":irc.example 433 * ada :Nickname is already in use\r\n", None, False),
    (b"ERROR\nmessage:Bad CONNECT\n\nclient certificate has expired\n\0", Meaning.CERTIFICATE_EXPIRED, True),
    (b"ERROR\nmessage:Bad CONNECT\ncontent-length:35\n\nAccess refused for user 'guest'\n\0", Meaning.LOGIN, True),
    (b"CONNECTED\nversion:1.2\n\n\0\nERROR\nmessage:access_refused\n\nrefused for ada\n\0", Meaning.FORBIDDEN, True),
    (b"ERROR\r\nmessage:No such destination\r\n\r\n\0", Meaning.UNWILLING, True),
    (b"ERROR\n\n\0", Meaning.UNWILLING, True),
    (b"CONNECTED\nversion:1.2\n\n\0", None, False),
    (b"ERROR\r\n", None, False),
    (b"ERROR\r\nSTORED\r\n", None, False),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says", "refuses"), REPLIES, ids=[str(at) for at in range(len(REPLIES))])
def test_a_line_is_read_for_what_it_says_of_us(data: bytes, says: Meaning | None, refuses: bool) -> None:
    found = read_lines(data)
    assert (found.meaning if found is not None else None) is says
    assert (refusal_in(data) is not None) is refuses


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"+PONG\r\n-ERR unknown command\r\n", "-ERR unknown command"),
        (b"250 mx\r\n502 not implemented\r\n", "502 not implemented"),
        (b"250 mx\r\n", None),
        (b"\x16\3\3\r\n-ERR no\r\n", None),
        (b"* OK\r\n" * LINES_LOOKED_AT + b"-ERR no\r\n", None),
    ],
)
def test_the_first_line_that_says_no_is_found_whatever_it_is_about(data: bytes, line: str | None) -> None:
    assert error_line(data) == line
