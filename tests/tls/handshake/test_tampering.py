"""Somebody between the two: every field of every message altered in flight, and every byte of every record.

The two transcripts, or the two keys, differ from there on, so no handshake may come of it. What may be
altered unnoticed is listed with the reason.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest

from bothways import Fault, PeerAlert, PeerFault, Truncated
from bothways.iana import ExtensionType
from bothways.tls.events import Epoch, MessageSeen, Note
from bothways.tls.handshake.steps import Role
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message, encode_message
from pair import Pair, pair, received
from tamper import Edit, Outgoing, lying
from tls.handshake.conversations import CONVERSATIONS, Conversation, client_config, server_config

ALPN = {"alpn": ("h2", "http/1.1")}
CONVERSATION = Conversation(
    "mutual after a retry, with ALPN", ALPN, {"groups": ("secp256r1", "x25519")} | ALPN
)

# -- fields, by the codec tables -------------------------------------------------------------------------


def variants(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every way to alter one field: another value, a shorter list, another order, and so on inside."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int):
        yield f"{path} + 1", value ^ 1
    elif isinstance(value, str):
        yield f"{path} altered", ("m" if value[:1] != "m" else "n") + value[1:]
    elif isinstance(value, bytes):
        yield f"{path} altered", bytes([value[0] ^ 1]) + value[1:] if value else b"\1"
        yield f"{path} altered at its end", value[:-1] + bytes([value[-1] ^ 0x80]) if value else b"\1\1"
        yield f"{path} one byte longer", value + b"\0"
        yield f"{path} one byte shorter", value[:-1]
    elif isinstance(value, tuple):
        for at, each in enumerate(value):
            name = f"{path}[{type(each).__name__ if is_dataclass(each) else at}]"
            for what, new in variants(each, name):
                yield what, (*value[:at], new, *value[at + 1 :])
            yield f"{name} left out", (*value[:at], *value[at + 1 :])
        if len(value) > 1:
            yield f"{path} in another order", (*value[1:], value[0])
    elif is_dataclass(value):
        for field in fields(value):
            for what, new in variants(getattr(value, field.name), f"{path}.{field.name}"):
                yield what, replace(value, **{field.name: new})  # type: ignore[type-var]


def encodings(message: Message) -> Iterator[tuple[str, bytes]]:
    """The alterations of a message that have an encoding, and one that is not its own."""
    own = encode_message(message)
    for what, new in variants(message, type(message).__name__):
        try:
            raw = encode_message(new)
        except ValueError:
            continue
        if raw != own:
            yield what, raw


def sent_by(role: Role) -> list[Message]:
    """The messages of one side, in their order."""
    notes: list[Note] = []
    talk = CONVERSATION.pair(**{f"{role.value}_notes": notes})
    talk.exchange()
    return [note.message for note in notes if isinstance(note, MessageSeen) and note.sent]


def altered(number: int, change: int) -> Edit:
    """The message with this number, altered in the way with that number."""
    count = 0

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        nonlocal count
        count += 1
        if count - 1 != number:
            return (message,)
        return ([raw for _, raw in encodings(message)][change],)

    return edit


def must_fail(talk: Pair, what: str) -> None:
    """Both sides end on an error that is documented, and they do not agree that all is well."""
    talk.exchange()
    assert not (talk.client.established and talk.server.established), f"unnoticed: {what}"
    for end in (talk.client, talk.server):
        end.receive_eof()
        assert isinstance(end.failure, (PeerFault, PeerAlert, Truncated)), f"{what}: {end.failure!r}"
        assert end.peer is None


def test_every_field_of_every_message_is_covered_by_the_proofs() -> None:
    """RFC 9846 4.1, 4.5.2, 4.5.3: who alters anything in flight is found out, by both sides."""
    tried = 0
    for role in Role:
        messages = sent_by(role)
        assert len(messages) == {Role.CLIENT: 5, Role.SERVER: 7}[role]
        for number, message in enumerate(messages):
            ways = [what for what, _ in encodings(message)]
            assert ways, f"{type(message).__name__} was not altered"
            for change, what in enumerate(ways):
                with lying(role, altered(number, change), in_flight=True):
                    must_fail(CONVERSATION.pair(), f"message {number} of the {role.value}: {what}")
                tried += 1
    assert tried > 250


# -- well-formed lies --------------------------------------------------------------------------------------

TYPES = (*map(int, ExtensionType), 0x0A0A, 0x1234)
BODIES = (b"", b"\0", b"\0\0", b"\0\2\0\x1d", b"\0\3\2h2", b"\1\0", b"\3\4", bytes(40))


def rearranged(those: tuple[Any, ...], chosen: random.Random) -> tuple[Any, ...]:
    """Add an extension that may not belong there, leave one out, repeat one, or shuffle them."""
    work = list(those)
    match chosen.randrange(4):
        case 0:
            strange = ext.UnknownExtension(chosen.choice(TYPES), chosen.choice(BODIES))
            work.insert(chosen.randrange(len(work) + 1), strange)
        case 1 if work:
            del work[chosen.randrange(len(work))]
        case 2 if work:
            work.append(chosen.choice(work))
        case _:
            chosen.shuffle(work)
    return tuple(work)


def lie(message: Message, chosen: random.Random) -> Message:
    """Alter one to three things in a message that stays well-formed."""
    for _ in range(chosen.choice((1, 1, 2, 3))):
        extensions = getattr(message, "extensions", None)
        if extensions is not None and chosen.random() < 0.5:
            new: Any = replace(message, extensions=rearranged(extensions, chosen))
        else:
            new = chosen.choice([message, *(each for _, each in variants(message))])
        try:
            encode_message(new)
        except ValueError:
            continue
        message = new
    return message


@pytest.mark.parametrize("versions", [("1.3",), ("1.3", "1.2")], ids="+".join)
@pytest.mark.parametrize("role", Role)
def test_well_formed_lies_are_refused_or_borne_and_never_a_defect(
    role: Role, versions: tuple[str, ...], full: bool
) -> None:
    """The liar's transcript and keys follow, so each lie is met by the check that it is meant for."""
    refusals = Counter[str]()
    for seed in range(8000 if full else 700):
        chosen = random.Random(seed)
        target = chosen.randrange(7)
        sent = 0

        def edit(
            message: Message, nth: int, chosen: random.Random = chosen, target: int = target
        ) -> Iterable[Any]:
            nonlocal sent
            sent += 1
            return (lie(message, chosen) if sent - 1 == target else message,)

        with lying(role, edit):
            talk = CONVERSATION.pair({"versions": versions}, {"versions": versions})
            talk.exchange()
        for end in (talk.client, talk.server):
            error = end.failure
            assert error is None or isinstance(error, PeerFault | PeerAlert), f"seed {seed}: {error!r}"
            if isinstance(error, PeerFault):
                refusals[error.fault.name] += 1
    assert len(refusals) > 8, "the lies are too much alike"


