"""Certificate policies along a path (RFC 5280 6.1, RFC 9618). PKITS has the broad part; here is the rest."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from bothways.faults import Fault
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.path.policies import ANY, Policies, policy_reasons, valid_policies
from pki import intermediate, key, leaf, root

ONE, TWO, THREE = "1.2.3.1", "1.2.3.2", "1.2.3.3"
REQUIRED = Policies(required=True)


def asserting(*policies: str):
    found = [x509.PolicyInformation(x509.ObjectIdentifier(each), None) for each in policies]
    return (x509.CertificatePolicies(found), False)


def _der_oid(dotted: str) -> bytes:
    """The DER of an identifier, cut out of an extension that holds it."""
    value = x509.ExtendedKeyUsage([x509.ObjectIdentifier(dotted)]).public_bytes()
    return value[2:]


def sequence(content: bytes) -> bytes:
    length = len(content)
    return b"\x30" + (bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")) + content


def mapping(*pairs: tuple[str, str]):
    value = sequence(b"".join(sequence(_der_oid(one) + _der_oid(other)) for one, other in pairs))
    return (x509.UnrecognizedExtension(ExtensionOID.POLICY_MAPPINGS, value), True)


def path_of(issued) -> list[ParsedCertificate]:
    return [ParsedCertificate(each.der) for each in (issued, *issued.above)]


ROOT = root()


def test_policies_are_not_required_by_default():
    """RFC 5280 6.1.1: a path without policies is a path."""
    assert policy_reasons(path_of(leaf(intermediate(ROOT)))) == []


def test_a_required_policy_must_be_valid_on_the_whole_path():
    """RFC 5280 6.1.5 g."""
    ca = intermediate(ROOT, "P1", extra=[asserting(ONE)])
    good, bad = leaf(ca, extra=[asserting(ONE)]), leaf(ca, extra=[asserting(TWO)])
    assert valid_policies(path_of(good), REQUIRED) == (frozenset({ONE}), [])
    [reason] = policy_reasons(path_of(bad), REQUIRED)
    assert (reason.fault, reason.position) == (Fault.NO_VALID_POLICY, None)
    assert policy_reasons(path_of(good), Policies(frozenset({ONE, TWO}), required=True)) == []
    [reason] = policy_reasons(path_of(good), Policies(frozenset({TWO}), required=True))
    assert reason.facts == {"wanted": [TWO]}


def test_mapping_from_or_to_anypolicy_is_refused_with_its_position():
    """RFC 5280 6.1.4 a."""
    for pair in ((ANY, ONE), (ONE, ANY)):
        ca = intermediate(ROOT, "Maps", extra=[asserting(ONE), mapping(pair)])
        [reason, *_] = policy_reasons(path_of(leaf(ca, extra=[asserting(ONE)])))
        assert (reason.fault, reason.position) == (Fault.BAD_POLICY_MAPPING, 1)


def test_a_policy_known_only_as_any_policy_can_be_mapped():
    """RFC 9618 5.4: the mapped policy becomes a child of anyPolicy."""
    ca = intermediate(ROOT, "Maps", extra=[asserting(ANY), mapping((ONE, TWO))])
    path = path_of(leaf(ca, extra=[asserting(TWO)]))
    assert valid_policies(path, Policies(frozenset({ONE}), required=True)) == (frozenset({ONE}), [])


def test_a_leaf_valid_under_any_policy_has_every_policy_wanted():
    """RFC 9618 5.5."""
    path = path_of(leaf(intermediate(ROOT, "Any", extra=[asserting(ANY)]), extra=[asserting(ANY)]))
    assert valid_policies(path, REQUIRED) == (frozenset({ANY}), [])
    wanted = Policies(frozenset({ONE, TWO}), required=True)
    assert valid_policies(path, wanted) == (frozenset({ONE, TWO}), [])


def test_a_path_that_is_an_anchor_alone_has_no_policy_processing_but_any():
    """RFC 5280 6.1: the anchor is no part of the path."""
    assert policy_reasons(path_of(leaf(None, "dev.example")), REQUIRED) == []


def test_mappings_that_double_a_policy_tree_at_every_level_are_cheap():
    """RFC 9618 1: the tree of RFC 5280 grows exponentially, the graph does not."""
    pairs = [(one, other) for one in (ONE, TWO) for other in (ONE, TWO)]
    above = ROOT
    for level in range(30):
        above = intermediate(above, f"Level {level}", extra=[asserting(ONE, TWO), mapping(*pairs)])
    path = path_of(leaf(above, extra=[asserting(ONE, TWO)]))
    assert valid_policies(path, REQUIRED) == (frozenset({ONE, TWO}), [])


def test_a_mapping_of_a_very_long_identifier_is_refused_undecoded():
    """CPU: spelling an identifier costs the square of its length."""
    endless = sequence(sequence(b"\x06\x40\x2a" + b"\xff" * 62 + b"\x7f" + b"\x06\x01\x2a"))
    extra = [asserting(ONE), (x509.UnrecognizedExtension(ExtensionOID.POLICY_MAPPINGS, endless), True)]
    [reason] = policy_reasons(path_of(leaf(intermediate(ROOT, "Long", extra=extra))))
    assert reason.fault is Fault.BAD_ENCODING
    assert "more than 63 bytes" in str(reason.facts["problem"])


def test_requireexplicitpolicy_applies_after_its_number_of_certificates():
    """RFC 5280 6.1.4 h and i, 6.1.5 a and b."""
    demands = lambda skip: (x509.PolicyConstraints(skip, None), True)  # noqa: E731
    now = leaf(intermediate(ROOT, "Now", extra=[demands(0)]))
    [reason] = policy_reasons(path_of(now))
    assert (reason.fault, reason.facts) == (Fault.NO_VALID_POLICY, {"wanted": "any"})
    later = intermediate(ROOT, "Later", extra=[demands(2)])
    assert policy_reasons(path_of(leaf(later))) == []
    assert policy_reasons(path_of(leaf(intermediate(intermediate(later, "A"), "B")))) != []
    own = leaf(intermediate(ROOT, "Free"), extra=[demands(0)])
    assert policy_reasons(path_of(own)) != []


def test_mapping_may_be_inhibited_by_us_and_by_a_ca():
    """RFC 5280 6.1.4 b 2 and i."""
    maps = [asserting(ONE), mapping((ONE, TWO))]
    mapped = leaf(intermediate(ROOT, "Maps", extra=maps), extra=[asserting(TWO)])
    assert policy_reasons(path_of(mapped), REQUIRED) == []
    assert policy_reasons(path_of(mapped), Policies(required=True, map_policies=False)) != []
    inhibits = (x509.PolicyConstraints(None, 0), True)
    above = intermediate(ROOT, "Inhibits", extra=[asserting(ONE), inhibits])
    below = leaf(intermediate(above, "Maps", extra=maps), extra=[asserting(TWO)])
    assert policy_reasons(path_of(below), REQUIRED) != []


def test_the_wildcard_may_be_inhibited_by_us_and_by_a_ca():
    """RFC 5280 6.1.3 d 2, 6.1.4 j; a self-issued certificate is let pass."""
    wild = leaf(intermediate(ROOT, "P1", extra=[asserting(ONE)]), extra=[asserting(ANY)])
    assert policy_reasons(path_of(wild), REQUIRED) == []
    assert policy_reasons(path_of(wild), Policies(required=True, allow_any=False)) != []
    inhibits = (x509.InhibitAnyPolicy(0), True)
    ca = intermediate(ROOT, "No any", extra=[asserting(ONE), inhibits])
    assert policy_reasons(path_of(leaf(ca, extra=[asserting(ANY)])), REQUIRED) != []
    rolled = intermediate(ca, "No any", own_key=key("P-256", 50), extra=[asserting(ANY)])
    assert policy_reasons(path_of(leaf(rolled, extra=[asserting(ONE)])), REQUIRED) == []


def test_a_policy_that_is_asserted_beside_anypolicy_occurs_once():
    """RFC 9618 5.3: the wildcard adds only what is not named."""
    ca = intermediate(ROOT, "P12", extra=[asserting(ONE, TWO)])
    path = path_of(leaf(ca, extra=[asserting(ONE, ANY)]))
    assert valid_policies(path, REQUIRED) == (frozenset({ONE, TWO}), [])


def test_a_certificate_without_policies_ends_them():
    """RFC 5280 6.1.3 e."""
    ca = intermediate(intermediate(ROOT, "None"), "P1", extra=[asserting(ONE)])
    assert valid_policies(path_of(leaf(ca, extra=[asserting(ONE)])))[0] == frozenset()


def test_a_policy_that_occurs_twice_counts_once():
    """RFC 5280 4.2.1.4 forbids it to CAs, not to relying parties."""
    value = sequence(sequence(_der_oid(ONE)) * 2)
    twice = x509.UnrecognizedExtension(ExtensionOID.CERTIFICATE_POLICIES, value)
    path = path_of(leaf(root(), extra=[(twice, False)]))
    assert valid_policies(path, REQUIRED) == (frozenset({ONE}), [])
