"""Sealed records: opened only as they were sealed, padded, split, counted and limited."""

from __future__ import annotations

import dataclasses
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bothways.faults import Blame, Fault
from bothways.iana import ContentType
from bothways.tls.crypto.hkdf import finished_key, next_traffic_secret, traffic_keys
from bothways.tls.crypto.suites import SUITES12, SUITES13, Suite
from bothways.tls.record.framing import TLS12_LIMIT, Framing
from bothways.tls.record.protection import FRAGMENT_LIMIT, Plaintext, Protection, Protection12
from faults import blames

HANDSHAKE, DATA = ContentType.handshake, ContentType.application_data
every_suite = pytest.mark.parametrize("suite", SUITES13.values(), ids=lambda suite: suite.name)
AES = SUITES13[0x1301]


def pair(suite: Suite = AES) -> tuple[Protection, Protection]:
    secret = os.urandom(suite.hash_size)
    return Protection(suite, secret), Protection(suite, secret)


def split(stream: bytes) -> list[tuple[bytes, bytes]]:
    framing = Framing()
    framing.plain_limit = framing.protected_limit = TLS12_LIMIT
    framing.feed(stream)
    records = []
    while (framed := framing.next()) is not None:
        records.append((framed[0], bytes(framed[1])))
    assert framing.buffered == 0
    return records


def sealed_by_hand(suite: Suite, secret: bytes, sequence: int, inner: bytes) -> bytes:
    """A record as RFC 9846 5.2 has it, whatever stands inside."""
    header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
    key, iv = traffic_keys(suite, secret)
    nonce = int.from_bytes(iv, "big") ^ sequence
    return header + suite.aead(key).encrypt(nonce.to_bytes(12, "big"), inner, header)


