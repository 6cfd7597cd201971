"""Describes a certification request (CSR): subject, key and requested extensions (RFC 2986)."""

from __future__ import annotations

from bothways.describe.documents.asn1 import (
    BIT_STRING,
    INTEGER,
    OID,
    SEQUENCE,
    SET,
    Element,
    Fields,
    first,
    oid,
    outline,
)
from bothways.describe.documents.certificate import problem_facts, version_text
from bothways.describe.documents.certificate_extensions import CERTIFICATE_EXTENSIONS, MAIN_EXTENSIONS
from bothways.describe.documents.document import Document, Facts, bounded, damaged, first_of, rows
from bothways.describe.documents.extensions import DescribedExtension, describe_extensions, parted_facts
from bothways.describe.documents.keys import algorithm_text, public_key_text
from bothways.describe.documents.names import name_text, title_of
from bothways.oids import ATTRIBUTES
from bothways.trust.decoding import parsing

_EXTENSION_REQUESTS = ("1.2.840.113549.1.9.14", "1.3.6.1.4.1.311.2.1.14")
_ATTRIBUTES_SHOWN = 32


def request_document(der: bytes) -> Document:
    """Describe a certification request; a damaged document where its fields cannot be separated."""
    try:
        return _document(first(der, "certification request"))
    except ValueError as error:
        return damaged("certificate request", error)


def _document(outer: Element) -> Document:
    fields = Fields(outer)
    inner = Fields(fields.take(SEQUENCE, "certificationRequestInfo"))
    algorithm = fields.take(SEQUENCE, "signatureAlgorithm")
    fields.take(BIT_STRING, "signature")
    version = inner.take(INTEGER, "version")
    subject = inner.take(SEQUENCE, "subject")
    key, identity = public_key_text(inner.take(SEQUENCE, "subjectPKInfo"))
    extensions, attributes = _attributes(inner.optional(0xA0))
    main, others = parted_facts(extensions, MAIN_EXTENSIONS)
    facts: Facts = [
        ("subject", name_text(subject.encoded)),
        *problem_facts(lambda: parsing.signing_request(outer.encoded)),
        *main,
        ("public key", key),
        ("signature", _signature(outer.encoded)),
        ("signed with", algorithm_text(algorithm)),
        ("version", version_text(version, 1)),
        *others,
        *attributes,
    ]
    return Document("certificate request", title_of(subject.encoded), bounded(facts), identity)


def _signature(der: bytes) -> str:
    try:
        request = parsing.open_signing_request(der)
        valid = parsing.attempt("signature", lambda: request.is_signature_valid)
    except parsing.EncodingError as error:
        return f"cannot be checked: {error}"
    return (
        "valid: the requester has the private key"
        if valid
        else "WRONG: the requester does not have the private key"
    )


def _attributes(found: Element | None) -> tuple[list[DescribedExtension], Facts]:
    """Return the requested extensions, and the other attributes as text."""
    extensions: list[DescribedExtension] = []
    facts: Facts = []
    number = 0
    try:
        for number, each in enumerate(() if found is None else found.children(), 1):
            if number <= _ATTRIBUTES_SHOWN:
                one, other = _attribute(each)
                extensions += one
                facts += other
    except ValueError as error:
        facts.append((f"attribute no. {number}", f"cannot be read: {error}"))
    if number > _ATTRIBUTES_SHOWN:
        facts.append(("attributes", f"and {number - _ATTRIBUTES_SHOWN:,} more"))
    return extensions, facts


def _attribute(found: Element) -> tuple[list[DescribedExtension], Facts]:
    fields = Fields(found.expect(SEQUENCE, "attribute"))
    kind = oid(fields.take(OID, "attribute type"))
    values = list(fields.take(SET, "values of an attribute").children())
    fields.end()
    if kind in _EXTENSION_REQUESTS:
        requested = [
            each
            for one in values
            for each in describe_extensions(one.expect(SEQUENCE, "extensions"), CERTIFICATE_EXTENSIONS)
        ]
        return requested, [] if requested else [("extension request", "empty")]
    texts = first_of([outline(each.encoded) for each in values]) or ["no value"]
    return [], rows(ATTRIBUTES.get(kind, f"attribute {kind}"), texts)
