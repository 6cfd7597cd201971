"""How long a passphrase is worked on is bounded before anything is tried, whatever a file asks for."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from bothways import ConfigError, Credentials
from bothways.trust.decoding.key_derivation import MOST_ITERATIONS, check_key_derivation
from bothways.trust.decoding.parsing import EncodingError, private_key
from bothways.trust.der import encoded
from pki import leaf, root

ME = leaf(root(), "me.example")
SALT = encoded(4, b"12345678")


def number(value: int) -> bytes:
    return encoded(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def derivation(identifier: str, *numbers: int, salt: bytes = SALT) -> bytes:
    """An algorithm with a salt and numbers, somewhere in a file."""
    parameters = encoded(0x30, salt, *map(number, numbers))
    return encoded(0x30, b"\x04\x01x", encoded(0x30, encoded(6, bytes.fromhex(identifier)), parameters))


def mac(identifier: str, iterations: int, null: bytes = b"\5\0") -> bytes:
    """The MAC of a PKCS#12 file (RFC 7292 4)."""
    algorithm = encoded(0x30, encoded(6, bytes.fromhex(identifier)), null)
    digest = encoded(0x30, algorithm, encoded(4, bytes(20)))
    return encoded(0x30, encoded(2, b"\3"), encoded(0x30, digest, SALT, number(iterations)))


DERIVATIONS = [
    "2a864886f70d01050c",  # PBKDF2
    *(f"2a864886f70d0105{last:02x}" for last in (1, 3, 4, 6, 10, 11)),  # PBES1
    *(f"2a864886f70d010c01{last:02x}" for last in range(1, 7)),  # PKCS#12
]
SCRYPT = "2b06010401da47040b"
DIGESTS = ["2b0e03021a", "608648016503040201", "608648016503040203", "60864801650304020a"]
TOO_MANY = [MOST_ITERATIONS + 1, 2**31 - 1, 2**31, 2**64]


@pytest.mark.parametrize("iterations", TOO_MANY)
@pytest.mark.parametrize("identifier", DERIVATIONS)
def test_a_key_derivation_of_very_many_iterations_is_refused(identifier, iterations):
    """RFC 8018 4.2, RFC 7292 B: and one with a usual number is not."""
    with pytest.raises(ValueError, match=f"has {iterations} iterations"):
        check_key_derivation(derivation(identifier, iterations))
    check_key_derivation(derivation(identifier, MOST_ITERATIONS))
    check_key_derivation(derivation(identifier, 2048))


@pytest.mark.parametrize("iterations", TOO_MANY)
@pytest.mark.parametrize("null", [b"\5\0", b""])
@pytest.mark.parametrize("identifier", DIGESTS)
def test_a_mac_of_very_many_iterations_is_refused(identifier, null, iterations):
    """RFC 7292 4: it is made before anything else is looked at, for every passphrase."""
    with pytest.raises(ValueError, match=f"MAC has {iterations} iterations"):
        check_key_derivation(mac(identifier, iterations, null))
    check_key_derivation(mac(identifier, MOST_ITERATIONS, null))


@pytest.mark.parametrize("numbers", [(2**21, 8, 2), (2**14, 2**20, 1), (2**40, 1, 1), (2**14,), (2**14, 8)])
def test_scrypt_with_very_large_parameters_is_refused(numbers):
    """RFC 7914 6: they determine the memory too."""
    with pytest.raises(ValueError, match="scrypt with parameters that take too much memory and time"):
        check_key_derivation(derivation(SCRYPT, *numbers))
    check_key_derivation(derivation(SCRYPT, 2**20, 8, 1))


def test_every_key_derivation_of_a_file_is_checked_also_in_ber():
    """PKCS#12 has one for each bag; parsers accept indefinite lengths."""
    dear = derivation(DERIVATIONS[0], 2**31)
    with pytest.raises(ValueError, match="its key derivation has"):
        check_key_derivation(derivation(DERIVATIONS[0], 2048) + dear)
    identifier = encoded(6, bytes.fromhex(DERIVATIONS[0]))
    with pytest.raises(ValueError, match="its key derivation has"):
        check_key_derivation(identifier + b"\x30\x80" + SALT + number(2**31) + b"\0\0")
    with pytest.raises(ValueError, match="MAC"):
        indefinite = encoded(6, bytes.fromhex(DIGESTS[0])) + b"\5\0\0\0" + encoded(4, bytes(20))
        check_key_derivation(indefinite + SALT + number(2**31))


@pytest.mark.parametrize("cut", range(1, 40))
def test_data_that_only_resembles_a_key_derivation_is_ignored(cut):
    """Whatever else is in a file, only ValueError is raised."""
    whole = derivation(DERIVATIONS[0], 2048) + mac(DIGESTS[0], 2048)
    check_key_derivation(whole[:-cut])
    check_key_derivation(whole[cut:])
    check_key_derivation(derivation(DERIVATIONS[0], 2**31, salt=b"\5\0"))


def test_an_expensive_key_derivation_is_refused_before_a_passphrase_is_tried(monkeypatch):
    """Where credentials are read; other files open as before."""
    encrypted = ME.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    assert private_key(encrypted, b"x") is not None
    assert Credentials.from_pkcs12(ME.p12(b"x"), b"x").chain
    monkeypatch.setattr("bothways.trust.decoding.key_derivation.MOST_ITERATIONS", 1000)
    for data in (encrypted, ME.encrypted_key_pem(b"x")):
        with pytest.raises(EncodingError, match="its key derivation has"):
            private_key(data, b"x")
    with pytest.raises(ConfigError, match=r"PKCS#12: .*(key derivation|MAC)"):
        Credentials.from_pkcs12(ME.p12(b"x"), b"x")
    assert private_key(ME.key_pem) is not None