# -- bytes, on the wire ----------------------------------------------------------------------------------

# RFC 9846 5.1: legacy_record_version has no meaning and must be ignored. It stands at these places of a
# record in the clear; of the very first record the upper half tells TLS from other protocols.
UNREAD = (1, 2)


def record_headers(flight: bytes) -> dict[int, int]:
    """Where the bytes of record headers stand: their place in the flight, and in the header."""
    places = {}
    at = 0
    while at < len(flight):
        places |= {at + each: each for each in range(5)}
        at += 5 + int.from_bytes(flight[at + 3 : at + 5], "big")
    return places


class Wire:
    """One direction, on which one bit of one flight is turned."""

    def __init__(self, flight: int = -1, place: int = 0, bit: int = 0) -> None:
        self._aim = flight, place, bit
        self.flights: list[bytes] = []
        self.may_pass = False

    def __call__(self, data: bytes) -> bytes:
        self.flights.append(data)
        flight, place, bit = self._aim
        if len(self.flights) - 1 != flight or place >= len(data):
            return data
        inside = record_headers(data).get(place)
        protected = data[place - inside] == 23 if inside is not None else True
        self.may_pass = inside in UNREAD and not protected and (flight, place) != (0, 1)
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def turn(to_server: Wire, to_client: Wire) -> None:
    talk = CONVERSATION.pair()
    talk.to_server, talk.to_client = to_server, to_client
    aim = to_server if to_server._aim[0] >= 0 else to_client
    what = f"{'to the server' if aim is to_server else 'to the client'}: flight, byte, bit {aim._aim}"
    talk.exchange()
    if talk.client.established and talk.server.established:
        assert aim.may_pass or aim._aim[1] >= len(aim.flights[aim._aim[0]]), f"unnoticed: {what}"
        return
    must_fail(talk, what)
    if talk.client.established is False and aim.may_pass:
        raise AssertionError(f"refused, though it means nothing: {what}")


def flights() -> tuple[list[bytes], list[bytes]]:
    talk = CONVERSATION.pair()
    talk.to_server, talk.to_client = Wire(), Wire()
    talk.exchange()
    return talk.to_server.flights, talk.to_client.flights


def places(full: bool) -> Iterator[tuple[bool, int, int, int]]:
    """Direction, flight, byte, bit: all of them, or each byte in the clear and a sample of the rest."""
    chosen = random.Random(20260601)
    for to_server, those in zip((True, False), flights(), strict=True):
        for number, flight in enumerate(those):
            headers = record_headers(flight)
            clear = True
            for place in range(len(flight)):
                if headers.get(place) == 0:
                    clear = flight[place] != 23
                if full:
                    yield from ((to_server, number, place, bit) for bit in range(8))
                elif clear or place in headers or chosen.random() < 0.1:
                    yield to_server, number, place, chosen.randrange(8)


def test_every_byte_in_the_clear_and_some_of_the_rest_is_covered() -> None:
    """RFC 9846 5.2: no bit on the wire can be turned unnoticed, but for those without a meaning."""
    tried = 0
    for to_server, flight, place, bit in places(full=False):
        aimed = Wire(flight, place, bit)
        turn(*((aimed, Wire()) if to_server else (Wire(), aimed)))
        tried += 1
    assert tried > 900