@every_suite
@pytest.mark.parametrize(
    "size", [0, 1, 1400, FRAGMENT_LIMIT - 1, FRAGMENT_LIMIT, FRAGMENT_LIMIT + 1, 100_000]
)
@pytest.mark.parametrize("padding", [0, 1, 16, 4096, FRAGMENT_LIMIT])
def test_sealed_records_can_be_opened(suite: Suite, size: int, padding: int) -> None:
    """RFC 9846 5.1-5.4: in fragments of at most 2^14 bytes, padded or not."""
    ours, theirs = pair(suite)
    data = os.urandom(size)
    records = split(ours.seal(DATA, data, padding))
    opened = [theirs.open(header, body) for header, body in records]
    assert {content_type for content_type, _ in opened} == {DATA}
    assert b"".join(content for _, content in opened) == data
    assert len(records) == max(1, -(-size // FRAGMENT_LIMIT))
    assert ours.sequence == theirs.sequence == len(records)
    for _, body in records:
        inner = len(body) - 16
        assert padding < 2 or inner % padding == 0 or inner == FRAGMENT_LIMIT + 1


@every_suite
def test_a_record_is_what_the_rfc_says(suite: Suite) -> None:
    """RFC 9846 5.2, 5.3: the header is the associated data, the nonce is IV xor sequence."""
    secret = os.urandom(suite.hash_size)
    ours = Protection(suite, secret)
    for sequence in range(3):
        assert ours.seal(HANDSHAKE, b"message") == sealed_by_hand(suite, secret, sequence, b"message\x16")
    assert ours.seal(DATA, b"ab", 8) == sealed_by_hand(suite, secret, 3, b"ab\x17" + bytes(5))


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_is_sealed(kind: type) -> None:
    """What `send` may be given."""
    ours, theirs = pair()
    records = split(ours.seal(DATA, kind(b"abc")) + ours.seal(DATA, kind(b"abc"), 64))
    assert [theirs.open(header, memoryview(body)) for header, body in records] == [(DATA, b"abc")] * 2


@every_suite
def test_an_altered_record_is_refused(suite: Suite) -> None:
    """RFC 9846 5.2: bad_record_mac for every bit of body and header, for a cut and for a lengthened body."""
    secret = os.urandom(suite.hash_size)
    record = Protection(suite, secret).seal(DATA, b"some content")
    header, body = record[:5], record[5:]
    wrong = [(header, body[:cut]) for cut in range(len(body))] + [(header, body + b"\0")]
    for at in range(len(record) * 8):
        altered = bytearray(record)
        altered[at // 8] ^= 1 << at % 8
        wrong.append((bytes(altered[:5]), bytes(altered[5:])))
    theirs = Protection(suite, secret)
    for altered_header, altered_body in wrong:
        with blames(Fault.BAD_RECORD):
            theirs.open(altered_header, altered_body)
    assert theirs.sequence == 0
    assert theirs.open(header, body) == (DATA, b"some content")


def test_a_record_out_of_its_order_is_refused() -> None:
    """RFC 9846 5.3: repeated, left out and swapped records do not open."""
    ours, theirs = pair()
    first, second = split(ours.seal(DATA, b"1") + ours.seal(DATA, b"2"))
    with blames(Fault.BAD_RECORD):
        theirs.open(*second)
    theirs.open(*first)
    with blames(Fault.BAD_RECORD):
        theirs.open(*first)
    assert theirs.open(*second) == (DATA, b"2")


def test_fast_path_opens_the_same_records_as_the_general_one() -> None:
    """RFC 9846 5.2: one whole record of data; both ways may take turns."""
    ours, theirs = pair()
    for size in (1, 50, FRAGMENT_LIMIT):
        data = os.urandom(size)
        assert theirs.open_data(ours.seal(DATA, data)) == data
        assert theirs.open(*split(ours.seal(DATA, data))[0]) == (DATA, data)
    assert theirs.sequence == ours.sequence == 6


def test_fast_path_opens_nothing_but_one_record_of_data_and_changes_nothing() -> None:
    """Whatever is not a plain record of data goes the long way, which says what is wrong."""
    secret = os.urandom(32)
    ours, theirs = Protection(AES, secret), Protection(AES, secret)
    data = ours.seal(DATA, b"content")
    declined = {
        "altered": data[:-1] + bytes([data[-1] ^ 1]),
        "altered header": data[:1] + b"\x02" + data[2:],
        "another type outside": b"\x16" + data[1:],
        "cut": data[:-1],
        "header alone": data[:5],
        "nothing": b"",
        "more than one record": data + data,
        "a wrong length": data[:4] + bytes([data[4] + 1]) + data[5:],
        "another type inside": sealed_by_hand(AES, secret, 0, b"message\x16"),
        "padded": sealed_by_hand(AES, secret, 0, b"content\x17\0"),
        "padding alone": sealed_by_hand(AES, secret, 0, bytes(20)),
        "empty": sealed_by_hand(AES, secret, 0, b"\x17"),
        "too long": sealed_by_hand(AES, secret, 0, bytes(FRAGMENT_LIMIT + 1) + b"\x17"),
    }
    for what, record in declined.items():
        assert theirs.open_data(record) is None, what
        assert theirs.sequence == 0, what
    assert theirs.open_data(data) == b"content"
    theirs.sequence = 2**64 - 1
    assert theirs.open_data(sealed_by_hand(AES, secret, 2**64 - 1, b"x\x17")) is None


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_fast_path_seals_the_same_records_as_the_general_one(kind: type) -> None:
    """RFC 9846 5.2: the same records, and both ways may take turns."""
    secret = os.urandom(32)
    short, long = Protection(AES, secret), Protection(AES, secret)
    for size in (1, 50, FRAGMENT_LIMIT):
        data = os.urandom(size)
        assert short.seal_data(kind(data)) == long.seal(DATA, data)
        assert short.seal(DATA, data) == long.seal_data(kind(data))


@pytest.mark.parametrize("size", [0, FRAGMENT_LIMIT + 1])
def test_fast_path_declines_to_seal_what_is_not_one_record(size: int) -> None:
    """RFC 9846 5.1; what it declines uses up no sequence number."""
    ours, _ = pair()
    assert ours.seal_data(bytes(size)) is None and ours.sequence == 0


def test_fast_path_declines_to_seal_under_keys_that_need_an_update() -> None:
    """RFC 9846 5.5: the caller updates them first."""
    ours, _ = pair()
    ours.sequence = AES.record_limit // 2 - 1
    assert ours.seal_data(b"x") is not None
    assert ours.should_update and ours.seal_data(b"x") is None


@pytest.mark.parametrize("size", [1, FRAGMENT_LIMIT, FRAGMENT_LIMIT + 1, 3 * FRAGMENT_LIMIT + 5])
def test_data_record_by_record_and_in_parts_is_the_same_records(size: int) -> None:
    """RFC 9846 5.2, RFC 5246 6.2.3."""
    secret, data = os.urandom(32), os.urandom(size)
    of_12 = SUITES12[0xC02B], secret[:16], secret[:4]
    for written, parted, joined in (
        [Protection(AES, secret) for _ in range(3)],
        [Protection12(*of_12) for _ in range(3)],
    ):
        for limit in (written.limit, 100):
            written.limit = parted.limit = joined.limit = limit
            records = bytearray()
            written.write_data(memoryview(data), records.extend)
            assert records == joined.seal(DATA, data) == b"".join(parted.seal_parts(DATA, data))
            assert written.sequence == parted.sequence == joined.sequence


def test_each_record_of_data_is_written_before_the_next_overwrites_it() -> None:
    """All are encrypted into the same memory."""
    ours, _ = pair()
    ours.limit = 101
    views: list[memoryview] = []
    ours.write_data(memoryview(bytes(300)), views.append)
    first, *others = views
    assert len(views) == 3
    assert all(each == first for each in others)


def test_data_record_by_record_ends_with_the_keys() -> None:
    """RFC 9846 5.5."""
    ours, _ = pair()
    ours.sequence = AES.record_limit
    records = bytearray()
    with pytest.raises(OverflowError):
        ours.write_data(memoryview(b"x"), records.extend)
    assert not records


def test_plaintext_protection_seals_no_application_data() -> None:
    """RFC 9846 5.2: application data is never without protection."""
    assert Plaintext().seal_data(b"x") is None


def test_one_direction_does_not_open_the_other() -> None:
    """RFC 9846 7.3: each direction has its own key."""
    ours, _ = pair()
    _, theirs = pair()
    with blames(Fault.BAD_RECORD):
        theirs.open(*split(ours.seal(DATA, b"x"))[0])


@pytest.mark.parametrize("inner", [b"", b"\0", bytes(300), bytes(FRAGMENT_LIMIT + 1)], ids=len)
def test_a_record_of_padding_alone_is_refused(inner: bytes) -> None:
    """RFC 9846 5.4: a plaintext without a byte that is not zero has no content type."""
    secret = os.urandom(32)
    ((header, body),) = split(sealed_by_hand(AES, secret, 0, inner))
    with blames(Fault.NO_CONTENT_TYPE):
        Protection(AES, secret).open(header, body)


@pytest.mark.parametrize(
    "inner", [b"x" * (FRAGMENT_LIMIT + 1) + b"\x17", b"\x17" + bytes(FRAGMENT_LIMIT + 1)]
)
def test_a_plaintext_longer_than_allowed_is_refused(inner: bytes) -> None:
    """RFC 9846 5.2: record_overflow past 2^14 + 1 bytes, content type and padding counted."""
    secret = os.urandom(32)
    ((header, body),) = split(sealed_by_hand(AES, secret, 0, inner))
    with blames(Fault.RECORD_TOO_LONG, length=FRAGMENT_LIMIT + 1, limit=FRAGMENT_LIMIT):
        Protection(AES, secret).open(header, body)


@pytest.mark.parametrize("inner", [b"x" * FRAGMENT_LIMIT + b"\x17", b"\x17" + bytes(FRAGMENT_LIMIT)])
def test_a_plaintext_as_long_as_allowed_is_taken(inner: bytes) -> None:
    """RFC 9846 5.2: 2^14 bytes and the content type, or padding in their place."""
    secret = os.urandom(32)
    ((header, body),) = split(sealed_by_hand(AES, secret, 0, inner))
    content_type, content = Protection(AES, secret).open(header, body)
    assert (content_type, content) == (DATA, inner.rstrip(b"\0")[:-1])


@given(st.binary(max_size=200), st.integers(1, 255), st.integers(0, 100))
def test_content_that_ends_in_zeros_is_not_taken_for_padding(
    content: bytes, content_type: int, zeros: int
) -> None:
    """RFC 9846 5.4: padding ends at the last byte that is not zero, which is the type."""
    secret = bytes(32)
    inner = content + bytes(zeros) + bytes([content_type]) + bytes(zeros)
    ((header, body),) = split(sealed_by_hand(AES, secret, 0, inner))
    assert Protection(AES, secret).open(header, body) == (content_type, content + bytes(zeros))


def test_the_next_secret_takes_over_with_a_new_sequence() -> None:
    """RFC 9846 7.2: both sides come to the same keys, which are not the old ones."""
    ours, theirs = pair()
    theirs.open(*split(ours.seal(DATA, b"before"))[0])
    old = ours.seal(DATA, b"old")
    ours, theirs = ours.next(), theirs.next()
    assert ours.sequence == 0
    assert theirs.open(*split(ours.seal(DATA, b"after"))[0]) == (DATA, b"after")
    with blames(Fault.BAD_RECORD):
        theirs.open(*split(old)[0])


def test_keys_ask_to_be_renewed_before_they_are_used_up() -> None:
    """RFC 9846 5.5: at half of the limit; at the limit nothing is sealed any more."""
    suite = dataclasses.replace(AES, record_limit=4)
    ours, theirs = pair(suite)
    for expected in (False, False):
        assert ours.should_update is expected
        theirs.open(*split(ours.seal(DATA, b"x"))[0])
    assert ours.should_update and theirs.should_update
    ours.seal(DATA, bytes(2 * FRAGMENT_LIMIT))
    with pytest.raises(OverflowError):
        ours.seal(DATA, b"x")
    with pytest.raises(OverflowError):
        ours.seal(DATA, b"x", 16)
    assert not ours.next().should_update


def test_a_peer_may_go_past_our_limit_but_not_past_its_sequence() -> None:
    """RFC 9846 5.5, 5.3: receivers do not enforce the AEAD's limit; sequence numbers never wrap."""
    suite = dataclasses.replace(AES, record_limit=4)
    ours, theirs = pair(AES)
    secret = os.urandom(32)
    theirs = Protection(suite, secret)
    ours = Protection(AES, secret)
    ours.sequence = theirs.sequence = 5
    assert theirs.open(*split(ours.seal(DATA, b"x"))[0]) == (DATA, b"x")
    theirs.sequence = 2**64 - 2
    last = sealed_by_hand(AES, secret, 2**64 - 2, b"x\x17")
    assert theirs.open(*split(last)[0]) == (DATA, b"x")
    with blames(Fault.RECORD_LIMIT_REACHED):
        theirs.open(*split(last)[0])


def test_a_repr_shows_no_key() -> None:
    """Secrets stand in no repr."""
    assert repr(Protection(AES, os.urandom(32))) == "Protection(TLS_AES_128_GCM_SHA256, sequence=0)"


@given(st.binary(max_size=100), st.binary(min_size=5, max_size=5))
def test_random_records_raise_nothing_but_a_blame(body: bytes, header: bytes) -> None:
    """Whatever comes is refused in the same way."""
    with pytest.raises(Blame):
        Protection(AES, bytes(32)).open(header, body)


@pytest.mark.parametrize("size", [0, 1, FRAGMENT_LIMIT, FRAGMENT_LIMIT + 1, 40_000])
def test_plaintext_is_split_and_opens_as_it_was(size: int) -> None:
    """RFC 9846 5.1: before there are keys."""
    data = os.urandom(size)
    plain = Plaintext()
    records = split(plain.seal(HANDSHAKE, data, 64))
    assert len(records) == max(1, -(-size // FRAGMENT_LIMIT))
    opened = [plain.open(header, memoryview(body)) for header, body in records]
    assert {content_type for content_type, _ in opened} == {HANDSHAKE}
    assert b"".join(content for _, content in opened) == data
    assert all(header[:3] == b"\x16\x03\x03" for header, _ in records)
    assert not plain.should_update


def test_plaintext_may_begin_with_the_version_of_older_records() -> None:
    """RFC 9846 5.1: in every record of the first ClientHello, and in none after it."""
    plain = Plaintext(0x0301)
    first = split(plain.seal(HANDSHAKE, bytes(FRAGMENT_LIMIT + 1)))
    assert [header[1:3] for header, _ in first] == [b"\3\1", b"\3\1"]
    second = split(plain.seal(HANDSHAKE, b"x"))
    assert [header[1:3] for header, _ in second] == [b"\3\3"]


every_suite_12 = pytest.mark.parametrize("suite", SUITES12.values(), ids=lambda suite: suite.name)
GCM, CHACHA = SUITES12[0xC02B], SUITES12[0xCCA9]


def pair12(suite: Suite = GCM) -> tuple[Protection12, Protection12]:
    key, iv = os.urandom(suite.key_size), os.urandom(suite.iv_size)
    return Protection12(suite, key, iv), Protection12(suite, key, iv)


def sealed_by_hand_12(suite: Suite, key: bytes, iv: bytes, sequence: int, kind: int, content: bytes) -> bytes:
    """A record as RFC 5288 3 and RFC 7905 2 have it."""
    counted = sequence.to_bytes(8, "big")
    data = counted + bytes([kind]) + b"\3\3" + len(content).to_bytes(2, "big")
    if len(iv) == 4:
        explicit, nonce = counted, iv + counted
    else:
        explicit, nonce = b"", (int.from_bytes(iv, "big") ^ sequence).to_bytes(12, "big")
    body = explicit + suite.aead(key).encrypt(nonce, content, data)
    return bytes([kind]) + b"\3\3" + len(body).to_bytes(2, "big") + body


@every_suite_12
@pytest.mark.parametrize("size", [0, 1, 1400, FRAGMENT_LIMIT, FRAGMENT_LIMIT + 1, 100_000])
def test_a_sealed_record_opens_in_tls_1_2(suite: Suite, size: int) -> None:
    """RFC 5246 6.2: the content type stands outside; fragments of at most 2^14 bytes."""
    ours, theirs = pair12(suite)
    data = os.urandom(size)
    records = split(ours.seal(HANDSHAKE, data, 64))
    opened = [theirs.open(header, memoryview(body)) for header, body in records]
    assert {content_type for content_type, _ in opened} == {HANDSHAKE}
    assert b"".join(content for _, content in opened) == data
    assert len(records) == max(1, -(-size // FRAGMENT_LIMIT)) == ours.sequence == theirs.sequence


@every_suite_12
def test_a_record_of_tls_1_2_is_what_the_rfc_says(suite: Suite) -> None:
    """RFC 5288 3, RFC 7905 2: nonce, and the additional data with the length of the plaintext."""
    key, iv = os.urandom(suite.key_size), os.urandom(suite.iv_size)
    ours = Protection12(suite, key, iv)
    for sequence in range(3):
        assert ours.seal(DATA, b"content") == sealed_by_hand_12(suite, key, iv, sequence, DATA, b"content")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_is_sealed_in_tls_1_2(kind: type) -> None:
    """What `send` may be given."""
    ours, theirs = pair12()
    for size in (0, 3, FRAGMENT_LIMIT + 3):
        opened = [theirs.open(header, body) for header, body in split(ours.seal(DATA, kind(bytes(size))))]
        assert b"".join(content for _, content in opened) == bytes(size)


def test_the_explicit_nonce_is_the_senders_to_choose() -> None:
    """RFC 5288 3: a receiver takes the explicit nonce as it comes."""
    key, iv = os.urandom(16), os.urandom(4)
    explicit = os.urandom(8)
    data = bytes(8) + b"\x17\3\3\0\4"
    body = explicit + GCM.aead(key).encrypt(iv + explicit, b"text", data)
    header = b"\x17\3\3" + len(body).to_bytes(2, "big")
    assert Protection12(GCM, key, iv).open(header, body) == (DATA, b"text")


@every_suite_12
def test_an_altered_record_is_refused_in_tls_1_2(suite: Suite) -> None:
    """RFC 5246 6.2.3.3: bad_record_mac for type, version, nonce and every bit of the body, and for a cut."""
    ours, theirs = pair12(suite)
    record = ours.seal(DATA, b"some content")
    wrong = [(record[:5], record[5:cut]) for cut in range(5, len(record))]
    for at in (*range(24), *range(40, len(record) * 8)):
        altered = bytearray(record)
        altered[at // 8] ^= 1 << at % 8
        wrong.append((bytes(altered[:5]), bytes(altered[5:])))
    for header, body in wrong:
        with blames(Fault.BAD_RECORD):
            theirs.open(header, body)
    assert theirs.sequence == 0
    assert theirs.open(record[:5], record[5:]) == (DATA, b"some content")


@pytest.mark.parametrize("suite", [GCM, CHACHA], ids=lambda suite: suite.name)
def test_a_plaintext_longer_than_allowed_is_refused_in_tls_1_2(suite: Suite) -> None:
    """RFC 5246 6.2.3: record_overflow past 2^14 bytes."""
    key, iv = os.urandom(suite.key_size), os.urandom(suite.iv_size)
    for extra in (0, 1):
        content = bytes(FRAGMENT_LIMIT + extra)
        ((header, body),) = split(sealed_by_hand_12(suite, key, iv, 0, DATA, content))
        theirs = Protection12(suite, key, iv)
        if not extra:
            assert theirs.open(header, body) == (DATA, content)
            continue
        with blames(Fault.RECORD_TOO_LONG, length=FRAGMENT_LIMIT + 1):
            theirs.open(header, body)


@every_suite_12
def test_fast_path_of_tls_12_seals_the_same_records_as_the_general_one(suite: Suite) -> None:
    """RFC 5246 6.2: one record, unless it cannot be one or the keys are used up by half."""
    key, iv = os.urandom(suite.key_size), os.urandom(suite.iv_size)
    short, long = Protection12(suite, key, iv), Protection12(suite, key, iv)
    for data in (b"x", os.urandom(FRAGMENT_LIMIT)):
        assert short.seal_data(data) == long.seal(DATA, data)
    assert short.seal_data(b"") is None and short.seal_data(bytes(FRAGMENT_LIMIT + 1)) is None
    assert short.sequence == 2
    short.sequence = suite.record_limit // 2
    assert short.seal_data(b"x") is None


@every_suite_12
def test_fast_path_of_tls_12_declines_what_is_not_one_record_of_data(suite: Suite) -> None:
    """RFC 5246 6.2: what it declines has changed nothing."""
    key, iv = os.urandom(suite.key_size), os.urandom(suite.iv_size)
    ours, theirs = Protection12(suite, key, iv), Protection12(suite, key, iv)
    record = ours.seal(DATA, b"content")
    long = sealed_by_hand_12(suite, key, iv, 0, DATA, bytes(FRAGMENT_LIMIT + 1))
    empty = sealed_by_hand_12(suite, key, iv, 0, DATA, b"")
    handshake = sealed_by_hand_12(suite, key, iv, 0, HANDSHAKE, b"content")
    altered = record[:-1] + bytes([record[-1] ^ 1])
    wrong_length = record[:4] + bytes([record[4] + 1]) + record[5:]
    for declined in (
        b"",
        record[:5],
        record[:-1],
        record + record,
        altered,
        wrong_length,
        long,
        empty,
        handshake,
    ):
        assert theirs.open_data(declined) is None
        assert theirs.sequence == 0
    assert theirs.open_data(record) == b"content"
    theirs.sequence = 2**64 - 1
    assert theirs.open_data(sealed_by_hand_12(suite, key, iv, 2**64 - 1, DATA, b"x")) is None
    with blames(Fault.RECORD_LIMIT_REACHED):
        theirs.open(record[:5], record[5:])


def test_keys_of_tls_1_2_come_to_an_end() -> None:
    """RFC 9846 5.5 for the AEAD's limit; TLS 1.2 has no KeyUpdate."""
    ours, _ = pair12(dataclasses.replace(GCM, record_limit=2))
    assert not ours.should_update
    ours.seal(DATA, b"x")
    assert ours.should_update
    ours.seal(DATA, b"x")
    with pytest.raises(OverflowError):
        ours.seal(DATA, b"x")


def test_a_repr_of_tls_1_2_keys_shows_no_key() -> None:
    """Secrets stand in no repr."""
    ours, _ = pair12(CHACHA)
    assert repr(ours) == "Protection12(TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, sequence=0)"


def test_a_finished_after_the_handshake_has_the_key_of_the_moment() -> None:
    """RFC 9846 4.5.3: after a KeyUpdate it is another."""
    suite = SUITES13[0x1301]
    protection = Protection(suite, b"s" * 32)
    assert protection.finished_key() == finished_key(suite, b"s" * 32)
    assert protection.next().finished_key() == finished_key(suite, next_traffic_secret(suite, b"s" * 32))
