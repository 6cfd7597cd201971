"""The two directions: messages into records under the keys of the moment, and out of them one at a time."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from bothways.faults import Fault
from bothways.iana import ContentType
from bothways.roles import Role
from bothways.tls.crypto.suites import SUITES13
from bothways.tls.events import AlertSeen, Epoch, KeysChanged, MessageSeen, Note, Observer, RecordSeen
from bothways.tls.handshake.message_io import (
    CHANGE_CIPHER_SPEC,
    EARLY_DATA_LIMIT,
    EMPTY_RECORD_LIMIT,
    SEALED_AT_ONCE,
    Inbox,
    Outbox,
)
from bothways.tls.record.protection import FRAGMENT_LIMIT, Plaintext, Protection
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.tls13 import EncryptedExtensions, Finished, KeyUpdate
from faults import blames

SUITE = SUITES13[0x1301]
HELLO = EncryptedExtensions(())
FINISHED = Finished(bytes(32))


def keys(secret: bytes = bytes(32)) -> Protection:
    return Protection(SUITE, secret)


def outbox(notes: list[Note] | None = None, padding: int = 0) -> Outbox:
    return Outbox(Role.SERVER, None if notes is None else notes.append, padding)


def inbox(notes: list[Note] | None = None) -> Inbox:
    return Inbox(None if notes is None else notes.append, 64 * 1024)


def everything(box: Inbox) -> list[tuple[int, bytes]]:
    """All messages and records that can be had now."""
    found = []
    while True:
        message = box.message()
        if message is not None:
            found.append(message)
            continue
        record = box.record()
        if record is None:
            return found
        if record[0] != ContentType.handshake:
            found.append(record)


def test_messages_share_a_record_until_the_keys_change() -> None:
    """RFC 9846 5.1: a flight is one record for each key."""
    out = outbox()
    out.put_message(HELLO)
    out.put_message(FINISHED)
    assert out.take() == b""
    out.change_keys(keys(), Epoch.HANDSHAKE)
    first = out.take()
    assert first[:3] == b"\x16\x03\x03"
    assert first[5:] == encode_message(HELLO) + encode_message(FINISHED)
    out.put_message(FINISHED)
    out.flush()
    assert out.take()[:3] == b"\x17\x03\x03"
    assert out.take() == b"" and out.epoch is Epoch.HANDSHAKE


def test_message_after_the_handshake_goes_out_at_once() -> None:
    """RFC 9846 4.7: it waits for no flight."""
    out = outbox()
    out.send_after_handshake(KeyUpdate(0))
    assert out.take()[5:] == encode_message(KeyUpdate(0))


@pytest.mark.parametrize("size", [0, 1, 2**14, SEALED_AT_ONCE, SEALED_AT_ONCE + 1, 3 * SEALED_AT_ONCE])
@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_data_of_any_length_goes_out_in_order(size: int, kind: Callable[[bytes], bytes]) -> None:
    """RFC 9846 5.1: in as many records as it needs."""
    out, box = outbox(), inbox()
    data = random.Random(size).randbytes(size)
    for each in (out, box):
        each.change_keys(keys(), Epoch.APPLICATION)
    out.data(kind(data))
    box.feed(out.take())
    assert b"".join(content for _, content in everything(box)) == data


@pytest.mark.parametrize("limit", [100, FRAGMENT_LIMIT + 1])
@pytest.mark.parametrize("padding", [0, 64])
@pytest.mark.parametrize("observer", [None, lambda note: None])
def test_data_record_by_record_and_in_parts_follows_what_waits(
    padding: int, observer: Observer | None, limit: int
) -> None:
    """The same records as in one piece, also with padding, with an observer, and where they are short."""
    ways = [Outbox(Role.CLIENT, observer, padding) for _ in range(3)]
    for each in ways:
        each.change_keys(keys(), Epoch.APPLICATION)
        each.limit_records(limit)
        each.send_after_handshake(KeyUpdate(0))
    records = bytearray()
    data = bytes(range(256)) * 300
    ways[0].write_data(memoryview(data), records.extend)
    for each in ways[1:]:
        each.data(data)
    assert records == ways[1].take() == b"".join(ways[2].take_parts())
    assert [each.take() for each in ways] == [b"", b"", b""]


def test_fast_path_of_sent_data_does_not_overtake_waiting_messages() -> None:
    """RFC 9846 5.1: neither a message that is gathered nor a record that is ready."""
    out = outbox()
    assert out.seal_data(b"x") is None, "there are no keys"
    out.change_keys(keys(), Epoch.APPLICATION)
    assert out.seal_data(b"x") == keys().seal(23, b"x")
    out.put_message(KeyUpdate(0))
    assert out.seal_data(b"x") is None
    out.flush()
    assert out.seal_data(b"x") is None
    out.take()
    assert out.seal_data(b"x") is not None


def test_fast_path_of_sending_is_not_used_with_an_observer_or_padding() -> None:
    """An observer sees every record, and each is padded (RFC 9846 5.4)."""
    for out in (outbox([]), outbox(padding=64)):
        out.change_keys(keys(), Epoch.APPLICATION)
        assert out.seal_data(b"x") is None


def test_encoded_messages_and_records_are_sent_unchanged() -> None:
    """Messages that are encoded share the flight's record, and records follow it as they are."""
    out = outbox()
    out.put_encoded(b"one")
    out.put_message(HELLO)
    out.flush()
    out.put_records(b"two")
    assert out.take()[5:] == b"one" + encode_message(HELLO) + b"two"


