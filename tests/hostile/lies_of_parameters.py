"""Lies about certificate types (RFC 7250), compressed certificates (RFC 8879) and the size of records (RFC 8449)."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import pki
from bothways.iana import Alert, CertificateCompressionAlgorithm, ContentType
from bothways.roles import Role
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.record.protection import Protection
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.compression import compress, installed
from bothways.tls.wire.flight import Message, encode_message
from bothways.tls.wire.hello import ClientHello
from bothways.tls.wire.tls13 import (
    Certificate,
    CertificateEntry,
    CompressedCertificate,
    EncryptedExtensions,
)
from hostile.lies import Lie, Then
from hostile.scenes import KEYED, RAW, SIGNED
from inside import machinery
from pair import Pair
from tamper import Edit, Outgoing, after, both, changing, editing, extending, with_extensions, without
from tls.handshake.conversations import credentials, identity, raw_key

ILLEGAL, UNSUPPORTED = Alert.ILLEGAL_PARAMETER, Alert.UNSUPPORTED_EXTENSION
BAD, DECODE = Alert.BAD_CERTIFICATE, Alert.DECODE_ERROR
PLAIN_HELLO: dict[str, Any] = {"ech": ""}
FULL: dict[str, Any] = {"resumed": False, "compressed": ()}


def entry(sender: Role, what: str, *alerts: Alert, edit: Edit, **rest: Any) -> Lie:
    return Lie(what, sender, alerts, make=lambda chance: edit, **rest)


# -- certificate types -----------------------------------------------------------------------------------

SPKI = raw_key("localhost").public.spki
OTHER = raw_key("other.example").public.spki


@cache
def spki_of(kind: str) -> bytes:
    """The public key of an algorithm that signs nothing here, or is too weak."""
    key: Any
    if kind == "X25519":
        key = x25519.X25519PrivateKey.generate().public_key()
    elif kind == "DSA":
        key = pki.key("DSA").public_key()
    else:
        key = rsa.generate_private_key(65537, 1024).public_key()
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _long_form(spki: bytes) -> bytes:
    """The same with its length in more bytes than it needs."""
    return b"\x30\x81" + spki[1:]


def _compressed_point(spki: bytes) -> bytes:
    """The same key of P-256 with a compressed point: another encoding, which is not pinned."""
    point = spki[-65:]
    short = bytes([2 + (point[-1] & 1)]) + point[1:33]
    return pki.der(0x30, spki[2:-68] + pki.der(0x03, b"\0" + short))


def keyed(*spkis: bytes, extensions: tuple[Any, ...] = ()) -> Edit:
    return changing(Certificate, certificate_list=tuple(CertificateEntry(each, extensions) for each in spkis))


def _of_issuer(those: tuple[Any, ...]) -> tuple[Any, ...]:
    return (
        *those,
        CertificateEntry(identity("localhost").above[0].certificate.public_bytes(Encoding.DER), ()),
    )


RAW_SHOWN: tuple[tuple[Role, dict[str, Any]], ...] = (
    (Role.SERVER, {"authentication": ("raw", "raw server"), "scene": FULL}),
    (Role.CLIENT, {"authentication": ("raw", "raw client"), "scene": FULL}),
)
CERTIFIED: tuple[tuple[Role, dict[str, Any]], ...] = (
    (Role.SERVER, {"authentication": SIGNED, "scene": FULL}),
    (Role.CLIENT, {"authentication": ("certificates", "again"), "scene": FULL | {"ech": ""}}),
)
NOT_PINNED = (Alert.CERTIFICATE_UNKNOWN, Alert.DECRYPT_ERROR)
LIES: list[Lie] = []
for _liar, _where in RAW_SHOWN:
    LIES += [
        entry(
            _liar,
            "two raw keys",
            ILLEGAL,
            edit=changing(Certificate, certificate_list=lambda old: old * 2),
            **_where,
        ),
        entry(
            _liar,
            "a raw key and a certificate",
            ILLEGAL,
            edit=changing(Certificate, certificate_list=_of_issuer),
            **_where,
        ),
        entry(
            _liar,
            "a raw key with an extension",
            ILLEGAL,
            UNSUPPORTED,
            edit=keyed(SPKI, extensions=(ext.CertificateStatus(b"o"),)),
            **_where,
        ),
        entry(_liar, "another raw key", *NOT_PINNED, edit=keyed(OTHER), **_where),
        entry(
            _liar,
            "the raw key of the receiver",
            *NOT_PINNED,
            edit=keyed(raw_key("client.example" if _liar is Role.SERVER else "localhost").public.spki),
            **_where,
        ),
        entry(
            _liar, "a certificate as a raw key", BAD, edit=keyed(credentials("localhost").chain[0]), **_where
        ),
        entry(
            _liar,
            "a raw key and a byte",
            BAD,
            edit=changing(
                Certificate,
                certificate_list=lambda old: (replace(old[0], cert_data=old[0].cert_data + b"\0"),),
            ),
            **_where,
        ),
        entry(
            _liar,
            "a raw key without its last byte",
            BAD,
            edit=changing(
                Certificate, certificate_list=lambda old: (replace(old[0], cert_data=old[0].cert_data[:-1]),)
            ),
            **_where,
        ),
        entry(
            _liar,
            "a raw key with a long length",
            BAD,
            edit=changing(
                Certificate,
                certificate_list=lambda old: (replace(old[0], cert_data=_long_form(old[0].cert_data)),),
            ),
            **_where,
        ),
        entry(
            _liar,
            "a raw key with a compressed point",
            BAD,
            *NOT_PINNED,
            edit=changing(
                Certificate,
                certificate_list=lambda old: (
                    replace(old[0], cert_data=_compressed_point(old[0].cert_data)),
                ),
            ),
            **_where,
        ),
        *(
            entry(
                _liar,
                f"a raw key of {_kind}",
                BAD,
                ILLEGAL,
                Alert.UNSUPPORTED_CERTIFICATE,
                edit=keyed(spki_of(_kind)),
                **_where,
            )
            for _kind in ("X25519", "DSA", "RSA-1024")
        ),
    ]
for _liar, _where in CERTIFIED:
    LIES.append(entry(_liar, "a raw key as a certificate", BAD, edit=keyed(SPKI), **_where))
LIES.append(
    entry(
        Role.SERVER,
        "no raw key at all",
        DECODE,
        edit=changing(Certificate, certificate_list=()),
        authentication=("raw", "raw server"),
        scene=FULL,
    )
)


def types(kind: type, *codes: int) -> Edit:
    """A list of types in the place of what is there, or as one more extension."""
    return both(without(ClientHello, kind), extending(ClientHello, kind(codes), first=True))


OFFERING = {"scene": FULL | PLAIN_HELLO | {"retry": False}}
for _kind in (ext.ClientCertificateTypes, ext.ServerCertificateTypes):
    _own = ("raw", "raw client") if _kind is ext.ClientCertificateTypes else ("raw", "raw server")
    LIES += [
        entry(
            Role.CLIENT,
            f"{_kind.__name__}: one twice",
            ILLEGAL,
            edit=types(_kind, 2, 0, 2),
            authentication=SIGNED + RAW,
            **OFFERING,
        ),
        entry(
            Role.CLIENT,
            f"{_kind.__name__}: unknown ones in front",
            edit=types(_kind, 77, 3, 2, 0),
            authentication=_own,
            **OFFERING,
        ),
        entry(
            Role.CLIENT,
            f"{_kind.__name__}: unknown ones alone",
            Alert.UNSUPPORTED_CERTIFICATE,
            edit=types(_kind, 77, 3),
            authentication=("certificates", "raw"),
            **OFFERING,
        ),
        entry(
            Role.CLIENT,
            f"{_kind.__name__}: one that the server does not have",
            Alert.UNSUPPORTED_CERTIFICATE,
            edit=types(_kind, 2),
            authentication=("certificates",),
            **OFFERING,
        ),
        entry(
            Role.CLIENT,
            f"{_kind.__name__}: none",
            DECODE,
            edit=extending(
                ClientHello,
                ext.UnknownExtension(19 if _kind is ext.ClientCertificateTypes else 20, b"\0"),
                first=True,
            ),
            authentication=("certificates",),
            **OFFERING,
        ),
    ]
CHOOSING = {"scene": FULL | {"ech": ""}}
LIES += [
    entry(
        Role.SERVER,
        "types that nobody offered",
        UNSUPPORTED,
        edit=extending(EncryptedExtensions, ext.ServerCertificateType(2)),
        authentication=SIGNED,
        scene=FULL,
    ),
    entry(
        Role.SERVER,
        "a type for clients that nobody offered",
        UNSUPPORTED,
        edit=extending(EncryptedExtensions, ext.ClientCertificateType(2)),
        authentication=SIGNED,
        scene=FULL,
    ),
    entry(
        Role.SERVER,
        "an unknown type",
        ILLEGAL,
        edit=editing(EncryptedExtensions, ext.ServerCertificateType, type=3),
        authentication=("raw", "raw server"),
        **CHOOSING,
    ),
    entry(
        Role.SERVER,
        "an unknown type for clients",
        ILLEGAL,
        edit=editing(EncryptedExtensions, ext.ClientCertificateType, type=3),
        authentication=("raw", "raw client"),
        **CHOOSING,
    ),
    entry(
        Role.SERVER,
        "a certificate said and a raw key shown",
        BAD,
        edit=editing(EncryptedExtensions, ext.ServerCertificateType, type=0),
        authentication=("raw", "raw server"),
        **CHOOSING,
    ),
    entry(
        Role.SERVER,
        "nothing said and a raw key shown",
        BAD,
        edit=without(EncryptedExtensions, ext.ServerCertificateType),
        authentication=("raw", "raw server"),
        **CHOOSING,
    ),
    entry(
        Role.SERVER,
        "a raw key said and a certificate shown",
        BAD,
        ILLEGAL,
        edit=both(
            editing(EncryptedExtensions, ext.ServerCertificateType, type=2),
            changing(
                Certificate,
                certificate_list=tuple(CertificateEntry(each, ()) for each in credentials("localhost").chain),
            ),
        ),
        authentication=("raw", "raw server"),
        **CHOOSING,
    ),
    entry(
        Role.SERVER,
        "a type twice",
        ILLEGAL,
        edit=extending(EncryptedExtensions, ext.ServerCertificateType(2)),
        authentication=("raw", "raw server"),
        **CHOOSING,
    ),
]


# -- compressed certificates -----------------------------------------------------------------------------

CODES = {CertificateCompressionAlgorithm(each).name: each for each in installed()}
Form = Callable[[bytes, Callable[[bytes], bytes]], tuple[int, bytes]]


def compressing(algorithm: str, form: Form, code: int | None = None) -> Edit:
    """A Certificate in a compressed one, as `form` makes it: the length stated and what was compressed."""

    def edit(message: Message, nth: int) -> Iterable[Outgoing]:
        if not isinstance(message, Certificate) or nth:
            return (message,)
        size, data = form(encode_message(message)[4:], partial(compress, CODES[algorithm]))
        return (CompressedCertificate(CODES[algorithm] if code is None else code, size, data),)

    return edit


FORMS: dict[str, tuple[Form, tuple[Alert, ...]]] = {
    "as it should be": (lambda body, make: (len(body), make(body)), ()),
    "one byte too long": (lambda body, make: (len(body) + 1, make(body)), (BAD,)),
    "one byte too short": (lambda body, make: (len(body) - 1, make(body)), (BAD,)),
    "no length": (lambda body, make: (0, make(body)), (BAD,)),
    "the largest length": (lambda body, make: (2**24 - 1, make(body)), (BAD,)),
    "a byte behind": (lambda body, make: (len(body), make(body) + b"\0"), (BAD,)),
    "the whole twice": (lambda body, make: (len(body), make(body) * 2), (BAD,)),
    "half of it": (lambda body, make: (len(body), make(body)[: len(make(body)) // 2]), (BAD,)),
    "without its last byte": (lambda body, make: (len(body), make(body)[:-1]), (BAD,)),
    "one byte": (lambda body, make: (len(body), b"\x78"), (BAD,)),
    "not compressed": (lambda body, make: (len(body), body), (BAD,)),
    "compressed nothing": (lambda body, make: (len(body), make(b"")), (BAD,)),
    "a bomb": (lambda body, make: (60_000, make(bytes(60_000))), (BAD,)),
    "a bomb that says little": (lambda body, make: (len(body), make(bytes(2**22))), (BAD,)),
    "a byte in the content": (lambda body, make: (len(body) + 1, make(body + b"\0")), (DECODE,)),
    "compressed twice": (lambda body, make: (len(make(body)), make(make(body))), (DECODE,)),
}
SENDS_ONE = ("certificates", "again", "raw", "raw client", "raw server")
for _liar in Role:
    for _name in CODES:
        _where = {
            "authentication": SENDS_ONE if _liar is Role.SERVER else ("certificates", "raw", "raw client"),
            "scene": {"resumed": False, "compressed": (_name,), "compresses": False, "ech": ""},
        }
        LIES += [
            entry(_liar, f"{_name}: {_what}", *_alerts, edit=compressing(_name, _form), **_where)
            for _what, (_form, _alerts) in FORMS.items()
        ]
        _other = CODES[_name] % 3 + 1
        LIES.append(
            entry(
                _liar,
                f"{_name} said to be another",
                ILLEGAL,
                edit=compressing(_name, FORMS["as it should be"][0], _other),
                **_where,
            )
        )
    LIES.append(
        entry(
            _liar,
            "compressed where nobody accepts it",
            Alert.UNEXPECTED_MESSAGE,
            edit=compressing("zlib", FORMS["as it should be"][0]),
            authentication=SENDS_ONE if _liar is Role.SERVER else ("certificates", "raw", "raw client"),
            scene=FULL | {"ech": ""},
        )
    )


# -- the size of records ---------------------------------------------------------------------------------


def limit(of: int) -> dict[str, Any]:
    return {"authentication": SIGNED + RAW + KEYED, "scene": {"limits": (of, of), "ech": ""}}


def sending(role: Role, size: int) -> Then:
    """One protected record with so many bytes of content, content type and padding."""

    def then(talk: Pair, chance: random.Random) -> None:
        out = machinery(talk.client if role is Role.CLIENT else talk.server).out
        assert isinstance(out.keys, Protection)
        inner = bytes([1]) * chance.choice((1, size - 1)) + bytes([ContentType.application_data])
        out.put_records(out.keys.seal_inner(inner.ljust(size, b"\0")))

    return then


def _widened(hs: HandshakeContext) -> None:
    """Forget the limit of the receiver."""
    hs.out.flush()
    hs.out.keys.limit = 16_385


for _liar in Role:
    for _limit in (64, 100, 16_384):
        _where = limit(_limit)
        LIES += [
            Lie(f"a record at the limit of {_limit}", _liar, (), then=sending(_liar, _limit), **_where),
            Lie(
                f"a record above the limit of {_limit}",
                _liar,
                (Alert.RECORD_OVERFLOW,),
                then=sending(_liar, _limit + 1),
                **_where,
            ),
        ]
    _message, _carrier = (
        (ClientHello, {"retry": False}) if _liar is Role.CLIENT else (EncryptedExtensions, {})
    )
    for _got in (0, 1, 63):
        LIES.append(
            entry(
                _liar,
                f"a limit of {_got}",
                ILLEGAL,
                edit=editing(_message, ext.RecordSizeLimit, limit=_got),
                **(limit(512) | {"scene": {"limits": (512, 512), "ech": ""} | _carrier}),
            )
        )
LIES += [
    entry(
        Role.CLIENT,
        "a limit of 65535",
        edit=editing(ClientHello, ext.RecordSizeLimit, limit=65_535),
        authentication=SIGNED + RAW,
        scene={"limits": (16_385, 16_385), "ech": "", "retry": False, "resumed": False},
    ),
    entry(
        Role.SERVER,
        "a limit above that of the version",
        ILLEGAL,
        edit=editing(EncryptedExtensions, ext.RecordSizeLimit, limit=16_386),
        **limit(512),
    ),
    entry(
        Role.SERVER,
        "a limit that nobody offered",
        UNSUPPORTED,
        edit=extending(EncryptedExtensions, ext.RecordSizeLimit(512)),
        authentication=SIGNED + RAW,
        scene={"limits": (None, None)},
    ),
    entry(
        Role.SERVER,
        "max_fragment_length beside the limit",
        UNSUPPORTED,
        ILLEGAL,
        edit=extending(EncryptedExtensions, ext.UnknownExtension(1, b"\1")),
        **limit(512),
    ),
    entry(
        Role.CLIENT,
        "max_fragment_length beside the limit",
        edit=with_extensions(ClientHello, lambda those: [ext.UnknownExtension(1, b"\1"), *those]),
        authentication=SIGNED + RAW,
        scene={"ech": "", "retry": False, "resumed": False},
    ),
    entry(
        Role.CLIENT,
        "another limit after a retry",
        ILLEGAL,
        edit=editing(ClientHello, ext.RecordSizeLimit, nth=1, limit=100),
        authentication=SIGNED + RAW,
        scene={"limits": (512, 512), "ech": "", "retry": True, "resumed": False},
    ),
    entry(
        Role.SERVER,
        "a large record within the handshake",
        Alert.RECORD_OVERFLOW,
        edit=after(EncryptedExtensions, _widened),
        authentication=SIGNED,
        scene={"limits": (64, 64), "resumed": False, "ech": ""},
    ),
]
