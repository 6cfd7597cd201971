"""The machinery of tampering: fields altered in flight, bits turned on the wire, bytes as a bad line leaves them.

It knows no version of TLS: which course is played, and which bytes mean nothing there, its callers say.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from itertools import islice
from typing import Any

from bothways import PeerAlert, PeerFault, Truncated
from bothways.iana import ExtensionType
from bothways.roles import Role
from bothways.tls.events import MessageSeen, Note
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import Message, encode_message
from pair import Pair
from tamper import Edit, Outgoing, altering
from tls.handshake.conversations import Conversation

DOCUMENTED = (PeerFault, PeerAlert, Truncated)
Place = tuple[bool, int, int, int]

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


def ways_to_alter(message: Message) -> Iterator[tuple[int, str]]:
    """The numbers of those of its `variants` that have an encoding, and one that is not its own."""
    own = encode_message(message)
    for number, (what, new) in enumerate(variants(message, type(message).__name__)):
        try:
            raw = encode_message(new)
        except ValueError:
            continue
        if raw != own:
            yield number, what


def one_way_for_each_field(ways: Iterable[tuple[int, str]]) -> list[tuple[int, str]]:
    """Of the ways to alter a message one for each of its fields, and one for all items of a list, by a fixed seed."""
    chosen = random.Random(20260603)
    fields = defaultdict(list)
    for number, what in ways:
        fields[re.sub(r"\[\d+\]", "[]", what.partition(" ")[0])].append((number, what))
    return [chosen.choice(each) for each in fields.values()]


def sent_by(role: Role, course: Conversation) -> list[Message]:
    """The messages of one side, in their order."""
    notes: list[Note] = []
    course.pair(**{f"{role.value}_notes": notes}).exchange()
    return [note.message for note in notes if isinstance(note, MessageSeen) and note.sent]


def altered(number: int, way: int) -> Edit:
    """The message with this number, altered in the way with that number."""
    count = 0

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        nonlocal count
        count += 1
        if count - 1 != number:
            return (message,)
        _, new = next(islice(variants(message), way, None))
        return (new,)

    return edit


def must_fail(talk: Pair, what: str) -> None:
    """Both sides end on an error that is documented, and they do not agree that all is well."""
    talk.exchange()
    assert not (talk.client.established and talk.server.established), f"unnoticed: {what}"
    for end in (talk.client, talk.server):
        end.receive_eof()
        assert isinstance(end.failure, DOCUMENTED), f"{what}: {end.failure!r}"
        assert end.peer is None


def alter_every_field(course: Conversation, *, full: bool) -> int:
    """Alter every field of every message, one at a time; nothing comes of it. Return how often.

    full: in every way there is.
    """
    tried = 0
    for role in Role:
        for number, message in enumerate(sent_by(role, course)):
            ways = list(ways_to_alter(message))
            assert ways or not fields(message), f"{type(message).__name__} was not altered"
            for way, what in ways if full else one_way_for_each_field(ways):
                with altering(role, altered(number, way), in_flight=True):
                    must_fail(course.pair(), f"message {number} of the {role.value}: {what}")
                tried += 1
    return tried


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


# -- bits, on the wire -------------------------------------------------------------------------------------


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

    def __call__(self, data: bytes) -> bytes:
        self.flights.append(data)
        flight, place, bit = self._aim
        if len(self.flights) - 1 != flight or place >= len(data):
            return data
        return data[:place] + bytes([data[place] ^ 1 << bit]) + data[place + 1 :]


def flights(course: Conversation) -> tuple[list[bytes], list[bytes]]:
    """What goes each way, to the server first."""
    talk = course.pair()
    talk.to_server, talk.to_client = Wire(), Wire()
    talk.exchange()
    return talk.to_server.flights, talk.to_client.flights


def every_bit(course: Conversation) -> Iterator[Place]:
    """Direction, flight, byte and bit of everything on the wire."""
    for to_server, those in zip((True, False), flights(course), strict=True):
        for number, flight in enumerate(those):
            yield from ((to_server, number, place, bit) for place in range(len(flight)) for bit in range(8))


def sample_of_bits(course: Conversation, seed: int, share: float, clear: float = 0) -> Iterator[Place]:
    """One bit of each byte of each record header, and of a share of the rest; `clear` is the share in the clear."""
    chosen = random.Random(seed)
    for to_server, those in zip((True, False), flights(course), strict=True):
        for number, flight in enumerate(those):
            headers = record_headers(flight)
            protected = False
            for place in range(len(flight)):
                if headers.get(place) == 0:
                    protected = flight[place] == 23
                if place in headers or chosen.random() < (share if protected else max(share, clear)):
                    yield to_server, number, place, chosen.randrange(8)


def turn_bits(
    course: Conversation,
    aims: Iterable[Place],
    is_unread: Callable[[bytes, int, int], bool],
    *,
    unread_passes: bool,
) -> int:
    """Turn one bit at a time; nothing comes of it, but where `is_unread(flight, number, place)`.

    unread_passes: what is unread is also never refused.  Returns how many were turned.
    """
    tried = 0
    for to_server, number, place, bit in aims:
        aimed = Wire(number, place, bit)
        talk = course.pair()
        talk.to_server, talk.to_client = (aimed, Wire()) if to_server else (Wire(), aimed)
        talk.exchange()
        flight = aimed.flights[number]
        what = f"{'to the server' if to_server else 'to the client'}: {number, place, bit}"
        unread = place < len(flight) and is_unread(flight, number, place)
        if talk.client.established and talk.server.established:
            assert unread or place >= len(flight), f"unnoticed: {what}"
        else:
            assert not (unread and unread_passes), f"refused, though it means nothing: {what}"
            must_fail(talk, what)
        tried += 1
    return tried


# -- bytes that nobody meant -------------------------------------------------------------------------------


def mutated(data: bytes, chosen: random.Random) -> bytes:
    """Change bytes as a bad line, a bad peer or a fuzzer would."""
    work = bytearray(data)
    for _ in range(chosen.choice((1, 1, 1, 2, 5))):
        at = chosen.randrange(len(work) + 1)
        match chosen.randrange(7):
            case 0 if at < len(work):
                work[at] ^= 1 << chosen.randrange(8)
            case 1 if at < len(work):
                work[at] = chosen.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del work[at:]
            case 3:
                work[at:at] = chosen.randbytes(chosen.choice((1, 2, 5, 100)))
            case 4:
                del work[at : at + chosen.choice((1, 2, 5, 32))]
            case 5:
                work[at:at] = work[: chosen.randrange(len(work) + 1)]
            case _:
                size = int.from_bytes(work[at : at + 2], "big") + chosen.choice((-1, 1, 256))
                work[at : at + 2] = (size & 0xFFFF).to_bytes(2, "big")
        if not work:
            return b""
    return bytes(work)


def mutator(number: int, chosen: random.Random) -> Edit:
    count = 0

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        nonlocal count
        count += 1
        if count - 1 != number:
            return (message,)
        raw = encode_message(message)
        body = mutated(raw[4:], chosen)
        return (raw[:1] + len(body).to_bytes(3, "big") + body,)

    return edit


def ended_as_documented(talk: Pair, what: str) -> None:
    for end in (talk.client, talk.server):
        end.receive_eof()
        assert end.failure is None or isinstance(end.failure, DOCUMENTED), f"{what}: {end.failure!r}"
        assert len(str(end.failure)) < 4000
