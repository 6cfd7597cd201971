"""However bytes arrive, the same comes of them; whatever they are, nothing but the documented errors does."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import pytest

from bothways import Connection, Event, Fault, PeerAlert, PeerFault
from bothways.iana import HandshakeType
from bothways.roles import Role
from bothways.tls.events import Epoch
from bothways.tls.handshake.message_io import CHANGE_CIPHER_SPEC, EMPTY_RECORD_LIMIT, Outbox
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import CLIENT_HELLO_LIMIT, Message, encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import Certificate, EncryptedExtensions, KeyUpdate
from inside import machinery
from pair import Pair
from tamper import (
    Act,
    Edit,
    Outgoing,
    after,
    altering,
    before,
    both,
    changing,
    editing,
    extending,
    sealed,
    wire,
)
from tls.handshake.conversations import CONVERSATIONS, EXAMPLES, Conversation, credentials, identity, reported
from tls.handshake.tampering import ended_as_documented, mutated, mutator
from tls.handshake.test_faults_of_certificates import shows

SPLIT = Conversation("split", {"alpn": ("h2",)}, {"alpn": ("h2",), "groups": ("secp256r1", "x25519")})


@dataclass
class Line:
    """A pair whose bytes arrive in the pieces that `cut` makes of each flight."""

    cut: Callable[[int, bytes], Iterable[bytes]]
    talk: Pair
    flights: int = 0
    client_events: list[Event] = field(default_factory=list)
    server_events: list[Event] = field(default_factory=list)

    def carry(self) -> None:
        for _ in range(30):
            moved = self._to(self.talk.server, self.talk.client, self.server_events)
            moved |= self._to(self.talk.client, self.talk.server, self.client_events)
            if not moved:
                return
        raise AssertionError("the conversation does not come to rest")

    def _to(self, end: Connection, other: Connection, events: list[Event]) -> bool:
        data = other.data_to_send()
        if data:
            for piece in self.cut(self.flights, data):
                events += end.receive(piece)
            self.flights += 1
        return bool(data)


def whole_conversation(cut: Callable[[int, bytes], Iterable[bytes]]) -> tuple[list[str], list[str], int]:
    """A handshake, data and new keys both ways, a ticket, and the close: the events of both sides."""
    line = Line(cut, SPLIT.pair())
    talk = line.talk
    talk.client.send(b"queued")
    line.carry()
    machinery(talk.server).out.send_after_handshake(EXAMPLES[HandshakeType.new_session_ticket])
    talk.server.send(b"x" * 20_000)
    talk.client.update_keys(ask=True)
    talk.client.send(b"under new keys")
    line.carry()
    talk.server.send(b"under new keys too")
    talk.server.close()
    line.carry()
    talk.client.send(b"last")
    talk.client.close()
    line.carry()
    assert talk.client.failure is None and talk.server.failure is None
    return reported(line.client_events), reported(line.server_events), line.flights


def whole(number: int, data: bytes) -> Iterable[bytes]:
    return (data,)


def bytewise(number: int, data: bytes) -> Iterable[bytes]:
    return (data[at : at + 1] for at in range(len(data)))


def test_byte_by_byte_gives_the_same_events() -> None:
    """RFC 9846 5.1: record boundaries and what the network makes of them have no meaning."""
    expected = whole_conversation(whole)
    assert expected[0][-1] == expected[1][-1] == "PeerClosed"
    assert len(expected[0]) >= 4
    assert whole_conversation(bytewise) == expected


def flight_sizes() -> list[int]:
    sizes: list[int] = []

    def note(number: int, data: bytes) -> Iterable[bytes]:
        sizes.append(len(data))
        return (data,)

    whole_conversation(note)
    return sizes


def splits(full: bool) -> Iterator[tuple[int, int]]:
    chosen = random.Random(7)
    for flight, size in enumerate(flight_sizes()):
        places = range(1, size)
        share = places if full else sorted(chosen.sample(places, min(len(places), 12)))
        yield from ((flight, place) for place in share)


def check_splits(full: bool) -> None:
    expected = whole_conversation(whole)
    for flight, place in splits(full):

        def cut(number: int, data: bytes, flight: int = flight, place: int = place) -> Iterable[bytes]:
            return (data[:place], data[place:]) if number == flight else (data,)

        assert whole_conversation(cut) == expected, f"flight {flight} split at {place}"


def test_splits_give_the_same_events() -> None:
    """RFC 9846 5.1: a sample of all places where one flight may be split in two."""
    check_splits(full=False)


@pytest.mark.full
def test_every_split_gives_the_same_events() -> None:
    """RFC 9846 5.1: every place."""
    check_splits(full=True)


def test_random_pieces_give_the_same_events(full: bool) -> None:
    """RFC 9846 5.1: pieces of any sizes, empty ones among them."""
    expected = whole_conversation(whole)
    for seed in range(500 if full else 20):
        chosen = random.Random(seed)

        def cut(number: int, data: bytes, chosen: random.Random = chosen) -> Iterable[bytes]:
            at = 0
            while at < len(data):
                size = chosen.choice((0, 1, 2, 5, 6, 100, 1000, 16_406, 100_000))
                yield data[at : at + size]
                at += size

        assert whole_conversation(cut) == expected, f"seed {seed}"


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 64, 1000])
@pytest.mark.parametrize("role", Role)
def test_messages_in_fragments_of_any_size_are_the_same_messages(
    role: Role, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 9846 5.1: a handshake message may be split over records at any place."""
    seal = Outbox.seal

    def fragmented(out: Outbox, content_type: int, data: bytes) -> None:
        if content_type != 22 or out.role is not role:
            seal(out, content_type, data)
            return
        for at in range(0, len(data), size):
            seal(out, content_type, data[at : at + size])

    monkeypatch.setattr(Outbox, "seal", fragmented)
    talk = SPLIT.pair()
    talk.exchange()
    assert talk.client.established and talk.server.established


