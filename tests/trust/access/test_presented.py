"""What rules compare is found once: the work for many rules does not grow with the names of a certificate."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

import pytest

import pki
from bothways import TrustStore
from bothways.trust import Purpose, Trusted, verify
from bothways.trust.access.presented import addresses, hosts, mailbox, mailboxes, parsed, subject_texts, uris
from bothways.trust.access.rule import PeerRule
from bothways.trust.names.distinguished import attributes

ROOT = pki.root("Presented Root")
KINDS: dict[str, tuple[str, str]] = {
    "dns": ("DNS:{}.example", "q{}.example"),
    "uri": ("URI:spiffe://a/{}", "spiffe://a/q{}/*"),
    "email": ("EMAIL:{}@a.example", "*@q{}.example"),
    "ip": ("IP:10.0.{}.1", "10.{}.0.0/16"),
    "key": ("DNS:k{}.example", "RSA-30{}"),
    "lifetime": ("DNS:l{}.example", "{}"),
    "policy": ("DNS:p{}.example", "1.2.{}"),
    "cn": ("DNS:c{}.example", "q{}"),
}


def client(alternatives: Iterable[str]) -> Trusted:
    issued = pki.leaf(ROOT, "Ada", alternatives=list(alternatives), usage=("clientAuth",))
    verdict = verify(
        [issued.der], TrustStore.from_pem(ROOT.pem), purpose=Purpose.CLIENT, name=None, at=pki.NOW
    )
    assert isinstance(verdict, Trusted)
    return verdict


def calls(rules: list[PeerRule], verdict: Trusted) -> int:
    """How many functions are called to ask all rules."""
    count = 0

    def note(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        for each in rules:
            each.allows(verdict)
            each.may_mean(verdict)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", KINDS)
def test_many_names_cost_once_and_not_for_each_rule(kind: str) -> None:
    """A CA that counts may have certified thousands of names for somebody who comes again and again."""
    alternative, value = KINDS[kind]
    few, many = ([PeerRule(**{kind: value.format(10 + at)}) for at in range(count)] for count in (1, 41))
    one, large = client([alternative.format(0)]), client(alternative.format(at) for at in range(200))
    for verdict in (one, large):
        calls(few, verdict)  # finds what is compared
    more_for_one = calls(many, one) - calls(few, one)
    assert calls(many, large) - calls(few, large) <= more_for_one


def test_names_are_sorted_out() -> None:
    found = hosts(("A.Example.com", "*.b.example.com", "no name"))
    assert found.names == {"a.example.com"}
    assert (found.parents, found.under_wildcards) == ({"example.com"}, {"b.example.com"})
    assert uris(("a:b", "a:b")) == {"a:b"}
    assert [mailbox(each) for each in ("A@B.example", "@b", "a", "a@b@c")] == [
        ("A", "b.example"),
        None,
        None,
        None,
    ]
    assert mailboxes(("A@B.example", "x")) == ({("A", "b.example")}, {"b.example"})
    networks = addresses(("192.0.2.7", "2001:db8::1", "invalid"))
    assert networks.prefixes(4, 8) == {0xC00002} and networks.prefixes(6, 96) == {0x20010DB8}
    assert networks.prefixes(4, 8) is networks.prefixes(4, 8)


def test_a_certificate_and_its_subject_are_read_once() -> None:
    verdict = client(["DNS:a.example"])
    leaf = parsed(verdict.path_der[0])
    assert parsed(bytes(verdict.path_der[0])) is leaf
    [[(kind, _, _)]] = attributes(leaf.subject)
    assert subject_texts(leaf.subject, kind) == ("Ada",)
    with pytest.raises(ValueError):
        subject_texts(b"x", kind)
