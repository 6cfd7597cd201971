"""Suites by OpenSSL's names, held against those that this Python's OpenSSL has."""

from __future__ import annotations

import ssl

import pytest

from bothways.adapters.suites import bits_of, ciphers, openssl_name, ssl_version
from bothways.iana import CipherSuite
from bothways.tls.crypto.suites import SUITES12, SUITES13

SPOKEN = {**SUITES13, **SUITES12}


def theirs() -> dict[int, dict[str, object]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL")
    return {each["id"] & 0xFFFF: each for each in context.get_ciphers()}


@pytest.mark.parametrize("code", SPOKEN)
def test_a_suite_has_openssls_name_version_and_strength(code: int) -> None:
    name = CipherSuite(code).name
    known = theirs()[code]
    assert openssl_name(name) == known["name"]
    assert ssl_version(name) == known["protocol"]
    assert bits_of(name) == known["strength_bits"]


def test_suites_are_described_as_ssl_does() -> None:
    known = theirs()
    for mine in ciphers(SPOKEN):
        entry = known[mine["id"] & 0xFFFF]
        assert mine.keys() == entry.keys()
        for key in (
            "id",
            "name",
            "protocol",
            "strength_bits",
            "alg_bits",
            "aead",
            "symmetric",
            "kea",
            "auth",
        ):
            assert mine[key] == entry[key], key
