"""A name in our certificate that a client compares with another one than it sent."""

from __future__ import annotations

import pytest

from bothways.iana import Alert
from diagnosis.own_side.test_chain import host, refused
from diagnosis.test_stacks import GO, OPENSSL_3_0


def test_a_client_that_compares_names_by_itself_says_internal_error() -> None:
    """So does stunnel (checkHost), which sends the address as a name: a depth limit is the rarer reason."""
    for asked in (None, "127.0.0.1", "localhost"):
        found = refused(Alert.INTERNAL_ERROR, host(), OPENSSL_3_0, asked=asked)
        assert found[0] == ("WRONG_NAME", "LIKELY"), asked
    assert "WRONG_NAME" not in [
        name for name, _ in refused(Alert.INTERNAL_ERROR, host(), GO, asked="localhost")
    ]


@pytest.mark.parametrize(
    ("names", "cause"),
    [
        (["URI:spiffe://example.org/web"], "WRONG_NAME"),
        (["URI:https://example.org/"], "NO_ALTERNATIVE_NAME"),
        ([], "NO_ALTERNATIVE_NAME"),
    ],
)
def test_a_spiffe_id_is_a_name_that_clients_compare(names: list[str], cause: str) -> None:
    """A certificate with a SPIFFE ID alone does not lack names: the client wants another one."""
    found = refused(Alert.BAD_CERTIFICATE, host(alternatives=names))
    told = [each for each, _ in found if each in ("WRONG_NAME", "NO_ALTERNATIVE_NAME")]
    assert told == [cause]
