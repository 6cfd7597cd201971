"""Whole records, and what is none: RFC 9846 5.1."""

from __future__ import annotations

import ssl

import pytest

from bothways.adapters.records import BIORecords, SocketRecords, record_size

ONE = b"\x17\x03\x03\x00\x05hello"
TWO = b"\x16\x03\x01\x00\x03abc"
FOREIGN = b"GET / HTTP/1.1\r\n\r\n"


def bio(data: bytes, end: bool = False) -> ssl.MemoryBIO:
    made = ssl.MemoryBIO()
    made.write(data)
    if end:
        made.write_eof()
    return made


def test_one_record_is_taken_and_the_rest_stays_to_be_seen() -> None:
    """Event loops ask `pending` whether anything is left, and would wait for ever."""
    incoming = bio(ONE + TWO)
    records = BIORecords(incoming)
    assert records.take() == ONE
    assert incoming.pending == len(TWO)
    assert (records.take(), records.take()) == (TWO, b"")


CLEAR, CHANGE, SEALED = b"\x16\x03\x03\x00\x03abc", b"\x14\x03\x03\x00\x01\x01", ONE


@pytest.mark.parametrize(
    ("taken", "left"),
    [
        ([CLEAR, CHANGE, SEALED], [SEALED]),  # a server of TLS 1.3: data may follow its Finished
        ([CHANGE, SEALED], [SEALED]),  # a client of TLS 1.3
        ([CLEAR, CLEAR, CHANGE, CLEAR], [SEALED]),  # TLS 1.2: a ticket, and a Finished behind the change
        ([CLEAR, CHANGE], []),  # a HelloRetryRequest
        ([CLEAR], [SEALED]),
        ([SEALED], [SEALED]),
        ([CHANGE, FOREIGN], []),
    ],
)
def test_of_a_handshake_all_is_taken_but_what_may_be_data(taken: list[bytes], left: list[bytes]) -> None:
    """Event loops ask `pending` whether anything is left."""
    incoming = bio(b"".join(taken + left))
    records = BIORecords(incoming)
    assert records.take_flight() == b"".join(taken)
    assert bool(incoming.pending) == bool(left)
    assert [records.take() for _ in left] == left


def test_a_handshake_waits_for_the_rest_of_its_record() -> None:
    incoming = bio(CLEAR + CLEAR[:-1])
    records = BIORecords(incoming)
    assert (records.take_flight(), records.take_flight()) == (CLEAR, b"")
    incoming.write(CLEAR[-1:])
    assert records.take_flight() == CLEAR


def test_the_rest_of_a_handshake_is_taken_at_the_end_of_file() -> None:
    records = BIORecords(bio(CLEAR + CLEAR[:-1], end=True))
    assert records.take_flight() == CLEAR + CLEAR[:-1]
    assert (records.take_flight(), records.at_end) == (b"", True)


def read(data: bytes) -> list[bytes]:
    """What a socket's records are when these bytes come."""
    records, found, at = SocketRecords(), [], 0
    while at < len(data):
        piece = data[at : at + records.wanted]
        at += len(piece)
        if record := records.put(piece):
            found.append(record)
    return [*found, records.rest()]


@pytest.mark.parametrize("at", range(1, len(ONE)))
def test_a_record_that_comes_in_parts_is_taken_when_it_is_whole(at: int) -> None:
    incoming = bio(ONE[:at])
    records = BIORecords(incoming)
    assert records.take() == b""
    incoming.write(ONE[at:] + TWO)
    assert (records.take(), records.take()) == (ONE, TWO)


def test_of_a_socket_no_more_is_read_than_one_record_needs() -> None:
    """Who waits until the socket is readable would not see what was read ahead: paho does."""
    assert read(ONE + TWO + ONE[:7]) == [ONE, TWO, ONE[:7]]
    records = SocketRecords()
    assert records.wanted == 5
    assert records.put(ONE[:3]) == b""
    assert records.wanted == 2
    assert records.put(ONE[3:5]) == b""
    assert records.wanted == 5
    assert records.put(ONE[5:]) == ONE


@pytest.mark.parametrize("data", [FOREIGN, b"G", b"\x80\x2e\x01", b"\x17\x03\x03\xff\xffhello"])
def test_bytes_that_are_no_record_are_passed_on_at_once(data: bytes) -> None:
    """Nobody waits for the rest of what says that it is no TLS."""
    assert BIORecords(bio(data)).take() == data
    assert b"".join(read(data)) == data
    assert read(data)[0] == data[:5]


def test_the_end_hands_out_what_there_is_of_a_record() -> None:
    incoming = bio(ONE[:7], end=True)
    records = BIORecords(incoming)
    assert not records.at_end
    assert records.take() == ONE[:7]
    assert records.at_end


def test_the_size_of_a_record_is_known_from_its_header() -> None:
    assert [record_size(ONE[:n]) for n in (0, 4, 5, 10)] == [0, 0, 10, 10]
    assert record_size(b"xx" + TWO, 2) == len(TWO)
    assert record_size(b"\x17\x03\x03\x48\x01") is None
