"""Describes a certificate revocation list (CRL): issuer, validity, scope, revoked certificates (RFC 5280 5)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256

from bothways.describe.documents.asn1 import (
    ENUMERATED,
    GENERALIZED_TIME,
    INTEGER,
    OID,
    SEQUENCE,
    TIMES,
    Element,
    Fields,
    first,
    integer,
    number_text,
    oid,
    serial_text,
    short_hex,
    time_text,
)
from bothways.describe.documents.certificate import version_text
from bothways.describe.documents.certificate_extensions import CERTIFICATE_EXTENSIONS
from bothways.describe.documents.distribution_points import REASONS, issuers, issuing_distribution_point
from bothways.describe.documents.document import Document, Facts, bounded, damaged
from bothways.describe.documents.extensions import (
    DescribedExtension,
    ExtensionFormat,
    Table,
    describe_extensions,
    parted_facts,
)
from bothways.describe.documents.keys import algorithm_text
from bothways.describe.documents.names import name_text, title_of
from bothways.describe.documents.times import since_text, until_text
from bothways.describe.escape import visible
from bothways.oids import OTHERS
from bothways.trust.crl.revocation_list import CRL

REVOKED_SHOWN = 20
_READ_WHOLE = 1024 * 1024
_ENTRY_REASONS = (*REASONS[:7], None, "removeFromCRL", "privilegeWithdrawn", "aACompromise")
_ISSUER, _SCOPE, _BASE, _NUMBER = "2.5.29.29", "2.5.29.28", "2.5.29.27", "2.5.29.20"
_MAIN_EXTENSIONS = (_NUMBER, _BASE, _SCOPE)


def reason_text(number: int) -> str:
    """Return a revocation reason by its name in RFC 5280 5.3.1."""
    known = _ENTRY_REASONS[number] if 0 <= number < len(_ENTRY_REASONS) else None
    return known or f"reason {number}, which RFC 5280 does not define"


def _reason(found: Element) -> list[str]:
    return [reason_text(integer(found))]


def _invalid_since(found: Element) -> list[str]:
    return [f"invalid since {time_text(found)}"]


def _hold(found: Element) -> list[str]:
    return [f"hold instruction: {OTHERS.get(identifier := oid(found), identifier)}"]


def _other_issuer(found: Element) -> list[str]:
    return [f"issued by {each}" for each in issuers(found)]


ENTRY_EXTENSIONS: Table = {
    "2.5.29.21": ExtensionFormat("reason", _reason, ENUMERATED),
    "2.5.29.23": ExtensionFormat("hold instruction", _hold, OID),
    "2.5.29.24": ExtensionFormat("invalid since", _invalid_since, GENERALIZED_TIME),
    _ISSUER: ExtensionFormat("issuer", _other_issuer),
}


def _base(found: Element) -> list[str]:
    return [f"{number_text(found)}: a delta CRL, complete only together with that CRL or a newer one"]


def _number(found: Element) -> list[str]:
    return [number_text(found)]


def _moment(found: Element) -> list[str]:
    return [time_text(found)]


_EXTENSIONS: Table = {
    **{
        key: CERTIFICATE_EXTENSIONS[key]
        for key in ("2.5.29.18", "2.5.29.35", "2.5.29.46", "1.3.6.1.5.5.7.1.1")
    },
    _NUMBER: ExtensionFormat("CRL number", _number, INTEGER),
    _BASE: ExtensionFormat("base CRL number", _base, INTEGER),
    _SCOPE: ExtensionFormat("scope", issuing_distribution_point, row_per_item=True),
    "2.5.29.60": ExtensionFormat("contains expired certificates since", _moment, GENERALIZED_TIME),
    "1.3.6.1.4.1.311.21.1": CERTIFICATE_EXTENSIONS["1.3.6.1.4.1.311.21.1"],
    "1.3.6.1.4.1.311.21.4": ExtensionFormat("next publication", _moment, 0x17),
    "1.3.6.1.4.1.311.21.14": CERTIFICATE_EXTENSIONS["2.5.29.31"]._replace(name="published at"),
}


def crl_document(der: bytes, now: datetime) -> Document:
    """Describe a CRL at the time `now`; a damaged document where its fields cannot be separated."""
    try:
        return _document(first(der, "CRL"), len(der), now)
    except ValueError as error:
        return damaged("CRL", error)


def _document(outer: Element, size: int, now: datetime) -> Document:
    fields = Fields(outer)
    inner = Fields(fields.take(SEQUENCE, "tbsCertList"))
    algorithm = fields.take(SEQUENCE, "signatureAlgorithm")
    version = inner.optional(INTEGER)
    signed = inner.take(SEQUENCE, "signature algorithm")
    issuer = inner.take(SEQUENCE, "issuer")
    this, following = inner.take(TIMES, "thisUpdate"), inner.optional(TIMES)
    revoked, extensions = inner.optional(SEQUENCE), _extensions(inner.optional(0xA0))
    main, others = parted_facts(extensions, _MAIN_EXTENSIONS)
    text = algorithm_text(algorithm)
    if algorithm.content != signed.content:
        text += f", but {algorithm_text(signed)} in the signed part"
    facts: Facts = [
        ("issuer", name_text(issuer.encoded)),
        ("this update", since_text(this, now)),
        ("next update", until_text(following, now) if following is not None else "absent"),
        *_problem(outer.encoded),
        *main,
        *_revoked(revoked),
        ("signed with", text),
        ("version", version_text(version, 1)),
        *others,
        *([("after it", f"{size - outer.stop} bytes")] if size > outer.stop else []),
        ("SHA-256", sha256(outer.encoded).hexdigest()),
    ]
    return Document("CRL", title_of(issuer.encoded), bounded(facts))


def _problem(der: bytes) -> Facts:
    """Return why verification cannot decode or use a CRL. Of a long one the entries are not decoded for that."""
    try:
        crl = CRL(der)
        if len(der) <= _READ_WHOLE:
            crl.read_entries()
    except ValueError as error:
        return [("problem", f"refused by every verification:  {visible(str(error))}")]
    if crl.problem is not None:
        return [("problem", f"refused by every verification:  {visible(crl.problem)}")]
    if crl.unread is not None:
        return [("problem", f"verification uses only its revocations:  {visible(str(crl.unread))}")]
    return []


def _extensions(found: Element | None) -> list[DescribedExtension]:
    return [] if found is None else describe_extensions(found.only(SEQUENCE, "extensions"), _EXTENSIONS)


def _revoked(found: Element | None) -> Facts:
    """Return the number of revoked certificates, and the first of them."""
    number, problem = 0, ""
    shown: Facts = []
    try:
        for text in _entries(found):
            number += 1
            if text:
                shown.append(("", text))
    except ValueError as error:
        problem = f"what follows entry {number} cannot be read: {error}"
    facts = [("revoked", "1 certificate" if number == 1 else f"{number:,} certificates"), *shown]
    if number > REVOKED_SHOWN:
        facts.append(("", f"and {number - REVOKED_SHOWN:,} more"))
    return facts + ([("", problem)] if problem else [])


def _entries(found: Element | None) -> Iterator[str]:
    """Yield the first entries as text, and an empty text for each of the others.

    An entry is about a certificate of the issuer that it or an earlier one names (RFC 5280 5.3.3).
    """
    issuer = ""
    if found is None:
        return
    for number, each in enumerate(found.children()):
        if number >= REVOKED_SHOWN:
            yield ""
            continue
        try:
            text, issuer = _entry(each, issuer)
        except ValueError as error:
            text = f"an entry that cannot be read ({error}): {short_hex(each.encoded)}"
        yield text


def _entry(found: Element, issuer: str) -> tuple[str, str]:
    fields = Fields(found)
    serial = serial_text(integer(fields.take(INTEGER, "serial number")))
    date = time_text(fields.take(TIMES, "revocation date"))
    extensions = fields.optional(SEQUENCE)
    fields.end()
    more = [] if extensions is None else describe_extensions(extensions, ENTRY_EXTENSIONS)
    for each in more:
        if each.identifier == _ISSUER:
            issuer = " ".join(text for _, text in each.facts).removesuffix(" (critical)")
    texts = [_entry_text(each) for each in more if each.identifier != _ISSUER]
    return ", ".join([f"{serial} on {date}", *texts, *([issuer] if issuer else [])]), issuer


def _entry_text(described: DescribedExtension) -> str:
    texts = " ".join(text for _, text in described.facts)
    return texts if described.is_read else f"{described.facts[0][0]}: {texts}"
