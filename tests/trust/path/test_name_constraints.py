"""Which names the CAs on a path permit below them (RFC 5280 4.2.1.10)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from bothways.faults import Fault, Reason
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.name_constraints import NameConstraintCheck
from bothways.trust.work import OutOfWork, WorkBudget, WorkStep
from pki import alternative, intermediate, issue, key, leaf, name, root
from pki import der as encode
from raw_certificates import alternatives, edited, general_name, raw, sequence, smtp_utf8_mailbox


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


def path_of(issued) -> list[ParsedCertificate]:
    return [ParsedCertificate(each.der) for each in (issued, *issued.above)]


def constraint_reasons(path: list[ParsedCertificate], work: WorkBudget) -> list[Reason]:
    return NameConstraintCheck(work).reasons(path)


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
    ("DNS:*.host.example", "DNS:.a.host.example", False),
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
    """RFC 5280 4.2.1.10: an ambiguous name is refused."""
    refused = inside or (presented, constraint) in EXCLUDED_OTHERWISE
    assert outcome([presented], excluded=[constraint]) == ([Fault.NAME_EXCLUDED] if refused else [])


@pytest.mark.parametrize(
    "presented",
    ["DNS:host.example.", "DNS:a.host.example.", "EMAIL:me@host.example.", "URI:x://host.example./"],
)
def test_a_final_dot_does_not_bypass_an_excluded_subtree(presented):
    """RFC 1034 3.1: it is the same host."""
    kind = presented.partition(":")[0]
    assert outcome([presented], excluded=[f"{kind}:host.example"]) == [Fault.NAME_EXCLUDED]


def test_constraints_on_one_kind_leave_other_kinds_alone():
    """RFC 5280 4.2.1.10."""
    assert outcome(["EMAIL:me@other.example", "IP:10.0.0.1"], permitted=["DNS:host.example"]) == []


def test_exclusion_wins_over_permission():
    """RFC 5280 4.2.1.10: regardless of what is permitted."""
    both = {"permitted": ["DNS:example"], "excluded": ["DNS:bad.example"]}
    assert outcome(["DNS:a.example", "DNS:bad.example"], **both) == [Fault.NAME_EXCLUDED]


def test_the_subject_is_checked_as_a_directory_name():
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
            Fault.NAME_NOT_COMPARABLE
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


def test_the_work_grows_with_the_names_and_not_with_the_subtrees():
    """A name is looked up in an index; a hostile CA could make both numbers large."""
    ca = root("CA", extra=[constrained(permitted=[f"DNS:h{each}.example" for each in range(20)])])
    many = issue(None, ca, alternatives=[f"DNS:n{each}.test" for each in range(20)])
    names, comparisons = WorkStep.NAME.price.microseconds, WorkStep.NAME_COMPARISON.price.microseconds
    budget = WorkBudget(40 * names + 30 * comparisons)
    with pytest.raises(OutOfWork) as raised:
        constraint_reasons(path_of(many), budget)
    assert raised.value.step is WorkStep.NAME_COMPARISON
    work = WorkBudget()
    reasons = constraint_reasons(path_of(many), work)
    assert [each.facts["name"] for each in reasons] == [
        "n0.test",
        "n1.test",
        "n2.test",
        "n3.test and 16 more",
    ]
    assert work.spent[WorkStep.NAME_COMPARISON] == 20 * 2


def test_no_pair_of_certificates_is_compared_twice_in_one_verification():
    """Several paths may contain the same CA and the same names."""
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


def test_kinds_of_names_without_constraints_are_permitted():
    """RFC 5280 4.2.1.10."""
    ca = root("CA", extra=[constrained(permitted=["DNS:example"])])
    number = x509.SubjectAlternativeName([x509.RegisteredID(x509.ObjectIdentifier("1.2.3"))])
    assert constraint_reasons(path_of(issue("me", ca, extra=[(number, False)])), WorkBudget()) == []


def raw_outcome(names, permitted=(), excluded=(), subject=None, critical=True) -> list[Fault]:
    """What becomes of encoded names under encoded subtrees, which may have limits."""
    lists = [
        encode(tag, b"".join(map(sequence, bases)))
        for tag, bases in ((0xA0, permitted), (0xA1, excluded))
        if bases
    ]
    ca = root("CA", extra=[raw("2.5.29.30", sequence(*lists), critical)])
    extra = [alternatives(*names)] if names else []
    return [
        each.fault
        for each in constraint_reasons(path_of(issue(subject, ca, usage=None, extra=extra)), WorkBudget())
    ]


HOST, OTHER_HOST = general_name("DNS", b"host.example"), general_name("DNS", b"other.example")
MINIMUM, MAXIMUM, ZERO = encode(0x80, b"\1"), encode(0x81, b"\5"), encode(0x80, b"\0")


@pytest.mark.parametrize("critical", [True, False])
@pytest.mark.parametrize("limits", [MINIMUM, MAXIMUM, MINIMUM + MAXIMUM, ZERO + MAXIMUM])
@pytest.mark.parametrize("which", ["permitted", "excluded"])
def test_a_subtree_with_a_minimum_or_a_maximum_refuses_every_name_of_its_kind(limits, which, critical):
    """RFC 5280 4.2.1.10: for a form that appears below, process these fields or reject the certificate."""
    trees = {which: [HOST + limits]}
    assert raw_outcome([HOST], critical=critical, **trees) == [Fault.NAME_NOT_COMPARABLE]
    assert raw_outcome([OTHER_HOST], critical=critical, **trees) == [Fault.NAME_NOT_COMPARABLE]
    assert raw_outcome([general_name("EMAIL", b"me@other.example")], critical=critical, **trees) == []


def test_an_encoded_minimum_of_zero_is_accepted():
    """RFC 5280 4.2.1.10: zero is the default, which DER omits."""
    assert raw_outcome([HOST], permitted=[HOST + ZERO]) == []
    assert raw_outcome([OTHER_HOST], permitted=[HOST + ZERO]) == [Fault.NAME_NOT_PERMITTED]


def mail(text: str) -> bytes:
    return general_name("EMAIL", text.encode())


UTF8 = smtp_utf8_mailbox
MAILBOXES = [
    # presented, subtree, inside; None for what is inside of no permitted and of every excluded one
    (mail('"me"@host.example'), mail("me@host.example"), True),
    (mail("me@host.example"), mail('"me"@host.example'), True),
    (mail(r'"m\e"@host.example'), mail("me@host.example"), True),
    (mail('"me@bad.example"@host.example'), mail("host.example"), True),
    (mail('"me@host.example"@bad.example'), mail("host.example"), False),
    (mail("me@bad.example@host.example"), mail("host.example"), None),
    (mail('"me@bad.example@host.example'), mail("host.example"), None),
    (mail("me@host.example "), mail("host.example"), None),
    (mail("me@[10.0.0.1]"), mail("host.example"), None),
    (mail("me@ho\u212at.example"), mail("hokt.example"), None),
    (UTF8("m\u00fc@host.example"), mail("host.example"), True),
    (UTF8("m\u00fc@HOST.example"), mail("host.example"), True),
    (UTF8("m\u00fc@a.host.example"), mail(".host.example"), True),
    (UTF8("m\u00fc@bad.example"), mail("host.example"), False),
    (UTF8("me@host.example"), mail("me@host.example"), True),
    (UTF8("m\u00fc@b\u00fccher.example"), mail("xn--bcher-kva.example"), None),
    (UTF8("nobody"), mail("host.example"), None),
    (general_name("OTHER", bytes.fromhex("06082b06010505070809a0021600")), mail("host.example"), None),
]


@pytest.mark.parametrize(("presented", "subtree", "inside"), MAILBOXES)
def test_mailboxes_are_constrained_in_any_form(presented, subtree, inside):
    """RFC 5280 4.2.1.10, RFC 5321 4.1.2; RFC 9598 6: one address space, whichever name has it."""
    permitted = [] if inside else [Fault.NAME_NOT_PERMITTED]
    excluded = [] if inside is False else [Fault.NAME_EXCLUDED]
    assert raw_outcome([presented], permitted=[subtree]) == permitted
    assert raw_outcome([presented], excluded=[subtree]) == excluded


def test_constraints_on_othernames_do_not_apply_to_smtputf8mailboxes():
    """RFC 9598 6: those are constrained as mailboxes."""
    both = [UTF8("m\u00fc@host.example")]
    assert raw_outcome(both, permitted=[UTF8("m\u00fc@host.example")]) == [Fault.NAME_NOT_COMPARABLE]
    other = general_name("OTHER", encode(6, b"\x2a\x03") + encode(0xA0, b"\5\0"))
    assert raw_outcome([other], excluded=both) == []
    assert raw_outcome([other], excluded=[other]) == [Fault.NAME_NOT_COMPARABLE]


X400, EDI = general_name("X400", sequence()), general_name("EDI", encode(0xA1, encode(0x0C, b"party")))


@pytest.mark.parametrize("kind", [X400, EDI, general_name("RID", b"\x2a\x03")])
def test_an_x400_address_or_edi_party_name_is_refused_only_where_constrained(kind):
    """RFC 5280 4.2.1.10: these have no comparison."""
    assert raw_outcome([kind], permitted=[HOST]) == []
    assert raw_outcome([kind], permitted=[kind]) == [Fault.NAME_NOT_COMPARABLE]
    assert raw_outcome([kind], excluded=[kind]) == [Fault.NAME_NOT_COMPARABLE]
    assert raw_outcome([HOST], excluded=[kind]) == []


def dns(text: bytes) -> bytes:
    return general_name("DNS", text)


MAPPED = general_name("IP", bytes.fromhex("00000000000000000000ffff0a010203"))
TEN = general_name("IP", bytes([10, 0, 0, 0, 255, 0, 0, 0]))
MALFORMED = [
    (dns(b""), HOST),
    (dns(b"."), HOST),
    (dns(b".host.example"), HOST),
    (dns(b"a..host.example"), HOST),
    (dns(b"a b.host.example"), HOST),
    (dns(b"host.example\0.host.example"), HOST),
    (dns(b"10.0.0.1"), HOST),
    (dns(b"a*.host.example"), HOST),
    (dns(b"*"), HOST),
    (dns(b"*.*.host.example"), HOST),
    (dns("\u212a.host.example".encode()), HOST),
    (dns(b"\xfc.host.example"), HOST),
    (dns(b""), dns(b"")),
    (dns(b"-"), dns(b"")),
    (general_name("URI", b"https://host.example\\@bad.example/"), general_name("URI", b"host.example")),
    (general_name("URI", b"https://host.example:1x/"), general_name("URI", b"host.example")),
    (general_name("URI", b"https://ho%73t.example/"), general_name("URI", b"host.example")),
    (general_name("URI", b"//host.example/"), general_name("URI", b"host.example")),
    (general_name("URI", "https://ho\u212at.example/".encode()), general_name("URI", b"hokt.example")),
    (
        general_name("DN", sequence(encode(0x31, b""))),
        general_name("DN", name(None, O="Here").public_bytes()),
    ),
    (general_name("DN", sequence(b"\5\0")), general_name("DN", sequence())),
    (MAPPED, TEN),
    (MAPPED, general_name("IP", bytes(32))),
]


@pytest.mark.parametrize(("malformed", "subtree"), MALFORMED)
def test_a_malformed_name_is_inside_of_no_permitted_and_of_every_excluded_subtree(malformed, subtree):
    """RFC 5280 4.2.1.10: what cannot be compared, or what others may read otherwise, is refused where it matters."""
    assert raw_outcome([malformed], permitted=[subtree]) == [Fault.NAME_NOT_PERMITTED]
    assert raw_outcome([malformed], excluded=[subtree]) == [Fault.NAME_EXCLUDED]
    assert raw_outcome([malformed], permitted=[mail("host.example")], excluded=[mail("bad.example")]) == []


BAD_HOST = [Fault.NAME_NOT_PERMITTED]
IDENTITIES = [
    # common name, alternative names, subtree: outcome
    ("bad.example", [], HOST, BAD_HOST),
    ("BAD.example", [], HOST, BAD_HOST),
    ("*.bad.example", [], HOST, BAD_HOST),
    ("host.example", [], HOST, []),
    ("a.HOST.example", [], HOST, []),
    ("bad.example", [dns(b"host.example")], HOST, []),
    ("bad.example", [mail("me@host.example")], HOST, BAD_HOST),
    ("bad", [], HOST, []),
    ("Bad Example, Inc.", [], HOST, []),
    ("me@bad.example", [], mail("host.example"), BAD_HOST),
    ("me@host.example", [], mail("host.example"), []),
    ("me@bad.example", [mail("me@host.example")], mail("host.example"), []),
    ("me@bad.example", [], HOST, []),
    ("11.0.0.1", [], TEN, BAD_HOST),
    ("10.0.0.1", [], TEN, []),
    ("::ffff:10.0.0.1", [], TEN, BAD_HOST),
    ("spiffe://bad.example/a", [], general_name("URI", b"host.example"), BAD_HOST),
    ("spiffe://host.example/a", [], general_name("URI", b"host.example"), []),
]


@pytest.mark.parametrize(("common", "names", "subtree", "faults"), IDENTITIES)
def test_a_common_name_that_resembles_an_identity_is_constrained_without_alternative_names(
    common, names, subtree, faults
):
    """RFC 5280 4.2.1.10 constrains none; some applications take identities from it."""
    assert raw_outcome(names, permitted=[subtree], subject=common) == faults


def test_a_common_name_of_a_ca_is_not_taken_for_an_identity():
    """Only the leaf identifies a peer."""
    top = root("Top", extra=[constrained(permitted=["DNS:host.example"])])
    below = leaf(intermediate(top, "ca.other.example"), "host.example")
    assert constraint_reasons(path_of(below), WorkBudget()) == []
    [reason] = constraint_reasons(path_of(below)[1:], WorkBudget())
    assert (reason.fault, reason.facts["name"]) == (Fault.NAME_NOT_PERMITTED, "ca.other.example")


@pytest.mark.parametrize(
    ("tag", "value", "fault"),
    [
        (0x0C, "b\u00e4d".encode(), Fault.NAME_EXCLUDED),
        (0x14, b"b\xe4d", Fault.NAME_EXCLUDED),
        (0x1B, b"b\xe4d", Fault.NAME_EXCLUDED),
        (0x0C, "b\u00e4\u0001d".encode(), Fault.NAME_EXCLUDED),
        (0x0C, b"b\xe4d", Fault.NAME_EXCLUDED),
        (0x0C, "g\u00f6\u00f6d".encode(), None),
    ],
)
def test_a_string_type_does_not_bypass_a_subtree(tag, value, fault):
    """RFC 5280 7.1: nor do octets that the type does not allow."""
    excluded = general_name("DN", name(None, O="B\u00c4D").public_bytes())
    ca = root("CA", extra=[raw("2.5.29.30", sequence(encode(0xA1, sequence(excluded))), True)])
    subject = sequence(encode(0x31, sequence(bytes.fromhex("060355040a"), encode(tag, value))))
    bearer = edited(issue("me", ca), subject=subject)
    found = [
        each.fault
        for each in constraint_reasons(
            [ParsedCertificate(bearer.der), ParsedCertificate(ca.der)], WorkBudget()
        )
    ]
    assert found == ([] if fault is None else [fault])


def test_every_common_name_and_address_of_a_subject_counts():
    """An application may use the second one."""
    parts = [
        x509.NameAttribute(NameOID.COMMON_NAME, "bad.example"),
        x509.NameAttribute(NameOID.COMMON_NAME, "host.example"),
    ]
    for order in (parts, parts[::-1]):
        assert raw_outcome([], permitted=[HOST], subject=x509.Name(order)) == [Fault.NAME_NOT_PERMITTED]


def test_a_reason_says_that_a_kind_cannot_be_processed():
    """RFC 5280 4.2.1.10."""
    ca = root("CA", extra=[raw("2.5.29.30", sequence(encode(0xA0, sequence(X400))), True)])
    [reason] = constraint_reasons(path_of(issue("me", ca, extra=[alternatives(X400)])), WorkBudget())
    assert reason.fault is Fault.NAME_NOT_COMPARABLE
    assert reason.facts == {"name": "an X.400 address", "issuer": "CN=CA"}