@pytest.mark.full
def test_every_bit_on_the_wire_is_covered() -> None:
    """RFC 9846 5.2: the same, for each of them."""
    for to_server, flight, place, bit in places(full=True):
        aimed = Wire(flight, place, bit)
        turn(*((aimed, Wire()) if to_server else (Wire(), aimed)))


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_flight_that_is_lost_leaves_nobody_established(conversation: Conversation) -> None:
    """RFC 9846 6.1: without the peer's Finished there is no connection, whoever drops what."""
    count = len(_flights_of(conversation))
    for lost in range(count):
        talk = conversation.pair()
        passed = 0

        def drop(data: bytes, lost: int = lost) -> bytes:
            nonlocal passed
            passed += 1
            return b"" if passed - 1 == lost else data

        talk.to_server = talk.to_client = drop
        talk.exchange()
        assert not talk.server.established
        last_is_lost = lost == count - 1
        assert talk.client.established == last_is_lost, "only the client's last flight may be lost unseen"
        assert not talk.client.confirmed


def _flights_of(conversation: Conversation) -> list[bytes]:
    seen: list[bytes] = []

    def keep(data: bytes) -> bytes:
        seen.append(data)
        return data

    talk = conversation.pair()
    talk.to_server = talk.to_client = keep
    talk.exchange()
    return seen


def test_records_swapped_or_repeated_are_refused() -> None:
    """RFC 9846 5.3: a record opens at its own place alone."""

    def records(flight: bytes) -> list[bytes]:
        starts = sorted(at for at, inside in record_headers(flight).items() if inside == 0)
        return [flight[a:b] for a, b in zip(starts, [*starts[1:], len(flight)], strict=True)]

    for change in (
        lambda those: [those[1], those[0], *those[2:]],
        lambda those: [those[0], *those],
        lambda those: those[1:],
    ):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
        talk.client.send(b"first")
        for _ in range(2):
            talk.client.send(b"next")
        talk.server.receive(b"".join(change(records(talk.client.data_to_send()))))
        assert isinstance(talk.server.failure, PeerFault)
        assert talk.server.failure.fault.name == "BAD_RECORD"


def test_message_goes_out_under_the_keys_of_its_place() -> None:
    """RFC 9846 A: hellos in the clear, the rest of the handshake under its own keys."""
    for role in Role:
        notes: list[Note] = []
        CONVERSATION.pair(**{f"{role.value}_notes": notes}).exchange()
        for note in notes:
            if isinstance(note, MessageSeen):
                clear = type(note.message).__name__ in ("ClientHello", "ServerHello")
                assert note.epoch is (Epoch.PLAINTEXT if clear else Epoch.HANDSHAKE)


# -- bytes of elsewhere ----------------------------------------------------------------------------------


def test_own_words_reflected_are_refused() -> None:
    """RFC 9846 C.4 (Selfie): what one side says is never what it expects to hear."""
    talk = CONVERSATIONS["mutual"].pair()
    hello = talk.client.data_to_send()
    talk.client.receive(hello)
    assert isinstance(talk.client.failure, PeerFault)
    assert talk.client.failure.fault is Fault.UNEXPECTED_MESSAGE
    talk.server.receive(hello)
    talk.server.receive(talk.server.data_to_send())
    assert isinstance(talk.server.failure, PeerFault)
    for side in ("client", "server"):
        talk = CONVERSATIONS["mutual"].pair()
        talk.exchange()
        end = getattr(talk, side)
        end.send(b"to you")
        end.receive(end.data_to_send())
        assert isinstance(end.failure, PeerFault) and end.failure.fault is Fault.BAD_RECORD


@pytest.mark.parametrize("conversation", CONVERSATIONS.values(), ids=str)
def test_flights_of_another_connection_are_refused(conversation: Conversation) -> None:
    """RFC 9846 E.1: every flight is bound to the hellos of its own connection, so none can be replayed."""
    recorded = _flights_of(conversation)
    to_server, to_client = recorded[::2], recorded[1::2]
    server = conversation.pair().server
    for flight in to_server:
        server.receive(flight)
    assert not server.established and isinstance(server.failure, PeerFault)
    client = conversation.pair().client
    for flight in to_client:
        client.receive(flight)
    assert not client.established and isinstance(client.failure, PeerFault)


def test_connections_of_one_config_know_nothing_of_each_other() -> None:
    """Configs are shared; what one connection meets does not touch another."""
    client, server = client_config(), server_config()
    talks = [pair(client, server) for _ in range(4)]
    for talk in talks:
        talk.server_events += talk.server.receive(talk.client.data_to_send())
    talks[1].server.receive(b"\x17\x03\x03\x00\x20" + bytes(32))
    talks[2].client.close()
    for talk in reversed(talks):
        talk.exchange()
    assert [talk.client.established for talk in talks] == [True, False, False, True]
    assert [talk.server.established for talk in talks] == [True, False, False, True]
    talks[0].client.send(b"for the first")
    talks[3].client.send(b"for the last")
    for talk in talks:
        talk.exchange()
    assert [received(talk.server_events) for talk in talks] == [b"for the first", b"", b"", b"for the last"]
