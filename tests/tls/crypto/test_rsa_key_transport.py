"""RSA key transport: the server opens what the client sent, and tells nobody whether it could."""

from __future__ import annotations

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from bothways.faults import Fault
from bothways.tls.crypto.randomness import SystemRandomness
from bothways.tls.crypto.rsa_key_transport import (
    PREMASTER_SIZE,
    RANDOM_SIZE,
    choose_premaster,
    decrypt_premaster,
    encrypt_premaster,
)
from faults import blames
from pki import key, leaf

DRAWN = bytes(range(100, 100 + RANDOM_SIZE))
TLS12 = 0x0303


class Counting(SystemRandomness):
    """Draws the same bytes each time, and counts how often."""

    def __init__(self) -> None:
        super().__init__(lambda size: DRAWN[:size])
        self.count = 0

    def random(self, size: int, /) -> bytes:
        self.count += 1
        return super().random(size)


def private():
    return key("RSA-2048")


def encrypted(content: bytes) -> bytes:
    return private().public_key().encrypt(content, PKCS1v15())


def opened(ciphertext: bytes, version: int = TLS12) -> bytes:
    randomness = Counting()
    premaster = decrypt_premaster(private(), ciphertext, version, randomness)
    assert randomness.count == 1, "the other secret is drawn whether it is needed or not"
    return premaster


def test_server_opens_the_premaster_secret_of_the_client() -> None:
    """RFC 5246 7.4.7.1: version and 46 random bytes, under the key of the certificate."""
    certificate = leaf(None, own_key=private()).certificate
    premaster, ciphertext = encrypt_premaster(certificate, SystemRandomness(os.urandom))
    assert premaster[:2] == b"\3\3"
    assert len(premaster) == PREMASTER_SIZE
    assert len(ciphertext) == 256
    assert opened(ciphertext) == premaster
    again, _ = encrypt_premaster(certificate, SystemRandomness(os.urandom))
    assert again != premaster


def test_client_refuses_a_certificate_that_cannot_decipher() -> None:
    """RFC 5246 7.4.2: RSA key transport needs an RSA key."""
    certificate = leaf(None, own_key=key("P-256")).certificate
    with blames(Fault.KEY_DOES_NOT_FIT_SUITE, key="secp256r1"):
        encrypt_premaster(certificate, SystemRandomness(os.urandom))


@pytest.mark.parametrize("version", [0x0301, 0x0302, 0x0304, 0xFFFF])
def test_the_version_is_that_of_the_hello_whatever_was_sent(version: int) -> None:
    """RFC 5246 7.4.7.1: a hello that was altered on the way ends in a wrong Finished."""
    inner = version.to_bytes(2, "big") + b"r" * RANDOM_SIZE
    assert opened(encrypted(inner)) == b"\3\3" + b"r" * RANDOM_SIZE
    assert opened(encrypted(b"\3\3" + b"r" * RANDOM_SIZE), version) == inner


@pytest.mark.parametrize("size", [0, 1, 2, 46, 47, 49, 50, 128, 245])
def test_a_secret_of_the_wrong_length_is_replaced_by_a_random_one(size: int) -> None:
    """RFC 5246 7.4.7.1: the drawn one is used in its place, and nothing is said."""
    assert opened(encrypted(bytes(size))) == b"\3\3" + DRAWN


def with_padding(block: bytes) -> bytes:
    """A ciphertext whose plaintext block, before any padding is taken off, is `block`."""
    numbers = private().public_key().public_numbers()
    return pow(int.from_bytes(block, "big"), numbers.e, numbers.n).to_bytes(256, "big")


SECRET = b"\3\3" + b"r" * RANDOM_SIZE
FILL = b"\x55" * (256 - 3 - len(SECRET))
BLOCKS = {
    "no zero in front": b"\1\2" + FILL + b"\0" + SECRET,
    "another type": b"\0\1" + FILL + b"\0" + SECRET,
    "no separator": b"\0\2" + b"\x55" * 254,
    "separator too early": b"\0\2" + b"\x55" * 4 + b"\0" + b"\x55" * 200 + b"\0" + SECRET,
    "separator at the end": b"\0\2" + b"\x55" * 253 + b"\0",
    "zeros alone": bytes(256),
    "no separator before the secret": b"\0\2" + FILL + b"\1" + SECRET,
}


def test_a_block_made_by_hand_opens() -> None:
    """The blocks below are wrong in what they say and in nothing else."""
    assert opened(with_padding(b"\0\2" + FILL + b"\0" + SECRET)) == SECRET


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_wrong_padding_is_no_error(block: bytes) -> None:
    """RFC 5246 7.4.7.1: what comes out is the client's guess in no case, and no exception tells."""
    block = block[:256].ljust(256, b"\x55")
    premaster = opened(with_padding(block))
    assert len(premaster) == PREMASTER_SIZE
    assert premaster[:2] == b"\3\3"
    assert premaster != SECRET


@pytest.mark.parametrize(
    "ciphertext", [b"", b"\1", bytes(255), bytes(257), b"\xff" * 256, bytes(256)], ids=len
)
def test_an_invalid_ciphertext_is_treated_in_the_same_way(ciphertext: bytes) -> None:
    """RFC 5246 7.4.7.1: its length and its being too large are no secrets, and still not told."""
    premaster = opened(ciphertext)
    assert len(premaster) == PREMASTER_SIZE
    assert premaster[:2] == b"\3\3"


@pytest.mark.parametrize("size", range(300))
def test_masks_choose_by_the_length_alone(size: int) -> None:
    """RFC 5246 7.4.7.1: 48 bytes and nothing else are the client's."""
    content = bytes(255 - at % 250 for at in range(size))
    assert choose_premaster(content, DRAWN) == (content[2:] if size == PREMASTER_SIZE else DRAWN)
