"""Subtrees of name constraints, as they are read and looked up (RFC 5280 4.2.1.10)."""

from __future__ import annotations

import pytest

from bothways.trust.names.general import GeneralName, GeneralNameKind, Mailbox
from bothways.trust.names.subtrees import Subtree, Subtrees, dns_value, form_of, subtrees_in, value_of
from pki import der, name
from raw_certificates import general_name, sequence, smtp_utf8_mailbox

HOST = general_name("DNS", b"host.example")
RELATIVE = der(0x31, sequence(bytes.fromhex("060355040a"), der(0x0C, b"O")))
ZERO, ONE = der(0x80, b"\0"), der(0x80, b"\1")
MAXIMUM = der(0x81, b"\5")


def constraints(permitted: bytes = b"", excluded: bytes = b"") -> bytes:
    parts = [der(tag, each) for tag, each in ((0xA0, permitted), (0xA1, excluded)) if each]
    return sequence(*parts)


@pytest.mark.parametrize(
    ("limits", "limited"),
    [
        (b"", False),
        (ZERO, False),
        (ONE, True),
        (MAXIMUM, True),
        (ZERO + MAXIMUM, True),
        (ONE + MAXIMUM, True),
    ],
)
def test_a_subtree_has_its_limits(limits, limited):
    """RFC 5280 4.2.1.10: a minimum of zero and no maximum is what there may be."""
    tree = Subtree(GeneralName(GeneralNameKind.DNS, b"host.example"), limited)
    assert subtrees_in(constraints(sequence(HOST, limits))) == ((tree,), ())
    assert subtrees_in(constraints(b"", sequence(HOST, limits))) == ((), (tree,))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (sequence(), "name constraints without a subtree"),
        (constraints(sequence(HOST)) + b"\0", "1 bytes follow"),
        (sequence(der(0xA0, b"")), "is empty"),
        (
            sequence(der(0xA1, sequence(HOST)), der(0xA0, sequence(HOST))),
            "an element that does not belong in name constraints",
        ),
        (
            sequence(der(0xA0, sequence(HOST)), der(0xA0, sequence(HOST))),
            "an element that does not belong in name constraints",
        ),
        (sequence(der(0xA2, sequence(HOST))), "an element that does not belong in name constraints"),
        (constraints(HOST), "no subtree"),
        (constraints(sequence(HOST, MAXIMUM, ONE)), "does not belong in a subtree"),
        (constraints(sequence(HOST, ONE, ONE)), "does not belong in a subtree"),
        (constraints(sequence(HOST, der(0x80, b""))), "does not belong in a subtree"),
        (constraints(sequence(HOST, b"\5\0")), "does not belong in a subtree"),
        (constraints(sequence()), "cut off"),
        (constraints(sequence(general_name("IP", bytes(4)))), "an IP address of 4 bytes"),
        (
            constraints(sequence(general_name("IP", bytes(5) + b"\1\0\0"))),
            "a subtree of IP addresses whose mask is not contiguous",
        ),
        (constraints(sequence(HOST) * 4097), "more than 4096 subtrees"),
    ],
)
def test_malformed_name_constraints_are_refused(value, problem):
    """RFC 5280 4.2.1.10."""
    with pytest.raises(ValueError, match=problem):
        subtrees_in(value)


def trees(*bases: bytes, excluding: bool = False) -> Subtrees:
    found = subtrees_in(constraints(b"".join(sequence(each) for each in bases)))[0]
    return Subtrees(found, excluding=excluding)


def kind_of(base: bytes) -> GeneralNameKind | bytes:
    return form_of(subtrees_in(constraints(sequence(base)))[0][0].base)


@pytest.mark.parametrize(
    "base",
    [
        general_name("DNS", b"*.example"),
        general_name("DNS", b"a..example"),
        general_name("DNS", b"."),
        general_name("DNS", "\u212a.example".encode()),
        general_name("DNS", b"10.0.0.1"),
        general_name("EMAIL", b""),
        general_name("EMAIL", b"@"),
        general_name("EMAIL", b"a b@host.example"),
        general_name("EMAIL", b"me@ho st"),
        general_name("EMAIL", b"\xfc.example"),
        general_name("URI", b"https://host.example"),
        general_name("URI", b""),
        general_name("URI", b"\xfc"),
        general_name("DN", sequence(b"\5\0")),
    ],
)
def test_a_malformed_subtree_permits_nothing_and_excludes_its_kind(base):
    """RFC 5280 4.2.1.10: what cannot be processed leads to a refusal."""
    kind = kind_of(base)
    permitted, excluded = trees(base), trees(base, excluding=True)
    assert permitted.constrain(kind)
    assert permitted.can_compare(kind)
    values = {GeneralNameKind.EMAIL: Mailbox("me", "host.example"), GeneralNameKind.DIRECTORY: (b"x",)}
    assert not permitted.has(kind, values.get(kind, "host.example"))
    assert excluded.constrain(kind)
    assert not excluded.can_compare(kind)


