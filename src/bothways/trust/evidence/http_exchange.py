"""How evidence is requested over HTTP, and what may be taken for the answer (RFC 6960 A.1, RFC 5280 4.2.1.13).

An answer that is read here is what it should be; what it means for the certificate is `revocation`'s question.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from bothways.trust.crl import CRL
from bothways.trust.evidence.locations import Location
from bothways.trust.ocsp import MAX_AGE, OCSPResponse, nonce_problem
from bothways.trust.ocsp_request import NONCE_SIZE
from bothways.trust.ocsp_request import request as ocsp_request
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
    """Evidence that was asked for and could not be had, and why, in words."""

    problem: str


Found = Evidence | Missing
EvidenceReply = Found | bytes | None


@dataclass(frozen=True, slots=True)
class HTTPRequest:
    """One HTTP request."""

    method: str
    location: Location
    headers: Mapping[str, str]
    body: bytes = b""


def with_nonces(
    requests: Iterable[EvidenceRequest], random: Callable[[int], bytes]
) -> tuple[EvidenceRequest, ...]:
    """Return the requests with a nonce for each OCSP response, drawn from `random` (RFC 9654 2.1)."""
    return tuple(
        replace(each, nonce=random(NONCE_SIZE)) if each.kind == "ocsp" else each for each in requests
    )


def http_request(request: EvidenceRequest, location: Location) -> HTTPRequest:
    """Return the HTTP request for evidence: a GET for a CRL, or an OCSP request by GET where it fits, else by POST."""
    if request.kind == "crl":
        return HTTPRequest("GET", location, _HEADERS | {"Accept": _CRL})
    headers = _HEADERS | {"Accept": _OCSP_RESPONSE}
    body = ocsp_request(request.certificate, request.issuer, request.nonce)
    if request.nonce is None and "?" not in location.target:
        target = f"{location.target.rstrip('/')}/{quote(b64encode(body), safe='')}"
        short = Location(location.scheme, location.host, location.port, target)
        if len(str(short)) <= LONGEST_GET:
            return HTTPRequest("GET", short, headers)
    return HTTPRequest("POST", location, headers | {"Content-Type": _OCSP_REQUEST}, body)


def key_of(request: EvidenceRequest, location: str) -> str:
    """Return the name under which an answer is remembered: one for all who request the same of one issuer from there.

    What a peer of one issuer causes, such as a failure, is not met by the peers of another, whatever address it names.
    """
    is_list = request.kind == "crl"
    about = request.issuer.key_digest if is_list else ocsp_request(request.certificate, request.issuer)
    return f"{hashlib.sha256(about + location.encode()).hexdigest()}.{request.kind}"


def read_answer(
    request: EvidenceRequest, data: bytes, at: datetime, *, requires_nonce: bool = False
) -> Evidence:
    """Read what came for a request, and hold it to the nonce. Raises ValueError that says why it is no answer."""
    evidence = read_kept(request, data, at)
    if isinstance(evidence, OCSPResponse) and request.nonce is not None:
        problem = nonce_problem(evidence, request.nonce, required=requires_nonce)
        if problem is not None:
            raise ValueError(problem)
    return evidence


def read_given(
    request: EvidenceRequest, answer: EvidenceReply, at: datetime, limit: int, *, requires_nonce: bool
) -> Found:
    """Return what somebody gave for a request: bytes are read, of at most `limit`; what was read before is taken."""
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


def read_kept(request: EvidenceRequest, data: bytes, at: datetime) -> Evidence:
    """Read what was kept of an earlier answer, which had a nonce of its own. Raises ValueError likewise."""
    if data.lstrip()[:11] == b"-----BEGIN ":
        raise ValueError("it is PEM, where DER is owed (RFC 5280 4.2.1.13)")
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
        raise ValueError("it has too many certificates, or too large keys, to see who signed it") from None
    if isinstance(signer, str):
        raise ValueError(signer)
    return response


def _crl(data: bytes) -> CRL:
    try:
        return CRL(data)
    except ValueError as error:
        raise ValueError(f"it is not a CRL: {error}") from None


def is_sound(request: EvidenceRequest, evidence: Evidence, at: datetime) -> bool:
    """Whether evidence is worth keeping: signed by the issuer itself where that is seen, and holding now."""
    if not is_signed(request, evidence):
        return False
    until = holds_until(request, evidence)
    return age(request, evidence) - at <= TOLERANCE and (until is None or at <= until)


def is_signed(request: EvidenceRequest, evidence: Evidence) -> bool:
    """Whether the issuer itself signed a CRL, of which the entries are then read; a response was looked at before."""
    return not isinstance(evidence, CRL) or evidence.prepare(request.issuer)


def supersedes(request: EvidenceRequest, new: Evidence, old: Evidence, at: datetime) -> bool:
    """Whether evidence takes the place of what was had before: not older, nor from the future, nor by another key.

    A CRL that nobody is known to have signed holds no place; responses were all signed by the issuer's leave.
    """
    if isinstance(old, CRL):
        signer = request.issuer if is_signed(request, old) else old.signer
        if signer is None:
            return True
        if not isinstance(new, CRL) or not new.prepare(signer):
            return False
    before, after = age(request, old), age(request, new)
    return before - at > TOLERANCE or (before <= after and after - at <= TOLERANCE)


def holds_until(request: EvidenceRequest, evidence: Evidence) -> datetime | None:
    """Until when evidence says that it holds; None where it does not."""
    if isinstance(evidence, CRL):
        return evidence.next_update
    singles = evidence.responses_about(request.certificate, request.issuer)
    return min((each.until(MAX_AGE) for each in singles), default=None)


def age(request: EvidenceRequest, evidence: Evidence) -> datetime:
    """From when evidence is: of two, the later one counts."""
    if isinstance(evidence, CRL):
        return evidence.this_update
    singles = evidence.responses_about(request.certificate, request.issuer)
    return max(each.this_update for each in singles or evidence.responses)
