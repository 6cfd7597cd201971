"""Who talks with encrypted ClientHellos, and how one lies inside of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import Any

from bothways import ECHKey, ECHKeys
from bothways.tls.crypto.hpke import recipient, sender
from bothways.tls.defaults import RANDOMNESS
from bothways.tls.ech.inner_hello import associated_data, with_payload
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.codec import encode
from bothways.tls.wire.hello import CLIENT_HELLO, ClientHello, with_extensions
from tamper import Edit, Outgoing
from tls.handshake.conversations import credentials

PUBLIC, PRIVATE = "public.example", "localhost"


@cache
def key() -> ECHKey:
    """The server's key."""
    return ECHKey.generate(PUBLIC, maximum_name_length=32)


@cache
def former_key() -> ECHKey:
    """A key that the server has no longer."""
    return ECHKey.generate(PUBLIC, unlike=[key()])


def client(**options: Any) -> dict[str, Any]:
    """The options of a client that encrypts its ClientHello."""
    return {"ech": ECHKeys(key()).config_list} | options


def outdated(**options: Any) -> dict[str, Any]:
    """The options of a client with a configuration that the server has no longer."""
    return {"ech": ECHKeys(former_key()).config_list} | options


def server(**options: Any) -> dict[str, Any]:
    """The options of a server that decrypts it, with certificates for both names."""
    return {"ech_keys": ECHKeys(key()), "credentials": [credentials(PUBLIC), credentials(PRIVATE)]} | options


Change = Callable[[tuple[Any, ...]], Iterable[Any]]


def inside(change: Callable[[bytes], bytes], around: Change = tuple) -> Edit:
    """Change the EncodedClientHelloInner of the first ClientHello, and encrypt it anew for the server.

    around: changes the extensions of the outer one.
    """

    def edit(message: Any, nth: int) -> Iterable[Outgoing]:
        if not isinstance(message, ClientHello) or nth:
            return (message,)
        config = key().config
        sent = ext.find(message.extensions or (), ext.EncryptedClientHello)
        assert sent is not None
        opened = recipient(config.suites[0], sent.enc, key().private_key, config.info)
        changed = change(opened.open(associated_data(message), sent.payload))
        enc, context = sender(config.suites[0], config.public_key, config.info, RANDOMNESS)
        anew = replace(sent, enc=enc, payload=bytes(len(changed) + 16))
        others = tuple(anew if each is sent else each for each in message.extensions or ())
        outer = with_extensions(message, tuple(around(others)))
        return (with_payload(outer, context.seal(associated_data(outer), changed)),)

    return edit


def inner_extensions(change: Change, around: Change = tuple) -> Edit:
    """Change the extensions of the encoded inner ClientHello. around: changes those of the outer one."""

    def changed(encoded: bytes) -> bytes:
        hello, end = CLIENT_HELLO.read(encoded, 0, len(encoded))
        return (
            encode(CLIENT_HELLO, with_extensions(hello, tuple(change(hello.extensions or ()))))
            + encoded[end:]
        )

    return inside(changed, around)
