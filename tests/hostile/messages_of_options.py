"""More messages that a stranger makes large: about encrypted ClientHellos, certificate types and sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from bothways.iana import ExtensionType as X
from bothways.roles import Role
from bothways.tls.ech.inner_hello import INNER
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.codec import encode
from bothways.tls.wire.hello import CLIENT_HELLO, ClientHello
from bothways.tls.wire.tls13 import EncryptedExtensions, NewSessionTicket
from hostile.messages import LISTS, ROOM, Draw, Sized, filled, two, vector
from hostile.talks import Attack
from inside import machinery
from tamper import Edit, with_extensions
from tls.handshake import encrypted_hellos
from tls.handshake.conversations import CONVERSATIONS, Conversation

KINDS: dict[str, Draw] = {}
TURNED_AWAY = Conversation(
    "an encrypted hello that is not decrypted",
    encrypted_hellos.outdated(),
    encrypted_hellos.server(client_auth="none"),
)
GREASED = Conversation("what looks like an encrypted hello", {"ech": "grease"}, {"client_auth": "none"})
DECRYPTED = Conversation(
    "an encrypted hello", encrypted_hellos.client(), encrypted_hellos.server(client_auth="none")
)
RAW = CONVERSATIONS["raw public keys"]
ONE_WAY = CONVERSATIONS["one-way"]


def _enter(title: str, sender: Role, course: Conversation, edit: Sized) -> None:
    KINDS[f"{title} (1.3, {course.name}, by the {sender.value})"] = lambda _chance, size: Attack(
        sender, course, edit(min(size, ROOM))
    )


# -- configurations for encrypted ClientHellos -----------------------------------------------------------


def _config(
    at: int, key: bytes = b"", suites: bytes = two(1) * 2, name: bytes = b"a", extensions: bytes = b""
) -> bytes:
    """An ECHConfig of version 0xfe0d, by default one that could be used."""
    contents = bytes([at & 0xFF]) + two(0x20) + vector(2, key or encrypted_hellos.key().config.public_key)
    contents += vector(2, suites) + b"\0" + vector(1, name) + vector(2, extensions)
    return two(0xFE0D) + vector(2, contents)


CONFIGS: dict[str, Callable[[int], bytes]] = {
    "usable configurations": lambda size: filled(size, _config),
    "configurations with a key of small order": lambda size: filled(size, lambda at: _config(at, bytes(32))),
    "configurations with a short key": lambda size: filled(size, lambda at: _config(at, b"k")),
    "configurations with a name that is none": lambda size: filled(size, lambda at: _config(at, name=b"1")),
    "configurations of nobody": lambda size: filled(size, lambda at: two(at) + b"\0\0"),
    "a configuration of many suites": lambda size: _config(1, suites=two(9) * (size // 4 * 2)),
    "configurations of many suites": lambda size: filled(size, lambda at: _config(at, suites=two(9) * 60)),
    "a configuration of many extensions": lambda size: _config(
        1, extensions=filled(size, lambda at: two(at & 0x7FFF) + b"\0\0")
    ),
    "configurations of many extensions": lambda size: filled(
        size, lambda at: _config(at, extensions=b"".join(two(each) + b"\0\0" for each in range(30)))
    ),
    "a configuration with a large key": lambda size: _config(1, bytes(size)),
}


def _answering(data: Callable[[int], bytes]) -> Sized:
    def edit(size: int) -> Edit:
        big = ext.UnknownExtension(int(X.encrypted_client_hello), vector(2, data(size - 100)))

        def change(those: tuple[Any, ...]) -> Iterable[Any]:
            return [*[each for each in those if not isinstance(each, ext.RetryConfigs)], big]

        return with_extensions(EncryptedExtensions, change)

    return edit


for _title, _data in CONFIGS.items():
    for _course in (TURNED_AWAY, GREASED):
        _enter(f"EncryptedExtensions: {_title}", Role.SERVER, _course, _answering(_data))


# -- within an encrypted ClientHello ---------------------------------------------------------------------


def _inner(change: Callable[[int, ClientHello], ClientHello]) -> Sized:
    def edit(size: int) -> Edit:
        def changed(encoded: bytes) -> bytes:
            hello, end = CLIENT_HELLO.read(encoded, 0, len(encoded))
            return encode(CLIENT_HELLO, change(size, hello)) + encoded[end:]

        return encrypted_hellos.inside(changed)

    return edit


def _with(*extensions: Any) -> Callable[[ClientHello], ClientHello]:
    return lambda hello: replace(hello, extensions=(*(hello.extensions or ()), *extensions))


def _one_more(extension: int, data: Callable[[int], bytes]) -> Sized:
    return _inner(lambda size, hello: _with(ext.UnknownExtension(extension, data(size // 2)))(hello))


for _title, (_extension, _data) in LISTS.items():
    _enter(
        f"within an encrypted ClientHello: {_title}",
        Role.CLIENT,
        DECRYPTED,
        _one_more(int(_extension), _data),
    )
_enter(
    "within an encrypted ClientHello: unknown extensions",
    Role.CLIENT,
    DECRYPTED,
    _inner(
        lambda size, hello: _with(*[ext.UnknownExtension(0x4000 + at, b"") for at in range(size // 4)])(hello)
    ),
)
_enter(
    "within an encrypted ClientHello: padding",
    Role.CLIENT,
    DECRYPTED,
    lambda size: encrypted_hellos.inside(lambda encoded: encoded + bytes(size // 2)),
)
_enter(
    "within an encrypted ClientHello: cipher suites",
    Role.CLIENT,
    DECRYPTED,
    _inner(
        lambda size, hello: replace(
            hello, cipher_suites=tuple(0x5000 + at % 0x1000 for at in range(size // 2))
        )
    ),
)
_STRANGE = tuple(ext.UnknownExtension(0x4000 + at, b"") for at in range(120))


def _referring(types: Callable[[int], int]) -> Sized:
    """Many extensions outside, and 127 references to them."""
    refer = ext.OuterExtensions(tuple([types(at) for at in range(120)]))

    def edit(size: int) -> Edit:
        big = tuple(replace(each, data=bytes(size // 250)) for each in _STRANGE)
        return encrypted_hellos.inner_extensions(
            lambda those: [
                INNER,
                refer,
                *[each for each in those if not isinstance(each, ext.OuterExtensions)],
            ],
            around=lambda those: [*big, *those],
        )

    return edit


_enter("references in order", Role.CLIENT, DECRYPTED, _referring(lambda at: 0x4000 + at))
_enter("references in another order", Role.CLIENT, DECRYPTED, _referring(lambda at: 0x4000 + 119 - at))
_enter("references to one", Role.CLIENT, DECRYPTED, _referring(lambda at: 0x4000))
_enter("references to nothing", Role.CLIENT, DECRYPTED, _referring(lambda at: 0x6000 + at))
for _course in (DECRYPTED, TURNED_AWAY):
    _enter(
        "an encrypted ClientHello that is long",
        Role.CLIENT,
        _course,
        lambda size: with_extensions(
            ClientHello,
            lambda those: [
                replace(each, payload=bytes(size)) if isinstance(each, ext.EncryptedClientHello) else each
                for each in those
            ],
        ),
    )


# -- certificate types, and tickets ----------------------------------------------------------------------

for _kind in (19, 20):
    _enter(
        f"ClientHello: certificate types, {_kind}",
        Role.CLIENT,
        RAW,
        lambda size, kind=_kind: with_extensions(  # type: ignore[misc]
            ClientHello,
            lambda those: [
                ext.UnknownExtension(kind, vector(1, bytes(range(3, 3 + min(size, 250))))),
                *[
                    each
                    for each in those
                    if not isinstance(each, ext.ClientCertificateTypes | ext.ServerCertificateTypes)
                ],
            ],
        ),
    )


def _tickets(ticket: Callable[[int], NewSessionTicket], count: int = 1) -> Any:
    def draw(_chance: Any, size: int) -> Attack:
        def then(sender: Any) -> None:
            for _ in range(count):
                machinery(sender).out.send_after_handshake(ticket(min(size, ROOM) // count))

        return Attack(Role.SERVER, ONE_WAY, lambda message, nth: (message,), then=then)

    return draw


def _extended(size: int) -> NewSessionTicket:
    many = tuple(ext.UnknownExtension(0x4000 + at, b"") for at in range(min(size // 4, 15_000)))
    return NewSessionTicket(60, 0, b"n", b"t", many)


KINDS["NewSessionTicket: large (1.3, by the server)"] = _tickets(
    lambda size: NewSessionTicket(60, 0, b"n", bytes(size), ())
)
KINDS["NewSessionTicket: many extensions (1.3, by the server)"] = _tickets(_extended)
KINDS["NewSessionTicket: many (1.3, by the server)"] = _tickets(
    lambda size: NewSessionTicket(60, 0, bytes([size & 255]), bytes(max(size, 1)), ()), 40
)
