"""The exception by which an AEAD says no, and the sizes that go with it."""

from __future__ import annotations

import pytest

from bothways.tls.crypto import aead


def test_keys_do_not_show() -> None:
    """Secrets stand in no repr, not even in that of a tuple."""
    keys = aead.TrafficKeys(b"k" * 16, b"i" * 12)
    assert f"{keys} {keys!r}" == "TrafficKeys(...) TrafficKeys(...)"
    assert (keys.key, keys.iv) == tuple(keys)


@pytest.mark.parametrize("kind", [aead.AES_GCM, aead.CHACHA20_POLY1305])
def test_bytes_that_were_not_sealed_do_not_open(kind: aead.AeadKind) -> None:
    """RFC 5116 2.2: anything but the ciphertext, its nonce and its associated data fails alike."""
    cipher = kind(bytes(32))
    nonce = bytes(aead.NONCE_SIZE)
    sealed = cipher.encrypt(nonce, b"content", b"header")
    assert len(sealed) == 7 + aead.TAG_SIZE
    assert cipher.decrypt(nonce, memoryview(sealed), b"header") == b"content"
    for at in range(len(sealed)):
        altered = bytearray(sealed)
        altered[at] ^= 1
        with pytest.raises(aead.Forged):
            cipher.decrypt(nonce, bytes(altered), b"header")
    for short in range(aead.TAG_SIZE + 1):
        with pytest.raises(aead.Forged):
            cipher.decrypt(nonce, sealed[:short], b"header")
    with pytest.raises(aead.Forged):
        cipher.decrypt(nonce, sealed, b"headex")
    with pytest.raises(aead.Forged):
        cipher.decrypt(bytes(11) + b"\1", sealed, b"header")
