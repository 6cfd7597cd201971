"""Our credentials are found by the server name, and by the kind of their keys, whatever their number."""

from __future__ import annotations

import pytest

from bothways.tls.handshake.own_credentials import CurrentCredentials, OwnCredentials
from tls.handshake.conversations import credentials

NAMES = [
    "a.example",
    "*.example",
    "*.a.example",
    "b.a.example",
    "A.Example",
    "*.*.example",
    "*",
    "1.2.3.4",
    "x_y.example",
]
WANTED = (
    "a.example A.EXAMPLE b.example b.a.example c.a.example example c.b.a.example *.example * 1.2.3.4 x_y.example "
    "a.example. .example a..example"
)


@pytest.mark.parametrize("wanted", ["", *WANTED.split()])
def test_who_is_found_by_a_name_is_who_is_valid_for_it(wanted: str) -> None:
    """RFC 9525 6.3: the same as each asked alone, in their order."""
    own = tuple(credentials(name) for name in NAMES)
    assert OwnCredentials(own).named(wanted) == tuple(each for each in own if each.matches(wanted))


def test_first_of_each_kind_of_key_stands_for_all_of_it() -> None:
    """RFC 9846 4.5.1.2: a client without a server name can tell them apart by their keys alone."""
    ec, rsa, curve = (
        credentials("a.example"),
        credentials("b.example", "RSA-2048"),
        credentials("c.example", "P-384"),
    )
    own = OwnCredentials((ec, credentials("d.example"), rsa, curve, credentials("e.example", "RSA-2048")))
    assert own.of_each_kind == (ec, rsa, curve)


def test_credentials_that_do_not_change_are_looked_through_once() -> None:
    """The same object for each handshake."""
    current = CurrentCredentials((credentials("a.example"),))
    assert current.value is current.value
