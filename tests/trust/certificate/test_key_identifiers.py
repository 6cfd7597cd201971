"""The names of keys in certificates (RFC 5280 4.2.1.1 and 4.2.1.2)."""

from __future__ import annotations

import pytest

from bothways.trust.certificate.key_identifiers import AuthorityKey, authority_key, subject_key
from bothways.trust.names.distinguished import normal
from pki import der, name
from raw_certificates import general_name, sequence

ISSUER = general_name("DN", name("Top").public_bytes())
SERIAL = der(0x82, b"\1\2")
KEY = der(0x80, b"key")
TOP = normal(name("TOP").public_bytes())


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (sequence(KEY), AuthorityKey(b"key")),
        (sequence(KEY, der(0xA1, ISSUER), SERIAL), AuthorityKey(b"key", (TOP, b"\1\2"))),
        (sequence(der(0xA1, ISSUER), SERIAL), AuthorityKey(None, (TOP, b"\1\2"))),
        (sequence(der(0xA1, general_name("DNS", b"a") + ISSUER), SERIAL), AuthorityKey(None, (TOP, b"\1\2"))),
        (sequence(der(0xA1, ISSUER * 2), SERIAL), AuthorityKey()),
        (sequence(der(0xA1, ISSUER)), AuthorityKey()),
        (sequence(SERIAL), AuthorityKey()),
        (sequence(), AuthorityKey()),
        (sequence(KEY, der(0xA1, b"\x30")), AuthorityKey()),
        (b"\5\0", AuthorityKey()),
        (b"", AuthorityKey()),
    ],
)
def test_an_authoritykeyidentifier_has_a_key_identifier_or_a_certificate(value, meant):
    """RFC 5280 4.2.1.1: an undecodable one counts as absent here, and is refused with the certificate."""
    assert authority_key(value) == meant


@pytest.mark.parametrize(
    ("value", "meant"), [(der(4, b"key"), b"key"), (der(4, b""), b""), (b"\5\0", None), (b"", None)]
)
def test_a_subjectkeyidentifier_is_decoded(value, meant):
    """RFC 5280 4.2.1.2."""
    assert subject_key(value) == meant