@pytest.mark.parametrize("role", Role)
def test_each_message_may_have_its_own_record(role: Role) -> None:
    """RFC 9846 5.1: whether messages share a record has no meaning."""

    def apart(message: Message, nth: int) -> Iterable[Outgoing]:
        return (message, lambda hs: hs.out.flush())

    with altering(role, apart):
        talk = SPLIT.pair()
        talk.exchange()
    assert talk.client.established and talk.server.established


# -- random and mutated input ----------------------------------------------------------------------------


def test_mutated_records_raise_nothing(full: bool) -> None:
    """Whatever bytes come, `receive` returns events, and the last is a documented error."""
    for seed in range(8000 if full else 250):
        chosen = random.Random(seed)
        flight = chosen.randrange(5)
        count = 0

        def bad_line(data: bytes, chosen: random.Random = chosen, flight: int = flight) -> bytes:
            nonlocal count
            count += 1
            return mutated(data, chosen) if count - 1 == flight else data

        talk = SPLIT.pair()
        talk.to_server = talk.to_client = bad_line
        talk.exchange()
        talk.client.receive(mutated(b"\x17\x03\x03\x00\x30" + bytes(48), chosen))
        talk.exchange()
        ended_as_documented(talk, f"seed {seed}")


@pytest.mark.parametrize("role", Role)
def test_mutated_messages_under_the_right_keys_raise_nothing(role: Role, full: bool) -> None:
    """The same from a peer that knows all keys: its bytes reach the codecs and the checks."""
    refused = 0
    count = 8000 if full else 250
    for seed in range(count):
        chosen = random.Random(seed)
        with altering(role, mutator(seed % (7 if role is Role.SERVER else 5), chosen)):
            talk = SPLIT.pair()
            talk.exchange()
        end = talk.server if role is Role.CLIENT else talk.client
        refused += isinstance(end.failure, PeerFault)
        ended_as_documented(talk, f"seed {seed}")
    assert refused > 0.8 * count


def bruised(der: bytes, chosen: random.Random) -> bytes:
    """Change a few bytes of a certificate, mostly where its names and its key are."""
    work = bytearray(der)
    for _ in range(chosen.choice((1, 1, 2, 3))):
        at = chosen.randrange(min(len(work), chosen.choice((600, len(work)))))
        work[at] = chosen.choice((work[at] ^ 1 << chosen.randrange(8), chosen.randrange(256)))
    return bytes(work) if chosen.random() < 0.8 else mutated(der, chosen) or b"\0"


