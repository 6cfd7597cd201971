"""The decoding of a SubjectPublicKeyInfo that a peer sends: strict, and of no other exception than EncodingError."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import pki
import raw_keys
from bothways.trust.certificate.raw_public_key import read_raw_key
from bothways.trust.decoding.parsing import EncodingError

KINDS = ("P-256", "P-384", "P-521", "RSA-2048", "Ed25519", "Ed448")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_key_is_decoded_and_no_part_of_one(kind: str) -> None:
    """RFC 7250 3: the DER of a SubjectPublicKeyInfo, and nothing behind it."""
    spki = raw_keys.public_key(pki.key(kind))
    key = read_raw_key(spki)
    assert key.spki == spki and key == read_raw_key(spki) and hash(key) == hash(read_raw_key(spki))
    assert repr(key) == f"<RawPublicKey {key.fingerprint}>"
    for bad in (b"", spki[:-1], spki + b"\0", spki[1:], b"\x30\x00", b"\x30\x80" + spki):
        with pytest.raises(EncodingError):
            read_raw_key(bad)


def test_a_key_that_makes_no_signatures_is_refused() -> None:
    other = x25519.X25519PrivateKey.generate().public_key()
    for spki in (
        other.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        raw_keys.explicit_p256(),
        pki.leaf(pki.root()).der,
    ):
        with pytest.raises(EncodingError):
            read_raw_key(spki)
