"""The eight bytes by which a server confirms that it decrypted a ClientHello (RFC 9849 7.2)."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.hashes import SHA256, SHA384

from bothways.tls.ech.confirmation import (
    UNCONFIRMED,
    confirmation,
    confirmation_in,
    unconfirmed,
    with_confirmation,
)
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.flight import encode_message
from bothways.tls.wire.hello import RETRY_RANDOM, ServerHello

HELLO = ServerHello(0x0303, bytes(range(32)), b"", 0x1301, 0, (ext.SelectedVersion(0x0304),))
RETRY = ServerHello(0x0303, RETRY_RANDOM, b"", 0x1301, 0, (ext.SelectedVersion(0x0304), UNCONFIRMED))


def by_the_rfc(name: str, inner_random: bytes, transcript_hash: bytes, label: bytes) -> bytes:
    """HKDF-Expand-Label(HKDF-Extract(0, random), label, hash, 8), with the standard library alone."""
    size = hashlib.new(name).digest_size
    secret = hmac.digest(bytes(size), inner_random, name)
    full = b"tls13 " + label
    info = b"\0\x08" + bytes([len(full)]) + full + bytes([len(transcript_hash)]) + transcript_hash
    return hmac.digest(secret, info + b"\1", name)[:8]


@pytest.mark.parametrize(("name", "algorithm"), [("sha256", SHA256()), ("sha384", SHA384())])
@pytest.mark.parametrize(
    ("retry", "label"), [(False, b"ech accept confirmation"), (True, b"hrr ech accept confirmation")]
)
def test_ech_confirmation_agrees_with_the_formula_of_the_rfc(
    name: str, algorithm: SHA256 | SHA384, retry: bool, label: bytes
) -> None:
    digest = hashlib.new(name, b"transcript").digest()
    found = confirmation(algorithm, b"r" * 32, digest, retry=retry)
    assert found == by_the_rfc(name, b"r" * 32, digest, label)


def test_ech_confirmation_is_in_the_random_of_a_server_hello() -> None:
    answer = with_confirmation(HELLO, b"confirm!")
    assert answer.random == bytes(range(24)) + b"confirm!"
    assert confirmation_in(answer) == b"confirm!"
    assert unconfirmed(answer) == encode_message(HELLO).replace(bytes(range(24, 32)), bytes(8))


def test_ech_confirmation_is_in_an_extension_of_a_hello_retry_request() -> None:
    answer = with_confirmation(RETRY, b"confirm!")
    assert (answer.random, confirmation_in(answer)) == (RETRY_RANDOM, b"confirm!")
    assert unconfirmed(answer) == encode_message(RETRY)
    without = ServerHello(0x0303, RETRY_RANDOM, b"", 0x1301, 0, (ext.SelectedVersion(0x0304),))
    assert confirmation_in(without) is None