def test_change_cipher_spec_goes_out_once_between_records() -> None:
    """RFC 9846 E.4: after what is in the flight, and never again."""
    notes: list[Note] = []
    out = outbox(notes)
    out.put_message(HELLO)
    out.change_cipher_spec()
    out.change_cipher_spec()
    wire = out.take()
    assert wire.endswith(CHANGE_CIPHER_SPEC) and wire.count(CHANGE_CIPHER_SPEC) == 1
    assert [type(note) for note in notes] == [MessageSeen, RecordSeen, RecordSeen]


def test_alert_and_data_follow_what_was_said_before() -> None:
    """RFC 9846 6: an alert does not overtake messages."""
    notes: list[Note] = []
    out, box = outbox(notes), inbox()
    out.put_message(HELLO)
    out.alert(1, 90)
    out.change_keys(keys(), Epoch.APPLICATION)
    out.data(b"x" * 20_000)
    box.feed(out.take())
    first = everything_until_protected(box)
    assert [each[0] for each in first] == [8, ContentType.alert]
    assert AlertSeen(True, 1, 90, Epoch.PLAINTEXT) in notes
    assert KeysChanged(True, Epoch.APPLICATION, SUITE.name) in notes


def everything_until_protected(box: Inbox) -> list[tuple[int, bytes]]:
    found = []
    for _ in range(2):
        record = box.record()
        assert record is not None
        if record[0] == ContentType.handshake:
            message = box.message()
            assert message is not None
            found.append(message)
        else:
            found.append(record)
    return found


def test_padding_is_the_multiple_that_was_asked_for() -> None:
    """RFC 9846 5.4."""
    out = outbox(padding=512)
    out.change_keys(keys(), Epoch.APPLICATION)
    out.data(b"x")
    assert len(out.take()) == 5 + 512 + 16


def test_outbox_that_forgets_keeps_what_is_ready_and_no_key() -> None:
    """The alert can still be taken."""
    out = outbox()
    out.change_keys(keys(), Epoch.APPLICATION)
    out.alert(2, 40)
    out.put_message(HELLO)
    out.forget()
    assert isinstance(out.keys, Plaintext)
    assert len(out.take()) == 5 + 2 + 1 + 16
    out.flush()
    assert out.take() == b"", "what was not sealed yet must not go out in the clear"


def test_inbox_hands_out_messages_one_at_a_time() -> None:
    """No record is opened before what was opened is taken."""
    box, out = inbox(), outbox()
    for each in (HELLO, FINISHED):
        out.put_message(each)
    out.flush()
    box.feed(out.take())
    assert box.message() is None
    assert box.record() is not None
    assert box.message() == (8, encode_message(HELLO))
    assert box.message() == (20, encode_message(FINISHED))
    assert box.message() is None and box.record() is None
    assert box.buffered == 0


def test_keys_do_not_change_under_half_a_message() -> None:
    """RFC 9846 5.1: no message may stand across a change of keys."""
    box = inbox()
    box.feed(b"\x16\x03\x03\x00\x05\x08\x00\x00\x02\x00")
    assert everything(box) == []
    with blames(Fault.MESSAGE_SPANS_KEY_CHANGE):
        box.change_keys(keys(), Epoch.HANDSHAKE)


def test_alert_in_the_clear_counts_until_a_record_has_opened() -> None:
    """RFC 9846 A.1: the peer may not have got as far as these keys."""
    sealed = keys().seal(ContentType.handshake, encode_message(HELLO))
    alert = b"\x15\x03\x03\x00\x02\x02\x28"
    box = inbox()
    box.change_keys(keys(), Epoch.HANDSHAKE)
    box.feed(alert)
    assert everything(box) == [(ContentType.alert, b"\x02\x28")]
    box.feed(sealed + alert)
    with blames(Fault.UNPROTECTED_RECORD, got="alert"):
        everything(box)
    later = inbox()
    later.change_keys(keys(), Epoch.APPLICATION)
    later.feed(alert)
    with blames(Fault.UNPROTECTED_RECORD, got="alert"):
        everything(later)


