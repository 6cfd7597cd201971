"""Lies about the encrypted ClientHello, within and around it, and about its confirmation (RFC 9849)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from bothways.iana import Alert, ECHClientHelloType, ExtensionType
from bothways.roles import Role
from bothways.tls.crypto.hpke import HpkeSuite
from bothways.tls.ech.configs import encoded_config, entry_of
from bothways.tls.ech.inner_hello import INNER
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.codec import encode
from bothways.tls.wire.hello import CLIENT_HELLO, ClientHello, ServerHello
from bothways.tls.wire.tls13 import EncryptedExtensions
from hostile.lies import Lie
from hostile.scenes import SIGNED
from tamper import Edit, changing, editing, extending, with_extensions, without
from tls.handshake.encrypted_hellos import inner_extensions, inside, key

OUTER = ext.EncryptedClientHello
X = ExtensionType
ILLEGAL, DECODE = Alert.ILLEGAL_PARAMETER, Alert.DECODE_ERROR
ACCEPTED: dict[str, Any] = {"authentication": SIGNED, "scene": {"ech": "accepted", "resumed": False}}
ONCE: dict[str, Any] = {
    "authentication": SIGNED,
    "scene": {"ech": "accepted", "resumed": False, "retry": False},
}
TWICE: dict[str, Any] = {
    "authentication": SIGNED,
    "scene": {"ech": "accepted", "resumed": False, "retry": True},
}
PLAIN: dict[str, Any] = {"authentication": SIGNED, "scene": {"ech": "", "retry": False}}
HIDDEN: dict[str, Any] = {"authentication": SIGNED, "scene": {"ech": "accepted"}}
TURNED_AWAY: dict[str, Any] = {"authentication": ("one-way",), "scene": {"ech": "outdated", "resumed": False}}


def entry(sender: Role, what: str, *alerts: Alert, edit: Edit, **rest: Any) -> Lie:
    return Lie(what, sender, alerts, make=lambda chance: edit, **rest)


def within(what: str, *alerts: Alert, change: Callable[[tuple[Any, ...]], Iterable[Any]], **rest: Any) -> Lie:
    return entry(Role.CLIENT, what, *alerts, edit=inner_extensions(change), **(ACCEPTED | rest))


def naming(*types: int) -> Callable[[tuple[Any, ...]], Iterable[Any]]:
    """The inner ClientHello refers to these outer extensions."""
    return lambda those: [
        ext.OuterExtensions(types) if isinstance(each, ext.OuterExtensions) else each for each in those
    ]


def named(change: Callable[[tuple[int, ...]], Sequence[int]]) -> Callable[[tuple[Any, ...]], Iterable[Any]]:
    return lambda those: [
        ext.OuterExtensions(tuple(change(each.types))) if isinstance(each, ext.OuterExtensions) else each
        for each in those
    ]


def field_of_inner(**fields: Any) -> Edit:
    def changed(encoded: bytes) -> bytes:
        hello, end = CLIENT_HELLO.read(encoded, 0, len(encoded))
        return encode(CLIENT_HELLO, replace(hello, **fields)) + encoded[end:]

    return inside(changed)


def _without_versions(those: tuple[Any, ...]) -> Iterable[Any]:
    """Without those of the outer hello too."""
    return named(lambda old: [each for each in old if each != X.supported_versions])(those)


LIES: list[Lie] = [
    within("outer extensions in another order", ILLEGAL, change=named(lambda old: old[::-1])),
    within("an outer extension twice", ILLEGAL, change=named(lambda old: (*old, old[0]))),
    within(
        "the encrypted hello as an outer extension",
        ILLEGAL,
        change=named(lambda old: (*old, X.encrypted_client_hello)),
    ),
    within("an outer extension that is not there", ILLEGAL, change=named(lambda old: (0x5A5B, *old))),
    within("a reference to references", ILLEGAL, change=named(lambda old: (*old, X.ech_outer_extensions))),
    within(
        "references twice",
        ILLEGAL,
        change=lambda those: [*those, *[e for e in those if isinstance(e, ext.OuterExtensions)]],
    ),
    within(
        "an outer extension beside its own",
        ILLEGAL,
        change=lambda those: [*those, ext.SupportedGroups((29,))],
    ),
    within("the outer name beside the inner one", ILLEGAL, change=named(lambda old: (X.server_name, *old))),
    within(
        "no references, and nothing in their place",
        ILLEGAL,
        Alert.MISSING_EXTENSION,
        change=lambda those: [e for e in those if not isinstance(e, ext.OuterExtensions)],
    ),
    within("no mark of the inner hello", ILLEGAL, change=lambda those: [e for e in those if e != INNER]),
    within("the mark twice", ILLEGAL, change=lambda those: [INNER, *those]),
    within(
        "an outer form within",
        ILLEGAL,
        change=lambda those: [
            OUTER(ECHClientHelloType.outer, 1, 1, 0, bytes(32), b"x") if e == INNER else e for e in those
        ],
    ),
    within(
        "an unknown form within",
        ILLEGAL,
        change=lambda those: [
            ext.UnknownExtension(X.encrypted_client_hello, b"\5") if e == INNER else e for e in those
        ],
    ),
    within(
        "TLS 1.2 within",
        ILLEGAL,
        change=lambda those: [ext.SupportedVersions((0x0304, 0x0303)), *_without_versions(those)],
    ),
    within(
        "TLS 1.2 alone within",
        ILLEGAL,
        change=lambda those: [ext.SupportedVersions((0x0303,)), *_without_versions(those)],
    ),
    within(
        "versions of nobody within",
        ILLEGAL,
        Alert.PROTOCOL_VERSION,
        change=lambda those: [ext.SupportedVersions((0x0A0A,)), *_without_versions(those)],
    ),
    within(
        "keys that are not last within",
        ILLEGAL,
        change=lambda those: [ext.PreSharedKeys((ext.PskIdentity(b"a", 0),), (bytes(32),)), *those],
    ),
    entry(
        Role.CLIENT,
        "padding that is not zero",
        ILLEGAL,
        edit=inside(lambda old: old[:-1] + b"\1"),
        **ACCEPTED,
    ),
    entry(
        Role.CLIENT,
        "much padding that is not zero",
        ILLEGAL,
        edit=inside(lambda old: old + bytes(20_000) + b"\1"),
        **ACCEPTED,
    ),
    entry(
        Role.CLIENT, "an inner hello that is cut off", DECODE, edit=inside(lambda old: old[:37]), **ACCEPTED
    ),
    entry(Role.CLIENT, "an inner hello of one byte", DECODE, edit=inside(lambda old: b"\3"), **ACCEPTED),
    entry(
        Role.CLIENT,
        "an inner hello with a header",
        DECODE,
        ILLEGAL,
        edit=inside(lambda old: b"\1\0\1\0" + old),
        **ACCEPTED,
    ),
    entry(
        Role.CLIENT, "a session ID within", ILLEGAL, edit=field_of_inner(legacy_session_id=b"own"), **ACCEPTED
    ),
    entry(
        Role.CLIENT,
        "compression within",
        ILLEGAL,
        edit=field_of_inner(legacy_compression_methods=b"\1\0"),
        **ACCEPTED,
    ),
    entry(
        Role.CLIENT,
        "the inner form outside",
        ILLEGAL,
        edit=with_extensions(
            ClientHello, lambda those: [INNER if isinstance(e, OUTER) else e for e in those]
        ),
        **ACCEPTED,
    ),
    entry(
        Role.CLIENT,
        "references outside",
        ILLEGAL,
        edit=extending(ClientHello, ext.OuterExtensions((51,))),
        **ACCEPTED,
    ),
    entry(
        Role.CLIENT,
        "two encrypted hellos",
        ILLEGAL,
        edit=with_extensions(
            ClientHello, lambda those: [*those, *[e for e in those if isinstance(e, OUTER)]]
        ),
        **ACCEPTED,
    ),
    entry(
        Role.CLIENT,
        "keys outside that are not last",
        ILLEGAL,
        edit=extending(ClientHello, ext.PreSharedKeys((ext.PskIdentity(b"a", 0),), (bytes(32),)), first=True),
        **ACCEPTED,
    ),
    *(
        entry(
            Role.CLIENT,
            f"after a retry: another {_what}",
            ILLEGAL,
            edit=editing(ClientHello, OUTER, nth=1, **{_what: _value}),
            **TWICE,
        )
        for _what, _value in (("kdf", 2), ("aead", 3), ("config_id", lambda old: old ^ 1), ("enc", bytes(32)))
    ),
    entry(
        Role.CLIENT,
        "after a retry: another payload",
        Alert.DECRYPT_ERROR,
        edit=editing(ClientHello, OUTER, nth=1, payload=lambda old: bytes([old[0] ^ 1]) + old[1:]),
        **TWICE,
    ),
    entry(
        Role.CLIENT,
        "after a retry: another outer name",
        Alert.DECRYPT_ERROR,
        edit=editing(ClientHello, ext.ServerName, nth=1, host_name="other.example"),
        **TWICE,
    ),
    entry(
        Role.CLIENT,
        "after a retry: in the clear",
        Alert.MISSING_EXTENSION,
        edit=without(ClientHello, OUTER, nth=1),
        **TWICE,
    ),
    entry(
        Role.CLIENT,
        "after a retry: the inner form",
        ILLEGAL,
        edit=with_extensions(
            ClientHello, lambda those: [INNER if isinstance(e, OUTER) else e for e in those], nth=1
        ),
        **TWICE,
    ),
]


# -- what a server says of it ----------------------------------------------------------------------------


def configs(count: int, public_key: bytes | None = None, **fields: Any) -> ext.RetryConfigs:
    """So many configurations, by default usable ones."""
    config = key().config
    one = encoded_config(
        fields.get("config_id", 1),
        config.public_key if public_key is None else public_key,
        fields.get("suites", config.suites),
        fields.get("name", config.public_name),
        0,
    )
    entry = entry_of(one)
    return ext.RetryConfigs((replace(entry, version=fields.get("version", entry.version)),) * count)


def offering(retry: ext.RetryConfigs) -> Edit:
    return with_extensions(
        EncryptedExtensions, lambda those: [*[e for e in those if not isinstance(e, ext.RetryConfigs)], retry]
    )


REQUIRED = Alert.ECH_REQUIRED
LIES += [
    entry(
        Role.SERVER,
        "a confirmation that is altered",
        Alert.BAD_RECORD_MAC,
        edit=changing(ServerHello, random=lambda old: old[:-1] + bytes([old[-1] ^ 1])),
        **ONCE,
    ),
    entry(
        Role.SERVER,
        "a confirmation in the first hello alone",
        ILLEGAL,
        edit=changing(ServerHello, nth=1, random=lambda old: old[:-1] + bytes([old[-1] ^ 1])),
        **TWICE,
    ),
    entry(
        Role.SERVER,
        "a confirmation in the second hello alone",
        Alert.BAD_RECORD_MAC,
        ILLEGAL,
        Alert.DECRYPT_ERROR,
        REQUIRED,
        Alert.UNEXPECTED_MESSAGE,
        edit=without(ServerHello, ext.RetryConfirmation),
        careless=True,
        **TWICE,
    ),
    entry(
        Role.SERVER,
        "a confirmation of nothing",
        Alert.UNSUPPORTED_EXTENSION,
        edit=extending(ServerHello, ext.RetryConfirmation(bytes(8))),
        authentication=SIGNED,
        scene={"ech": "", "retry": True, "resumed": False},
    ),
    entry(
        Role.SERVER,
        "new configurations where the hello was decrypted",
        Alert.UNSUPPORTED_EXTENSION,
        edit=extending(EncryptedExtensions, configs(1)),
        **HIDDEN,
    ),
    entry(
        Role.SERVER,
        "new configurations where nothing was encrypted",
        Alert.UNSUPPORTED_EXTENSION,
        edit=extending(EncryptedExtensions, configs(1)),
        **PLAIN,
    ),
    entry(
        Role.SERVER, "a hundred configurations", REQUIRED, DECODE, edit=offering(configs(100)), **TURNED_AWAY
    ),
    entry(
        Role.SERVER,
        "configurations with a key of small order",
        REQUIRED,
        DECODE,
        edit=offering(configs(8, bytes(32))),
        **TURNED_AWAY,
    ),
    entry(
        Role.SERVER,
        "configurations with a short key",
        REQUIRED,
        edit=offering(configs(1, b"k")),
        **TURNED_AWAY,
    ),
    entry(
        Role.SERVER,
        "configurations of another version",
        REQUIRED,
        edit=offering(configs(2, version=0xFE0C)),
        **TURNED_AWAY,
    ),
    entry(
        Role.SERVER,
        "configurations with a name that is none",
        REQUIRED,
        edit=offering(configs(1, name="10.0.0.1")),
        **TURNED_AWAY,
    ),
    entry(
        Role.SERVER,
        "configurations with unknown suites",
        REQUIRED,
        edit=offering(configs(1, suites=[HpkeSuite(9, 9)])),
        **TURNED_AWAY,
    ),
    entry(
        Role.SERVER,
        "configurations that cannot be decoded",
        DECODE,
        edit=offering(ext.RetryConfigs((ext.ECHConfigEntry(0xFE0D, b"\0"),))),
        **TURNED_AWAY,
    ),
    entry(
        Role.SERVER,
        "no configurations",
        REQUIRED,
        edit=without(EncryptedExtensions, ext.RetryConfigs),
        **(TURNED_AWAY | {"may_pass": False}),
    ),
]
