"""How a client requests TLS of databases: PostgreSQL with a message of eight bytes, MySQL within its greeting."""

from __future__ import annotations

from bothways.starttls.talk import MESSAGE_LIMIT, Talk, Wait

SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # SSLRequest: the protocol version 1234.5679

PROTOCOL_41, CLIENT_SSL, SECURE_CONNECTION = 0x0200, 0x0800, 0x8000
UTF8 = 33
PACKET = 16 * 1024 * 1024


def postgres(talk: Talk, _name: str) -> Wait[None]:
    """PostgreSQL 55.2.10 ("SSL Session Encryption"): one byte answers, and nothing may follow it (CVE-2021-23222)."""
    talk.send(SSL_REQUEST)
    answer = yield from talk.read_exactly(1)
    if answer == b"N":
        talk.not_offered(b"N")
    if answer == b"E":
        words = yield from _error_of_postgres(talk)
        talk.not_accepted(words)
    if answer != b"S":
        talk.other_protocol(answer)


def _error_of_postgres(talk: Talk) -> Wait[bytes]:
    """Read an ErrorResponse (55.7), sent by old and by overloaded servers: its message and code."""
    length = int.from_bytes((yield from talk.read_exactly(4)), "big")
    if not 5 <= length <= MESSAGE_LIMIT:  # before version 3 of the protocol it was only text
        talk.not_accepted(length.to_bytes(4, "big") + talk.unread())
    fields = (yield from talk.read_exactly(length - 4)).split(b"\0")
    message, code = (next((each[1:] for each in fields if each[:1] == name), b"") for name in (b"M", b"C"))
    return message + b" (" + code + b")" if code else message


def mysql(talk: Talk, _name: str) -> Wait[None]:
    """Protocol::HandshakeV10 and Protocol::SSLRequest: TLS starts immediately after our request."""
    head = yield from talk.read_exactly(5)
    length = int.from_bytes(head[:3], "little")
    if (
        head[3:] not in (b"\0\x0a", b"\0\xff") or not length
    ):  # packet number 0; version 10 of the greeting, or an error
        talk.other_protocol(head)
    packet = yield from talk.read_exactly(length - 1, MESSAGE_LIMIT)
    if head[4] == 0xFF:
        talk.not_accepted(packet[2:])  # after the error number, for example that our host is blocked
    version, end, rest = packet.partition(b"\0")
    if not end or len(rest) < 15:
        talk.malformed("a greeting that ends too early", version)
    if not int.from_bytes(rest[13:15], "little") & CLIENT_SSL:
        talk.not_offered(version)
    flags = PROTOCOL_41 | CLIENT_SSL | SECURE_CONNECTION
    request = flags.to_bytes(4, "little") + PACKET.to_bytes(4, "little") + bytes((UTF8,)) + bytes(23)
    talk.send(len(request).to_bytes(3, "little") + b"\1" + request)