@pytest.mark.parametrize("kind", ["P-256", "RSA-2048", "Ed25519", "ML-DSA-44"])
@pytest.mark.parametrize("role", Role)
def test_mutated_certificates_raise_nothing(role: Role, kind: str, full: bool) -> None:
    """The parser of certificates is behind the same gate; no changed certificate gets through it."""
    name = {Role.SERVER: "localhost", Role.CLIENT: "client.example"}[role]
    own = {"credentials": credentials(name, kind)}
    for seed in range(2000 if full else 25):
        chosen = random.Random(seed)
        chain = list(identity(name, kind).chain)
        chain[0] = bruised(chain[0], chosen)
        with altering(role, shows(role, lambda _, chain=chain: chain)):
            talk = CONVERSATIONS["mutual"].pair(**{role.value: own})
            talk.exchange()
        ended_as_documented(talk, f"seed {seed}")


CROWDED = 15_000


@pytest.mark.parametrize(
    "edit",
    [
        extending(
            ClientHello, *(ext.UnknownExtension(100 + min(each, CROWDED - 2), b"") for each in range(CROWDED))
        ),
        editing(
            ClientHello, ext.SupportedGroups, groups=(*range(1000, 1000 + 2 * CROWDED), 999 + 2 * CROWDED)
        ),
        both(
            editing(ClientHello, ext.SupportedGroups, groups=tuple(range(1000, 1000 + CROWDED))),
            editing(
                ClientHello,
                ext.KeyShares,
                shares=tuple(ext.KeyShareEntry(1000 + CROWDED - each, b"x") for each in range(CROWDED // 3)),
            ),
        ),
        changing(ClientHello, cipher_suites=tuple(range(0x2000, 0x2000 + 2 * CROWDED))),
    ],
    ids=["extensions", "groups", "shares", "suites"],
)
def test_crowded_hello_is_gone_through_once(edit: Edit) -> None:
    """RFC 9846 4.2.2: a peer chooses how long its lists are, so no list is searched for each of its entries.

    Each of these is refused in milliseconds; the first ones took seconds when entries were compared in pairs.
    """
    with altering(Role.CLIENT, edit):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert isinstance(talk.server.failure, PeerFault)
    assert isinstance(talk.client.failure, PeerAlert)


def test_random_bytes_raise_nothing(full: bool) -> None:
    """Noise is refused, at the start and behind a valid header."""
    config_pairs = SPLIT.pair
    for seed in range(5000 if full else 200):
        chosen = random.Random(seed)
        talk = config_pairs()
        noise = chosen.randbytes(chosen.choice((1, 5, 50, 500)))
        start = chosen.choice(
            (b"", b"\x16\x03\x01", b"\x16\x03\x01\x01\x00\x01\x00\x00\xfc\x03\x03", b"\x15\x03\x03\x00\x02")
        )
        for end in (talk.client, talk.server):
            end.receive(start + noise)
            end.receive(chosen.randbytes(300))
        ended_as_documented(talk, f"seed {seed}")


@pytest.mark.parametrize("code", range(256))
def test_alert_of_any_number_ends_the_handshake_or_is_ignored(code: int) -> None:
    """RFC 9846 6.2: alerts that nobody knows are fatal; the level says nothing."""
    for level in (0, 1, 2, 255):
        talk = CONVERSATIONS["mutual"].pair()
        talk.client.receive(bytes((0x15, 3, 3, 0, 2, level, code)))
        if code == 90:
            assert talk.client.failure is None
        else:
            assert isinstance(talk.client.failure, PeerAlert)
            assert talk.client.failure.alert == code
            assert str(talk.client.failure)


# -- bounds ----------------------------------------------------------------------------------------------


def grown(feed: Callable[[], None]) -> int:
    """Bytes of memory that are held at most while `feed` runs, beyond what was held before."""
    tracemalloc.start()
    try:
        start, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        feed()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak - start


BOUND = 512 * 1024


def until_refused(end: Connection, pieces: Iterable[bytes], limit: int) -> Fault:
    """Feed without mercy; the connection ends it before `limit` pieces."""
    for number, piece in enumerate(pieces):
        end.receive(piece)
        if end.failure is not None:
            assert isinstance(end.failure, PeerFault)
            return end.failure.fault
        assert number < limit, "this goes on without an end"
    raise AssertionError("the pieces were too few")


def forever(piece: bytes) -> Iterator[bytes]:
    while True:
        yield piece


def test_message_that_never_ends_is_refused_at_its_announcement() -> None:
    """RFC 9846 4: the length in the header is believed, and compared with a limit, before a byte is kept."""
    server = CONVERSATIONS["mutual"].pair().server
    server.receive(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff")
    assert isinstance(server.failure, PeerFault) and server.failure.fault is Fault.MESSAGE_TOO_LONG


@pytest.mark.parametrize("fragment", [16, 100, 2**14])
def test_long_message_is_held_once_and_no_more(fragment: int) -> None:
    """RFC 9846 5.1: a message of the longest kind in small fragments costs its size, not its square."""
    body = bytes(CLIENT_HELLO_LIMIT)
    raw = b"\x01" + len(body).to_bytes(3, "big") + body
    records = b"".join(
        b"\x16\x03\x01" + len(piece).to_bytes(2, "big") + piece
        for piece in (raw[at : at + fragment] for at in range(0, len(raw), fragment))
    )

    def feed() -> None:
        server = CONVERSATIONS["mutual"].pair().server
        for at in range(0, len(records), 4096):
            server.receive(records[at : at + 4096])
        assert isinstance(server.failure, PeerFault)
        assert server.failure.fault is Fault.UNDECODABLE

    assert grown(feed) < BOUND


def test_record_that_is_never_complete_is_bounded() -> None:
    """RFC 9846 5.2: no more than one record is ever waited for."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()

    def feed() -> None:
        talk.client.receive(b"\x17\x03\x03\x41\x00")
        fault = until_refused(talk.client, forever(bytes(100)), 200)
        assert fault is Fault.BAD_RECORD

    assert grown(feed) < BOUND


FLOODS: dict[str, tuple[Role, Act]] = {
    "empty data": (Role.SERVER, sealed(23)),
    "user_canceled": (Role.SERVER, sealed(21, b"\x01\x5a")),
    "tickets": (Role.SERVER, sealed(22, encode_message(EXAMPLES[HandshakeType.new_session_ticket]))),
    "empty data of a client": (Role.CLIENT, sealed(23)),
    "user_canceled of a client": (Role.CLIENT, sealed(21, b"\x01\x5a")),
}


@pytest.mark.parametrize("what", FLOODS)
def test_flood_without_data_is_ended(what: str) -> None:
    """RFC 9846 4.7, 5.1, 6.1: what may come any number of times may not come without an end."""
    sender, act = FLOODS[what]
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()
    source, end = (talk.server, talk.client) if sender is Role.SERVER else (talk.client, talk.server)

    def pieces() -> Iterator[bytes]:
        while True:
            act(machinery(source))
            yield source.data_to_send()

    assert grown(lambda: until_refused(end, pieces(), 200) and None) < BOUND


@pytest.mark.parametrize("ask", [False, True])
def test_flood_of_key_updates_is_ended_and_answered_once_each_time(ask: bool) -> None:
    """RFC 9846 4.7.3: asked many times before it can answer, a peer answers once."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()
    for _ in range(10):
        talk.server.update_keys(ask=ask)
    talk.client.receive(talk.server.data_to_send())
    answer = talk.client.data_to_send()
    assert len(answer) == (0 if not ask else 5 + 5 + 1 + 16)
    for _ in range(40):
        talk.server.update_keys(ask=ask)
    talk.client.receive(talk.server.data_to_send())
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.TOO_MANY_KEY_UPDATES


def test_data_between_lets_key_updates_go_on() -> None:
    """RFC 9846 4.7.3: updates are for long conversations; the count starts anew with data."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()
    for _ in range(100):
        talk.server.update_keys(ask=True)
        talk.server.send(b"x")
        talk.exchange()
    assert talk.client.established and talk.server.established


def test_change_cipher_spec_is_dropped_wherever_it_may_come() -> None:
    """RFC 9846 5: from the first ClientHello to the peer's Finished, any number in reason."""
    for role, kind in (
        (Role.CLIENT, Certificate),
        (Role.SERVER, Certificate),
        (Role.SERVER, EncryptedExtensions),
    ):
        with altering(role, before(kind, wire(CHANGE_CIPHER_SPEC * 5))):
            talk = CONVERSATIONS["mutual"].pair()
            talk.exchange()
        assert talk.client.established and talk.server.established
    for role, kind in ((Role.CLIENT, ClientHello), (Role.SERVER, ServerHello)):
        with altering(role, after(kind, wire(CHANGE_CIPHER_SPEC * (EMPTY_RECORD_LIMIT - 1)))):
            talk = CONVERSATIONS["mutual"].pair()
            talk.exchange()
        assert talk.client.established and talk.server.established


@pytest.mark.parametrize("role", list(Role))
def test_records_without_content_are_counted_since_the_last_with_content(role: Role) -> None:
    """RFC 9846 5.1: of any type, and apart from the change_cipher_spec records of the handshake."""
    message = ClientHello if role is Role.CLIENT else ServerHello
    with altering(role, after(message, wire(CHANGE_CIPHER_SPEC * (EMPTY_RECORD_LIMIT - 1)))):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    sender = talk.client if role is Role.CLIENT else talk.server
    other = talk.server if role is Role.CLIENT else talk.client
    machine = machinery(sender)
    for kind, content in ((23, b"x"), (21, b"\1\x5a"), (22, encode_message(KeyUpdate(0)))):
        sealed(23, times=EMPTY_RECORD_LIMIT)(machine)
        sealed(kind, content)(machine)
        talk.exchange()
        assert other.established and other.failure is None
    machine.out.change_keys(machine.out.keys.next(), Epoch.APPLICATION)
    sealed(23, times=EMPTY_RECORD_LIMIT + 1)(machine)
    talk.exchange()
    assert isinstance(other.failure, PeerFault)
    assert other.failure.fault is Fault.TOO_MANY_EMPTY_RECORDS
    assert other.failure.facts["count"] == EMPTY_RECORD_LIMIT + 1


@pytest.mark.parametrize("conversation", ["mutual", "mutual after a retry"])
@pytest.mark.parametrize("records", [1, 4])
def test_early_data_that_was_not_accepted_is_skipped(conversation: str, records: int) -> None:
    """RFC 9846 4.3.10: up to a limit, what does not open is taken for early data and dropped."""
    early = wire(b"\x17\x03\x03\x3e\x80" + b"\xaa" * 16000)

    def offers(message: Message, nth: int) -> Iterable[Outgoing]:
        if isinstance(message, ClientHello) and nth == 0:
            return both(
                extending(ClientHello, ext.EarlyDataIndication()), after(ClientHello, *[early] * records)
            )(message, nth)
        if isinstance(message, ClientHello):
            kept = [
                each for each in message.extensions or () if not isinstance(each, ext.EarlyDataIndication)
            ]
            return (ClientHello(*(getattr(message, name) for name in message.__slots__[:-1]), tuple(kept)),)
        return (message,)

    with altering(Role.CLIENT, offers):
        talk = CONVERSATIONS[conversation].pair()
        talk.exchange()
    assert talk.server.established and talk.client.established
    talk.client.send(b"data at last")
    talk.exchange()
    assert reported(talk.server_events)[-1].endswith(b"data at last".hex())


def test_early_data_is_skipped_only_before_the_first_record_that_opens() -> None:
    """RFC 9846 4.3.10: a bad record later is a bad record."""
    with altering(
        Role.CLIENT,
        both(
            extending(ClientHello, ext.EarlyDataIndication()),
            after(Certificate, wire(b"\x17\x03\x03\x00\x20" + bytes(32))),
        ),
    ):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
    assert isinstance(talk.server.failure, PeerFault)
    assert talk.server.failure.fault is Fault.BAD_RECORD


def test_key_update_takes_effect_with_the_next_record() -> None:
    """RFC 9846 7.2: a record under the old keys after a KeyUpdate does not open."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()
    machinery(talk.client).out.send_after_handshake(KeyUpdate(0))
    talk.client.send(b"under the old keys")
    talk.exchange()
    assert isinstance(talk.server.failure, PeerFault)
    assert talk.server.failure.fault is Fault.BAD_RECORD


def test_new_keys_without_a_key_update_do_not_open() -> None:
    """RFC 9846 4.7.3: keys change by a message, not by themselves."""
    talk = CONVERSATIONS["mutual"].pair()
    talk.exchange()
    out = machinery(talk.server).out
    out.change_keys(out.keys.next(), out.epoch)
    talk.server.send(b"under keys that nobody announced")
    talk.exchange()
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.BAD_RECORD
