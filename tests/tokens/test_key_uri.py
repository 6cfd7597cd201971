"""URIs of keys in tokens (RFC 7512)."""

from __future__ import annotations

import pytest

from bothways.errors import ConfigError
from bothways.tokens.key_uri import KeyURI

READ = [
    ("pkcs11:token=a;object=b", KeyURI("a", "b")),
    ("pkcs11:token=The%20CA;object=b%3B;type=private", KeyURI("The CA", "b;")),
    ("pkcs11:token=a;id=%01%FF", KeyURI("a", "", b"\x01\xff")),
    (
        "pkcs11:token=a;serial=77;object=b?module-path=/x.so&pin-source=file:/run/pin",
        KeyURI("a", "b", b"", "77", "/x.so", "/run/pin"),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), READ)
def test_a_pkcs11_uri_is_decoded(text: str, expected: KeyURI) -> None:
    """RFC 7512 2.3 and 2.4."""
    assert KeyURI.parse(text) == expected


UNREAD = [
    ("/dev/token", "is not a PKCS#11 URI; write pkcs11:token=NAME;object=NAME"),
    ("pkcs11:object=b", "must have token=NAME, and object=NAME or id="),
    ("pkcs11:token=a", "must have token=NAME, and object=NAME or id="),
    ("pkcs11:token=a;object=b;object=c", "a repeated one"),
    ("pkcs11:token=a;object", "is not an attribute"),
    ("pkcs11:token=a;object=b;slot-id=1", "the attribute 'slot-id', which is not supported"),
    ("pkcs11:token=a;object=b?x=1", "the attribute 'x', which is not supported"),
    ("pkcs11:token=a;object=b;type=public", "has type=public; it must be type=private"),
    ("pkcs11:token=a;object=b?pin-value=1234", "a PKCS#11 URI must not contain the PIN"),
    ("PKCS11:token=a;object=b?pin-value=1234", "a PKCS#11 URI must not contain the PIN"),
    ("pkcs11:token=a;object=b?module-path=/m;pin-value=1234", "a PKCS#11 URI must not contain the PIN"),
    ("pkcs11:token=a;object=b?pin-value=1234&pin-value=1234", "a PKCS#11 URI must not contain the PIN"),
    ("pkcs11:token=a;object=b&Pin%2Dvalue:1234", "a PKCS#11 URI must not contain the PIN"),
]


@pytest.mark.parametrize(("text", "problem"), UNREAD)
def test_a_malformed_pkcs11_uri_is_reported_without_its_pin(text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        KeyURI.parse(text)
    assert "1234" not in str(caught.value)


@pytest.mark.parametrize(
    ("uri", "name"),
    [("pkcs11:token=a;object=b%27", '"b\'"'), ("pkcs11:token=a;id=%01%FF", "with the id 01ff")],
)
def test_a_uri_says_how_it_names_the_key_and_the_token(uri: str, name: str) -> None:
    found = KeyURI.parse(uri)
    assert (found.key_name, found.label) == (name, "the token 'a'")
