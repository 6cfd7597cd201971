"""Lies about PSKs: sessions of TLS 1.3, and external keys with the importer (RFC 9846 4.3.11, RFC 9258)."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from typing import Any

from bothways.iana import Alert, CipherSuite, HandshakeType
from bothways.roles import Role
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello
from bothways.tls.wire.tls13 import EncryptedExtensions, Finished, NewSessionTicket
from hostile.lies import Entry, Lie, Offer
from hostile.scenes import RAW, SIGNED
from inside import machinery
from pair import Pair
from tamper import before, behind, changing, editing, extending, without
from tls.handshake.conversations import EXAMPLES

RESUMED: dict[str, Any] = {"authentication": SIGNED + RAW, "scene": {"resumed": True}}
ALONE: dict[str, Any] = {"authentication": ("key",)}
BESIDE: dict[str, Any] = {"authentication": ("key or certificate",)}
WRONG = {"resumed": Alert.DECRYPT_ERROR, "external": Alert.UNKNOWN_PSK_IDENTITY}


def stranger(number: int = 0, size: int = 32) -> Entry:
    """A key of nobody."""
    name = sha256(b"%d" % number).digest()
    return Entry(ext.PskIdentity(name, number), bytes(size))


def behind_strangers(count: int) -> Offer:
    return lambda those: [*map(stranger, range(count)), *those]


def before_strangers(count: int) -> Offer:
    return lambda those: [*those, *map(stranger, range(count))]


def _named(entry: Entry, identity: bytes) -> Entry:
    return replace(entry, identity=replace(entry.identity, identity=identity), origin=None)


def _wrong(entry: Entry) -> Entry:
    size = 32 if isinstance(entry.binder, bytes) else entry.binder.suite.hash_size
    return replace(entry, binder=sha256(b"wrong").digest().ljust(size, b"\1"))


def all_wrong(those: list[Entry]) -> list[Entry]:
    return [*map(_wrong, those)]


def first_of_two_wrong(those: list[Entry]) -> list[Entry]:
    return [*map(_wrong, those), *those]


def second_of_two_wrong(those: list[Entry]) -> list[Entry]:
    return [*those, *map(_wrong, those)]


def exchanged(those: list[Entry]) -> list[Entry]:
    """A stranger with the right binder in front of the right identities with wrong ones."""
    return [replace(stranger(), binder=those[0].binder), *map(_wrong, those)]


def altered(change: Callable[[bytes], bytes]) -> Offer:
    return lambda those: [_named(each, change(each.identity.identity)) for each in those]


def aged(by: int) -> Offer:
    def offer(those: list[Entry]) -> list[Entry]:
        return [
            replace(
                each,
                identity=replace(
                    each.identity, obfuscated_ticket_age=(each.identity.obfuscated_ticket_age + by) % 2**32
                ),
            )
            for each in those
        ]

    return offer


def _modes(*modes: int) -> Callable[[tuple[Any, ...]], Sequence[Any]]:
    return lambda those: [
        ext.PskKeyExchangeModes(modes) if isinstance(each, ext.PskKeyExchangeModes) else each
        for each in those
    ]


def _imported(fields: dict[str, Any], identity: bytes) -> bytes:
    """The identity of an imported key with other fields (RFC 9258 5.1)."""
    at, parts = 0, []
    for _ in range(2):
        size = int.from_bytes(identity[at : at + 2], "big")
        parts.append(identity[at + 2 : at + 2 + size])
        at += 2 + size
    name, context = fields.get("external_identity", parts[0]), fields.get("context", parts[1])
    target = [int.from_bytes(identity[place : place + 2], "big") for place in (at, at + 2)]
    target = [fields.get("target_protocol", target[0]), fields.get("target_kdf", target[1])]
    numbers = b"".join(each.to_bytes(2, "big") for each in target)
    return b"".join(len(each).to_bytes(2, "big") + each for each in (name, context)) + numbers


def client(what: str, *alerts: Alert, **rest: Any) -> Lie:
    return Lie(what, Role.CLIENT, alerts, **rest)


def server(what: str, *alerts: Alert, **rest: Any) -> Lie:
    return Lie(what, Role.SERVER, alerts, **rest)


ILLEGAL = Alert.ILLEGAL_PARAMETER
LIES: list[Lie] = []
for _kind, _where, _tried in (("resumed", RESUMED, 4), ("external", ALONE, 8), ("external", BESIDE, 8)):
    _no_key = (Alert.UNKNOWN_PSK_IDENTITY,) if _where is ALONE else ()
    LIES += [
        client(f"{_kind}: a wrong binder", WRONG[_kind], offer=all_wrong, **_where),
        client(f"{_kind}: twice, the first binder wrong", WRONG[_kind], offer=first_of_two_wrong, **_where),
        client(f"{_kind}: twice, the second binder wrong", offer=second_of_two_wrong, **_where),
        client(f"{_kind}: twice", offer=lambda those: those * 2, **_where),
        client(f"{_kind}: with the binder of a stranger's place", WRONG[_kind], offer=exchanged, **_where),
        client(f"{_kind}: hundreds of strangers behind", offer=before_strangers(300), **_where),
        client(f"{_kind}: hundreds of strangers before", *_no_key, offer=behind_strangers(300), **_where),
        client(f"{_kind}: one stranger before", offer=behind_strangers(1), **_where),
        client(f"{_kind}: many before", offer=behind_strangers(_tried - 1), **_where),
        client(f"{_kind}: too many before", *_no_key, offer=behind_strangers(_tried), **_where),
        client(
            f"{_kind}: too many before, and none after a retry",
            *_no_key,
            offer=behind_strangers(_tried),
            again=list,
            **(_where | {"scene": _where.get("scene", {}) | {"retry": True, "ech": ""}}),
        ),
        client(
            f"{_kind}: one before, and none after a retry",
            offer=behind_strangers(1),
            again=list,
            **(_where | {"scene": _where.get("scene", {}) | {"retry": True, "ech": ""}}),
        ),
        client(
            f"{_kind}: one more after a retry",
            ILLEGAL,
            again=before_strangers(1),
            **(_where | {"scene": _where.get("scene", {}) | {"retry": True, "ech": ""}}),
        ),
        client(
            f"{_kind}: a wrong binder after a retry",
            WRONG[_kind],
            again=all_wrong,
            **(_where | {"scene": _where.get("scene", {}) | {"retry": True, "ech": ""}}),
        ),
        client(f"{_kind}: the last byte left out", *_no_key, offer=altered(lambda name: name[:-1]), **_where),
        client(f"{_kind}: a byte more", *_no_key, offer=altered(lambda name: name + b"\0"), **_where),
        client(
            f"{_kind}: a bit altered",
            *_no_key,
            offer=altered(lambda name: name[:3] + bytes([name[3] ^ 1]) + name[4:]),
            **_where,
        ),
        client(
            f"{_kind}: one binder too few",
            ILLEGAL,
            offer=lambda those: those * 2,
            binders=lambda those: those[:-1],
            **_where,
        ),
        client(f"{_kind}: one binder too many", ILLEGAL, binders=lambda those: (*those, bytes(32)), **_where),
        client(f"{_kind}: psk_ke alone", *_no_key, hello=_modes(0), **_where),
        client(f"{_kind}: modes that nobody knows", hello=_modes(7, 1, 0), **_where),
        client(
            f"{_kind}: no modes",
            Alert.MISSING_EXTENSION,
            hello=lambda those: [e for e in those if not isinstance(e, ext.PskKeyExchangeModes)],
            **_where,
        ),
        client(
            f"{_kind}: early data announced",
            hello=lambda those: [*those, ext.EarlyDataIndication()],
            **(_where | {"scene": _where.get("scene", {}) | {"retry": False}}),
        ),
        client(
            f"{_kind}: not last",
            ILLEGAL,
            make=lambda chance: extending(ClientHello, ext.UnknownExtension(0x7A7B, b"")),
            **(_where | {"scene": _where.get("scene", {}) | {"ech": ""}}),
        ),
        client(
            f"{_kind}: longer binders",
            WRONG[_kind],
            binders=lambda those: tuple([each + b"\0" for each in those]),
            **_where,
        ),
    ]
LIES += [
    client(
        "a session: years old by its holder's count",
        offer=aged(2**31),
        **RESUMED,
    ),
    client("a session: from the future by its holder's count", offer=aged(-1000), **RESUMED),
]

for _where, _no_key in ((ALONE, (Alert.UNKNOWN_PSK_IDENTITY,)), (BESIDE, ())):
    LIES += [
        client(f"imported: {_what}", *_no_key, offer=altered(partial(_imported, _fields)), **_where)
        for _what, _fields in {
            "for TLS 1.2": {"target_protocol": 0x0303},
            "for a KDF of nobody": {"target_kdf": 9},
            "for other names": {"context": b"\x05other\x05names"},
            "for no names": {"context": b""},
            "another identity": {"external_identity": b"key 9"},
        }.items()
    ]
    LIES += [
        client(f"imported: {_what}", *_no_key, offer=altered(_identity), **_where)
        for _what, _identity in (
            ("without the importer", lambda name: b"key 0"),
            ("one byte", lambda name: b"k"),
            ("very long", lambda name: name[:2] + bytes(10_000)),
            ("only zeros", lambda name: bytes(len(name))),
        )
    ]


# -- answers of a server ---------------------------------------------------------------------------------


def _index(number: int) -> Callable[[random.Random], Any]:
    return lambda chance: editing(ServerHello, ext.SelectedIdentity, index=number)


def _suite(of: int) -> int:
    """A suite with another hash."""
    wide = CipherSuite.TLS_AES_256_GCM_SHA384
    return CipherSuite.TLS_AES_128_GCM_SHA256 if of == wide else wide


ONCE = {"retry": False, "ech": ""}
for _kind, _where in (("resumed", RESUMED), ("external", ALONE), ("external", BESIDE)):
    _once = _where | {"scene": _where.get("scene", {}) | ONCE}
    LIES += [
        server(f"{_kind}: a key that was not offered", ILLEGAL, make=_index(65_535), **_once),
        server(f"{_kind}: the key behind the last", ILLEGAL, make=_index(2), **_once),
        server(
            f"{_kind}: a suite of another hash",
            ILLEGAL,
            make=lambda chance: changing(ServerHello, cipher_suite=_suite),
            **_once,
        ),
        server(
            f"{_kind}: no share",
            ILLEGAL,
            Alert.MISSING_EXTENSION,
            make=lambda chance: without(ServerHello, ext.ServerShare),
            **_once,
        ),
        server(
            f"{_kind}: a certificate requested beside the key",
            Alert.UNEXPECTED_MESSAGE,
            make=lambda chance: before(Finished, EXAMPLES[HandshakeType.certificate_request]),
            **_where,
        ),
        server(
            f"{_kind}: a certificate beside the key",
            Alert.UNEXPECTED_MESSAGE,
            make=lambda chance: before(Finished, EXAMPLES[HandshakeType.certificate]),
            **_where,
        ),
        server(
            f"{_kind}: the key used and not said",
            Alert.UNEXPECTED_MESSAGE,
            Alert.BAD_RECORD_MAC,
            Alert.HANDSHAKE_FAILURE,
            make=lambda chance: without(ServerHello, ext.SelectedIdentity),
            **_once,
        ),
        server(
            f"{_kind}: early data accepted",
            Alert.UNSUPPORTED_EXTENSION,
            make=lambda chance: extending(EncryptedExtensions, ext.EarlyDataIndication()),
            **_where,
        ),
    ]
LIES += [
    server(
        "a key where none was offered",
        Alert.UNSUPPORTED_EXTENSION,
        make=lambda chance: extending(ServerHello, ext.SelectedIdentity(0)),
        authentication=SIGNED + RAW,
        scene={"resumed": False, "retry": False, "ech": ""},
    ),
    server(
        "a key where the encrypted ClientHello was rejected",
        ILLEGAL,
        Alert.UNSUPPORTED_EXTENSION,
        make=lambda chance: extending(ServerHello, ext.SelectedIdentity(0)),
        authentication=SIGNED,
        scene={"retry": False, "ech": "outdated"},
    ),
]


# -- tickets ---------------------------------------------------------------------------------------------


def tickets(*tickets: NewSessionTicket) -> Callable[[Pair, random.Random], None]:
    def then(talk: Pair, chance: random.Random) -> None:
        for each in tickets:
            behind(encode_message(each))(machinery(talk.server))
            machinery(talk.server).out.flush()

    return then


def _ticket(
    lifetime: int = 3600, nonce: bytes = b"n", ticket: bytes = b"a ticket", *extensions: Any
) -> NewSessionTicket:
    return NewSessionTicket(lifetime, 0, nonce, ticket, extensions)


MANY = tuple(ext.UnknownExtension(0x5000 + number, b"") for number in range(200))
LIES += [
    server("tickets of eight days", then=tickets(_ticket(8 * 86_400))),
    server("tickets of 136 years", then=tickets(_ticket(2**32 - 1))),
    server("tickets of no time", then=tickets(_ticket(0))),
    server(
        "tickets with one nonce",
        then=tickets(*[_ticket(nonce=b"n", ticket=bytes([n + 1])) for n in range(8)]),
    ),
    server("tickets without a nonce", then=tickets(_ticket(nonce=b""), _ticket(nonce=b""))),
    server("a very large ticket", then=tickets(_ticket(ticket=bytes(65_000)))),
    server("a ticket with many extensions", then=tickets(_ticket(3600, b"n", b"t", *MANY))),
    server("a ticket with early data", then=tickets(_ticket(3600, b"n", b"t", ext.MaxEarlyData(2**32 - 1)))),
    server(
        "a ticket with an extension twice",
        ILLEGAL,
        then=tickets(_ticket(3600, b"n", b"t", *[ext.MaxEarlyData(1)] * 2)),
    ),
    server(
        "a ticket with an extension of a hello",
        ILLEGAL,
        then=tickets(_ticket(3600, b"n", b"t", ext.UnknownExtension(0, b""))),
    ),
    server("thirty tickets", then=tickets(*[_ticket(nonce=bytes([n])) for n in range(30)])),
    server(
        "a hundred tickets",
        Alert.UNEXPECTED_MESSAGE,
        then=tickets(*[_ticket(nonce=bytes([n])) for n in range(100)]),
    ),
    client(
        "a ticket of a client",
        Alert.UNEXPECTED_MESSAGE,
        then=lambda talk, chance: _sent_by(talk.client, _ticket()),
    ),
]


def _sent_by(end: Any, message: Any) -> None:
    behind(encode_message(message))(machinery(end))
    machinery(end).out.flush()