def test_early_data_is_skipped_before_and_under_keys_up_to_its_limit() -> None:
    """RFC 9846 4.3.10: what does not open is early data, until something opens or the limit is reached."""
    early = b"\x17\x03\x03\x10\x00" + bytes(4096)
    box = inbox()
    box.early_data_left = EARLY_DATA_LIMIT
    box.feed(early)
    assert everything(box) == []
    box.change_keys(keys(), Epoch.HANDSHAKE)
    box.feed(early + keys().seal(ContentType.handshake, encode_message(HELLO)))
    assert [each[0] for each in everything(box)] == [8]
    box.feed(early)
    with blames(Fault.BAD_RECORD):
        everything(box)
    limited = inbox()
    limited.early_data_left = 5000
    limited.feed(early * 2)
    with blames(Fault.EARLY_DATA, limit=EARLY_DATA_LIMIT):
        everything(limited)


@pytest.mark.parametrize("size", [0, 1, 16])
def test_records_of_early_data_count_as_much_as_the_shortest_that_is_one(size: int) -> None:
    """CPU: each is tried, whatever its size, and none is shorter than a content type and a tag."""
    box = inbox()
    box.early_data_left = 11 * 17 - 1
    early = b"\x17\x03\x03\x00" + bytes((size,)) + bytes(size)
    box.feed(early * 10)
    assert everything(box) == []
    box.feed(early)
    with blames(Fault.EARLY_DATA):
        everything(box)


@pytest.mark.parametrize("way", ["record", "open_data"])
def test_content_starts_the_count_of_empty_records_anew(way: str) -> None:
    """The limit holds for those in a row, wherever they come; one more is refused."""
    box, ours = inbox(), keys()
    box.change_keys(keys(), Epoch.APPLICATION)
    for _ in range(3):
        for _ in range(EMPTY_RECORD_LIMIT):
            box.count_empty()
        sealed = ours.seal(ContentType.application_data, b"x")
        if way == "open_data":
            assert box.open_data(sealed) == b"x"
        else:
            box.feed(sealed)
            assert box.record() == (ContentType.application_data, b"x")
    for _ in range(EMPTY_RECORD_LIMIT):
        box.count_empty()
    with blames(Fault.TOO_MANY_EMPTY_RECORDS):
        box.count_empty()


def test_inbox_that_forgets_keeps_nothing() -> None:
    """Neither keys nor what was not opened."""
    box = inbox()
    box.change_keys(keys(), Epoch.APPLICATION)
    box.feed(bytes(100))
    box.forget()
    assert box.buffered == 0 and isinstance(box.keys, Plaintext)


@pytest.mark.parametrize("content_type", [ContentType.change_cipher_spec, 24, 0xFF])
def test_content_that_must_not_be_protected_is_refused(content_type: int) -> None:
    """RFC 9846 5: inside of protected records there are data, messages and alerts."""
    box = inbox()
    box.change_keys(keys(), Epoch.APPLICATION)
    box.feed(keys().seal(content_type, b"\x01"))
    with blames(Fault.UNEXPECTED_RECORD):
        everything(box)


def test_fast_path_of_received_data_does_not_overtake_waiting_bytes() -> None:
    """RFC 9846 5.1: data may not overtake half a message or half a record, however it is delivered."""
    ours, box = keys(), inbox()
    box.change_keys(keys(), Epoch.APPLICATION)
    assert box.open_data(ours.seal(23, b"first")) == b"first"
    half = ours.seal(22, encode_message(FINISHED)[:9])
    assert box.open_data(half) is None
    box.feed(half)
    assert everything(box) == []
    data = ours.seal(23, b"between")
    assert box.open_data(data) is None
    box.feed(data)
    with blames(Fault.INTERLEAVED, got="application_data"):
        everything(box)
    waiting = inbox()
    waiting.change_keys(keys(), Epoch.APPLICATION)
    waiting.feed(b"\x17")
    assert waiting.open_data(keys().seal(23, b"x")) is None


def test_fast_path_is_not_used_with_an_observer() -> None:
    """An observer sees every record."""
    notes: list[Note] = []
    box = inbox(notes)
    box.change_keys(keys(), Epoch.APPLICATION)
    record = keys().seal(23, b"x")
    assert box.open_data(record) is None
    box.feed(record)
    assert everything(box) == [(23, b"x")]
    assert notes[-1] == RecordSeen(False, 23, len(record), Epoch.APPLICATION)


def test_inbox_that_forgets_keeps_no_half_message() -> None:
    """What came of a message goes too."""
    box = inbox()
    box.feed(b"\x16\x03\x03\x00\x05\x08\x00\x00\x02\x00")
    assert everything(box) == []
    with blames(Fault.MESSAGE_SPANS_KEY_CHANGE):
        box.change_keys(keys(), Epoch.APPLICATION)
    box.forget()
    box.change_keys(keys(), Epoch.APPLICATION)
