"""Which names the CAs on a path permit below them (RFC 5280 4.2.1.10)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bothways.faults import Fault
from bothways.trust.certificate import Parsed
from bothways.trust.name_constraints import NameConstraintCheck, constraint_reasons
from bothways.trust.work import OutOfWork, Step, WorkBudget
from pki import alternative, intermediate, issue, key, leaf, name, root


def subtree(text: str) -> x509.GeneralName:
    kind, _, value = text.partition(":")
    if kind == "IP":
        return x509.IPAddress(ip_network(value))
    if kind == "DN":
        return x509.DirectoryName(name(None, **dict(part.split("=") for part in value.split(","))))
    return alternative(text)


def constrained(permitted=(), excluded=()):
    trees = [[subtree(each) for each in texts] or None for texts in (permitted, excluded)]
    return (x509.NameConstraints(*trees), True)


def path_of(issued) -> list[Parsed]:
    return [Parsed(each.der) for each in (issued, *issued.above)]


def outcome(alternatives, permitted=(), excluded=(), subject=None) -> list[Fault]:
    ca = root("CA", extra=[constrained(permitted, excluded)])
    bearer = issue(subject, ca, alternatives=alternatives, usage=None)
    return [each.fault for each in constraint_reasons(path_of(bearer), WorkBudget())]


PERMITTED: list[tuple[str, str, bool]] = [
    ("DNS:host.example", "DNS:host.example", True),
    ("DNS:a.host.example", "DNS:host.example", True),
    ("DNS:HOST.example", "DNS:host.Example", True),
    ("DNS:ahost.example", "DNS:host.example", False),
    ("DNS:example", "DNS:host.example", False),
    ("DNS:a.host.example", "DNS:.host.example", True),
    ("DNS:host.example", "DNS:.host.example", False),
    ("DNS:anything", "DNS:", True),
    ("DNS:*.host.example", "DNS:host.example", True),
    ("DNS:*.host.example", "DNS:.host.example", True),
    ("DNS:*.host.example", "DNS:a.host.example", False),
    ("DNS:*.example", "DNS:host.example", False),
    ("IP:10.1.2.3", "IP:10.0.0.0/8", True),
    ("IP:11.1.2.3", "IP:10.0.0.0/8", False),
    ("IP:2001:db8::1", "IP:2001:db8::/32", True),
    ("IP:10.1.2.3", "IP:2001:db8::/32", False),
    ("EMAIL:me@host.example", "EMAIL:me@host.example", True),
    ("EMAIL:me@HOST.example", "EMAIL:me@host.example", True),
    ("EMAIL:Me@host.example", "EMAIL:me@host.example", False),
    ("EMAIL:me@host.example", "EMAIL:host.example", True),
    ("EMAIL:me@a.host.example", "EMAIL:host.example", False),
    ("EMAIL:me@a.host.example", "EMAIL:.host.example", True),
    ("EMAIL:me@host.example", "EMAIL:.host.example", False),
    ("URI:https://host.example/path", "URI:host.example", True),
    ("URI:https://user@host.example:8443", "URI:host.example", True),
    ("URI:https://a.host.example", "URI:host.example", False),
    ("URI:https://a.host.example", "URI:.host.example", True),
    ("URI:https://host.example", "URI:.host.example", False),
    ("URI:https://10.0.0.1/", "URI:host.example", False),
    ("URI:https://[2001:db8::1]/", "URI:host.example", False),
    ("URI:urn:uuid:1", "URI:host.example", False),
]


@pytest.mark.parametrize(("presented", "constraint", "inside"), PERMITTED)
def test_a_name_outside_of_the_permitted_subtrees_of_its_kind_is_refused(presented, constraint, inside):
    """RFC 5280 4.2.1.10."""
    assert outcome([presented], permitted=[constraint]) == ([] if inside else [Fault.NAME_NOT_PERMITTED])


EXCLUDED_OTHERWISE = {
    ("DNS:*.host.example", "DNS:a.host.example"): "the wildcard stands for the excluded name too",
    ("DNS:*.example", "DNS:host.example"): "the wildcard stands for the excluded name too",
    ("URI:https://10.0.0.1/", "URI:host.example"): "it has no DNS host to compare",
    ("URI:https://[2001:db8::1]/", "URI:host.example"): "it has no DNS host to compare",
    ("URI:urn:uuid:1", "URI:host.example"): "it has no DNS host to compare",
}


@pytest.mark.parametrize(("presented", "constraint", "inside"), PERMITTED)
def test_a_name_inside_of_an_excluded_subtree_is_refused(presented, constraint, inside):
    """RFC 5280 4.2.1.10: what cannot be told apart is refused."""
    refused = inside or (presented, constraint) in EXCLUDED_OTHERWISE
    assert outcome([presented], excluded=[constraint]) == ([Fault.NAME_EXCLUDED] if refused else [])


@pytest.mark.parametrize(
    "presented",
    ["DNS:host.example.", "DNS:a.host.example.", "EMAIL:me@host.example.", "URI:x://host.example./"],
)
def test_a_final_dot_leads_out_of_no_excluded_subtree(presented):
    """RFC 1034 3.1: with it the same host is meant, and who reads the name may leave it out."""
    kind = presented.partition(":")[0]
    assert outcome([presented], excluded=[f"{kind}:host.example"]) == [Fault.NAME_EXCLUDED]


def test_constraints_on_one_kind_leave_other_kinds_alone():
    """RFC 5280 4.2.1.10."""
    assert outcome(["EMAIL:me@other.example", "IP:10.0.0.1"], permitted=["DNS:host.example"]) == []


def test_exclusion_wins_over_permission():
    """RFC 5280 4.2.1.10: regardless of what is permitted."""
    both = {"permitted": ["DNS:example"], "excluded": ["DNS:bad.example"]}
    assert outcome(["DNS:a.example", "DNS:bad.example"], **both) == [Fault.NAME_EXCLUDED]


def test_the_subject_is_held_to_directory_names():
    """RFC 5280 4.2.1.10: compared by 7.1."""
    inside, outside = name("me", C="SE", O="EXAMPLE"), name("me", C="SE", O="Other")
    assert outcome([], permitted=["DN:C=SE,O=Example"], subject=inside) == []
    assert outcome([], permitted=["DN:C=SE,O=Example"], subject=outside) == [Fault.NAME_NOT_PERMITTED]
    assert outcome([], excluded=["DN:C=SE,O=Example"], subject=inside) == [Fault.NAME_EXCLUDED]
    assert outcome(["DN:other"], permitted=["DN:C=SE"], subject=inside) == [Fault.NAME_NOT_PERMITTED]
    assert outcome(["DNS:a.example"], permitted=["DN:C=SE"], subject=None) == []


def test_an_email_address_in_the_subject_counts_when_no_alternative_name_is_one():
    """RFC 5280 4.2.1.10."""
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "me@other.example")])
    assert outcome([], permitted=["EMAIL:host.example"], subject=subject) == [Fault.NAME_NOT_PERMITTED]
    assert outcome(["EMAIL:me@host.example"], permitted=["EMAIL:host.example"], subject=subject) == []


def test_a_kind_of_name_that_cannot_be_compared_is_refused_where_it_is_constrained():
    """RFC 5280 4.2.1.10: process the constraint or reject the certificate."""
    number = x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))
    other = x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00")
    for kind in (number, other):
        ca = root("CA", extra=[(x509.NameConstraints([kind], None), True)])
        with_it = issue("me", ca, extra=[(x509.SubjectAlternativeName([kind]), False)])
        assert [each.fault for each in constraint_reasons(path_of(with_it), WorkBudget())] == [
            Fault.NAME_NOT_PERMITTED
        ]
        assert constraint_reasons(path_of(leaf(ca)), WorkBudget()) == []


def test_constraints_of_every_ca_above_count_and_name_their_issuer():
    """RFC 5280 6.1.4 g: permitted subtrees intersect, excluded ones add up."""
    top = root("Top", extra=[constrained(permitted=["DNS:example"])])
    middle = intermediate(top, "Middle", extra=[constrained(permitted=["DNS:a.example", "DNS:other"])])
    assert constraint_reasons(path_of(leaf(middle, "b.a.example")), WorkBudget()) == []
    [reason] = constraint_reasons(path_of(leaf(middle, "b.other")), WorkBudget())
    assert (reason.fault, reason.position) == (Fault.NAME_NOT_PERMITTED, 0)
    assert reason.facts == {"name": "b.other", "issuer": "CN=Top"}
    [reason] = constraint_reasons(path_of(leaf(middle, "b.example")), WorkBudget())
    assert reason.facts == {"name": "b.example", "issuer": "CN=Middle"}


def test_a_cas_own_names_are_constrained_and_a_self_issued_ones_are_not():
    """RFC 5280 6.1.3 b and c: only the last certificate is constrained though it is self-issued."""
    top = root("Top", extra=[constrained(excluded=["DN:O=Bad"])])
    bad = intermediate(top, name("Bad CA", O="Bad"))
    [below] = constraint_reasons(path_of(issue(None, bad, alternatives=["DNS:a.example"])), WorkBudget())
    assert (below.fault, below.position) == (Fault.NAME_EXCLUDED, 1)
    selfish = root(name("Top", O="Bad"), extra=[constrained(excluded=["DN:O=Bad"])])
    rolled = intermediate(selfish, name("Top", O="Bad"), own_key=key("P-256", 1))
    assert (
        constraint_reasons(path_of(issue(None, rolled, alternatives=["DNS:a.example"])), WorkBudget()) == []
    )
    [last] = constraint_reasons(path_of(rolled), WorkBudget())
    assert (last.fault, last.position) == (Fault.NAME_EXCLUDED, 0)


def test_the_number_of_comparisons_is_bounded():
    """Names times subtrees is what a hostile CA could make large."""
    ca = root("CA", extra=[constrained(permitted=[f"DNS:h{each}.example" for each in range(20)])])
    many = issue(None, ca, alternatives=[f"DNS:n{each}.test" for each in range(20)])
    with pytest.raises(OutOfWork) as raised:
        constraint_reasons(path_of(many), WorkBudget(100 * Step.NAME_COMPARISON.price.microseconds))
    assert raised.value.step is Step.NAME_COMPARISON
    work = WorkBudget()
    reasons = constraint_reasons(path_of(many), work)
    assert [each.facts["name"] for each in reasons] == [
        "n0.test",
        "n1.test",
        "n2.test",
        "n3.test and 16 more",
    ]
    assert work.spent[Step.NAME_COMPARISON] == 20 * 20 + 20


def test_no_pair_of_certificates_is_compared_twice_on_the_paths_of_one_judgement():
    """A path that differs above brings the same CA and the same names again."""
    ca = root("CA", extra=[constrained(permitted=["DNS:h.example"])])
    bearer = path_of(issue(None, ca, alternatives=["DNS:n.test"]))
    work = WorkBudget()
    check = NameConstraintCheck(work)
    first = check.reasons(bearer)
    spent = dict(work.spent)
    assert check.reasons(bearer) == first
    assert work.spent == spent


def test_a_mailbox_without_a_host_is_refused_either_way():
    """RFC 5280 4.2.1.10: what cannot be compared."""
    subject = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "nobody")])
    assert outcome([], permitted=["EMAIL:host.example"], subject=subject) == [Fault.NAME_NOT_PERMITTED]
    assert outcome([], excluded=["EMAIL:host.example"], subject=subject) == [Fault.NAME_EXCLUDED]


def test_other_kinds_of_names_are_free_where_nobody_constrains_them():
    """RFC 5280 4.2.1.10."""
    ca = root("CA", extra=[constrained(permitted=["DNS:example"])])
    number = x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))])
    assert constraint_reasons(path_of(issue("me", ca, extra=[(number, False)])), WorkBudget()) == []
