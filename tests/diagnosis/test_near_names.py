"""Names that look alike and are not: why the certificate does not count for the one that was asked for."""

from __future__ import annotations

import pytest

import identities
from bothways.diagnosis.near_names import LOOKED_AT, is_address, is_uri, matches_nothing, why_not
from bothways.trust.verdict import Names
from diagnosis.own_side.test_chain import host
from diagnosis.peer.test_certificate import sending


def names(*dns: str, **others: tuple[str, ...]) -> Names:
    return Names("CN=host", dns=dns, **others)


@pytest.mark.parametrize(
    ("asked", "name", "why"),
    [
        ("example.com", "*.example.com", "*.example.com does not stand for example.com itself"),
        ("a.b.example.com", "*.example.com", "a wildcard stands for exactly one label"),
        ("A.b.Example.com.", "*.EXAMPLE.com", "a wildcard stands for exactly one label"),
        ("www.example.com", "w*.example.com", "a wildcard has to be the whole first label, and the only one"),
        (
            "a.b.example.com",
            "*.*.example.com",
            "a wildcard has to be the whole first label, and the only one",
        ),
        (
            "a.b.example.com",
            "a.*.example.com",
            "a wildcard has to be the whole first label, and the only one",
        ),
        ("localhost", "*", "a wildcard has to be the whole first label, and the only one"),
        ("example.com", "*.com", "a wildcard is not accepted directly below a top-level domain"),
        ("host.example", "host.example.", "the name in it ends with a dot or has a blank beside it"),
        ("host.example", "host.example ", "the name in it ends with a dot or has a blank beside it"),
        ("www.example.com", "example.com", "the two differ in www alone"),
        ("example.com", "www.example.com", "the two differ in www alone"),
        ("example.com", "https://example.com", "what stands in it is a URL, or has a port or a path"),
        ("example.com", "example.com:8443", "what stands in it is a URL, or has a port or a path"),
        ("example.com", "https://elsewhere.example", ""),
        ("example.com", "elsewhere.example", ""),
        ("host.example.com", "w*.example.com", ""),
        ("com", "*.example.com", ""),
    ],
)
def test_why_a_name_that_comes_near_does_not_count(asked: str, name: str, why: str) -> None:
    assert why_not(asked, names("unlike.example", name)).startswith(why)
    assert bool(why_not(asked, names(name))) == bool(why)


def test_names_of_other_kinds_are_told_where_there_are_no_others() -> None:
    others = {"email": ("a@host.example",), "uri": ("https://host.example/",)}
    assert "mailboxes and URIs" in why_not("host.example", names(**others))
    assert why_not("host.example", names("else.example", **others)) == ""
    assert why_not("host.example", names()) == ""


def test_a_uri_that_is_asked_for_is_compared_with_uris() -> None:
    """Of a server with another SPIFFE ID: its URI is a name that counts."""
    assert is_uri("spiffe://example.org/web") and not is_uri("example.org") and not is_uri(None)
    assert why_not("spiffe://example.org/web", names(uri=("spiffe://example.org/db",))) == ""


def test_so_many_names_are_looked_at_and_no_more() -> None:
    many = [f"h{n}.example" for n in range(LOOKED_AT)]
    assert why_not("example.com", names(*many, "*.example.com")) == ""


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("127.0.0.1", True), ("::1", True), ("0:0:0:0:0:0:0:1", True), ("1.2.3", False), ("https://host.example/", False),
     ("host.example", False), ("", False), (None, False)],
)  # fmt: skip
def test_an_address_is_told_from_a_name_and_from_a_uri(name: str | None, is_one: bool) -> None:
    assert is_address(name) is is_one


def test_the_reason_is_the_evidence_of_the_cause() -> None:
    found = sending(host(alternatives=["DNS:*.example.com"]), identities.middle(), name="a.b.example.com")
    assert (
        found.first.cause.name == "WRONG_NAME"
        and found.first.evidence == "a wildcard stands for exactly one label"
    )
    other = sending(
        host(alternatives=["DNS:host.example"]), identities.middle(), name="https://host.example/"
    )
    assert other.first.cause.name == "WRONG_NAME" and other.first.evidence == ""


@pytest.mark.parametrize(
    ("dns", "nothing"),
    [
        (("w*.judge.example",), True),
        (("127.0.0.1",), True),
        (("*.*.example", "*.com"), True),
        ((), True),
        (("w*.judge.example", "judge.example"), False),
        (("*.judge.example",), False),
    ],
)
def test_names_that_no_client_can_ask_for(dns: tuple[str, ...], nothing: bool) -> None:
    """RFC 9525 6.3: a wildcard is the whole first label, an address is in no dNSName."""
    assert matches_nothing(names(*dns)) is nothing
    assert not matches_nothing(names(*dns, ip=("127.0.0.1",)))


def test_no_name_is_told_where_none_can_match() -> None:
    """RFC 9525 6.3."""
    found = sending(host(alternatives=["DNS:w*.judge.example"]), identities.middle()).first
    assert found.cause.name == "WRONG_NAME" and not found.command
    assert found.remedy == (
        "no name that is given to a client matches one of these (RFC 9525 6.3): have it issued for this one"
    )
