"""Records out of bytes: in pieces of any size, with limits, and a word on what is no TLS."""

from __future__ import annotations

import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.faults import Blame, Fault
from bothways.iana import ContentType
from bothways.tls.record.framing import HEADER_SIZE, PLAINTEXT_LIMIT, PROTECTED_LIMIT, SHORT, Framing, guess
from bothways.tls.record.protocol_guess import LOOKED_AT
from faults import blames

ALERT, HANDSHAKE, DATA = ContentType.alert, ContentType.handshake, ContentType.application_data


def record(content_type: int, body: bytes, version: int = 0x0303) -> bytes:
    return bytes([content_type]) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def drained(framing: Framing) -> list[bytes]:
    records = []
    while (framed := framing.next()) is not None:
        header, body = framed
        records.append(header + bytes(body))
    return records


RECORDS = [
    record(HANDSHAKE, b"hello", 0x0301),
    record(ContentType.change_cipher_spec, b"\1"),
    record(DATA, b"x" * 300),
    record(DATA, b""),
    record(ALERT, b"\1\0"),
]


@pytest.mark.parametrize("size", range(1, 40))
def test_pieces_of_any_size_give_the_same_records(size: int) -> None:
    """RFC 9846 5.1: records have nothing to do with the pieces in which they arrive."""
    stream = b"".join(RECORDS)
    framing = Framing()
    records = []
    for at in range(0, len(stream), size):
        framing.feed(stream[at : at + size])
        records += drained(framing)
    assert records == RECORDS
    assert framing.buffered == 0


def test_every_split_in_two_gives_the_same_records() -> None:
    """RFC 9846 5.1."""
    stream = b"".join(RECORDS)
    for at in range(len(stream) + 1):
        framing = Framing()
        framing.feed(stream[:at])
        records = drained(framing)
        framing.feed(stream[at:])
        assert records + drained(framing) == RECORDS


@given(st.lists(st.binary(max_size=400), max_size=8), st.lists(st.integers(0, 500)), st.booleans())
def test_any_feeding_gives_the_records_in_order(bodies: list[bytes], sizes: list[int], at_once: bool) -> None:
    """RFC 9846 5.1: also when several feeds come before anybody asks."""
    records = [record(DATA, body) for body in bodies]
    stream = b"".join(records)
    framing = Framing()
    seen = []
    for size in [*sizes, len(stream)]:
        framing.feed(bytearray(stream[:size]))
        stream = stream[size:]
        if not at_once:
            seen += drained(framing)
    assert seen + drained(framing) == records


def test_bytes_that_were_not_handed_out_are_counted() -> None:
    """Whoever feeds can tell when to stop."""
    framing = Framing()
    assert framing.buffered == 0
    framing.feed(RECORDS[0] + RECORDS[1][:3])
    assert framing.buffered == len(RECORDS[0]) + 3
    framing.next()
    assert framing.buffered == 3
    framing.feed(RECORDS[1][3:])
    assert framing.buffered == len(RECORDS[1])
    assert len(drained(framing)) == 1
    assert framing.buffered == 0


def test_the_middle_of_a_record_is_told_from_a_few_bytes_of_whatever() -> None:
    framing = Framing()
    framing.feed(b"ok?")
    assert framing.next() is None and not framing.in_record
    framing = Framing()
    for piece, began in ((b"\x16\3", False), (b"\3\0\2a", True), (b"b", False), (b"\x17", True)):
        framing.feed(piece)
        drained(framing)
        assert framing.in_record is began


def test_nothing_is_kept_of_what_was_handed_out() -> None:
    """An idle connection holds no buffer."""
    framing, data = Framing(), record(DATA, bytes(PLAINTEXT_LIMIT))
    held_by = sys.getrefcount(data)
    framing.feed(data)
    assert framing.next() is not None
    assert sys.getrefcount(data) > held_by
    assert framing.next() is None
    assert sys.getrefcount(data) == held_by


