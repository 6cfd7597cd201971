"""Certificates in words: whose it is, until when, what for and from whom, then everything else (RFC 5280 4.1)."""

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
    serial_words,
    short_hex,
)
from bothways.describe.documents.certificate_extensions import CERTIFICATE_EXTENSIONS, FOREMOST
from bothways.describe.documents.document import Document, Facts, bounded, damaged
from bothways.describe.documents.extensions import Told, counted_bytes, facts_of, told
from bothways.describe.documents.keys import algorithm_words, public_key_words
from bothways.describe.documents.names import name_words, title_of
from bothways.describe.documents.times import period_words
from bothways.describe.escape import visible
from bothways.trust import parsing
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.der import encoded
from bothways.trust.extension_structures import Structure
from bothways.trust.extensions import CONSULTED, all_extensions, unread_in

P = TypeVar("P")
_EMPTY = encoded(SEQUENCE, b"")
_SAN = "2.5.29.17"


class Parts:
    """Where the fields of a certificate lie, however little sense they make."""

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
    """Return a certificate in words; one whose parts cannot be told apart is a damaged document."""
    try:
        parts = Parts(der)
    except ValueError as error:
        return damaged("certificate", error)
    extensions = extensions_of(parts.extensions)
    key, identity = public_key_words(parts.key)
    facts: Facts = [
        ("subject", name_words(parts.subject.encoded)),
        ("valid", readable(_valid, parts.validity, now)),
        *_problem(parts.der),
        *_foremost(extensions),
        ("issuer", name_words(parts.issuer.encoded) + _itself(parts)),
        ("public key", key),
        ("signed with", _signed(parts)),
        ("version", version_words(parts.version, 1)),
        ("serial number", readable(_serial, parts.serial)),
        *facts_of([each for each in extensions if each.identifier not in FOREMOST]),
        *_unique(parts),
        *_surplus(parts.after),
        ("SHA-256", sha256(parts.der).hexdigest()),
    ]
    return Document("certificate", _title(parts, extensions), bounded(facts), identity)


def signature_words(certificate: ParsedCertificate) -> str:
    """Name the algorithm by which a certificate was signed."""
    return readable(lambda: algorithm_words(Parts(certificate.der).algorithm))


def extensions_of(found: Element | None) -> list[Told]:
    """Return the extensions within their explicit tag, in words."""
    if found is None:
        return []
    try:
        return told(found.only(SEQUENCE, "extensions"), CERTIFICATE_EXTENSIONS)
    except ValueError as error:
        return [Told("", False, [("extensions", f"cannot be read: {error}")])]


def readable(tell: Callable[..., str], *arguments: object) -> str:
    """Return what is told of a part, or that the part cannot be read."""
    try:
        return tell(*arguments)
    except ValueError as error:
        return f"cannot be read: {error}"


def version_words(found: Element | None, default: int) -> str:
    """Return a version, which stands there as one less than it is called."""
    if found is None:
        return str(default)
    return readable(lambda: str(integer(found.only(INTEGER, "version") if found.tag == 0xA0 else found) + 1))


def problem_words(read: Callable[[], object]) -> Facts:
    """Return why the parser that judges with refuses a document, or nothing."""
    try:
        read()
    except ValueError as error:
        return [("problem", f"refused by every verification:  {visible(str(error))}")]
    return []


def _foremost(extensions: Sequence[Told]) -> Facts:
    """Return the extensions that a person wants to see first, in that order."""
    return [
        fact
        for identifier in FOREMOST
        for each in extensions
        if each.identifier == identifier
        for fact in each.facts
    ]


def _problem(der: bytes) -> Facts:
    """Return what judging makes of a certificate that it cannot read, or of an extension that it passes over."""
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
    return period_words(start, end, now)


def _serial(found: Element) -> str:
    number = integer(found)
    return serial_words(number) + (" (negative)" if number < 0 else "")


def _itself(parts: Parts) -> str:
    return " (itself)" if parts.issuer.content == parts.subject.content else ""


def _signed(parts: Parts) -> str:
    words = algorithm_words(parts.algorithm)
    if parts.algorithm.content != parts.signed_algorithm.content:
        words += f", but {algorithm_words(parts.signed_algorithm)} in the signed part"
    return words + _by_whom(parts)


def _by_whom(parts: Parts) -> str:
    """Tell whether a certificate that names itself as its issuer was signed by its own key."""
    if not _itself(parts):
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


def _unique(parts: Parts) -> Facts:
    found = (("issuer unique identifier", parts.issuer_id), ("subject unique identifier", parts.subject_id))
    return [(name, short_hex(part.content[1:])) for name, part in found if part is not None]


def _surplus(after: bytes) -> Facts:
    """Tell what follows a certificate: `openssl` writes there what it is trusted for."""
    return [("after it", f"{counted_bytes(len(after))}: {outline(after)}")] if after.strip() else []


def _title(parts: Parts, extensions: Sequence[Told]) -> str:
    if parts.subject.encoded != _EMPTY:
        return title_of(parts.subject.encoded)
    names = next((each.facts[0][1] for each in extensions if each.identifier == _SAN), "(no name)")
    return names.partition(",")[0].removesuffix(" (critical)")
