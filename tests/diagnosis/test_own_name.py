"""A name in our certificate that a client compares with another one than it sent."""

from __future__ import annotations

from bothways.iana import Alert
from diagnosis.test_own_side import host, refused
from diagnosis.test_stacks import GO, OPENSSL_3_0


def test_a_client_that_compares_names_by_itself_says_internal_error() -> None:
    """So does stunnel (checkHost), which sends the address as a name: a depth limit is the rarer reason."""
    for asked in (None, "127.0.0.1", "localhost"):
        found = refused(Alert.INTERNAL_ERROR, host(), OPENSSL_3_0, asked=asked)
        assert found[0] == ("WRONG_NAME", "LIKELY"), asked
    assert "WRONG_NAME" not in [
        name for name, _ in refused(Alert.INTERNAL_ERROR, host(), GO, asked="localhost")
    ]
