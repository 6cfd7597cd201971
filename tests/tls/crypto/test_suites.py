"""Every row of the suites names what the registry means by it."""

from __future__ import annotations

import pytest

from bothways.iana import CipherSuite
from bothways.tls.crypto.suites import SUITES13, Suite

every_suite = pytest.mark.parametrize("suite", SUITES13.values(), ids=lambda suite: suite.name)


def test_the_suites_are_those_of_tls_1_3() -> None:
    """RFC 9846 B.4, without the two CCM suites."""
    assert set(SUITES13) == {0x1301, 0x1302, 0x1303}


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
