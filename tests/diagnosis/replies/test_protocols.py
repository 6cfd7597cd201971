"""What services that speak no HTTP say of us is read from their codes, and from their texts where these tell more."""

from __future__ import annotations

import pytest

from bothways.diagnosis import refusal_in
from bothways.diagnosis.replies.protocols import MESSAGES_LOOKED_AT, read_protocols
from bothways.diagnosis.replies.texts import Meaning


def of_postgresql(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4, "big") + body


def postgresql(code: str, message: str, severity: str = "FATAL") -> bytes:
    return of_postgresql(b"E", f"S{severity}\0V{severity}\0C{code}\0M{message}\0\0".encode())


OK = of_postgresql(b"R", bytes(4))  # AuthenticationOk
SASL = of_postgresql(b"R", b"\0\0\0\x0aSCRAM-SHA-256\0\0")
STATUS = of_postgresql(b"S", b"TimeZone\0UTC\0")
READY = of_postgresql(b"Z", b"I")


def mysql(code: int, text: str, state: str = "#28000") -> bytes:
    body = b"\xff" + code.to_bytes(2, "little") + f"{state}{text}".encode()
    return len(body).to_bytes(3, "little") + b"\x02" + body


MYSQL_OK = b"\x07\0\0\x04\0\0\0\x02\0\0\0"
MYSQL_SWITCH = b"\x1b\0\0\x03\xfemysql_native_password\0abcd"


def ldap(code: int, text: str = "", tag: int = 0x61) -> bytes:
    body = bytes((10, 1, code, 4, 0, 4, len(text))) + text.encode()
    message = b"\x02\x01\x01" + bytes((tag, len(body))) + body
    return b"\x30" + bytes((len(message),)) + message


ACCEPTED = b"\x20\x03\0\0\0"


def amqp_start() -> bytes:
    body = b"\0\x0a\0\x0a\0\x09" + bytes(40)
    return b"\x01\0\0" + len(body).to_bytes(4, "big") + body + b"\xce"


def amqp(code: int, text: str, method: bytes = b"\0\x0a\0\x32") -> bytes:
    body = method + code.to_bytes(2, "big") + bytes((len(text),)) + text.encode()
    return b"\x01\0\0" + len(body).to_bytes(4, "big") + body + b"\xce"