@pytest.mark.parametrize(
    "base",
    [
        general_name("RID", b"\x2a\x03"),
        general_name("X400", sequence()),
        general_name("EDI", der(0xA1, der(0x0C, b"party"))),
        smtp_utf8_mailbox("m\u00fc@host.example"),
        general_name("OTHER", der(6, b"\x2a\x03") + der(0xA0, b"\5\0")),
    ],
)
@pytest.mark.parametrize("excluding", [True, False])
def test_a_kind_of_name_without_a_comparison_cannot_be_checked(base, excluding):
    """RFC 5280 4.2.1.10: each type of otherName is a kind of its own."""
    found, kind = trees(base, excluding=excluding), kind_of(base)
    assert found.constrain(kind)
    assert not found.can_compare(kind)
    assert not found.has(kind, None)
    for other in (GeneralNameKind.DNS, GeneralNameKind.OTHER, b"\x2a\x04"):
        assert not found.constrain(other)
        assert found.can_compare(other)


@pytest.mark.parametrize("excluding", [True, False])
@pytest.mark.parametrize("limits", [ONE, MAXIMUM])
def test_a_kind_of_name_with_minimum_or_maximum_cannot_be_checked(limits, excluding):
    """RFC 5280 4.2.1.10: "MUST either process these fields or reject the certificate"."""
    for order in (sequence(HOST, limits) + sequence(HOST), sequence(HOST) + sequence(HOST, limits)):
        found = Subtrees(subtrees_in(constraints(order))[0], excluding=excluding)
        assert found.constrain(GeneralNameKind.DNS)
        assert not found.can_compare(GeneralNameKind.DNS)
        assert found.can_compare(GeneralNameKind.EMAIL)


def test_a_malformed_name_is_in_no_permitted_and_in_every_excluded_subtree():
    """Fail closed."""
    assert not trees(HOST).has(GeneralNameKind.DNS, None)
    assert trees(HOST, excluding=True).has(GeneralNameKind.DNS, None)


@pytest.mark.parametrize(
    ("address", "network", "permitted", "excluded"),
    [
        ("0a010203", "0a000000 ff000000", True, True),
        ("0a010203", "0affffff ff000000", True, True),
        ("0b010203", "0a000000 ff000000", False, False),
        ("0b010203", "00000000 00000000", True, True),
        # an address of IPv6 that stands for one of IPv4
        ("00000000000000000000ffff0a010203", "0a000000 ff000000", False, True),
        ("00000000000000000000ffff0b010203", "0a000000 ff000000", False, False),
        ("00000000000000000000ffff0a010203", "00" * 16 + "00" * 16, False, True),
        ("20010db8000000000000000000000001", "00" * 16 + "00" * 16, True, True),
        # a network of such addresses
        ("0a010203", "00000000000000000000ffff0a000000" + "ff" * 13 + "000000", False, True),
        ("0b010203", "00000000000000000000ffff0a000000" + "ff" * 13 + "000000", False, False),
        ("0a010203", "00" * 16 + "00" * 16, False, False),
    ],
)
def test_addresses_lie_in_networks(address, network, permitted, excluded):
    """RFC 5280 4.2.1.10; RFC 4291 2.5.5.2: the embedded address counts wherever that refuses more."""
    base = general_name("IP", bytes.fromhex(network))
    value = value_of(GeneralName(GeneralNameKind.IP, bytes.fromhex(address)))
    assert trees(base).has(GeneralNameKind.IP, value) is permitted
    assert trees(base, excluding=True).has(GeneralNameKind.IP, value) is excluded


