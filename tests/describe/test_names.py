"""What a peer is called."""

from __future__ import annotations

import pytest

from bothways.describe.names import every_name, peer_name, short_name
from bothways.trust.verdict import Names


@pytest.mark.parametrize(
    ("names", "called"),
    [
        (Names("CN=Ada,O=Shop", "Ada", dns=("a.example",)), "Ada"),
        (Names("", None, dns=("a.example",), uri=("spiffe://x/a",)), "a.example"),
        (Names("", None, email=("ada@shop.example",), uri=("spiffe://x/a",)), "ada@shop.example"),
        (Names("", None, uri=("spiffe://x/a",)), "spiffe://x/a"),
        (Names("", None, ip=("10.0.0.1",)), "10.0.0.1"),
        (Names("O=Shop", None), "O=Shop"),
        (Names("", None), "a peer without a name"),
        (Names("CN=x", "evil\x1b[2J"), "evil\\x1b[2J"),
        (None, "an anonymous client"),
    ],
)
def test_a_peer_has_a_short_name(names, called):
    """Common name, else the first alternative name, else the subject."""
    assert short_name(names) == called


def test_every_name_is_listed_by_kind():
    """Nothing that the certificate says is left out."""
    names = Names("CN=Ada", "Ada", ("a.example",), ("10.0.0.1",), ("spiffe://x/a",), ("ada@shop.example",))
    assert every_name(names) == (
        "CN=Ada, DNS a.example, IP 10.0.0.1, URI spiffe://x/a, email ada@shop.example"
    )
    assert every_name(Names("", None)) == "(empty subject)"


def test_an_anonymous_client_is_shown_as_such():
    """A server that requested no certificate has an anonymous client."""
    assert peer_name(None) == "an anonymous client"
