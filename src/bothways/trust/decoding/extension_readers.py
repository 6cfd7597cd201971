"""Extensions that are valid by RFC 5280 but that `cryptography` cannot decode: they are decoded here.

An encoded default value is accepted, as others do, and an unknown policy qualifier does not hide the policies.
"""

from __future__ import annotations

from cryptography import x509

from bothways.trust.der import OBJECT_IDENTIFIER, SEQUENCE, element, elements, expect_element
from bothways.trust.names.distinguished import dotted

_BOOLEAN, _INTEGER = 0x01, 0x02
_NULL = b"\x05\x00"
_FALSE, _TRUE = b"\x00", b"\xff"
_IDENTIFIER_LIMIT = 63
_POLICIES_LIMIT = 1024
_QUALIFIERS = {
    bytes.fromhex("2b06010505070201"),
    bytes.fromhex("2b06010505070202"),
}  # id-qt-cps, id-qt-unotice


class PoliciesWithoutQualifiers(x509.CertificatePolicies):
    """Certificate policies whose qualifiers cannot be decoded."""


class TLSFeatures(x509.TLSFeature):
    """A TLS feature extension (RFC 7633) with features that `cryptography` does not know, in `others`."""

    def __init__(self, known: list[x509.TLSFeatureType], others: tuple[int, ...], value: bytes) -> None:
        self._features = known
        self.others = others
        self._value = value

    def public_bytes(self) -> bytes:
        """Return the DER of the value."""
        return self._value


def basic_constraints(value: bytes) -> x509.BasicConstraints:
    """Decode basicConstraints (RFC 5280 4.2.1.9). Raises ValueError.

    cA may be encoded as FALSE, and pathLenConstraint is ignored where the certificate is not a CA.
    """
    at, end = expect_element(value, 0, len(value), SEQUENCE, "basic constraints")
    authority, length = False, None
    if at < end and value[at] == _BOOLEAN:
        start, at = expect_element(value, at, end, _BOOLEAN, "cA")
        if value[start:at] not in (_FALSE, _TRUE):
            raise ValueError("cA is neither true nor false")
        authority = value[start:at] == _TRUE
    if at < end:
        start, at = expect_element(value, at, end, _INTEGER, "pathLenConstraint")
        if not 1 <= at - start <= 8 or value[start] >= 0x80:
            raise ValueError("pathLenConstraint is not a non-negative integer")
        length = int.from_bytes(value[start:at], "big")
    if at != end or end != len(value):
        raise ValueError("bytes follow the basic constraints")
    return x509.BasicConstraints(authority, length if authority else None)


def certificate_policies(value: bytes) -> PoliciesWithoutQualifiers:
    """Decode the policies of certificatePolicies without their qualifiers (RFC 5280 4.2.1.4). Raises ValueError."""
    found = [
        x509.PolicyInformation(x509.ObjectIdentifier(dotted(policy)), None) for policy, _ in _policies(value)
    ]
    return PoliciesWithoutQualifiers(found)


def has_unknown_qualifier(value: bytes) -> bool:
    """Whether a policy has a qualifier that RFC 5280 does not define. Raises ValueError.

    value: the DER of the certificatePolicies.
    """
    return any(not qualifiers <= _QUALIFIERS for _, qualifiers in _policies(value))


def _policies(value: bytes) -> list[tuple[bytes, set[bytes]]]:
    """Return each policy with the object identifiers of its qualifiers."""
    at, end = expect_element(value, 0, len(value), SEQUENCE, "list of policies")
    if end != len(value):
        raise ValueError("bytes follow the list of policies")
    found = []
    for number, (tag, _, start, stop) in enumerate(elements(value, at, end)):
        if tag != SEQUENCE or number == _POLICIES_LIMIT:
            raise ValueError(f"no list of at most {_POLICIES_LIMIT} policies")
        first, last = expect_element(value, start, stop, OBJECT_IDENTIFIER, "policy")
        if not 1 <= last - first <= _IDENTIFIER_LIMIT:
            raise ValueError("a policy whose identifier cannot be decoded")
        found.append((value[first:last], _qualifiers(value, last, stop)))
    return found


def _qualifiers(value: bytes, at: int, end: int) -> set[bytes]:
    if at == end:
        return set()
    start, stop = expect_element(value, at, end, SEQUENCE, "list of qualifiers")
    if stop != end:
        raise ValueError("bytes follow the qualifiers of a policy")
    found = set()
    for tag, _, first, last in elements(value, start, stop):
        if tag != SEQUENCE:
            raise ValueError("a qualifier is not a sequence")
        begin, middle = expect_element(value, first, last, OBJECT_IDENTIFIER, "qualifier")
        if element(value, middle, last)[2] != last:
            raise ValueError("bytes follow a qualifier")
        found.add(value[begin:middle])
    return found


def check_policy_mappings(value: bytes) -> None:
    """Check that policy mappings are well-formed (RFC 5280 4.2.1.5). Raises ValueError."""
    at, end = expect_element(value, 0, len(value), SEQUENCE, "list of mappings")
    if end != len(value) or at == end:
        raise ValueError("no list of mappings")
    for tag, _, start, stop in elements(value, at, end):
        kinds = [kind for kind, *_ in elements(value, start, stop)]
        if tag != SEQUENCE or kinds != [OBJECT_IDENTIFIER, OBJECT_IDENTIFIER]:
            raise ValueError("a mapping is not a pair of policies")


def check_null(value: bytes) -> None:
    """Check that a value is NULL, as noRevAvail requires (RFC 9608 2). Raises ValueError."""
    if value != _NULL:
        raise ValueError("its value is not NULL")


def tls_features(value: bytes) -> TLSFeatures:
    """Decode the features of RFC 7633, of which `cryptography` knows two. Raises ValueError."""
    at, end = expect_element(value, 0, len(value), SEQUENCE, "list of features")
    numbers = []
    for tag, _, start, stop in elements(value, at, end):
        number = int.from_bytes(value[start:stop], "big", signed=True)
        if tag != _INTEGER or not 1 <= stop - start <= 3 or not 0 <= number <= 0xFFFF:
            raise ValueError("a feature is not the number of a TLS extension")
        numbers.append(number)
    if end != len(value) or not numbers:
        raise ValueError("no list of features")
    known = [each for each in x509.TLSFeatureType if each.value in numbers]
    others = tuple(each for each in numbers if each not in {feature.value for feature in known})
    return TLSFeatures(known, others, value)
