"""Keys at rest."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from bothways.ca.home import key_encryption
from bothways.ca.home.key_encryption import decode_key, encode_key
from bothways.ca.keys import KeyType, new_key
from bothways.errors import ConfigError
from bothways.trust.decoding.parsing import PassphraseNeeded, WrongPassphrase
from interop import peers

COST = key_encryption.COST


@pytest.mark.parametrize("key_type", list(KeyType))
def test_an_encrypted_key_is_decrypted_by_its_passphrase_only(key_type: KeyType) -> None:
    """RFC 8018 6.2 with the derivation of RFC 7914 7."""
    key = new_key(key_type)
    data = encode_key(key, "pässphrase".encode(), os.urandom)
    assert decode_key(data, "pässphrase".encode(), "here").public_key() == key.public_key()
    with pytest.raises(WrongPassphrase, match="here: cannot be decrypted with this passphrase"):
        decode_key(data, b"another", "here")
    with pytest.raises(PassphraseNeeded, match="here: is encrypted; its passphrase is needed"):
        decode_key(data, None, "here")


def test_a_key_without_passphrase_is_not_encrypted() -> None:
    data = encode_key(new_key(KeyType.P256), None, os.urandom)
    assert decode_key(data, None, "here")
    with pytest.raises(ConfigError, match="is not encrypted, but a passphrase was given"):
        decode_key(data, b"secret", "here")


def test_data_that_is_not_a_key_is_refused() -> None:
    for data in (b"", b"garbage", bytes(200)):
        with pytest.raises(ConfigError, match="here: contains no private key"):
            decode_key(data, None, "here")


@pytest.mark.interop
def test_openssl_decrypts_an_encrypted_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the memory that it takes outside of tests."""
    monkeypatch.setattr(key_encryption, "COST", COST)
    (tmp_path / "key.pem").write_bytes(encode_key(new_key(KeyType.P256), b"secret", os.urandom))
    run = subprocess.run(
        [peers.find("openssl"), "pkey", "-in", "key.pem", "-passin", "pass:secret", "-noout", "-check"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


def test_each_encryption_has_its_own_salt() -> None:
    key = new_key(KeyType.ED25519)
    assert encode_key(key, b"secret", os.urandom) != encode_key(key, b"secret", os.urandom)
