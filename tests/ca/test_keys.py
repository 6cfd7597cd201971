"""The keys that an authority makes and signs with."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed448
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from bothways.ca.keys import KeyType, new_key, private_pem, signature_hash, usable_key
from bothways.errors import ConfigError


@pytest.mark.parametrize("key_type", list(KeyType))
def test_an_encrypted_key_needs_its_passphrase(key_type: KeyType) -> None:
    key = new_key(key_type)
    written = private_pem(key, b"passphrase")
    assert written.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    opened = usable_key(load_pem_private_key(written, b"passphrase"), "here")
    assert opened.public_key() == key.public_key()
    with pytest.raises(ValueError):
        load_pem_private_key(written, b"another")


def test_the_hash_under_a_signature_is_as_strong_as_the_curve() -> None:
    chosen = {key_type: signature_hash(new_key(key_type)) for key_type in KeyType}
    assert isinstance(chosen[KeyType.P256], hashes.SHA256)
    assert isinstance(chosen[KeyType.P384], hashes.SHA384)
    assert isinstance(chosen[KeyType.RSA3072], hashes.SHA256)
    assert chosen[KeyType.ED25519] is None
    assert chosen[KeyType.MLDSA65] is None


def test_a_key_of_a_kind_that_no_ca_uses_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"here: contains a .*Ed448"):
        usable_key(ed448.Ed448PrivateKey.generate(), "here")
