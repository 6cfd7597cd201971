"""The key schedule against HMAC alone, without a PSK and with one; RFC 8448 is in tests/vectors."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass

import pytest

from bothways.tls.crypto.hkdf import finished_key
from bothways.tls.crypto.suites import SUITES13, Suite
from bothways.tls.keys.schedule13 import (
    EarlySecret,
    exporter,
    finished_mac,
    resumption_psk,
    same_secret,
)

every_suite = pytest.mark.parametrize("suite", SUITES13.values(), ids=lambda suite: suite.name)
every_psk = pytest.mark.parametrize("psk", [None, b"\x07" * 32])


@dataclass
class ByHand:
    """RFC 9846 7.1 once more, with nothing but HMAC."""

    name: str

    def hash(self, data: bytes = b"") -> bytes:
        return hashlib.new(self.name, data).digest()

    def extract(self, salt: bytes, key_material: bytes) -> bytes:
        return hmac.digest(salt, key_material, self.name)

    def expand(self, secret: bytes, label: str, context: bytes, length: int) -> bytes:
        full = f"tls13 {label}".encode()
        info = length.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
        blocks = block = b""
        for count in range(1, 10):
            block = hmac.digest(secret, block + info + bytes([count]), self.name)
            blocks += block
        return blocks[:length]

    def derive(self, secret: bytes, label: str, messages_hash: bytes) -> bytes:
        return self.expand(secret, label, messages_hash, len(self.hash()))


@every_suite
@every_psk
def test_every_secret_is_where_the_figure_has_it(suite: Suite, psk: bytes | None) -> None:
    """RFC 9846 7.1, the figure of the key schedule."""
    by_hand = ByHand(suite.hash.name)
    size = suite.hash_size
    shared, hello_hash, finished_hash, last_hash = (os.urandom(count) for count in (32, size, size, size))

    early = EarlySecret(suite, psk)
    handshake = early.handshake(shared, hello_hash, suite)
    application = handshake.application(finished_hash)

    early_secret = by_hand.extract(bytes(size), psk or bytes(size))
    if psk is None:
        with pytest.raises(ValueError, match="no binder"):
            early.binder_key()
    else:
        binder_key = by_hand.derive(early_secret, "res binder", by_hand.hash())
        assert early.binder_key() == binder_key
        finished = by_hand.expand(binder_key, "finished", b"", size)
        assert early.binder(hello_hash) == hmac.digest(finished, hello_hash, by_hand.name)
    handshake_secret = by_hand.extract(by_hand.derive(early_secret, "derived", by_hand.hash()), shared)
    assert handshake.client == by_hand.derive(handshake_secret, "c hs traffic", hello_hash)
    assert handshake.server == by_hand.derive(handshake_secret, "s hs traffic", hello_hash)
    main_secret = by_hand.extract(by_hand.derive(handshake_secret, "derived", by_hand.hash()), bytes(size))
    assert application.client == by_hand.derive(main_secret, "c ap traffic", finished_hash)
    assert application.server == by_hand.derive(main_secret, "s ap traffic", finished_hash)
    assert application.exporter == by_hand.derive(main_secret, "exp master", finished_hash)
    resumption = application.resumption(last_hash)
    assert resumption == by_hand.derive(main_secret, "res master", last_hash)
    assert resumption_psk(resumption, b"\0\1", suite) == by_hand.expand(
        resumption, "resumption", b"\0\1", size
    )
    assert handshake.suite is application.suite is early.suite is suite
    assert handshake.client_finished == by_hand.expand(handshake.client, "finished", b"", size)
    assert handshake.server_finished == by_hand.expand(handshake.server, "finished", b"", size)


@every_suite
def test_a_finished_is_a_mac_under_its_own_key(suite: Suite) -> None:
    """RFC 9846 4.5.3."""
    by_hand = ByHand(suite.hash.name)
    secret, seen = os.urandom(suite.hash_size), os.urandom(suite.hash_size)
    key = by_hand.expand(secret, "finished", b"", suite.hash_size)
    assert finished_key(suite, secret) == key
    assert finished_mac(key, seen, suite) == hmac.digest(key, seen, suite.hash.name)


@every_suite
@pytest.mark.parametrize("length", [1, 32, 255])
def test_exported_keys_depend_on_label_context_and_length(suite: Suite, length: int) -> None:
    """RFC 9846 7.5: no context and an empty one give the same."""
    by_hand = ByHand(suite.hash.name)
    secret = os.urandom(suite.hash_size)
    derived = by_hand.derive(secret, "EXPORTER-test", by_hand.hash())
    expected = by_hand.expand(derived, "exporter", by_hand.hash(b"context"), length)
    assert exporter(secret, "EXPORTER-test", b"context", length, suite) == expected
    assert exporter(secret, "EXPORTER-test", b"", 32, suite) != exporter(
        secret, "EXPORTER-tess", b"", 32, suite
    )


def test_secrets_stand_in_no_repr() -> None:
    """A log line with an object of ours tells nothing."""
    suite = SUITES13[0x1301]
    psk = os.urandom(32)
    early = EarlySecret(suite, psk)
    handshake = early.handshake(os.urandom(32), os.urandom(32), suite)
    application = handshake.application(os.urandom(32))
    secrets = [
        psk,
        handshake.client,
        handshake.server,
        application.client,
        application.server,
        application.exporter,
    ]
    shown = " ".join(map(repr, (early, handshake, application)))
    for secret in secrets:
        assert secret.hex() not in shown
        assert repr(secret)[2:-1] not in shown


def test_secrets_are_the_same_only_when_every_byte_is() -> None:
    """RFC 9846 4.5.3: also of different lengths, and empty."""
    secret = os.urandom(32)
    assert same_secret(secret, bytes(secret))
    assert same_secret(b"", b"")
    assert not same_secret(secret, secret[:-1])
    assert not same_secret(secret, b"")
    for at in range(32):
        altered = bytearray(secret)
        altered[at] ^= 0x80
        assert not same_secret(secret, bytes(altered))
