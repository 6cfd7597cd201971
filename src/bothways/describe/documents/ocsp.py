"""Describes OCSP responses and requests: responder, certificates, status and validity (RFC 6960)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from bothways.describe.documents.asn1 import (
    BIT_STRING,
    ENUMERATED,
    GENERALIZED_TIME,
    INTEGER,
    NULL,
    OCTET_STRING,
    OID,
    SEQUENCE,
    Element,
    Fields,
    first,
    integer,
    number_text,
    oid,
    serial_text,
    short_hex,
    string,
    time_text,
    whole,
)
from bothways.describe.documents.certificate import (
    certificate_document,
    problem_facts,
    readable,
    version_text,
)
from bothways.describe.documents.certificate_extensions import access
from bothways.describe.documents.crl import ENTRY_EXTENSIONS, reason_text
from bothways.describe.documents.document import Document, Facts, bounded, damaged
from bothways.describe.documents.extensions import ExtensionFormat, Table, describe_extensions, facts_of
from bothways.describe.documents.keys import algorithm_text
from bothways.describe.documents.names import general_name, name_text
from bothways.describe.documents.times import since_text, until_text
from bothways.describe.documents.timestamps import timestamps
from bothways.oids import NAMES
from bothways.trust.ocsp.response import OCSPResponse

SINGLE_RESPONSES_SHOWN = 20
CERTIFICATES_SHOWN = 8
_BASIC = "1.3.6.1.5.5.7.48.1.1"
_STATUSES = {
    0: "successful", 1: "malformedRequest", 2: "internalError", 3: "tryLater", 5: "sigRequired", 6: "unauthorized",
}  # fmt: skip


def _nonce(found: Element) -> list[str]:
    return [short_hex(found.content)]


def _identifiers(found: Element) -> list[str]:
    return [NAMES.get(identifier := oid(each), identifier) for each in found.children()]


def _moment(found: Element) -> list[str]:
    return [time_text(found)]


def _crl_reference(found: Element) -> list[str]:
    told_of: list[str] = []
    for each in found.children():
        value = Fields(each).any("value of a reference")
        text = {0xA0: string, 0xA1: lambda one: f"number {number_text(one)}", 0xA2: time_text}.get(each.tag)
        told_of.append(text(value) if text is not None else short_hex(each.encoded))
    return told_of


def _service_locator(found: Element) -> list[str]:
    fields = Fields(found)
    issuer = f"issuer {name_text(fields.take(SEQUENCE, 'issuer').encoded)}"
    locator = fields.optional(SEQUENCE)
    return [issuer, *(access(locator) if locator is not None else [])]


def _not_issued(_: Element) -> list[str]:
    return ["yes: certificates that were never issued are also reported as revoked"]


_EXTENSIONS: Table = {
    **ENTRY_EXTENSIONS,
    "1.3.6.1.5.5.7.48.1.2": ExtensionFormat("nonce", _nonce, OCTET_STRING),
    "1.3.6.1.5.5.7.48.1.3": ExtensionFormat("CRL used", _crl_reference),
    "1.3.6.1.5.5.7.48.1.4": ExtensionFormat("acceptable responses", _identifiers),
    "1.3.6.1.5.5.7.48.1.6": ExtensionFormat("archive cutoff", _moment, GENERALIZED_TIME),
    "1.3.6.1.5.5.7.48.1.7": ExtensionFormat("service locator", _service_locator, row_per_item=True),
    "1.3.6.1.5.5.7.48.1.9": ExtensionFormat("extended revoke", _not_issued, NULL),
    "1.3.6.1.4.1.11129.2.4.5": ExtensionFormat(
        "signed timestamps", timestamps, OCTET_STRING, row_per_item=True
    ),
}


def response_documents(der: bytes, now: datetime) -> list[Document]:
    """Describe an OCSP response, and the certificates that came with it. Raises ValueError.

    now: the time.
    """
    try:
        outer = first(der, "OCSP response")
        fields = Fields(outer)
        status = integer(fields.take(ENUMERATED, "responseStatus"))
        body = fields.optional(0xA0)
        if status != 0 or body is None:
            return [_unsuccessful(status, body is None)]
        return _successful(outer.encoded, body, now)
    except ValueError as error:
        return [damaged("OCSP response", error)]


def request_document(der: bytes) -> Document:
    """Describe an OCSP request (RFC 6960 4.1)."""
    try:
        return _request(first(der, "OCSP request"))
    except ValueError as error:
        return damaged("OCSP request", error)


def _unsuccessful(status: int, without_body: bool) -> Document:
    title = _STATUSES.get(status, f"status {status}, which RFC 6960 does not define")
    facts: Facts = [("status", title)]
    if status == 0 and without_body:
        facts.append(("problem", "its status is successful, and it contains no response"))
    return Document("OCSP response", title, tuple(facts))


def _successful(der: bytes, body: Element, now: datetime) -> list[Document]:
    fields = Fields(body.only(SEQUENCE, "responseBytes"))
    kind = oid(fields.take(OID, "responseType"))
    value = fields.take(OCTET_STRING, "response").content
    if kind != _BASIC:
        facts: Facts = [("type", f"{kind}, which is not known"), ("value", short_hex(value))]
        return [Document("OCSP response", "of an unknown type", tuple(facts))]
    basic = Fields(whole(value, "basic response"))
    data = Fields(basic.take(SEQUENCE, "tbsResponseData"))
    algorithm = basic.take(SEQUENCE, "signatureAlgorithm")
    basic.take(BIT_STRING, "signature")
    certificates = basic.optional(0xA0)
    version = data.optional(0xA0)
    responder = data.take((0xA1, 0xA2), "responderID")
    produced = data.take(GENERALIZED_TIME, "producedAt")
    single_responses = list(data.take(SEQUENCE, "responses").children())
    extensions = data.optional(0xA1)
    certificates_sent = (
        [] if certificates is None else list(certificates.only(SEQUENCE, "certificates").children())
    )
    facts = [
        ("responder", readable(_responder, responder)),
        ("produced at", since_text(produced, now)),
        *problem_facts(lambda: _check_usable(der)),
        *_single_responses(single_responses, now),
        *(
            facts_of(describe_extensions(extensions.only(SEQUENCE, "extensions"), _EXTENSIONS))
            if extensions is not None
            else []
        ),
        ("signed with", algorithm_text(algorithm)),
        (
            "certificates",
            f"{len(certificates_sent)} sent with it" if certificates_sent else "none sent with it",
        ),
        ("version", version_text(version, 1)),
    ]
    documents = [certificate_document(each.encoded, now) for each in certificates_sent[:CERTIFICATES_SHOWN]]
    return [Document("OCSP response", _title(single_responses), bounded(facts)), *documents]


def _check_usable(der: bytes) -> None:
    """Raise ValueError for a response that verification cannot decode or use."""
    response = OCSPResponse(der)
    problem = response.problem or response.unsupported_part
    if problem is not None:
        raise ValueError(problem)


def _responder(found: Element) -> str:
    """Return the responder: the subject of its certificate, or the SHA-1 digest of its key."""
    if found.tag == 0xA1:
        return name_text(found.only(SEQUENCE, "name").encoded)
    return f"whose key has the SHA-1 digest {short_hex(found.only(OCTET_STRING, 'digest of a key').content)}"


def _title(single_responses: list[Element]) -> str:
    if len(single_responses) != 1:
        return f"about {len(single_responses):,} certificates"
    try:
        fields = Fields(single_responses[0])
        serial = _serial_of(fields.take(SEQUENCE, "certID"))
        return f"certificate {serial} is {_STATES.get(fields.any('certStatus').tag & 0x1F, 'of no known status')}"
    except ValueError:
        return "about 1 certificate"


def _single_responses(single_responses: list[Element], now: datetime) -> Facts:
    facts: Facts = []
    for each in single_responses[:SINGLE_RESPONSES_SHOWN]:
        try:
            facts += _single_response(each, now)
        except ValueError as error:
            facts.append(("answer", f"cannot be read ({error}): {short_hex(each.encoded)}"))
    if len(single_responses) > SINGLE_RESPONSES_SHOWN:
        facts.append(
            ("", f"and answers about {len(single_responses) - SINGLE_RESPONSES_SHOWN:,} more certificates")
        )
    return facts


_STATES = {0: "good", 1: "revoked", 2: "unknown"}


def _single_response(found: Element, now: datetime) -> Iterator[tuple[str, str]]:
    fields = Fields(found)
    certificate = fields.take(SEQUENCE, "certID")
    status = fields.any("certStatus")
    this = fields.take(GENERALIZED_TIME, "thisUpdate")
    following, extensions = fields.optional(0xA0), fields.optional(0xA1)
    fields.end()
    yield "serial number", _serial_of(certificate)
    yield "status", readable(_status, status)
    yield "this update", since_text(this, now)
    end = None if following is None else following.only(GENERALIZED_TIME, "nextUpdate")
    yield "next update", until_text(end, now) if end is not None else "absent"
    yield "issuer", _issuer_hashes(certificate)
    if extensions is not None:
        yield from facts_of(describe_extensions(extensions.only(SEQUENCE, "extensions"), _EXTENSIONS))


def _status(found: Element) -> str:
    state = _STATES.get(found.tag & 0x1F, f"of no known kind: {short_hex(found.encoded)}")
    if found.tag != 0xA1:
        return state
    fields = Fields(found)
    since = time_text(fields.take(GENERALIZED_TIME, "revocationTime"))
    reason = fields.optional(0xA0)
    text = "no reason given" if reason is None else reason_text(integer(reason.only(ENUMERATED, "reason")))
    return f"REVOKED on {since}, {text}"


def _serial_of(certificate: Element) -> str:
    fields = Fields(certificate)
    for tag, what in ((SEQUENCE, "hash algorithm"), (OCTET_STRING, "name hash"), (OCTET_STRING, "key hash")):
        fields.take(tag, what)
    return serial_text(integer(fields.take(INTEGER, "serial number")))


def _issuer_hashes(certificate: Element) -> str:
    fields = Fields(certificate)
    algorithm = algorithm_text(fields.take(SEQUENCE, "hash algorithm"))
    name, key = (short_hex(fields.take(OCTET_STRING, "hash").content) for _ in range(2))
    return f"{algorithm} of its name {name}, of its key {key}"


def _request(outer: Element) -> Document:
    fields = Fields(outer)
    inner = Fields(fields.take(SEQUENCE, "tbsRequest"))
    signature = fields.optional(0xA0)
    version, requestor = inner.optional(0xA0), inner.optional(0xA1)
    asked = list(inner.take(SEQUENCE, "requestList").children())
    extensions = inner.optional(0xA2)
    facts: Facts = []
    if requestor is not None:
        facts.append(
            ("requestor", readable(lambda: general_name(Fields(requestor).any("name of the requestor"))))
        )
    for each in asked[:SINGLE_RESPONSES_SHOWN]:
        facts += _requested(each)
    if len(asked) > SINGLE_RESPONSES_SHOWN:
        facts.append(("", f"and {len(asked) - SINGLE_RESPONSES_SHOWN:,} more certificates"))
    if extensions is not None:
        facts += facts_of(describe_extensions(extensions.only(SEQUENCE, "extensions"), _EXTENSIONS))
    facts.append(("signed", "no" if signature is None else "yes"))
    facts.append(("version", version_text(version, 1)))
    title = "about 1 certificate" if len(asked) == 1 else f"about {len(asked):,} certificates"
    return Document("OCSP request", title, bounded(facts))


def _requested(found: Element) -> Facts:
    try:
        fields = Fields(found)
        certificate, extensions = fields.take(SEQUENCE, "reqCert"), fields.optional(0xA0)
        facts = [("serial number", _serial_of(certificate)), ("issuer", _issuer_hashes(certificate))]
        if extensions is not None:
            facts += facts_of(describe_extensions(extensions.only(SEQUENCE, "extensions"), _EXTENSIONS))
    except ValueError as error:
        return [("request", f"cannot be read ({error}): {short_hex(found.encoded)}")]
    return facts