def test_an_embedded_address_is_permitted_where_both_of_its_readings_are():
    """RFC 4291 2.5.5.2."""
    value = bytes.fromhex("00000000000000000000ffff0a010203")
    both = trees(general_name("IP", bytes(32)), general_name("IP", bytes.fromhex("0a000000ff000000")))
    assert both.has(GeneralNameKind.IP, value)


DIRECTORY = [
    ("me", {"O": "Here"}, None, {"O": "Here"}, True),
    ("me", {"O": "HERE  "}, None, {"O": "here"}, True),
    ("me", {"O": "There"}, None, {"O": "Here"}, False),
    (None, {"O": "Here"}, "me", {"O": "Here"}, False),
]


@pytest.mark.parametrize(("common", "others", "base_common", "base", "inside"), DIRECTORY)
def test_directory_names_lie_below_what_they_begin_with(common, others, base_common, base, inside):
    """RFC 5280 4.2.1.10 and 7.1."""
    found = trees(general_name("DN", name(base_common, **base).public_bytes()))
    whole = value_of(GeneralName(GeneralNameKind.DIRECTORY, name(common, **others).public_bytes()))
    assert found.has(GeneralNameKind.DIRECTORY, whole) is inside
    assert trees(general_name("DN", sequence())).has(GeneralNameKind.DIRECTORY, whole)
    assert not found.has(GeneralNameKind.DIRECTORY, "CN=me")


STRINGS = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x15: "latin-1",
    0x16: "ascii",
    0x19: "latin-1",
    0x1A: "ascii",
    0x1B: "latin-1",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}


@pytest.mark.parametrize("outer", STRINGS)
@pytest.mark.parametrize("inner", STRINGS)
def test_the_type_of_a_string_does_not_bypass_a_subtree(outer, inner):
    """RFC 5280 7.1: PrintableString, UTF8String, TeletexString, BMPString and the others are compared by value."""

    def directory(tag: int, text: str) -> bytes:
        value = der(tag, text.encode(STRINGS[tag]))
        return sequence(der(0x31, sequence(bytes.fromhex("060355040a"), value)))

    found = trees(general_name("DN", directory(outer, "Here  Inc")))
    assert found.has(
        GeneralNameKind.DIRECTORY,
        value_of(GeneralName(GeneralNameKind.DIRECTORY, directory(inner, "HERE INC"))),
    )
    assert not found.has(
        GeneralNameKind.DIRECTORY, value_of(GeneralName(GeneralNameKind.DIRECTORY, directory(inner, "There")))
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Host.example", "host.example"),
        ("*.Host.example", "*.host.example"),
        ("*.com", "*.com"),
        ("*", None),
        ("a*.host.example", None),
        ("*.*.example", None),
        ("*.", None),
        ("a.*.example", None),
    ],
)
def test_a_wildcard_is_one_whole_left_most_label(text, value):
    """RFC 9525 6.3."""
    assert dns_value(text) == value


def test_a_name_without_a_comparison_has_no_compared_form():
    """RFC 5280 4.2.1.10."""
    assert value_of(GeneralName(GeneralNameKind.REGISTERED_ID, b"\x2a\x03")) is None
    assert value_of(GeneralName(GeneralNameKind.DNS, b"\xfc.example")) is None


def test_a_name_is_found_among_many_subtrees():
    """A CA decides how many there are."""
    many = trees(*(general_name("DNS", f"h{each}.example".encode()) for each in range(2_000)))
    assert many.has(GeneralNameKind.DNS, "a.b.h1999.example")
    assert not many.has(GeneralNameKind.DNS, "h2000.example")


def test_the_cost_of_a_look_up_grows_only_with_the_number_of_lengths():
    """The author of the constraints chooses the lengths, but there are few possible ones."""
    masks = [(2**32 - 2**bits).to_bytes(4, "big") for bits in range(33)]
    networks = trees(*(general_name("IP", bytes(4) + mask) for mask in masks))
    assert networks.cost(GeneralNameKind.IP) == 1 + 33 // 8
    hosts = trees(*(general_name("DNS", f"h{each}.example".encode()) for each in range(100)))
    assert hosts.cost(GeneralNameKind.DNS) == 1
    assert hosts.cost(GeneralNameKind.EMAIL) == 0
    directories = trees(*(general_name("DN", sequence(*[RELATIVE] * each)) for each in range(16)))
    assert directories.cost(GeneralNameKind.DIRECTORY) == 1 + 16 // 8
