"""How evidence is requested over HTTP, and which answers are accepted (RFC 6960 A.1, RFC 5280 4.2.1.13).

An answer is decoded and checked against the request here; `revocation` decides what it means for the certificate.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.locations import URLParts
from bothways.trust.ocsp.request import NONCE_SIZE
from bothways.trust.ocsp.request import request as ocsp_request
from bothways.trust.ocsp.response import MAX_AGE, OCSPResponse, nonce_problem
from bothways.trust.verdict import EvidenceRequest
from bothways.trust.work import OutOfWork

Evidence = CRL | OCSPResponse

LONGEST_GET = 255  # RFC 5019 5
MAX_RESPONSE_BYTES = 64 * 1024
TOLERANCE = timedelta(minutes=5)
_HEADERS = {"Connection": "close", "User-Agent": "bothways", "Accept-Encoding": "identity"}
_OCSP_REQUEST, _OCSP_RESPONSE = "application/ocsp-request", "application/ocsp-response"
_CRL = "application/pkix-crl"


@dataclass(frozen=True, slots=True)
class Missing:
    """Evidence that was requested and is not available, and why, as text.

    not_allowed: the host that must not be contacted for it, by the policy of fetching; "" for any other reason.
    """

    problem: str
    not_allowed: str = ""


Found = Evidence | Missing
EvidenceReply = Found | bytes | None


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """One HTTP request."""

    method: str
    location: URLParts
    headers: Mapping[str, str]
    body: bytes = b""


def with_nonces(
    requests: Iterable[EvidenceRequest], random: Callable[[int], bytes]
) -> tuple[EvidenceRequest, ...]:
    """Return the requests, with a nonce in each one for an OCSP response (RFC 9654 2.1).

    random: returns so many random bytes.
    """
    return tuple(
        replace(each, nonce=random(NONCE_SIZE)) if each.kind == "ocsp" else each for each in requests
    )


def http_request(request: EvidenceRequest, location: URLParts) -> HTTPRequest:
    """Return the HTTP request for evidence: GET for a CRL; for OCSP, GET where it is short enough, else POST."""
    if request.kind == "crl":
        return HTTPRequest("GET", location, _HEADERS | {"Accept": _CRL})
    headers = _HEADERS | {"Accept": _OCSP_RESPONSE}
    body = ocsp_request(request.certificate, request.issuer, request.nonce)
    if request.nonce is None and "?" not in location.target:
        target = f"{location.target.rstrip('/')}/{quote(b64encode(body), safe='')}"
        short = URLParts(location.scheme, location.host, location.port, target)
        if len(str(short)) <= LONGEST_GET:
            return HTTPRequest("GET", short, headers)
    return HTTPRequest("POST", location, headers | {"Content-Type": _OCSP_REQUEST}, body)


def cache_key(request: EvidenceRequest, location: str) -> str:
    """Return the cache key of a request at a location, for a CRL equal for all certificates of one issuer.

    The key contains the issuer's, so that a failure caused by a peer of one issuer does not affect those of another.
    """
    is_crl = request.kind == "crl"
    about = request.issuer.key_digest if is_crl else ocsp_request(request.certificate, request.issuer)
    return f"{hashlib.sha256(about + location.encode()).hexdigest()}.{request.kind}"


def read_answer(
    request: EvidenceRequest, data: bytes, at: datetime, *, requires_nonce: bool = False
) -> Evidence:
    """Decode the answer to a request, and check its nonce. Raises ValueError, which says why it is not accepted.

    at: the time.  requires_nonce: whether an OCSP response without a nonce is refused.
    """
    evidence = read_stored(request, data, at)
    if isinstance(evidence, OCSPResponse) and request.nonce is not None:
        problem = nonce_problem(evidence, request.nonce, required=requires_nonce)
        if problem is not None:
            raise ValueError(problem)
    return evidence


def read_reply(
    request: EvidenceRequest, answer: EvidenceReply, at: datetime, limit: int, *, requires_nonce: bool
) -> Found:
    """Return what a caller supplied for a request: bytes are decoded, decoded evidence is returned as it is.

    at: the time.  limit: the maximum length in bytes.  requires_nonce: as for `read_answer`.
    """
    if answer is None:
        return Missing("it could not be obtained")
    if not isinstance(answer, bytes):
        return answer
    if len(answer) > limit:
        return Missing(f"it is longer than {limit} bytes")
    try:
        return read_answer(request, answer, at, requires_nonce=requires_nonce)
    except ValueError as error:
        return Missing(str(error))


def read_stored(request: EvidenceRequest, data: bytes, at: datetime) -> Evidence:
    """Decode a stored answer, which has the nonce of an earlier request. Raises ValueError as `read_answer` does."""
    if data.lstrip()[:11] == b"-----BEGIN ":
        raise ValueError("it is PEM, where DER is required (RFC 5280 4.2.1.13)")
    if data.lstrip()[:1] == b"<":
        raise ValueError("it is an HTML or XML document, as of a page for people")
    if request.kind == "crl":
        return _crl(data)
    try:
        response = OCSPResponse(data)
    except ValueError as error:
        raise ValueError(f"it is not an OCSP response: {error}") from None
    if response.problem is not None:
        raise ValueError(response.problem)
    if response.response_about(request.certificate, request.issuer) is None:
        raise ValueError("it is about another certificate")
    try:
        signer = response.signer(request.issuer, at)
    except OutOfWork:
        raise ValueError(
            "it has too many certificates, or too large keys, to find out who signed it"
        ) from None
    if isinstance(signer, str):
        raise ValueError(signer)
    return response


def _crl(data: bytes) -> CRL:
    try:
        return CRL(data)
    except ValueError as error:
        raise ValueError(f"it is not a CRL: {error}") from None


def may_be_cached(request: EvidenceRequest, evidence: Evidence, at: datetime) -> bool:
    """Whether evidence may be cached for long: it is valid now, and a CRL is signed by the issuer itself."""
    if not is_signed(request, evidence):
        return False
    until = valid_until(request, evidence)
    return issue_time(request, evidence) - at <= TOLERANCE and (until is None or at <= until)


def is_signed(request: EvidenceRequest, evidence: Evidence) -> bool:
    """Whether the issuer itself signed a CRL, whose entries are then read. True for a response, checked before."""
    return not isinstance(evidence, CRL) or evidence.prepare(request.issuer)


def supersedes(request: EvidenceRequest, new: Evidence, old: Evidence, at: datetime) -> bool:
    """Whether new evidence replaces old: it is not older, not from the future, and not signed by another key.

    A CRL whose signer is unknown is always replaced; OCSP responses were all signed as the issuer has authorized.
    """
    if isinstance(old, CRL):
        signer = request.issuer if is_signed(request, old) else old.signer
        if signer is None:
            return True
        if not isinstance(new, CRL) or not new.prepare(signer):
            return False
    before, after = issue_time(request, old), issue_time(request, new)
    return before - at > TOLERANCE or (before <= after and after - at <= TOLERANCE)


def valid_until(request: EvidenceRequest, evidence: Evidence) -> datetime | None:
    """Return the end of validity that evidence states; None where it states none."""
    if isinstance(evidence, CRL):
        return evidence.next_update
    singles = evidence.responses_about(request.certificate, request.issuer)
    return min((each.until(MAX_AGE) for each in singles), default=None)


def issue_time(request: EvidenceRequest, evidence: Evidence) -> datetime:
    """Return when evidence was issued (thisUpdate); of an OCSP response the latest one about the certificate."""
    if isinstance(evidence, CRL):
        return evidence.this_update
    singles = evidence.responses_about(request.certificate, request.issuer)
    return max(each.this_update for each in singles or evidence.responses)
