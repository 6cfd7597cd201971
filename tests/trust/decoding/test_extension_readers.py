"""Extensions that are read from their DER, since the parser refuses what RFC 5280 lets be."""

from __future__ import annotations

import pytest
from cryptography import x509

from bothways.trust.decoding.extension_readers import (
    basic_constraints,
    certificate_policies,
    has_unknown_qualifier,
)
from pki import der
from raw_certificates import sequence

FALSE, TRUE = b"\x01\x01\x00", b"\x01\x01\xff"


@pytest.mark.parametrize(
    ("value", "authority", "length"),
    [
        (sequence(), False, None),
        (sequence(FALSE), False, None),
        (sequence(TRUE), True, None),
        (sequence(TRUE, b"\2\1\0"), True, 0),
        (sequence(TRUE, b"\2\2\0\xff"), True, 255),
        (sequence(b"\2\1\0"), False, None),
        (sequence(FALSE, b"\2\1\5"), False, None),
    ],
)
def test_basic_constraints_are_decoded(value, authority, length):
    """RFC 5280 4.2.1.9: an encoded default is accepted."""
    assert basic_constraints(value) == x509.BasicConstraints(authority, length)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"\5\0", "no basic constraints"),
        (sequence(b"\1\1\1"), "neither true nor false"),
        (sequence(b"\1\0"), "neither true nor false"),
        (sequence(TRUE, b"\2\1\xff"), "not a non-negative integer"),
        (sequence(TRUE, b"\2\0"), "not a non-negative integer"),
        (sequence(TRUE, der(2, b"\1" * 9)), "not a non-negative integer"),
        (sequence(TRUE, b"\5\0"), "no pathLenConstraint"),
        (sequence(TRUE, b"\2\1\0", b"\5\0"), "bytes follow"),
        (sequence(TRUE) + b"\0", "bytes follow"),
    ],
)
def test_malformed_basic_constraints_are_refused(value, problem):
    """RFC 5280 4.2.1.9."""
    with pytest.raises(ValueError, match=problem):
        basic_constraints(value)


def identifier(text: str) -> bytes:
    return der(0x06, bytes.fromhex(text))


POLICY = identifier("2a0304")
CPS = sequence(identifier("2b06010505070201"), der(0x16, b"http://a/"))
NOTICE = sequence(identifier("2b06010505070202"), sequence())
NOBODYS = sequence(identifier("2a0305"), b"\5\0")
NOBODYS_TEXT = sequence(identifier("2a0305"), der(0x16, b"http://a/"))


@pytest.mark.parametrize(
    ("qualifiers", "unknown"),
    [
        ([], False),
        ([CPS], False),
        ([NOTICE, CPS], False),
        ([NOBODYS], True),
        ([NOBODYS_TEXT], True),
        ([CPS, NOBODYS], True),
    ],
)
def test_policies_are_decoded_with_any_qualifier(qualifiers, unknown):
    """RFC 5280 4.2.1.4: applications may ignore qualifiers of policies that are not critical."""
    value = sequence(sequence(POLICY, *([sequence(*qualifiers)] if qualifiers else [])), sequence(POLICY))
    assert [each.policy_identifier.dotted_string for each in certificate_policies(value)] == ["1.2.3.4"] * 2
    assert has_unknown_qualifier(value) is unknown


@pytest.mark.parametrize(("octets", "text"), [("2a", "1.2"), ("2a" + "03" * 62, "1.2" + ".3" * 62)])
def test_the_shortest_and_the_longest_identifier_of_a_policy_are_decoded(octets, text):
    """The limit is that of `cryptography`."""
    [policy] = certificate_policies(sequence(sequence(identifier(octets))))
    assert policy.policy_identifier.dotted_string == text


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"\5\0", "no list of policies"),
        (sequence(sequence(POLICY)) + b"\0", "bytes follow the list"),
        (sequence(POLICY), "no list of at most"),
        (sequence(*[sequence(POLICY)] * 1025), "at most 1024"),
        (sequence(sequence(b"\5\0")), "no policy"),
        (sequence(sequence(identifier(""))), "a policy whose identifier cannot be decoded"),
        (sequence(sequence(identifier("2a" * 64))), "a policy whose identifier cannot be decoded"),
        (sequence(sequence(POLICY, b"\5\0")), "no list of qualifiers"),
        (sequence(sequence(POLICY, sequence(CPS), sequence())), "bytes follow the qualifiers"),
        (sequence(sequence(POLICY, sequence(POLICY))), "not a sequence"),
        (sequence(sequence(POLICY, sequence(sequence(b"\5\0")))), "no qualifier"),
        (sequence(sequence(POLICY, sequence(sequence(POLICY, b"\5\0\5\0")))), "bytes follow a qualifier"),
        (sequence(sequence(POLICY, sequence(sequence(POLICY)))), "cut off"),
    ],
)
def test_malformed_policies_are_refused(value, problem):
    """RFC 5280 4.2.1.4."""
    with pytest.raises(ValueError, match=problem):
        certificate_policies(value)
