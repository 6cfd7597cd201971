"""One certificate, parsed once and only as far as it is needed.

Finds the parts of its DER (RFC 5280 4.1); `cryptography` reads their values, through `parsing`. Verifies nothing:
what cannot be decoded is an EncodingError.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from itertools import islice
from typing import Any, NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509 import (
    Certificate,
    ExtensionType,
    NameConstraints,
    ObjectIdentifier,
    SubjectAlternativeName,
)

from bothways.faults import Fault
from bothways.trust.certificate.key_identifiers import (
    AUTHORITY_KEY,
    SUBJECT_KEY,
    AuthorityKey,
    authority_key,
    subject_key,
)
from bothways.trust.certificate.public_keys import check_key_algorithm
from bothways.trust.decoding.extension_structures import Structure
from bothways.trust.decoding.extensions import CONSULTED, EXTENSIONS_LIMIT, Extensions, name_of, read_needed
from bothways.trust.decoding.parsing import EncodingError, attempt, encoded, open_certificate
from bothways.trust.decoding.precheck import ALTERNATIVE_NAMES, check_number_of_elements, octets_to_read
from bothways.trust.der import (
    BIT_STRING,
    SEQUENCE,
    element,
    elements,
    expect_element,
    extension_value,
    extensions_in,
)
from bothways.trust.names.distinguished import (
    ATTRIBUTES_LIMIT,
    FOLDED_LIMIT,
    dn_text,
    has_too_long_text,
    identifier_text,
    is_readable,
    normal,
)
from bothways.trust.names.general import GeneralName, general_names
from bothways.trust.names.subtrees import Subtree, subtrees_in

T = TypeVar("T", bound=ExtensionType)
V = TypeVar("V")
_INTEGER = 0x02
_VERSION = 0xA0
# What may follow the key, in this order (RFC 5280 4.1): tag, its name, and the first version that has it.
_ISSUER_UNIQUE_ID, _SUBJECT_UNIQUE_ID, _EXTENSIONS = 0x81, 0x82, 0xA3
_OPTIONAL = {
    _ISSUER_UNIQUE_ID: ("an issuerUniqueID", 2),
    _SUBJECT_UNIQUE_ID: ("a subjectUniqueID", 2),
    _EXTENSIONS: ("extensions", 3),
}
EMPTY_NAME = _EMPTY_LIST = b"\x30\x00"
_NAME_CONSTRAINTS = bytes.fromhex("551d1e")
_TIMES_READ = 3
TEXT_LIMIT = 1024  # characters of a name that are shown
ALTERNATIVES_TOLD = 8
# Extensions that are read here and not by the parser, by the DER content of their identifiers.
_READ_HERE = {
    SubjectAlternativeName.oid: ALTERNATIVE_NAMES,
    NameConstraints.oid: _NAME_CONSTRAINTS,
}
_READ_BY_PARSER = CONSULTED - _READ_HERE.keys()


PermittedAndExcluded = tuple[tuple[Subtree, ...], tuple[Subtree, ...]]
Flaw = tuple[Fault, Mapping[str, object]]


class LoadedParts(NamedTuple):
    """The parts of a certificate that `cryptography` reads."""

    x509: Certificate
    key: CertificatePublicKeyTypes
    extensions: Extensions
    not_before: datetime
    not_after: datetime
    alternative_names: tuple[GeneralName, ...] | None
    name_constraints: PermittedAndExcluded | None


class ParsedCertificate:
    """A certificate and its parts. `issuer`, `subject` and `spki` are in DER, `signed` is the tbsCertificate.

    All else is read on demand. The DER of names and key is compared and hashed as it stands, since
    `cryptography` rebuilds them.
    """

    __slots__ = (
        "_digest",
        "_extensions_at",
        "_key_digest",
        "_loaded",
        "_names",
        "_raw_extensions",
        "_text",
        "der",
        "flaws",
        "issuer",
        "names",
        "points",
        "serial",
        "signed",
        "spki",
        "subject",
        "version",
        "violations",
    )

    def __init__(self, der: bytes) -> None:
        self.der = der
        self.flaws: tuple[Flaw, ...] | None = (
            None  # faults found by `constraints` that do not depend on the position
        )
        self.names: object = None  # the `Names` that `name_matching` collected of it
        self.points: Any = None  # the CRL distribution points that `distribution_points` read in it
        self.violations: dict[tuple[bool, bool], Any] | None = None  # what `web_profile` found, by position
        self._loaded: LoadedParts | None = None
        self._digest: bytes | None = None
        self._key_digest: bytes | None = None
        self._names: tuple[bytes, bytes] | None = None
        self._extensions_at = (0, 0)
        self._raw_extensions: Mapping[bytes, tuple[bool, bytes]] | None = None
        self._text: str | None = None
        attempt("", self._parse)

    def _parse(self) -> None:
        der = self.der
        start, end = expect_element(der, 0, len(der), SEQUENCE, "certificate")
        if end != len(der):
            raise ValueError(f"{len(der) - end} bytes follow the certificate")
        at, tbs_end = expect_element(der, start, end, SEQUENCE, "tbsCertificate")
        self.signed = der[start:tbs_end]
        tag, first, stop = element(der, at, tbs_end)
        self.version = 1
        if tag == _VERSION:
            self.version = self._version(first, stop)
            at = stop
            tag, first, stop = element(der, at, tbs_end)
        if tag != _INTEGER:
            raise ValueError("no serialNumber at its place")
        self.serial = der[first:stop]
        inner = stop
        _, stop = expect_element(der, inner, tbs_end, SEQUENCE, "signature algorithm")
        inner_algorithm = der[inner:stop]
        at = stop
        _, stop = expect_element(der, at, tbs_end, SEQUENCE, "issuer")
        self.issuer = der[at:stop]
        _, at = expect_element(der, stop, tbs_end, SEQUENCE, "validity")
        _, stop = expect_element(der, at, tbs_end, SEQUENCE, "subject")
        self.subject = der[at:stop]
        _, at = expect_element(der, stop, tbs_end, SEQUENCE, "subjectPublicKeyInfo")
        self.spki = der[stop:at]
        self._take_optional(at, tbs_end)
        _, stop = expect_element(der, tbs_end, end, SEQUENCE, "signatureAlgorithm")
        if der[tbs_end:stop] != inner_algorithm:
            raise ValueError("the signature algorithm inside the signed part differs from the one outside")
        start, stop = expect_element(der, stop, end, BIT_STRING, "signatureValue")
        if stop != end or der[start:stop][:1] != b"\0":
            raise ValueError("its signature is not a bit string of whole bytes at the end of the certificate")

    def _version(self, at: int, end: int) -> int:
        start, stop = expect_element(self.der, at, end, _INTEGER, "version")
        if stop != end or stop - start != 1 or self.der[start] > 2:
            raise ValueError("a version that RFC 5280 does not define")
        return self.der[start] + 1

    def _take_optional(self, at: int, end: int) -> None:
        last = 0
        for tag, _, start, stop in elements(self.der, at, end):
            what, version = _OPTIONAL.get(tag, ("", 0))
            if tag <= last or not what:
                raise ValueError("what follows the key is out of order, or does not belong there")
            if self.version < version:
                raise ValueError(f"it has {what}, which version {self.version} does not have")
            if tag == _EXTENSIONS:
                self._extensions_at = start, stop
            last = tag
        if self.der[slice(*self._extensions_at)] == _EMPTY_LIST:
            raise ValueError("an empty list of extensions")

    def load(self) -> LoadedParts:
        """Read everything that verification needs, or raise EncodingError."""
        if self._loaded is None:
            self._loaded = self._read()
        return self._loaded

    def _read(self) -> LoadedParts:
        attempt("subjectPublicKeyInfo", check_key_algorithm, self.spki)
        certificate = open_certificate(self.der)
        extensions = self._read_extensions(certificate)
        self._check_names()
        return LoadedParts(
            certificate,
            attempt("subjectPublicKeyInfo", certificate.public_key),
            extensions,
            attempt("notBefore", lambda: certificate.not_valid_before_utc),
            attempt("notAfter", lambda: certificate.not_valid_after_utc),
            self._own_reading(extensions, SubjectAlternativeName.oid, general_names),
            self._own_reading(extensions, NameConstraints.oid, subtrees_in),
        )

    def _read_extensions(self, certificate: Certificate) -> Extensions:
        area = self.der[slice(*self._extensions_at)]
        if not area:
            return {}
        attempt("extensions", check_number_of_elements, len(area), self._raw_values)
        return read_needed(lambda: certificate.extensions, area, Structure.CERTIFICATE, _READ_BY_PARSER)

    def _own_reading(
        self, extensions: Extensions, oid: ObjectIdentifier, read: Callable[[bytes], V]
    ) -> V | None:
        """Read an extension of `_READ_HERE` from its bytes; None where it is absent."""
        if oid not in extensions:
            return None
        return attempt(name_of(oid), read, attempt("extensions", self._value, _READ_HERE[oid]))

    def _value(self, identifier: bytes) -> bytes:
        """Return the value of an extension that is present, without parsing the others."""
        if self._raw_extensions is not None:
            return self._raw_extensions[identifier][1]
        start, stop = expect_element(self.der, *self._extensions_at, SEQUENCE, "extensions")
        return extension_value(self.der, start, stop, identifier)

    def _check_names(self) -> None:
        """Check that subject and issuer are distinguished names."""
        if self.issuer == EMPTY_NAME:
            raise EncodingError("issuer", "it is empty")
        for structure, name in (("subject", self.subject), ("issuer", self.issuer)):
            if not is_readable(name):
                raise EncodingError(
                    structure, f"it is not a distinguished name of at most {ATTRIBUTES_LIMIT} attributes"
                )
            if has_too_long_text(name):
                raise EncodingError(structure, f"it has a string of more than {FOLDED_LIMIT} characters")

    @property
    def is_loaded(self) -> bool:
        """Whether everything that verification needs was read."""
        return self._loaded is not None

    @property
    def names_octets(self) -> int:
        """The octets that its names count as in the work budget: each is read several times."""
        return _TIMES_READ * (len(self.subject) + len(self.issuer))

    @property
    def extensions_octets(self) -> int:
        """The octets that its extensions count as in the work budget, see `precheck.octets_to_read`."""
        at, end = self._extensions_at
        return octets_to_read(end - at, self._raw_values)

    @property
    def x509(self) -> Certificate:
        """The certificate as an object of `cryptography`."""
        return (self._loaded or self.load()).x509

    @property
    def key(self) -> CertificatePublicKeyTypes:
        """The subject's public key."""
        return (self._loaded or self.load()).key

    @property
    def extensions(self) -> Extensions:
        """The extensions by their identifiers."""
        return (self._loaded or self.load()).extensions

    def extension(self, kind: type[T]) -> T | None:
        """Return the value of the extension of a kind, or None where it is absent."""
        found = (self._loaded or self.load()).extensions.get(kind.oid)
        value = None if found is None else found.value
        return value if isinstance(value, kind) else None

    @property
    def raw_extensions(self) -> Mapping[bytes, tuple[bool, bytes]]:
        """Criticality and DER value of each extension, by the DER content of its identifier.

        ValueError for extensions that are not DER, or of which one occurs twice.
        """
        if self._raw_extensions is None:
            self._raw_extensions = self._walk_extensions()
        return self._raw_extensions

    def _raw_values(self) -> Iterator[tuple[bytes, bytes]]:
        return ((identifier, value) for identifier, (_, value) in self.raw_extensions.items())

    def _walk_extensions(self) -> Mapping[bytes, tuple[bool, bytes]]:
        at, end = self._extensions_at
        if at == end:
            return {}
        start, stop = expect_element(self.der, at, end, SEQUENCE, "extensions")
        if stop != end:
            raise ValueError(f"{end - stop} bytes follow the extensions")
        found: dict[bytes, tuple[bool, bytes]] = {}
        for oid, critical, value in extensions_in(self.der, start, stop):
            if len(found) == EXTENSIONS_LIMIT:
                raise ValueError(f"more than {EXTENSIONS_LIMIT} extensions")
            if oid in found:
                raise ValueError(f"the extension {identifier_text(oid)} occurs twice")
            found[oid] = critical, value
        return found

    @property
    def alternative_names(self) -> tuple[GeneralName, ...] | None:
        """The subject alternative names; None without that extension (RFC 5280 4.2.1.6)."""
        return (self._loaded or self.load()).alternative_names

    @property
    def name_constraints(self) -> PermittedAndExcluded | None:
        """The permitted and the excluded subtrees; None without that extension (RFC 5280 4.2.1.10)."""
        return (self._loaded or self.load()).name_constraints

    @property
    def digest(self) -> bytes:
        """SHA-256 of the whole certificate."""
        if self._digest is None:
            self._digest = sha256(self.der).digest()
        return self._digest

    @property
    def key_digest(self) -> bytes:
        """SHA-256 of the public key with its algorithm."""
        if self._key_digest is None:
            self._key_digest = sha256(self.spki).digest()
        return self._key_digest

    @property
    def authority_key(self) -> AuthorityKey:
        """The authorityKeyIdentifier: the key or the certificate of the issuer (RFC 5280 4.2.1.1)."""
        return authority_key(self._raw_value(AUTHORITY_KEY))

    @property
    def authority_key_identifier(self) -> bytes | None:
        """The keyIdentifier of the authorityKeyIdentifier, if there is one."""
        return self.authority_key.key

    @property
    def subject_key_identifier(self) -> bytes | None:
        """The subjectKeyIdentifier, if there is one (RFC 5280 4.2.1.2)."""
        return subject_key(self._raw_value(SUBJECT_KEY))

    def _raw_value(self, identifier: bytes) -> bytes:
        """Return the DER value of an extension without reading others; empty where it is absent."""
        try:
            return self.raw_extensions.get(identifier, (False, b""))[1]
        except ValueError:
            return b""

    @property
    def normal_subject(self) -> bytes:
        """The subject in the form that RFC 5280 7.1 compares."""
        return self._normal_names()[0]

    @property
    def normal_issuer(self) -> bytes:
        """The issuer in the form that RFC 5280 7.1 compares."""
        return self._normal_names()[1]

    def _normal_names(self) -> tuple[bytes, bytes]:
        if self._names is None:
            subject = normal(self.subject)
            self._names = (subject, subject if self.issuer == self.subject else normal(self.issuer))
        return self._names

    def is_named_issuer_of(self, child: ParsedCertificate) -> bool:
        """Whether our subject is the child's issuer (RFC 5280 7.1)."""
        return self.subject == child.issuer or self.normal_subject == child.normal_issuer

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same name (RFC 5280 3.2)."""
        return self.subject == self.issuer or self.normal_subject == self.normal_issuer

    @property
    def not_before(self) -> datetime:
        """The first moment of validity."""
        return (self._loaded or self.load()).not_before

    @property
    def not_after(self) -> datetime:
        """The last moment of validity."""
        return (self._loaded or self.load()).not_after

    @property
    def period(self) -> tuple[datetime, datetime]:
        """The first and the last moment of validity."""
        loaded = self._loaded or self.load()
        return loaded.not_before, loaded.not_after

    @property
    def subject_text(self) -> str:
        """The subject as text; the first alternative names where it is empty."""
        if self._text is None:
            self._text = dn_text(self.subject)[:TEXT_LIMIT] or self._alternatives_text() or "(no name)"
        return self._text

    def _alternatives_text(self) -> str:
        try:
            others = self.alternative_names
        except ValueError:
            return ""
        return ", ".join(map(str, islice(others or (), ALTERNATIVES_TOLD)))[:TEXT_LIMIT]

    @property
    def issuer_text(self) -> str:
        """The issuer as text."""
        return dn_text(self.issuer)[:TEXT_LIMIT] or "(no name)"


def subject_of(certificate: Certificate) -> str:
    """Return the subject of a certificate of `cryptography` as text, also if `cryptography` cannot read it."""
    return ParsedCertificate(encoded(certificate)).subject_text


def issuer_of(certificate: Certificate) -> str:
    """Return the issuer of a certificate of `cryptography` as text, also if `cryptography` cannot read it."""
    return ParsedCertificate(encoded(certificate)).issuer_text