def test_a_record_as_long_as_allowed_is_taken() -> None:
    """RFC 9846 5.1, 5.2: 2^14 bytes, and 256 more when protected."""
    framing = Framing()
    for content_type, limit in ((HANDSHAKE, PLAINTEXT_LIMIT), (DATA, PROTECTED_LIMIT), (DATA, 0)):
        framing.feed(record(content_type, bytes(limit)))
        assert [len(each) - 5 for each in drained(framing)] == [limit]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(
    ("content_type", "length", "limit"),
    [
        (HANDSHAKE, PLAINTEXT_LIMIT + 1, PLAINTEXT_LIMIT),
        (ALERT, 0xFFFF, PLAINTEXT_LIMIT),
        (DATA, PROTECTED_LIMIT + 1, PROTECTED_LIMIT),
        (DATA, 0xFFFF, PROTECTED_LIMIT),
    ],
)
def test_a_longer_record_is_refused_by_its_header(
    content_type: int, length: int, limit: int, whole: bool, first: bool
) -> None:
    """RFC 9846 5.1, 5.2: record_overflow, before the body is waited for."""
    framing = Framing()
    if not first:
        framing.feed(RECORDS[0])
        assert len(drained(framing)) == 1
    framing.feed(record(content_type, bytes(length))[: None if whole else 5])
    with blames(Fault.RECORD_TOO_LONG, length=length, limit=limit):
        framing.next()


def test_limits_can_be_those_of_tls_1_2() -> None:
    """RFC 5246 6.2.3: 2^14 + 2048 for every type once keys are in use."""
    framing = Framing()
    framing.plain_limit = framing.protected_limit = PLAINTEXT_LIMIT + 2048
    framing.feed(record(HANDSHAKE, bytes(PLAINTEXT_LIMIT + 2048)))
    assert len(drained(framing)) == 1
    framing.feed(record(HANDSHAKE, bytes(PLAINTEXT_LIMIT + 2049)))
    with blames(Fault.RECORD_TOO_LONG, limit=PLAINTEXT_LIMIT + 2048):
        framing.next()


@pytest.mark.parametrize("content_type", [0, 19, 24, 255])
@pytest.mark.parametrize("length", [0, 5, 600])
def test_an_unknown_content_type_is_refused(content_type: int, length: int) -> None:
    """RFC 9846 5: unexpected_message."""
    framing = Framing()
    framing.feed(RECORDS[0])
    assert len(drained(framing)) == 1
    unknown = record(content_type, bytes(length))
    framing.feed(unknown)
    with blames(Fault.UNEXPECTED_RECORD, got=f"ContentType {content_type}", begins=unknown[:LOOKED_AT]):
        framing.next()


def test_the_version_of_later_records_is_ignored() -> None:
    """RFC 9846 5.1: legacy_record_version is ignored for all purposes."""
    framing = Framing()
    framing.feed(RECORDS[0] + record(DATA, b"x", 0x0000) + record(DATA, b"y", 0xFFFF))
    assert len(drained(framing)) == 3


STRANGERS = {
    b"GET / HTTP/1.1\r\n\r\n": "an HTTP request",
    b"OPTIONS * HTTP/1.1\r\n\r\n": "an HTTP request",
    b"HTTP/1.1 400 Bad Request\r\n\r\n": "HTTP in the clear",
    b"SSH-2.0-OpenSSH_9.6\r\n": "SSH",
    b"220 mail.example ESMTP\r\n": "STARTTLS",
    b"+OK ready\r\n": "POP3",
    b"* OK IMAP4rev1\r\n": "IMAP",
    b"PROXY TCP4 192.0.2.1": "PROXY protocol",
    bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0"): "SSL 2",
    bytes.fromhex("0000000000"): "another service",
    b"\x16\x04\x00\x00\x01": "another service",
}


