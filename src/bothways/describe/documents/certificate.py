"""Describes a certificate: subject, validity, purpose and issuer, then everything else (RFC 5280 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import TypeVar

from bothways.describe.documents.asn1 import (
    BIT_STRING,
    INTEGER,
    SEQUENCE,
    Element,
    Fields,
    first,
    integer,
    outline,
    serial_text,
    short_hex,
)
from bothways.describe.documents.certificate_extensions import CERTIFICATE_EXTENSIONS, MAIN_EXTENSIONS
from bothways.describe.documents.document import Document, Facts, bounded, damaged
from bothways.describe.documents.extensions import (
    DescribedExtension,
    counted_bytes,
    describe_extensions,
    parted_facts,
)
from bothways.describe.documents.keys import algorithm_text, public_key_text
from bothways.describe.documents.names import name_text, title_of
from bothways.describe.documents.times import period_text
from bothways.describe.escape import visible
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.decoding import parsing
from bothways.trust.decoding.extension_structures import Structure
from bothways.trust.decoding.extensions import CONSULTED, all_extensions, unread_in
from bothways.trust.der import encoded

P = TypeVar("P")
_EMPTY = encoded(SEQUENCE, b"")
_SAN = "2.5.29.17"


class Parts:
    """The fields of a certificate, each undecoded. Raises ValueError where they cannot be separated."""

    def __init__(self, der: bytes) -> None:
        outer = first(der, "certificate")
        self.der, self.after = outer.encoded, der[outer.stop :]
        fields = Fields(outer)
        inner = Fields(fields.take(SEQUENCE, "tbsCertificate"))
        self.algorithm = fields.take(SEQUENCE, "signatureAlgorithm")
        self.signature = fields.take(BIT_STRING, "signatureValue")
        self.version = inner.optional(0xA0)
        self.serial = inner.take(INTEGER, "serialNumber")
        self.signed_algorithm = inner.take(SEQUENCE, "signature algorithm")
        self.issuer = inner.take(SEQUENCE, "issuer")
        self.validity = inner.take(SEQUENCE, "validity")
        self.subject = inner.take(SEQUENCE, "subject")
        self.key = inner.take(SEQUENCE, "subjectPublicKeyInfo")
        self.issuer_id = inner.optional((0x81, 0xA1))
        self.subject_id = inner.optional((0x82, 0xA2))
        self.extensions = inner.optional(0xA3)


def certificate_document(der: bytes, now: datetime) -> Document:
    """Describe a certificate at the time `now`; a damaged document where its fields cannot be separated."""
    try:
        parts = Parts(der)
    except ValueError as error:
        return damaged("certificate", error)
    extensions = extensions_of(parts.extensions)
    main, others = parted_facts(extensions, MAIN_EXTENSIONS)
    key, identity = public_key_text(parts.key)
    facts: Facts = [
        ("subject", name_text(parts.subject.encoded)),
        ("valid", readable(_valid, parts.validity, now)),
        *_problem(parts.der),
        *main,
        ("issuer", name_text(parts.issuer.encoded) + _self_issued(parts)),
        ("public key", key),
        ("signed with", _signature(parts)),
        ("version", version_text(parts.version, 1)),
        ("serial number", readable(_serial, parts.serial)),
        *others,
        *_unique_identifiers(parts),
        *_trailing_data(parts.after),
        ("SHA-256", sha256(parts.der).hexdigest()),
    ]
    return Document("certificate", _title(parts, extensions), bounded(facts), identity)


def signature_text(certificate: ParsedCertificate) -> str:
    """Return the algorithm that signed a certificate, as text."""
    return readable(lambda: algorithm_text(Parts(certificate.der).algorithm))


def extensions_of(found: Element | None) -> list[DescribedExtension]:
    """Describe the extensions in their explicit tag; none for None."""
    if found is None:
        return []
    try:
        return describe_extensions(found.only(SEQUENCE, "extensions"), CERTIFICATE_EXTENSIONS)
    except ValueError as error:
        return [DescribedExtension("", False, [("extensions", f"cannot be read: {error}")])]


def readable(describe: Callable[..., str], *arguments: object) -> str:
    """Return the description of a part, or that the part cannot be read."""
    try:
        return describe(*arguments)
    except ValueError as error:
        return f"cannot be read: {error}"


def version_text(found: Element | None, default: int) -> str:
    """Return a version as text: it is encoded as one less than its name."""
    if found is None:
        return str(default)
    return readable(lambda: str(integer(found.only(INTEGER, "version") if found.tag == 0xA0 else found) + 1))


def problem_facts(read: Callable[[], object]) -> Facts:
    """Return why the parser of verification refuses a document; empty if it accepts it."""
    try:
        read()
    except ValueError as error:
        return [("problem", f"refused by every verification:  {visible(str(error))}")]
    return []


def _problem(der: bytes) -> Facts:
    """Return why verification cannot decode a certificate, or which unused extension it cannot decode."""
    try:
        ParsedCertificate(der).load()
    except ValueError as error:
        return [("problem", f"refused by every verification:  {visible(str(error))}")]
    unread = unread_in(
        each for each in all_extensions(der, Structure.CERTIFICATE) if each.oid not in CONSULTED
    )
    if unread is None:
        return []
    return [("problem", f"not read by verification, since no rule uses it:  {visible(str(unread))}")]


def _valid(found: Element, now: datetime) -> str:
    fields = Fields(found)
    start, end = (fields.any("time") for _ in range(2))
    fields.end()
    return period_text(start, end, now)


def _serial(found: Element) -> str:
    number = integer(found)
    return serial_text(number) + (" (negative)" if number < 0 else "")


def _self_issued(parts: Parts) -> str:
    return " (itself)" if parts.issuer.content == parts.subject.content else ""


def _signature(parts: Parts) -> str:
    text = algorithm_text(parts.algorithm)
    if parts.algorithm.content != parts.signed_algorithm.content:
        text += f", but {algorithm_text(parts.signed_algorithm)} in the signed part"
    return text + _self_signed(parts)


def _self_signed(parts: Parts) -> str:
    """Say whether a self-issued certificate is signed by its own key."""
    if not _self_issued(parts):
        return ""
    certificate = parsing.readable("", lambda: ParsedCertificate(parts.der).x509)
    if certificate is None:
        return ""
    try:
        parsing.attempt("", lambda: certificate.verify_directly_issued_by(certificate))
    except parsing.UnsupportedKind:
        return ""
    except parsing.EncodingError:
        return ", not by its own key"
    return ", by its own key"


def _unique_identifiers(parts: Parts) -> Facts:
    found = (("issuer unique identifier", parts.issuer_id), ("subject unique identifier", parts.subject_id))
    return [(name, short_hex(part.content[1:])) for name, part in found if part is not None]


def _trailing_data(after: bytes) -> Facts:
    """Describe the data after a certificate, where `openssl` writes what the certificate is trusted for."""
    return [("after it", f"{counted_bytes(len(after))}: {outline(after)}")] if after.strip() else []


def _title(parts: Parts, extensions: Sequence[DescribedExtension]) -> str:
    if parts.subject.encoded != _EMPTY:
        return title_of(parts.subject.encoded)
    names = next((each.facts[0][1] for each in extensions if each.identifier == _SAN), "(no name)")
    return names.partition(",")[0].removesuffix(" (critical)")
