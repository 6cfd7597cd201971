"""Handshake messages that a stranger makes large by what is small: hellos, requests, certificates and records.

A kind draws an `Attack` from a source of chance and about how many bytes one message shall have.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterable
from typing import Any

from bothways.iana import ExtensionType
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.steps import Role
from bothways.tls.wire import extensions as ext
from bothways.tls.wire import tls12, tls13
from bothways.tls.wire.compression import FREE_OCTETS
from bothways.tls.wire.extension_table import TABLE, ExtensionContext, code
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.hello import ClientHello, ServerHello
from hostile import chains
from hostile.der import name, tlv
from hostile.talks import (
    COMPRESSED,
    KEYED,
    KEYED_OR_CERTIFIED,
    MUTUAL,
    MUTUAL12,
    ONE_WAY,
    RETRIED,
    STAPLED,
    STAPLED12,
    TRANSPORT12,
    Attack,
    pieces,
    whole,
)
from inside import machinery
from tamper import (
    Edit,
    Outgoing,
    after,
    as_bytes,
    before,
    both,
    changing,
    framed,
    instead_of,
    sealed,
    wire,
    with_extensions,
)
from tls.handshake.conversations import Conversation

Draw = Callable[[random.Random, int], Attack]
Sized = Callable[[int], Edit]
KINDS: dict[str, Draw] = {}
X = ExtensionType
ROOM = 60_000  # what fits into a message beside the honest part of it
BOTH = {"1.3": MUTUAL, "1.2": MUTUAL12}


def _enter(title: str, sender: Role, courses: dict[str, Conversation], edit: Sized) -> None:
    for version, course in courses.items():
        KINDS[f"{title} ({version}, by the {sender.value})"] = _drawn(sender, course, edit)


def _drawn(sender: Role, course: Conversation, edit: Sized) -> Draw:
    return lambda _chance, size: Attack(sender, course, edit(min(size, ROOM)))


def vector(prefix: int, content: bytes) -> bytes:
    """Bytes behind their length."""
    return len(content).to_bytes(prefix, "big") + content


def filled(size: int, item: Callable[[int], bytes]) -> bytes:
    """As many items as fit, and not one more."""
    parts: list[bytes] = []
    total = 0
    while total + len(part := item(len(parts))) <= size:
        parts.append(part)
        total += len(part)
    return b"".join(parts)


def two(number: int) -> bytes:
    return (number & 0xFFFF).to_bytes(2, "big")


def strange(at: int) -> bytes:
    """A code point of two bytes that nobody knows."""
    return two(0x5000 + at)


# -- what one extension can hold a lot of --------------------------------------------------------------

_KEY_USAGE, _EXTENDED_USAGE = (vector(1, bytes.fromhex(each)) for each in ("0603551d0f", "0603551d25"))

LISTS: dict[str, tuple[int, Callable[[int], bytes]]] = {
    "host names": (X.server_name, lambda size: vector(2, filled(size, lambda at: b"\0\0\1a"))),
    "host names of odd types": (
        X.server_name,
        lambda size: vector(2, filled(size, lambda at: bytes((at & 0xFF,)) + b"\0\1a")),
    ),
    "one long host name": (X.server_name, lambda size: vector(2, b"\0" + vector(2, b"a." * (size // 2)))),
    "a host name of no letters": (X.server_name, lambda size: vector(2, b"\0" + vector(2, b"\xff" * size))),
    "responder IDs": (
        X.status_request,
        lambda size: b"\1" + vector(2, filled(size, lambda at: b"\0\1a")) + b"\0\0",
    ),
    "groups": (X.supported_groups, lambda size: vector(2, filled(size & ~1, strange))),
    "point formats": (X.ec_point_formats, lambda size: vector(1, bytes(range(1, min(size, 255) + 1)))),
    "schemes": (X.signature_algorithms, lambda size: vector(2, filled(size & ~1, strange))),
    "schemes for certificates": (
        X.signature_algorithms_cert,
        lambda size: vector(2, filled(size & ~1, strange)),
    ),
    "protocols of one letter": (
        X.application_layer_protocol_negotiation,
        lambda size: vector(2, filled(size, lambda at: b"\1a")),
    ),
    "protocols": (
        X.application_layer_protocol_negotiation,
        lambda size: vector(2, filled(size, lambda at: vector(1, f"{at:x}".encode()))),
    ),
    "timestamps": (
        X.signed_certificate_timestamp,
        lambda size: vector(2, filled(size, lambda at: b"\0\1a")),
    ),
    "padding": (X.padding, bytes),
    "compressions": (X.compress_certificate, lambda size: vector(1, bytes(min(size, 254) & ~1))),
    "a ticket": (X.session_ticket, bytes),
    "shared keys": (
        X.pre_shared_key,
        lambda size: (
            vector(2, filled(size * 7 // 40, lambda at: b"\0\1a\0\0\0\0"))
            + vector(2, filled(size * 33 // 40, lambda at: b"\x20" + bytes(32)))
        ),
    ),
    "shared keys without binders": (
        X.pre_shared_key,
        lambda size: vector(2, filled(size, lambda at: b"\0\1a\0\0\0\0")) + vector(2, b"\x20" + bytes(32)),
    ),
    "versions": (X.supported_versions, lambda size: vector(1, filled(min(size, 254) & ~1, strange))),
    "a cookie": (X.cookie, lambda size: vector(2, bytes(size))),
    "modes": (X.psk_key_exchange_modes, lambda size: vector(1, bytes(min(size, 255)))),
    "authorities": (X.certificate_authorities, lambda size: vector(2, filled(size, lambda at: b"\0\1a"))),
    "authorities that are names": (
        X.certificate_authorities,
        lambda size: vector(2, filled(size, lambda at: vector(2, name(f"{at:x}")))),
    ),
    "one large authority": (
        X.certificate_authorities,
        lambda size: vector(2, vector(2, chains.NAMES["many relative names"](random.Random(1), size - 64))),
    ),
    "filters": (X.oid_filters, lambda size: vector(2, filled(size, lambda at: b"\2" + two(at) + b"\0\0"))),
    "filters of one usage": (
        X.oid_filters,
        lambda size: vector(2, filled(size, lambda at: _EXTENDED_USAGE + b"\0\0")),
    ),
    "a filter of many usages": (
        X.oid_filters,
        lambda size: vector(
            2, _EXTENDED_USAGE + vector(2, tlv(0x30, filled(size - 64, lambda at: b"\6\1a")))
        ),
    ),
    "a filter of many bits": (
        X.oid_filters,
        lambda size: vector(2, _KEY_USAGE + vector(2, tlv(0x03, b"\0" + b"\xff" * (size - 64)))),
    ),
    "shares": (X.key_share, lambda size: vector(2, filled(size, lambda at: strange(at) + b"\0\1a"))),
    "one large share": (X.key_share, lambda size: vector(2, two(29) + vector(2, bytes(size)))),
    "renegotiation": (X.renegotiation_info, lambda size: vector(1, bytes(min(size, 255)))),
    "an unknown extension": (0x7A7B, bytes),
}


def _with_list(kind: type, extension: int, data: Callable[[int], bytes]) -> Sized:
    """A message with one extension in the place of that which is there."""

    def edit(size: int) -> Edit:
        big = ext.UnknownExtension(int(extension), data(size))

        def change(those: tuple[ext.Extension, ...]) -> Iterable[ext.Extension]:
            kept = [each for each in those if code(each) != extension]
            if kind is ClientHello and extension == X.pre_shared_key:
                kept.append(ext.PskKeyExchangeModes((1,)))
            return [*kept, big]

        return with_extensions(kind, change)

    return edit


# Who sends which message with extensions, in which versions, and as what the table of extensions knows it.
_HOLDERS: tuple[tuple[type, Role, dict[str, Conversation], tuple[ExtensionContext, ...]], ...] = (
    (ClientHello, Role.CLIENT, BOTH, (ExtensionContext.CH,)),
    (ServerHello, Role.SERVER, BOTH, (ExtensionContext.SH, ExtensionContext.SH12)),
    (tls13.EncryptedExtensions, Role.SERVER, {"1.3": MUTUAL}, (ExtensionContext.EE,)),
    (tls13.CertificateRequest, Role.SERVER, {"1.3": MUTUAL}, (ExtensionContext.CR,)),
)


def _may_stand(extension: int, places: tuple[ExtensionContext, ...]) -> bool:
    row = TABLE.get(extension)  # type: ignore[call-overload]
    return row is None or any(place in row for place in places)


for _kind, _liar, _courses, _places in _HOLDERS:
    for _title, (_extension, _data) in LISTS.items():
        if _may_stand(_extension, _places):
            _enter(f"{_kind.__name__}: {_title}", _liar, _courses, _with_list(_kind, _extension, _data))


def imported_keys(count: int, size: int) -> bytes:
    """So many identities of imported PSKs, each with so many bytes of context, and a binder for each (RFC 9258 5.1)."""
    one = vector(2, vector(2, b"key 0") + vector(2, bytes(size)) + b"\3\4\0\1") + bytes(4)
    return vector(2, one * count) + vector(2, vector(1, bytes(32)) * count)


for _title, _keys in (
    ("many imported keys", lambda size: imported_keys(size // 64, 8)),
    ("eight large imported keys", lambda size: imported_keys(8, (size - 600) // 8)),
    ("one large imported key", lambda size: imported_keys(1, size - 200)),
):
    for _course in (KEYED, KEYED_OR_CERTIFIED):
        _enter(
            f"ClientHello: {_title}, {_course.name}",
            Role.CLIENT,
            {"1.3": _course},
            _with_list(ClientHello, X.pre_shared_key, _keys),
        )


# -- many extensions -----------------------------------------------------------------------------------


def _appending(kind: type, each: Callable[[int], tuple[int, bytes]]) -> Sized:
    """A message with many extensions behind its own."""

    def edit(size: int) -> Edit:
        many: list[ext.Extension] = []
        total = 0
        while total < size - 300:
            extension, data = each(len(many))
            many.append(ext.UnknownExtension(extension, data))
            total += 4 + len(data)
        return with_extensions(kind, lambda those: [*those, *many])

    return edit


for _kind, _liar, _courses, _places in _HOLDERS:
    _enter(
        f"{_kind.__name__}: unknown extensions",
        _liar,
        _courses,
        _appending(_kind, lambda at: (0x4000 + at & 0xFFFF, b"")),
    )
    _enter(
        f"{_kind.__name__}: one unknown extension again and again",
        _liar,
        _courses,
        _appending(_kind, lambda at: (0x4A4B, b"")),
    )
    for _title, (_extension, _data) in LISTS.items():
        if _extension in TABLE and _may_stand(_extension, _places):
            _enter(
                f"{_kind.__name__}: again and again {_title}",
                _liar,
                _courses,
                _appending(_kind, lambda at, extension=_extension, data=_data: (extension, data(80))),
            )


def _in_both_hellos(size: int) -> Edit:
    many = tuple(ext.UnknownExtension(0x4000 + at, bytes(size // 250)) for at in range(200))

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        return with_extensions(ClientHello, lambda those: [*those, *many], nth)(message, nth)

    return edit


_enter("ClientHello: the same after a retry", Role.CLIENT, {"1.3": RETRIED}, _in_both_hellos)


# -- the rest of the hellos ----------------------------------------------------------------------------


def _groups_and_shares(size: int) -> Edit:
    groups = tuple(range(0x5000, 0x5000 + min(size // 10, 6000)))
    shares = tuple(ext.KeyShareEntry(group, b"a") for group in groups)
    return with_extensions(
        ClientHello,
        lambda those: [
            *(each for each in those if not isinstance(each, ext.SupportedGroups | ext.KeyShares)),
            ext.SupportedGroups((29, *groups)),
            ext.KeyShares(shares),
        ],
    )


def _suites(size: int) -> tuple[int, ...]:
    return tuple(range(0x5000, 0x5000 + size // 2))


_enter("ClientHello: groups and shares", Role.CLIENT, {"1.3": MUTUAL}, _groups_and_shares)
_enter(
    "ClientHello: cipher suites behind ours",
    Role.CLIENT,
    BOTH,
    lambda size: changing(ClientHello, cipher_suites=lambda those: (*those, *_suites(size))),
)
_enter(
    "ClientHello: cipher suites that nobody has",
    Role.CLIENT,
    BOTH,
    lambda size: changing(ClientHello, cipher_suites=_suites(size)),
)
_enter(
    "ClientHello: compression methods",
    Role.CLIENT,
    BOTH,
    lambda size: changing(ClientHello, legacy_compression_methods=bytes(range(256))[: min(size, 255)]),
)


# -- certificates and what goes with them --------------------------------------------------------------

Entries = Callable[[int], list[tls13.CertificateEntry]]
Entry = tls13.CertificateEntry


def _entries(count: Entries) -> Sized:
    return lambda size: changing(tls13.Certificate, certificate_list=tuple(count(size)))


ENTRIES: dict[str, Entries] = {
    "tiny entries": lambda size: [Entry(b"0", ())] * (size // 6),
    "entries, each another": lambda size: [Entry(two(at), ()) for at in range(size // 7)],
    "sixteen entries": lambda size: [Entry(bytes((at,)) * max(size // 17, 1), ()) for at in range(16)],
    "one large entry": lambda size: [Entry(bytes(size), ())],
    "unknown extensions in an entry": lambda size: [
        Entry(b"0", tuple(ext.UnknownExtension(0x4000 + at, b"") for at in range(size // 4)))
    ],
    "one extension again and again": lambda size: [Entry(b"0", (ext.CertificateStatus(b"a"),) * (size // 9))],
    "a status in each of many entries": lambda size: (
        [Entry(b"0", (ext.CertificateStatus(b"a"),))] * (size // 15)
    ),
    "timestamps in an entry": lambda size: [
        Entry(b"0", (ext.SignedCertificateTimestamps((b"a",) * (size // 3)),))
    ],
}
for _title, _count in ENTRIES.items():
    for _course in (MUTUAL, STAPLED):
        for _liar in Role:
            _enter(f"Certificate: {_title}", _liar, {f"1.3, {_course}": _course}, _entries(_count))


def _bomb(entries: Callable[[int], list[Entry]]) -> Sized:
    """A Certificate of so many bytes, or the largest that a few bytes may state, in as few as zlib makes of it."""

    def edit(size: int) -> Edit:
        body = encode_message(tls13.Certificate(b"", tuple(entries(max(size, FREE_OCTETS - 64)))))[4:]
        bomb = tls13.CompressedCertificate(1, len(body), zlib.compress(body, 9))
        return instead_of(tls13.Certificate, bomb)

    return edit


for _title, _count in ENTRIES.items():
    for _liar in Role:
        _enter(f"Certificate, compressed: {_title}", _liar, {"1.3": COMPRESSED}, _bomb(_count))
for _liar in Role:
    _enter(
        "Certificate, compressed: what does not decompress",
        _liar,
        {"1.3": COMPRESSED},
        lambda size: instead_of(tls13.Certificate, tls13.CompressedCertificate(1, size, bytes(size))),
    )


def _certificates12(size: int) -> Edit:
    return changing(tls12.Certificate, certificate_list=(b"0",) * (size // 4))


for _liar in Role:
    _enter("Certificate: tiny entries", _liar, {"1.2": MUTUAL12}, _certificates12)
_enter("Certificate: tiny entries", Role.SERVER, {"1.2, key transport": TRANSPORT12}, _certificates12)
_enter(
    "CertificateStatus: large",
    Role.SERVER,
    {"1.2": STAPLED12},
    lambda size: changing(ext.CertificateStatus, response=bytes(size)),
)


# -- requests of TLS 1.2 -------------------------------------------------------------------------------

_REQUESTS: dict[str, Callable[[int], dict[str, Any]]] = {
    "authorities": lambda size: {"certificate_authorities": (b"a",) * (size // 3)},
    "authorities that are names": lambda size: {
        "certificate_authorities": tuple(name(f"{at:x}") for at in range(size // 20))
    },
    "one large authority": lambda size: {
        "certificate_authorities": (chains.NAMES["many relative names"](random.Random(1), size),)
    },
    "schemes": lambda size: {"supported_signature_algorithms": _suites(size)},
    "types": lambda size: {"certificate_types": (1,) * min(size, 255)},
}
for _title, _fields in _REQUESTS.items():
    _enter(
        f"CertificateRequest: {_title}",
        Role.SERVER,
        {"1.2": MUTUAL12},
        lambda size, fields=_fields: changing(tls12.CertificateRequest, **fields(size)),
    )


# -- long and wrong ------------------------------------------------------------------------------------

for _liar in Role:
    _enter(
        "CertificateVerify: a long signature",
        _liar,
        {"1.3": MUTUAL} if _liar is Role.SERVER else BOTH,
        lambda size: changing(tls13.CertificateVerify, signature=bytes(size)),
    )
    _enter(
        "Finished: long",
        _liar,
        BOTH,
        lambda size: as_bytes(tls13.Finished, lambda raw: framed(20, bytes(size))),
    )
_enter(
    "ClientKeyExchange: long",
    Role.CLIENT,
    {"1.2": MUTUAL12, "1.2, key transport": TRANSPORT12},
    lambda size: changing(tls12.ClientKeyExchange, exchange_keys=bytes(size)),
)
_enter(
    "ServerKeyExchange: a long signature",
    Role.SERVER,
    {"1.2": MUTUAL12},
    lambda size: changing(tls12.ServerKeyExchange, signature=bytes(size)),
)


# -- records -------------------------------------------------------------------------------------------


def _in_records_of(kind: type, each: int) -> Edit:
    """A message in records of so many bytes."""

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        if not isinstance(message, kind) or nth:
            return (message,)
        raw = encode_message(message)

        def act(hs: HandshakeContext) -> None:
            hs.transcript.add(raw)
            for at in range(0, len(raw), each):
                sealed(22, raw[at : at + each])(hs)

        return (act,)

    return edit


_LARGE: tuple[tuple[type, Role, dict[str, Conversation], Sized], ...] = (
    (ClientHello, Role.CLIENT, BOTH, _with_list(ClientHello, 0x7A7B, bytes)),
    (ServerHello, Role.SERVER, BOTH, _with_list(ServerHello, 0x7A7B, bytes)),
    (tls13.Certificate, Role.CLIENT, {"1.3": MUTUAL}, _entries(ENTRIES["one large entry"])),
    (tls13.Certificate, Role.SERVER, {"1.3": MUTUAL}, _entries(ENTRIES["one large entry"])),
    (
        tls12.Certificate,
        Role.CLIENT,
        {"1.2": MUTUAL12},
        lambda size: changing(tls12.Certificate, certificate_list=(bytes(size),)),
    ),
)


def _fragmented(sender: Role, course: Conversation, kind: type, edit: Sized, each: int, share: int) -> Draw:
    def draw(_chance: random.Random, size: int) -> Attack:
        inner = min(size, ROOM) if share == 0 and each > 1 else min(size, 3000)
        cut = pieces(share) if share else whole
        return Attack(sender, course, both(edit(inner), _in_records_of(kind, each)), cut)

    return draw


for _kind, _liar, _courses, _edit in _LARGE:
    for _version, _course in _courses.items():
        for _each in (1, 7, 100):
            for _share in (0, 1, 64):
                _how = f"{_share} bytes a call" if _share else "all in one call"
                KINDS[
                    f"{_kind.__name__} in records of {_each}, {_how} ({_version}, by the {_liar.value})"
                ] = _fragmented(_liar, _course, _kind, _edit, _each, _share)


def _early_data(record: bytes) -> Sized:
    return lambda size: both(
        with_extensions(ClientHello, lambda those: [*those, ext.EarlyDataIndication()]),
        after(ClientHello, wire(record * (size // len(record)))),
    )


def _in_front_of(kind: type, record: bytes) -> Sized:
    return lambda size: before(kind, wire(record * max(size // len(record), 1)))


_CLEAR = b"\x17\x03\x03"
for _title, _record in {
    "no content": _CLEAR + b"\0\0",
    "one byte": _CLEAR + b"\0\1a",
    "17 bytes": _CLEAR + vector(2, bytes(17)),
    "16 KiB": _CLEAR + vector(2, bytes(16_384)),
}.items():
    _enter(f"early data in records of {_title}", Role.CLIENT, {"1.3": ONE_WAY}, _early_data(_record))
for _title, _record in {
    "change_cipher_spec": b"\x14\3\3\0\1\1",
    "records that do not open": _CLEAR + vector(2, bytes(0x4011)),
    "short records that do not open": _CLEAR + vector(2, bytes(17)),
}.items():
    _enter(_title, Role.CLIENT, {"1.3": MUTUAL}, _in_front_of(tls13.Certificate, _record))
for _title, _record in {
    "warnings": b"\x15\3\3\0\2\1\x0a",
    "hello requests": b"\x16\3\3\0\4\0\0\0\0",
    "hello requests in one record": b"\x16\3\3" + vector(2, bytes(16_000)),
}.items():
    for _liar in Role:
        _enter(_title, _liar, {"1.2": MUTUAL12}, _in_front_of(tls12.Certificate, _record))
_enter(
    "alerts that are passed over",
    Role.CLIENT,
    {"1.3": MUTUAL},
    lambda size: before(tls13.Certificate, sealed(21, b"\1\x5a", max(size // 24, 1))),
)


def _padded(content: bytes) -> Sized:
    """Records of padding with little in them."""

    def act(hs: HandshakeContext, size: int) -> None:
        hs.out.flush()
        for _ in range(max(size // 16_400, 1)):
            hs.out.put_records(hs.out.keys.seal_inner(content.ljust(16_384, b"\0")))

    return lambda size: before(tls13.Certificate, lambda hs: act(hs, size))


_enter("padding around one byte of a message", Role.CLIENT, {"1.3": MUTUAL}, _padded(b"\x0b\x16"))
_enter("padding around nothing", Role.CLIENT, {"1.3": MUTUAL}, _padded(b""))


# -- after the handshake, by clients whom nobody judges ------------------------------------------------


def _after_handshake(act: Callable[[Any], None], octets: int) -> Draw:
    def draw(_chance: random.Random, size: int) -> Attack:
        def then(sender: Any) -> None:
            for _ in range(max(size // octets, 1)):
                act(sender)

        return Attack(Role.CLIENT, ONE_WAY, lambda message, nth: (message,), then=then)

    return draw


def _update(ask: bool) -> Callable[[Any], None]:
    def act(sender: Any) -> None:
        sender.update_keys(ask=ask)
        machinery(sender).out.data(b"a")

    return act


KINDS["data of one byte (1.3, by an anonymous client)"] = _after_handshake(
    lambda sender: machinery(sender).out.data(b"a"), 23
)
KINDS["key updates between data (1.3, by an anonymous client)"] = _after_handshake(_update(ask=False), 50)
KINDS["key updates that ask (1.3, by an anonymous client)"] = _after_handshake(_update(ask=True), 50)
