"""The extensions of a document, decoded one by one where `cryptography` cannot decode all (RFC 5280 4.2).

So an extension that cannot be decoded does not hide the others.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from typing import TypeVar

from cryptography import x509
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtensionOID

from bothways.trust.decoding import parsing
from bothways.trust.decoding.extension_readers import (
    basic_constraints,
    certificate_policies,
    check_null,
    check_policy_mappings,
    tls_features,
)
from bothways.trust.decoding.extension_structures import Read, Structure, area_in, read_alone
from bothways.trust.decoding.parsing import EncodingError, attempt, readable
from bothways.trust.der import (
    SEQUENCE,
    elements,
    expect_element,
    extensions_in,
)
from bothways.trust.names.distinguished import dotted

# A usual certificate has about ten; decoding each takes much more than its bytes.
EXTENSIONS_LIMIT = 64
_LEAST_EXTENSION = 7  # octets: a SEQUENCE of an identifier of one octet and an empty value

T = TypeVar("T", bound=x509.ExtensionType)
Extensions = Mapping[x509.ObjectIdentifier, Read]
Holder = (
    x509.Certificate
    | x509.CertificateSigningRequest
    | x509.CertificateRevocationList
    | x509.RevokedCertificate
    | ocsp.OCSPRequest
    | ocsp.OCSPResponse
)

_NO_REVOCATION_AVAILABLE = x509.ObjectIdentifier("2.5.29.56")
NAMES = {
    ExtensionOID.BASIC_CONSTRAINTS: "basicConstraints",
    ExtensionOID.KEY_USAGE: "keyUsage",
    ExtensionOID.EXTENDED_KEY_USAGE: "extKeyUsage",
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: "subjectAltName",
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: "issuerAltName",
    ExtensionOID.NAME_CONSTRAINTS: "nameConstraints",
    ExtensionOID.CERTIFICATE_POLICIES: "certificatePolicies",
    ExtensionOID.POLICY_MAPPINGS: "policyMappings",
    ExtensionOID.POLICY_CONSTRAINTS: "policyConstraints",
    ExtensionOID.INHIBIT_ANY_POLICY: "inhibitAnyPolicy",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
    ExtensionOID.FRESHEST_CRL: "freshestCRL",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    ExtensionOID.SUBJECT_INFORMATION_ACCESS: "subjectInfoAccess",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    ExtensionOID.TLS_FEATURE: "tlsFeature",
    ExtensionOID.OCSP_NO_CHECK: "id-pkix-ocsp-nocheck",
    _NO_REVOCATION_AVAILABLE: "noRevAvail",
    ExtensionOID.ISSUING_DISTRIBUTION_POINT: "issuingDistributionPoint",
    ExtensionOID.DELTA_CRL_INDICATOR: "deltaCRLIndicator",
    ExtensionOID.CRL_NUMBER: "cRLNumber",
}
# The extensions that our checks use: one that cannot be decoded refuses the certificate, critical or not.
CONSULTED = frozenset(NAMES) - {
    ExtensionOID.ISSUER_ALTERNATIVE_NAME,
    ExtensionOID.SUBJECT_INFORMATION_ACCESS,
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    ExtensionOID.DELTA_CRL_INDICATOR,
    ExtensionOID.CRL_NUMBER,
}

# Lists that must not be empty (RFC 5280 4.2.1.4, 4.2.1.13, 4.2.1.15, 4.2.2.1), which the parser does not check.
_EMPTY_VALUE = bytes.fromhex("04023000")  # the value of an extension that is an empty list
_NEVER_EMPTY = {
    each.oid: each
    for each in (
        x509.CertificatePolicies,
        x509.CRLDistributionPoints,
        x509.FreshestCRL,
        x509.AuthorityInformationAccess,
    )
}


class UnreadExtension(x509.ExtensionType):
    """The value of an extension that cannot be decoded: its DER, and why, as text."""

    def __init__(self, oid: x509.ObjectIdentifier, value: bytes, problem: str) -> None:
        self._oid = oid
        self.value = value
        self.problem = problem

    @property
    def oid(self) -> x509.ObjectIdentifier:  # type: ignore[override]
        """The object identifier of the extension."""
        return self._oid

    def __repr__(self) -> str:
        return f"<UnreadExtension {name_of(self._oid)}: {self.problem}>"

    def public_bytes(self) -> bytes:
        """Return the DER of the value."""
        return self.value


def name_of(oid: x509.ObjectIdentifier) -> str:
    """Return the name of an extension in its RFC, or its object identifier where none of our checks uses it."""
    return NAMES.get(oid, oid.dotted_string)


def extensions_of(holder: Holder) -> tuple[Read, ...]:
    """Return all extensions of an object of `cryptography`, in their order, decoded or as UnreadExtension.

    Raises EncodingError where `holder` is not a certificate and its extensions cannot all be decoded.
    """
    if isinstance(holder, x509.Certificate):
        found = readable("extensions", lambda: tuple(holder.extensions))
        return all_extensions(parsing.encoded(holder), Structure.CERTIFICATE) if found is None else found
    return attempt("extensions", lambda: tuple(holder.extensions))


def extension_of(holder: Holder, kind: type[T]) -> T | None:
    """Return the value of the extension of a kind, or None where it is absent or undecodable. Raises EncodingError."""
    return next((each.value for each in extensions_of(holder) if isinstance(each.value, kind)), None)


def all_extensions(der: bytes, structure: Structure) -> tuple[Read, ...]:
    """Return all extensions of a document in DER, in their order, decoded or as UnreadExtension. Raises EncodingError.

    structure: the kind of the document; for CRL_ENTRY and OCSP_SINGLE_RESPONSE `der` is that one entry or single
    response.
    """
    return one_by_one(area_in(der, structure), structure)


def by_identifier(found: Iterable[Read]) -> Extensions:
    """Return extensions by their object identifiers. Raises EncodingError for one that occurs twice."""
    extensions: dict[x509.ObjectIdentifier, Read] = {}
    for each in found:
        if each.oid in extensions:
            raise EncodingError("extensions", f"{name_of(each.oid)} occurs twice")
        extensions[each.oid] = each
    return extensions


def unread_in(found: Iterable[Read]) -> EncodingError | None:
    """Return why the first undecodable extension cannot be decoded; None where there is none."""
    for each in found:
        if isinstance(each.value, UnreadExtension):
            return EncodingError(name_of(each.oid), each.value.problem)
    return None


def read_extensions(
    read: Callable[[], Iterable[Read]], area: bytes, structure: Structure
) -> tuple[Read, ...]:
    """Return the same as `all_extensions`, but faster where `cryptography` can decode them all.

    read: decodes them by `cryptography`, such as `lambda: crl.extensions`.  area: the DER of the list of extensions,
    empty for none.  Raises EncodingError for more than `EXTENSIONS_LIMIT`, and for what is not a list of extensions.
    """
    found = _together(read, area)
    return one_by_one(area, structure) if found is None else tuple(map(_checked, found))


def read_needed(
    read: Callable[[], Iterable[Read]],
    area: bytes,
    structure: Structure,
    needed: Container[x509.ObjectIdentifier],
) -> Extensions:
    """Return all extensions by their object identifiers; those that are `needed` are decoded.

    The others are not decoded one by one, since nobody uses them and a failure is expensive. The other arguments are
    those of `read_extensions`.  Raises EncodingError, also for an extension that occurs twice.
    """
    found = _together(read, area)
    if found is None:
        return by_identifier(_needed_alone(area, structure, needed))
    extensions = {each.oid: each for each in found}
    may_be_empty = _EMPTY_VALUE in area and not extensions.keys().isdisjoint(_NEVER_EMPTY)
    if len(extensions) == len(found) and not may_be_empty and extensions.keys().isdisjoint(_OWN_CHECKS):
        return extensions
    return by_identifier(_readable(map(_checked, found), needed))


def _together(read: Callable[[], Iterable[Read]], area: bytes) -> tuple[Read, ...] | None:
    check_count(area)
    return readable("extensions", lambda: tuple(read()))


def _needed_alone(
    area: bytes, structure: Structure, needed: Container[x509.ObjectIdentifier]
) -> Iterator[Read]:
    taken_apart = [(each, *_parts(each)) for each in _elements(area)]
    by_identifier(_not_decoded(*parts[1:]) for parts in taken_apart)
    for der, oid, critical, value in taken_apart:
        found = _alone(der, structure) if oid in needed else _not_decoded(oid, critical, value)
        yield from _readable([found], needed)


def _not_decoded(oid: x509.ObjectIdentifier, critical: bool, value: bytes) -> Read:
    return x509.Extension(oid, critical, UnreadExtension(oid, value, "it was not read"))


def _readable(found: Iterable[Read], needed: Container[x509.ObjectIdentifier]) -> Iterator[Read]:
    for each in found:
        if isinstance(each.value, UnreadExtension) and each.oid in needed:
            raise EncodingError(name_of(each.oid), each.value.problem)
        if each.oid in _NEVER_EMPTY and isinstance(each.value, _NEVER_EMPTY[each.oid]) and not each.value:
            raise EncodingError(name_of(each.oid), "an empty list, where at least one element is required")
        yield each


def check_count(area: bytes) -> None:
    """Raise EncodingError where a list has more than `EXTENSIONS_LIMIT` extensions."""
    if len(area) > EXTENSIONS_LIMIT * _LEAST_EXTENSION and sum(1 for _ in _elements(area)) > EXTENSIONS_LIMIT:
        raise EncodingError("extensions", f"more than {EXTENSIONS_LIMIT} of them")


def one_by_one(area: bytes, structure: Structure) -> tuple[Read, ...]:
    """Decode each extension of a list alone; one that occurs twice is returned twice. Raises EncodingError."""
    check_count(area)
    return tuple(_alone(each, structure) for each in _elements(area))


def _elements(area: bytes) -> Iterator[bytes]:
    """Yield the DER of each extension in a list, and at most one more than the limit."""
    if not area:
        return
    start, end = attempt("extensions", expect_element, area, 0, len(area), SEQUENCE, "list of extensions")
    walk = elements(area, start, end)
    for _ in range(EXTENSIONS_LIMIT + 1):
        found = attempt("extensions", next, walk, None)
        if found is None:
            return
        yield area[found[1] : found[3]]


def _parts(der: bytes) -> tuple[x509.ObjectIdentifier, bool, bytes]:
    kind, critical, value = attempt("extensions", next, extensions_in(der, 0, len(der)))
    return x509.ObjectIdentifier(dotted(kind)), critical, value


def _alone(der: bytes, structure: Structure) -> Read:
    oid, critical, value = _parts(der)
    if oid in _OWN_CHECKS:
        return _checked(x509.Extension(oid, critical, x509.UnrecognizedExtension(oid, value)))
    try:
        return x509.Extension(oid, critical, _value(oid, der, value, structure))
    except EncodingError as error:
        return x509.Extension(oid, critical, UnreadExtension(oid, value, error.problem))


def _value(oid: x509.ObjectIdentifier, der: bytes, value: bytes, structure: Structure) -> x509.ExtensionType:
    try:
        found = attempt(name_of(oid), read_alone, der, structure)
    except EncodingError:
        further = _FURTHER_READERS.get(oid)
        if further is None:
            raise
        return attempt(name_of(oid), further, value)
    return found.value


def _checked(found: Read) -> Read:
    """Return an extension; as UnreadExtension if it does not pass our own check of its value."""
    check = _OWN_CHECKS.get(found.oid)
    if check is None:
        return found
    value = found.value.public_bytes()
    try:
        attempt(name_of(found.oid), check, value)
    except EncodingError as error:
        return x509.Extension(found.oid, found.critical, UnreadExtension(found.oid, value, error.problem))
    return found


# -- what `cryptography` does not check ----------------------------------------------------------------


# Checked here, since `cryptography` accepts any value for them ...
_OWN_CHECKS: dict[x509.ObjectIdentifier, Callable[[bytes], None]] = {
    ExtensionOID.POLICY_MAPPINGS: check_policy_mappings,
    _NO_REVOCATION_AVAILABLE: check_null,
}
# ... and decoded here where `cryptography` cannot, since it accepts less than the RFC allows.
_FURTHER_READERS: dict[x509.ObjectIdentifier, Callable[[bytes], x509.ExtensionType]] = {
    ExtensionOID.TLS_FEATURE: tls_features,
    ExtensionOID.BASIC_CONSTRAINTS: basic_constraints,
    ExtensionOID.CERTIFICATE_POLICIES: certificate_policies,
}
