"""Every row of the suites names what the registry means by it."""

from __future__ import annotations

import pytest

from bothways.iana import CipherSuite, SignatureScheme
from bothways.tls.crypto.suites import SUITES12, SUITES13, Suite

every_suite = pytest.mark.parametrize(
    "suite", [*SUITES13.values(), *SUITES12.values()], ids=lambda suite: suite.name
)


def test_the_suites_are_those_of_tls_1_3() -> None:
    """RFC 9846 B.4, without the two CCM suites."""
    assert set(SUITES13) == {0x1301, 0x1302, 0x1303}


def test_the_suites_of_tls_1_2_are_aead_alone() -> None:
    """RFC 5288, 5289, 7905: ECDHE with either kind of signature, and RSA key transport."""
    assert set(SUITES12) == {0xC02B, 0xC02C, 0xCCA9, 0xC02F, 0xC030, 0xCCA8, 0x009C, 0x009D}


@pytest.mark.parametrize("suite", SUITES12.values(), ids=lambda suite: suite.name)
def test_a_suite_of_tls_1_2_names_its_key_exchange(suite: Suite) -> None:
    """RFC 5246 7.4.3, RFC 8422 5.4: who signs, or that nobody does; Ed25519 goes with ECDSA."""
    schemes = {scheme for scheme in SignatureScheme if suite.is_signed_by(scheme)}
    if suite.name.startswith("TLS_RSA_WITH"):
        assert suite.is_key_transport
        assert not schemes
        return
    assert not suite.is_key_transport
    prefixes = ("rsa_",) if "ECDHE_RSA" in suite.name else ("ecdsa_", "ed25519", "ed448")
    assert schemes == {scheme for scheme in SignatureScheme if scheme.name.startswith(prefixes)}
    assert not any(scheme.name.startswith("mldsa") for scheme in schemes)


@every_suite
def test_an_iv_leaves_room_for_the_explicit_nonce(suite: Suite) -> None:
    """RFC 5288 3: four bytes of AES-GCM's nonce are secret in TLS 1.2; elsewhere all twelve are."""
    explicit = "AES" in suite.name and suite.code in SUITES12
    assert suite.iv_size == (4 if explicit else 12)


@every_suite
def test_a_row_says_what_its_name_says(suite: Suite) -> None:
    """RFC 9846 B.4: AEAD and hash stand in the name."""
    assert CipherSuite(suite.code).name == suite.name
    assert suite.name.endswith(suite.hash.name.upper())
    assert suite.hash_size == suite.hash.digest_size
    assert suite.key_size == (16 if "AES_128" in suite.name else 32)


@every_suite
def test_an_aead_takes_its_key_size_and_no_other(suite: Suite) -> None:
    """A key of another size is our own mistake."""
    aead = suite.aead(bytes(suite.key_size))
    sealed = aead.encrypt(bytes(12), b"text", b"header")
    assert len(sealed) == 4 + 16
    assert aead.decrypt(bytes(12), sealed, b"header") == b"text"
    with pytest.raises(ValueError):
        suite.aead(bytes(suite.key_size - 1))


@every_suite
def test_record_limits_are_those_of_the_rfc(suite: Suite) -> None:
    """RFC 9846 5.5: 2^24.5 full records under AES-GCM; ChaCha20-Poly1305 ends with its sequence."""
    assert suite.record_limit == (2**64 - 1 if "CHACHA20" in suite.name else 23726566)
