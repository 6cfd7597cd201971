"""Names and usages that a profile gives."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bothways.ca.errors import NamesRefused
from bothways.ca.profiles import (
    Constraints,
    Holder,
    Profile,
    alternative_names,
    check_holder,
    name_constraints,
    subject,
)

BAD_NAMES = [
    ("dns", "no spaces.example", "not a DNS name"),
    ("dns", "bücher.example", "A-labels"),
    ("dns", "a.*.example", "not a DNS name"),
    ("dns", "*.com", "wildcard"),
    ("dns", "*", "not a DNS name"),
    ("dns", "", "not a DNS name"),
    ("dns", "127.0.0.1", "not a DNS name"),
    ("ip", "256.1.1.1", "not an IP address"),
    ("ip", "10.0.0.0/8", "not an IP address"),
    ("uri", "no-scheme", "not a URI"),
    ("uri", "spiffe://a b", "not a URI"),
    ("uri", "http://[", "not a URI"),
    ("email", "nobody", "not an email address"),
    ("email", "a@\u212a.example", "not an email address"),
    ("dns", "\u212a.example", "not a DNS name"),
    ("dns", "*.\u017f.example", "not a DNS name"),
    ("email", "a b@example.com", "not an email address"),
    ("email", "@example.com", "not an email address"),
    ("email", "a@@example.com", "not an email address"),
    ("uri", "spiffe:example/a", "not a SPIFFE ID"),
    ("uri", "spiffe://Example/a", "not a SPIFFE ID"),
    ("uri", "spiffe://example/a/", "not a SPIFFE ID"),
    ("uri", "spiffe://example/a//b", "not a SPIFFE ID"),
    ("uri", "spiffe://example/../b", "not a SPIFFE ID"),
    ("uri", "spiffe://example:1/b", "not a SPIFFE ID"),
    ("uri", "spiffe://user@example/b", "not a SPIFFE ID"),
    ("uri", "spiffe://example/b?q", "not a SPIFFE ID"),
    ("uri", "https://a.example/" + "x" * 2048, "the limit is 2048"),
    ("uri", "https://a.example/\x00", "not a URI"),
    ("uri", "https://a.example/%0", "not a URI"),
    ("email", "x" * 65 + "@example.com", "the limits are 64 and 254"),
    ("email", "a\n@example.com", "not an email address"),
    ("email", "x" * 20 + "@" + ".".join(["y" * 60] * 4), "the limits are 64 and 254"),
    ("common_name", "x" * 65, "65 characters long"),
    ("common_name", "evil\n\x1b[31m", "that are not printable"),
]


@pytest.mark.parametrize(("kind", "name", "problem"), BAD_NAMES)
def test_a_name_that_is_none_is_refused_and_reported(kind: str, name: str, problem: str) -> None:
    names = {kind: name if kind == "common_name" else (name,)}
    with pytest.raises(NamesRefused, match=problem):
        check_holder(Profile.CLIENT, Holder(**names))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "uri", ["spiffe://example", "spiffe://example/a/B_1-x.y", "https://a.example/%20?q#f", "urn:uuid:1"]
)
def test_a_uri_is_not_changed(uri: str) -> None:
    """RFC 3986, and SPIFFE-ID 2."""
    assert [each.value for each in alternative_names(Holder(uri=(uri,)))] == [uri]


def test_a_spiffe_id_stands_alone_among_the_uris() -> None:
    """X.509-SVID 2: one URI and no more."""
    with pytest.raises(NamesRefused, match="has no other URI"):
        check_holder(Profile.CLIENT, Holder(uri=("spiffe://example/a", "https://a.example")))
    check_holder(Profile.CLIENT, Holder(uri=("https://a.example", "https://b.example")))


def test_a_name_is_given_once_and_a_hundred_names_are_the_limit() -> None:
    for twice in (
        Holder(dns=("a.example", "A.example")),
        Holder(ip=("::1", "0:0::1")),
        Holder(email=("a@example.com", "a@example.com")),
    ):
        with pytest.raises(NamesRefused, match="is requested twice"):
            alternative_names(twice)
    with pytest.raises(NamesRefused, match="101 names are requested; at most 100 are allowed"):
        alternative_names(Holder(dns=tuple(f"n{i}.example" for i in range(101))))


def test_a_ca_has_only_a_common_name() -> None:
    check_holder(Profile.SUB_CA, Holder("Branch CA"))
    for name in (None, "", "x" * 65, "a\nb"):
        with pytest.raises(NamesRefused, match="the name of a CA must have 1 to 64 printable"):
            check_holder(Profile.SUB_CA, Holder(name))
    with pytest.raises(NamesRefused, match="give name constraints"):
        check_holder(Profile.SUB_CA, Holder("Branch CA", ("a.example",)))


def test_a_server_needs_an_alternative_name() -> None:
    """RFC 9525 2: the common name is not one."""
    for profile in (Profile.SERVER, Profile.PEER):
        with pytest.raises(NamesRefused, match="clients do not look at its common name"):
            check_holder(profile, Holder("www.example.com"))
    with pytest.raises(NamesRefused, match="needs a name"):
        check_holder(Profile.CLIENT, Holder())
    check_holder(Profile.CLIENT, Holder("alice"))


def test_the_common_name_is_the_first_name_that_fits() -> None:
    long = "a" * 63 + ".example"
    assert _common_name(Holder("me", dns=("localhost",))) == "me"
    assert _common_name(Holder(dns=(long, "localhost"))) == "localhost"
    assert list(subject(Holder(dns=(long,)))) == []


def _common_name(holder: Holder) -> str | bytes:
    return subject(holder).get_attributes_for_oid(NameOID.COMMON_NAME)[0].value


def test_names_of_every_kind_are_in_the_certificate() -> None:
    names = alternative_names(
        Holder(None, ("Example.COM", "*.example.com"), ("::1",), ("spiffe://a/b",), ("a@example.com",))
    )
    assert [type(name).__name__ for name in names] == [
        "DNSName",
        "DNSName",
        "IPAddress",
        "UniformResourceIdentifier",
        "RFC822Name",
    ]
    assert names[0].value == "example.com"


def test_constraints_of_every_kind_become_subtrees() -> None:
    """RFC 5280 4.2.1.10: a DNS constraint has no leading dot."""
    made = name_constraints(
        Constraints(
            permitted_dns=(".example.com",),
            permitted_uri=("example.com",),
            excluded_ip=("10.0.0.0/8",),
            excluded_email=("example.org",),
        )
    )
    assert made.permitted_subtrees == [
        x509.DNSName("example.com"),
        x509.UniformResourceIdentifier("example.com"),
    ]
    assert made.excluded_subtrees == [
        x509.IPAddress(ip_network("10.0.0.0/8")),
        x509.RFC822Name("example.org"),
    ]
    with pytest.raises(NamesRefused, match="not an IP network"):
        name_constraints(Constraints(permitted_ip=("10.0.0.1/8",)))


@pytest.mark.parametrize(
    "constraints",
    [
        Constraints(permitted_dns=("*.example.com",)),
        Constraints(permitted_dns=("b\xfccher.example",)),
        Constraints(excluded_dns=("a\udcff",)),
        Constraints(excluded_uri=("b\xfccher.example",)),
        Constraints(permitted_email=("b\xfccher.example",)),
        Constraints(permitted_ip=("10.0.0.0/99",)),
        Constraints(permitted_ip=("10.0.0.1/8",)),
    ],
)
def test_a_name_constraint_without_effect_is_refused(constraints: Constraints) -> None:
    with pytest.raises(NamesRefused, match="is not a name constraint|is not an IP network|cannot be encoded"):
        name_constraints(constraints)


def test_an_address_of_one_interface_is_in_no_certificate() -> None:
    """Its zone would be left out, and the certificate say less than was asked for (RFC 4007 11)."""
    with pytest.raises(NamesRefused, match="has a zone index"):
        alternative_names(Holder("x", ip=("fe80::1%eth0",)))