@pytest.mark.parametrize(("start", "words"), STRANGERS.items(), ids=lambda value: ascii(value)[:16])
def test_bytes_that_are_not_tls_are_named_by_a_guess(start: bytes, words: str) -> None:
    """RFC 9846 5.1: the first bytes start no record; byte by byte it comes to the same."""
    framing = Framing()
    framing.feed(start)
    with pytest.raises(Blame) as caught:
        framing.next()
    assert caught.value.fault is Fault.NOT_TLS
    assert words in str(caught.value.facts["guess"])
    slowly = Framing()
    for at in range(4):
        slowly.feed(start[at : at + 1])
        assert slowly.next() is None
    slowly.feed(start[4:5])
    with blames(Fault.NOT_TLS, start=start[:5]):
        slowly.next()


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize(
    ("start", "is_strange"),
    [
        (b"", False),
        (b"\x16", False),
        (b"\x16\3\1\0", False),
        (b"\x05\2\0\1", True),
        (b"\xc0\0", True),
        (b"QUIT", True),
        (b"\x16\4", True),
        (b"\r\n\r\n", True),
    ],
)
def test_fewer_bytes_than_a_header_may_be_no_record(start: bytes, is_strange: bool, in_pieces: bool) -> None:
    """As of SOCKS and MQTT: they are told at the end, since nothing more comes."""
    framing = Framing()
    for piece in [start[at : at + 1] for at in range(len(start))] if in_pieces else [start]:
        framing.feed(piece)
        assert framing.next() is None
    found = framing.strange_beginning()
    assert (found is not None) == is_strange
    if found is not None:
        assert (found.fault, found.facts["start"], found.facts["begins"]) == (Fault.NOT_TLS, start, start)


def test_behind_a_first_record_nothing_is_a_strange_beginning() -> None:
    framing = Framing()
    framing.feed(RECORDS[0] + b"\x05")
    assert len(drained(framing)) == 1 and framing.strange_beginning() is None


def test_a_guess_needs_no_more_than_a_header() -> None:
    """Five bytes say enough."""
    assert "HTTP" in guess(b"GET /")
    assert guess(b"abcde") == "it may be another service"


def test_feeding_in_single_bytes_takes_no_quadratic_time() -> None:
    """A record of the longest kind is put together once, however it arrives."""
    joins = 0

    class Counting(Framing):
        def _hold(self, data: bytes, at: int) -> None:
            nonlocal joins
            joins += 1
            super()._hold(data, at)

    framing = Counting()
    stream = record(DATA, bytes(PROTECTED_LIMIT)) * 2
    records = []
    for at in range(len(stream)):
        framing.feed(stream[at : at + 1])
        records += drained(framing)
    assert len(records) == 2
    assert joins < 20


@pytest.mark.parametrize("seed", range(12))
def test_records_come_whole_however_pieces_and_reading_mix(seed: int) -> None:
    """Short pieces and long ones, while nothing is taken and while all is."""
    chance = random.Random(seed)
    sizes = [chance.choice((1, 20, 300, 5000, PLAINTEXT_LIMIT)) for _ in range(60)]
    sent = [record(DATA, chance.randbytes(size)) for size in sizes]
    stream, framing, came = b"".join(sent), Framing(), []
    at = 0
    while at < len(stream):
        size = chance.choice((1, 4, 5, 100, SHORT - 1, SHORT, 20_000, 70_000))
        framing.feed(stream[at : at + size])
        at += size
        for _ in range(chance.choice((0, 0, 1, 100))):
            if (one := framing.next()) is None:
                break
            came.append(one[0] + bytes(one[1]))
        assert framing.buffered == min(at, len(stream)) - sum(map(len, came))
    came += drained(framing)
    assert came == sent and framing.buffered == 0


def test_complete_waiting_records_are_not_copied() -> None:
    """Of a large piece that begins with the rest of a record, that record alone is put together."""
    joined = 0

    class Counting(Framing):
        def _hold(self, data: bytes, at: int) -> None:
            nonlocal joined
            joined += 0 if data is piece else len(data)
            super()._hold(data, at)

    stream = record(DATA, bytes(PLAINTEXT_LIMIT)) * 16
    piece = stream[100:]
    framing = Counting()
    framing.feed(stream[:100])
    assert framing.next() is None
    framing.feed(piece)
    assert len(drained(framing)) == 16
    assert joined <= 100 + len(stream) // 16 + HEADER_SIZE
