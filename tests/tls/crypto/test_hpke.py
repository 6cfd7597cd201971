"""HPKE: the vectors of RFC 9180, and the library's own HPKE on the other side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cryptography_vectors
import pytest
from cryptography.hazmat.primitives import hpke as library
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bothways.iana import HpkeAead, HpkeKdf, HpkeKem
from bothways.tls.crypto.aead import Forged
from bothways.tls.crypto.hpke import AEADS, KDFS, MESSAGES, HpkeSuite, public_bytes, recipient, sender
from bothways.tls.crypto.randomness import SystemRandomness
from bothways.tls.defaults import RANDOMNESS

VECTORS = Path(cryptography_vectors.__file__).parent / "HPKE" / "test-vectors.json"
BASE_MODE = 0
LIBRARY_KDFS = {
    HpkeKdf.HKDF_SHA256: library.KDF.HKDF_SHA256,
    HpkeKdf.HKDF_SHA384: library.KDF.HKDF_SHA384,
    HpkeKdf.HKDF_SHA512: library.KDF.HKDF_SHA512,
}
LIBRARY_AEADS = {
    HpkeAead.AES_128_GCM: library.AEAD.AES_128_GCM,
    HpkeAead.AES_256_GCM: library.AEAD.AES_256_GCM,
    HpkeAead.ChaCha20Poly1305: library.AEAD.CHACHA20_POLY1305,
}
SUITES = [HpkeSuite(kdf, aead) for kdf in KDFS for aead in AEADS]


class KnownKey(SystemRandomness):
    """The ephemeral key of a vector."""

    def __init__(self, key: bytes) -> None:
        super().__init__(RANDOMNESS.random)
        self._key = key

    def private_key(self, group: int, /) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(self._key)


def vectors() -> list[dict[str, Any]]:
    """Those of base mode with our KEM and a KDF and an AEAD that we have."""
    return [
        each
        for each in json.loads(VECTORS.read_text("ascii"))
        if (each["mode"], each["kem_id"]) == (BASE_MODE, HpkeKem.DHKEM_X25519)
        and HpkeSuite(each["kdf_id"], each["aead_id"]).is_known
    ]


@pytest.mark.parametrize("vector", vectors(), ids=lambda each: f"{each['kdf_id']}-{each['aead_id']}")
def test_both_sides_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    """RFC 9180 A.1 to A.2: the encapsulated key and the first messages."""
    data = {name: bytes.fromhex(text) for name, text in vector.items() if isinstance(text, str)}
    suite = HpkeSuite(vector["kdf_id"], vector["aead_id"])
    encapsulated, ours = sender(suite, data["pkRm"], data["info"], KnownKey(data["skEm"]))
    key = X25519PrivateKey.from_private_bytes(data["skRm"])
    theirs = recipient(suite, data["enc"], key, data["info"])
    assert encapsulated == data["enc"]
    assert len(vector["encryptions"]) >= MESSAGES
    for message in vector["encryptions"][:MESSAGES]:
        bound_to, plain, sealed = (bytes.fromhex(message[each]) for each in ("aad", "pt", "ct"))
        assert ours.seal(bound_to, plain) == sealed
        assert theirs.open(bound_to, sealed) == plain


def test_there_are_vectors() -> None:
    assert len(vectors()) >= 6


@pytest.mark.parametrize("suite", SUITES, ids=str)
def test_hpke_agrees_with_that_of_the_library_in_both_directions(suite: HpkeSuite) -> None:
    """Its HPKE has single messages without associated data."""
    key = RANDOMNESS.private_key(29)
    other = library.Suite(
        library.KEM.X25519, LIBRARY_KDFS[HpkeKdf(suite.kdf)], LIBRARY_AEADS[HpkeAead(suite.aead)]
    )
    encapsulated, context = sender(suite, public_bytes(key), b"info", RANDOMNESS)
    assert other.decrypt(encapsulated + context.seal(b"", b"one"), key, b"info") == b"one"
    sealed = other.encrypt(b"another", key.public_key(), b"info")
    assert recipient(suite, sealed[:32], key, b"info").open(b"", sealed[32:]) == b"another"


def test_whatever_is_altered_is_noticed() -> None:
    suite = HpkeSuite(HpkeKdf.HKDF_SHA256, HpkeAead.AES_128_GCM)
    key = RANDOMNESS.private_key(29)
    encapsulated, context = sender(suite, public_bytes(key), b"info", RANDOMNESS)
    sealed = context.seal(b"bound", b"message")
    for enc, info, bound_to, message in (
        (bytes([encapsulated[0] ^ 1]) + encapsulated[1:], b"info", b"bound", sealed),
        (encapsulated, b"Info", b"bound", sealed),
        (encapsulated, b"info", b"Bound", sealed),
        (encapsulated, b"info", b"bound", sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(Forged):
            recipient(suite, enc, key, info).open(bound_to, message)
    assert recipient(suite, encapsulated, key, b"info").open(b"bound", sealed) == b"message"


@pytest.mark.parametrize("encapsulated", [b"", bytes(31), bytes(32), b"\1" + bytes(31), bytes(33)])
def test_an_encapsulated_key_without_a_secret_is_refused(encapsulated: bytes) -> None:
    """RFC 7748 6.1: points of small order, and what is no point."""
    suite = HpkeSuite(HpkeKdf.HKDF_SHA256, HpkeAead.AES_128_GCM)
    with pytest.raises(Forged):
        recipient(suite, encapsulated, RANDOMNESS.private_key(29), b"")


def test_a_context_is_for_two_messages_and_repeats_no_nonce() -> None:
    suite = HpkeSuite(HpkeKdf.HKDF_SHA256, HpkeAead.AES_128_GCM)
    key = RANDOMNESS.private_key(29)
    _, context = sender(suite, public_bytes(key), b"", RANDOMNESS)
    assert context.seal(b"", bytes(16)) != context.seal(b"", bytes(16))
    with pytest.raises(ValueError, match="2 messages"):
        context.seal(b"", b"")
