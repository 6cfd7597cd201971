"""Our own key without a certificate: from which sources it comes, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa, x25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import pki
import raw_keys
from bothways import ConfigError, RawKeyCredentials

OWN = pki.leaf(pki.root())


def test_a_key_comes_from_a_file_from_bytes_and_from_an_object(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(OWN.encrypted_key_pem(b"secret"))
    for own in (
        RawKeyCredentials(OWN.key),
        RawKeyCredentials.from_pem(OWN.key_pem),
        RawKeyCredentials.from_file(file, "secret"),
    ):
        assert own.entries == (own.public.spki,) == (raw_keys.public_key(OWN.key),)
        assert own.verifier == own.public.key


def test_no_text_contains_the_key() -> None:
    own = RawKeyCredentials(OWN.key)
    secret = OWN.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    assert repr(own) == f"<RawKeyCredentials {own.public.fingerprint}>"
    assert secret.hex() not in repr(own)


def test_keys_that_cannot_sign_or_are_weak_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot sign handshakes"):
        RawKeyCredentials(x25519.X25519PrivateKey.generate())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=r"too weak \(RSA of 1024 bits\)"):
        RawKeyCredentials(rsa.generate_private_key(65537, 1024))
    with pytest.raises(ConfigError, match="raw key: it contains no private key"):
        RawKeyCredentials.from_pem(OWN.pem)
    with pytest.raises(ConfigError, match="no password was given"):
        RawKeyCredentials.from_pem(OWN.encrypted_key_pem(b"secret"))
    with pytest.raises(ConfigError, match="absent"):
        RawKeyCredentials.from_file(tmp_path / "absent")
