"""Certificate revocation lists in words: whose, until when, what they cover, whom they revoke (RFC 5280 5)."""

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
    moment_words,
    number_words,
    oid,
    serial_words,
    short_hex,
)
from bothways.describe.documents.certificate import version_words
from bothways.describe.documents.certificate_extensions import CERTIFICATE_EXTENSIONS
from bothways.describe.documents.distribution_points import REASONS, issuers, issuing_distribution_point
from bothways.describe.documents.document import Document, Facts, bounded, damaged
from bothways.describe.documents.extensions import Table, Told, Words, facts_of, told
from bothways.describe.documents.keys import algorithm_words
from bothways.describe.documents.names import name_words, title_of
from bothways.describe.documents.times import since_words, until_words
from bothways.describe.escape import visible
from bothways.oids import OTHERS
from bothways.trust.crl import CRL

REVOKED_SHOWN = 20
_READ_WHOLE = 1024 * 1024
_ENTRY_REASONS = (*REASONS[:7], None, "removeFromCRL", "privilegeWithdrawn", "aACompromise")
_ISSUER, _SCOPE, _BASE, _NUMBER = "2.5.29.29", "2.5.29.28", "2.5.29.27", "2.5.29.20"
_FOREMOST = (_NUMBER, _BASE, _SCOPE)


def reason_words(number: int) -> str:
    """Return a reason for a revocation by the name it has in RFC 5280 5.3.1."""
    known = _ENTRY_REASONS[number] if 0 <= number < len(_ENTRY_REASONS) else None
    return known or f"reason {number}, which RFC 5280 does not define"


def _reason(found: Element) -> list[str]:
    return [reason_words(integer(found))]


def _invalid_since(found: Element) -> list[str]:
    return [f"invalid since {moment_words(found)}"]


def _hold(found: Element) -> list[str]:
    return [f"hold instruction: {OTHERS.get(identifier := oid(found), identifier)}"]


def _other_issuer(found: Element) -> list[str]:
    return [f"issued by {each}" for each in issuers(found)]


ENTRY_EXTENSIONS: Table = {
    "2.5.29.21": Words("reason", _reason, ENUMERATED),
    "2.5.29.23": Words("hold instruction", _hold, OID),
    "2.5.29.24": Words("invalid since", _invalid_since, GENERALIZED_TIME),
    _ISSUER: Words("issuer", _other_issuer),
}


def _base(found: Element) -> list[str]:
    return [f"{number_words(found)}: a delta CRL, complete only together with that CRL or a newer one"]


def _number(found: Element) -> list[str]:
    return [number_words(found)]


def _moment(found: Element) -> list[str]:
    return [moment_words(found)]


_EXTENSIONS: Table = {
    **{
        key: CERTIFICATE_EXTENSIONS[key]
        for key in ("2.5.29.18", "2.5.29.35", "2.5.29.46", "1.3.6.1.5.5.7.1.1")
    },
    _NUMBER: Words("CRL number", _number, INTEGER),
    _BASE: Words("base CRL number", _base, INTEGER),
    _SCOPE: Words("scope", issuing_distribution_point, a_row_each=True),
    "2.5.29.60": Words("contains expired certificates since", _moment, GENERALIZED_TIME),
    "1.3.6.1.4.1.311.21.1": CERTIFICATE_EXTENSIONS["1.3.6.1.4.1.311.21.1"],
    "1.3.6.1.4.1.311.21.4": Words("next publication", _moment, 0x17),
    "1.3.6.1.4.1.311.21.14": CERTIFICATE_EXTENSIONS["2.5.29.31"]._replace(name="published at"),
}


def crl_document(der: bytes, now: datetime) -> Document:
    """Return a CRL in words; one whose parts cannot be told apart is a damaged document."""
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
    words = algorithm_words(algorithm)
    if algorithm.content != signed.content:
        words += f", but {algorithm_words(signed)} in the signed part"
    facts: Facts = [
        ("issuer", name_words(issuer.encoded)),
        ("this update", since_words(this, now)),
        ("next update", until_words(following, now) if following is not None else "absent"),
        *_problem(outer.encoded),
        *[fact for key in _FOREMOST for each in extensions if each.identifier == key for fact in each.facts],
        *_revoked(revoked),
        ("signed with", words),
        ("version", version_words(version, 1)),
        *facts_of([each for each in extensions if each.identifier not in _FOREMOST]),
        *([("after it", f"{size - outer.stop} bytes")] if size > outer.stop else []),
        ("SHA-256", sha256(outer.encoded).hexdigest()),
    ]
    return Document("CRL", title_of(issuer.encoded), bounded(facts))


def _problem(der: bytes) -> Facts:
    """Return what judging makes of a CRL that it cannot read or use. The entries of a long one are not read for it."""
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


def _extensions(found: Element | None) -> list[Told]:
    return [] if found is None else told(found.only(SEQUENCE, "extensions"), _EXTENSIONS)


def _revoked(found: Element | None) -> Facts:
    """Return how many certificates a CRL revokes, and the first of them."""
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
    """Walk over the entries: the first ones in words, the others as nothing but there.

    Whose certificate an entry revokes is said by it or by one before it (RFC 5280 5.3.3).
    """
    issuer = ""
    if found is None:
        return
    for number, each in enumerate(found.children()):
        if number >= REVOKED_SHOWN:
            yield ""
            continue
        try:
            words, issuer = _entry(each, issuer)
        except ValueError as error:
            words = f"an entry that cannot be read ({error}): {short_hex(each.encoded)}"
        yield words


def _entry(found: Element, issuer: str) -> tuple[str, str]:
    fields = Fields(found)
    serial = serial_words(integer(fields.take(INTEGER, "serial number")))
    date = moment_words(fields.take(TIMES, "revocation date"))
    extensions = fields.optional(SEQUENCE)
    fields.end()
    more = [] if extensions is None else told(extensions, ENTRY_EXTENSIONS)
    for each in more:
        if each.identifier == _ISSUER:
            issuer = " ".join(text for _, text in each.facts).removesuffix(" (critical)")
    texts = [_entry_words(each) for each in more if each.identifier != _ISSUER]
    return ", ".join([f"{serial} on {date}", *texts, *([issuer] if issuer else [])]), issuer


def _entry_words(one: Told) -> str:
    texts = " ".join(text for _, text in one.facts)
    return texts if one.is_read else f"{one.facts[0][0]}: {texts}"