REPLIES: list[tuple[bytes, Meaning | None, bool]] = [
    (postgresql("28000", "connection requires a valid client certificate"), Meaning.CERTIFICATE_WANTED, True),
    (postgresql("28000", 'no pg_hba.conf entry for host "::1", user "ada", SSL encryption'), Meaning.FORBIDDEN, True),
    (postgresql("28000", 'certificate authentication failed for user "ada"'), Meaning.FORBIDDEN, True),
    (postgresql("28000", 'la autentificación de certificado falló'), Meaning.FORBIDDEN, True),
    (postgresql("28P01", 'password authentication failed for user "ada"'), Meaning.LOGIN, True),
    (postgresql("53300", "sorry, too many clients already"), Meaning.BUSY, True),
    (postgresql("57P03", "the database system is starting up"), Meaning.BUSY, True),
    (postgresql("42P01", "no such table", "ERROR"), None, False),
    (postgresql("08P01", "no more connections allowed (max_client_conn)"), Meaning.BUSY, True),
    (postgresql("08P01", "query_wait_timeout"), Meaning.NO_BACKEND, True),
    (postgresql("08P01", "no such database: x"), Meaning.UNWILLING, True),
    (OK + READY + postgresql("XX000", "unheard of"), Meaning.UNWILLING, True),
    (OK + STATUS + postgresql("53300", "remaining connection slots are reserved"), Meaning.BUSY, True),
    (OK + postgresql("3D000", 'database "x" does not exist'), Meaning.UNWILLING, True),
    (OK + postgresql("42501", 'permission denied for database "x"'), Meaning.FORBIDDEN, True),
    (OK + STATUS * 14 + READY + postgresql("42501", "permission denied for table t", "ERROR"), None, False),
    (OK + READY + postgresql("57P01", "terminating connection due to administrator command"), Meaning.BUSY, True),
    (OK + STATUS * MESSAGES_LOOKED_AT + postgresql("28000", "no"), None, False),
    (SASL, Meaning.LOGIN, True),
    (SASL + OK + STATUS, None, False),
    (SASL + postgresql("28P01", "password authentication failed"), Meaning.LOGIN, True),
    (b"SSH-2.0-OpenSSH_9.2\r\n", None, False),
    (b"R\0\0\0\x03" + postgresql("28000", "no"), None, False),
    (mysql(2, "x")[:4] + b"\x0a5.5" + mysql(1045, "Access denied"), None, False),
    (b"\x01\0\0\x00\x01" + mysql(1045, "Access denied for user 'ada'@'x'"), Meaning.DENIED, True),
    (mysql(1045, "Access denied for user 'ada'@'x'"), Meaning.DENIED, True),
    (mysql(1040, "Too many connections", "#08004"), Meaning.BUSY, True),
    (mysql(1135, "Can't create a new thread", "#HY000"), Meaning.BUSY, True),
    (mysql(1130, "Host '1.2.3.4' is not allowed to connect to this MariaDB server", ""), Meaning.FORBIDDEN, True),
    (MYSQL_OK + mysql(1146, "Table 'x' doesn't exist", "#42S02"), None, False),
    (mysql(1049, "Unknown database 'x'", "#42000"), Meaning.UNWILLING, True),
    (mysql(9001, "Max connect timeout reached while reaching hostgroup 1", "#HY000"), Meaning.NO_BACKEND, True),
    (MYSQL_SWITCH, Meaning.LOGIN, True),
    (MYSQL_SWITCH + MYSQL_OK, None, False),
    (ldap(49), Meaning.LOGIN, True),
    (ldap(50), Meaning.FORBIDDEN, True),
    (ldap(8), Meaning.CERTIFICATE_WANTED, True),
    (ldap(48), Meaning.LOGIN, True),
    (ldap(53), Meaning.UNWILLING, True),
    (ldap(53, "authentication required"), Meaning.LOGIN, True),
    (ldap(53, "unauthenticated bind (DN with no password) disallowed"), Meaning.LOGIN, True),
    (ldap(53, "no global superior knowledge"), Meaning.UNWILLING, True),
    (ldap(51), Meaning.BUSY, True),
    (ldap(52, tag=0x78), Meaning.BUSY, True),
    (ldap(0), None, False),
    (ldap(0) + ldap(50, tag=0x65), Meaning.FORBIDDEN, True),
    *((ldap(50, tag=tag), Meaning.FORBIDDEN, True) for tag in (0x67, 0x69, 0x6B, 0x6D, 0x6F)),
    (ldap(8, "modifications require authentication", tag=0x6B), Meaning.LOGIN, True),
    (ldap(50, tag=0x64), None, False),
    (ldap(34, "invalid DN"), Meaning.UNWILLING, True),
    (ldap(14), None, False),
    (ldap(32, tag=0x65), None, False),
    (ldap(49, "client certificate has expired"), Meaning.CERTIFICATE_EXPIRED, True),
    (b"\x30\x84\0\0\0\x10\x02\x01\x01\x61\x84\0\0\0\x07\x0a\x01\x31\x04\0\x04\0", Meaning.LOGIN, True),
    (b"\x30\x85", None, False),
    (b"\x20\x02\x00\x05", Meaning.NOT_AUTHORIZED, True),
    (b"\x20\x02\x00\x04", Meaning.LOGIN, True),
    (b"\x20\x02\x00\x03", Meaning.BUSY, True),
    (b"\x20\x02\x00\x02", Meaning.UNWILLING, True),
    (b"\x20\x02\x00\x63", Meaning.UNWILLING, True),
    (ACCEPTED + b"\x40\x04\0\1\x87\0", Meaning.FORBIDDEN, True),
    (ACCEPTED + b"\x40\x02\0\1", None, False),
    (ACCEPTED + b"\x40\x04\0\1\x10\0", None, False),
    (ACCEPTED + b"\x90\x04\0\1\0\x87", Meaning.FORBIDDEN, True),
    (b"\x20\x02\0\0\x90\x04\0\1\0\x80", Meaning.FORBIDDEN, True),
    (b"\x20\x02\0\0\x90\x03\0\1\1", None, False),
    (b"\x20\x02\0\0\x90\x02\0\1", None, False),
    (b"\x20\x03\x00\x8a\0", Meaning.FORBIDDEN, True),
    (b"\x20\x02\x00\x00", None, False),
    (b"\x20\x19\x00\x87\x16\x1f\0\x13certificate expired", Meaning.CERTIFICATE_EXPIRED, True),
    (b"\x20\x02\x00\x00\xe0\x02\x87\x00", Meaning.NOT_AUTHORIZED, True),
    (b"\x20\x02\x00\x00\xe0\x00", None, False),
    (b"\x20\x83\x01\x00\x87" + bytes(200), Meaning.NOT_AUTHORIZED, True),
    (b"\x20\xff\xff\xff\x7f\x87", None, False),
    (amqp_start() + amqp(403, "ACCESS_REFUSED"), Meaning.LOGIN, True),
    (amqp(403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN"), Meaning.LOGIN, True),
    (amqp(530, "NOT_ALLOWED - access to vhost '/' refused"), Meaning.FORBIDDEN, True),
    (amqp(200, "bye"), None, False),
    (amqp(501, "FRAME_ERROR"), Meaning.UNWILLING, True),
    (amqp_start() + amqp(403, "ACCESS_REFUSED - access to queue", b"\0\x14\0\x28"), Meaning.FORBIDDEN, True),
    (b"AMQP\0\0\x09\x01", Meaning.UNWILLING, True),
    (b"AMQP\3\1\0\0" + bytes(8) + b"\0\x53\x44\xc0\x03\x01\x50\x01", Meaning.LOGIN, True),
    (b"AMQP\3\1\0\0" + bytes(8) + b"\0\x53\x44\xc0\x03\x01\x50\x00", None, False),
    (b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>", Meaning.LOGIN, True),
    (b"<?xml version='1.0'?><stream:stream><stream:error><host-unknown xmlns='x'/>", Meaning.NO_SUCH_HOST, True),
    (b"<stream:stream><stream:features/>", None, False),
    (b"<stream:stream><stream:error><see-other-host xmlns='x'>a</see-other-host>", Meaning.ELSEWHERE, True),
    (b"<stream:stream><stream:error><internal-server-error/>", Meaning.FAILED, True),
    (b"<failure><not-authorized/><text xml:lang='en'>certificate expired</text>", Meaning.CERTIFICATE_EXPIRED, True),
    (b'"IMPLEMENTATION" "x"\r\nOK\r\nBYE "Too many connections."\r\n', Meaning.BUSY, True),
    (b"", None, False),
    (b"hello", None, False),
]  # fmt: skip


@pytest.mark.parametrize(("data", "says", "refuses"), REPLIES, ids=[str(at) for at in range(len(REPLIES))])
def test_a_reply_is_read_for_what_it_says_of_us(data: bytes, says: Meaning | None, refuses: bool) -> None:
    found = read_protocols(data)
    assert (found.meaning if found is not None else None) is says
    assert (refusal_in(data) is not None) is refuses


@pytest.mark.parametrize("length", [31, 36, 90, 100])
def test_no_length_is_read_as_a_letter_of_what_is_said(length: int) -> None:
    """36 is the code of the dollar sign, and 90 that of Z."""
    said = "x" * (length - 1) + "."
    found = read_protocols(ldap(8, said))
    assert found is not None and found.text == f"LDAP result 8, strongerAuthRequired: {said}"
    receive_maximum, reason = b"\x21AA", b"\x1f\0" + bytes((length,)) + said.encode()
    size = len(receive_maximum + reason)
    properties = (
        (bytes((size,)) if size < 128 else bytes((size & 127 | 128, size >> 7))) + receive_maximum + reason
    )
    packet = b"\0\x87" + properties
    head = bytes((len(packet),)) if len(packet) < 128 else bytes((len(packet) & 127 | 128, len(packet) >> 7))
    told = read_protocols(b"\x20" + head + packet)
    assert told is not None and told.text == f"MQTT refused the connection: not authorized: {said}"


def test_a_message_that_is_cut_says_what_came_of_it() -> None:
    whole = ldap(8, "modifications require authentication")
    found = read_protocols(whole[:-8])
    assert found is not None and found.text.endswith("modifications require authen")
    assert read_protocols(whole[:13]) is not None
