"""OCSP responses about our own certificates: when each is fetched, so that a valid one is always available.

A schedule without clock, sockets and waiting: the caller asks what is due, fetches it, and reports the result.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bothways.arguments import instance, several
from bothways.errors import ConfigError, logged
from bothways.faults import shown
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.signatures import is_signed_by
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import TOLERANCE, Found, Missing
from bothways.trust.evidence.jitter import Random, renewal_time, retry_time
from bothways.trust.evidence.requests import response_requests
from bothways.trust.ocsp.response import MAX_AGE, OCSPResponse, SingleResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials, WatchedCredentials
from bothways.trust.verdict import EvidenceRequest

logger = logging.getLogger("bothways")

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=1)
LEAST_OFTEN = timedelta(days=1)
_AT_ONCE, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EVERYWHERE = ("0.0.0.0/0", "::/0")


def own_responders() -> Fetch:
    """Return the policy for the responders of our own certificates, whose administrator trusts them.

    They may be internal hosts, but redirects are not followed. No nonces are sent, since all clients get the same
    staple. Raises ConfigError without httpcore.
    """
    return Fetch(crls=False, nonce="none", allow=_EVERYWHERE, keep=timedelta(0), redirects=0)


@dataclass(slots=True)
class _Renewal:
    """One of our certificates: when its response is fetched next, and the number of failures since the last success."""

    request: EvidenceRequest
    due: datetime
    failures: int = 0
    held: SingleResponse | None = None


class Stapling:
    """The schedule that keeps `store`, the `staples=` of a configuration, up to date.

    A response is renewed when between a half and three quarters of its validity have passed, and at least once a day;
    the time is random, so that many servers do not ask at once. After a failure, or an answer that is not newer, the
    responder is asked again sooner. A response that is still valid is kept.
    """

    def __init__(
        self,
        credentials: Credentials | Sequence[Credentials],
        *,
        random: Random,
        anchors: TrustStore | None = None,
        policy: Fetch | None = None,
        store: OCSPStore | None = None,
    ) -> None:
        """Find the certificates of our chains that name responders; again when the files of watched credentials change.

        credentials: ours, whose chains are read.  random: returns the given number of random bytes.  anchors: trust
        anchors, one of which may be the issuer of a chain's last certificate.  policy: by default that of
        `own_responders`.  store: by default a new one. Raises ConfigError where no certificate names a responder, or
        its issuer is not found.
        """
        for what, value, kind in (
            ("anchors", anchors, TrustStore),
            ("policy", policy, Fetch),
            ("store", store, OCSPStore),
        ):
            if value is not None:
                instance(what, value, kind)
        self.store = OCSPStore() if store is None else store
        self.policy = own_responders() if policy is None else policy
        self._random = random
        given = (credentials,) if isinstance(credentials, Credentials) else credentials
        self._credentials = several("credentials", given, "Credentials", Credentials)
        self._anchors = anchors
        self._chains = self._chains_now()
        self._renewals: dict[bytes, _Renewal] = {}
        self._schedule(
            [request for each in self._chains for request in _requests(each, anchors, self.policy)]
        )

    @property
    def may_change(self) -> bool:
        """Whether our certificates may be replaced, so that something may be due earlier than `next_due` said."""
        return any(isinstance(each, WatchedCredentials) for each in self._credentials)

    def due(self, at: datetime) -> list[EvidenceRequest]:
        """Return the requests to be made now."""
        self._follow_changes()
        return [each.request for each in self._renewals.values() if each.due <= at]

    def next_due(self) -> datetime:
        """Return when a request is due next: in the past where it is due now, `datetime.max` where there is none."""
        self._follow_changes()
        return min((each.due for each in self._renewals.values()), default=_NEVER)

    def handle_result(self, request: EvidenceRequest, found: Found, at: datetime) -> str:
        """Take the result of a request; return a message for the administrator, as a sentence.

        found: the evidence, or why there is none.  at: the time.
        """
        renewal = self._renewals.get(request.certificate.der)
        whose = f"the staple of {request.certificate.subject_text}"
        if renewal is None:
            return f"{whose} is not needed any more: it has another certificate by now"
        try:
            response, answer = _usable(request, found, renewal.held, at)
        except ValueError as problem:
            return f"{whose} could not be renewed: {shown(problem)}; {self._fail(renewal, at)}"
        is_new = renewal.held is None or answer.this_update > renewal.held.this_update
        self.store.add(response, at)
        renewal.held, renewal.failures = answer, 0
        until = answer.until(MAX_AGE)
        soon = min(renewal_time(at, until, self._random), retry_time(at, LEAST_OFTEN, self._random))
        renewal.due = max(soon, at + SHORTEST)
        status = f"says {answer.state}" if is_new else f"is still the one with the status {answer.state}"
        return f"{whose} {status}, until {until:%Y-%m-%d %H:%M}"

    def _follow_changes(self) -> None:
        """Plan again where the certificates have changed: the staple must be about the one that is sent."""
        before, self._chains = self._chains, self._chains_now()
        if all(new is old for new, old in zip(self._chains, before, strict=True)):
            return
        requests: list[EvidenceRequest] = []
        for each in self._chains:
            try:
                requests += _requests(each, self._anchors, self.policy)
            except ConfigError as error:
                logger.warning("%s; so it is sent without an OCSP response", logged(error))
        self._schedule(requests)

    def _chains_now(self) -> tuple[Credentials, ...]:
        return tuple(each.current for each in self._credentials)

    def _schedule(self, requests: Sequence[EvidenceRequest]) -> None:
        """Keep the schedule of certificates that stay, and add the new ones, which are due at once."""
        planned = {each.certificate.der: _Renewal(each, _AT_ONCE) for each in requests}
        self._renewals = {der: self._renewals.get(der, renewal) for der, renewal in planned.items()}

    def _fail(self, renewal: _Renewal, at: datetime) -> str:
        """Schedule the next attempt: at growing intervals, but before the available response expires."""
        wait = min(SHORTEST * 2 ** min(renewal.failures, 10), LONGEST)
        renewal.failures += 1
        until = None if renewal.held is None else renewal.held.until(MAX_AGE)
        if until is None or until <= at:
            renewal.due = retry_time(at, wait, self._random)
            return "there is no valid one"
        wait = min(wait, max((until - at) / 2, SHORTEST))
        renewal.due = retry_time(at, wait, self._random)
        return f"the available one is valid until {until:%Y-%m-%d %H:%M}"


def _usable(
    request: EvidenceRequest, found: Found, held: SingleResponse | None, at: datetime
) -> tuple[OCSPResponse, SingleResponse]:
    """Return the response to staple, and its statement about the certificate. Raises ValueError with the reason."""
    if isinstance(found, Missing):
        raise ValueError(found.problem)
    answer = (
        found.response_about(request.certificate, request.issuer) if isinstance(found, OCSPResponse) else None
    )
    if answer is None or not isinstance(found, OCSPResponse):
        raise ValueError("what was received is not a response about the certificate")
    signer = found.signer(request.issuer, at)
    problem = signer if isinstance(signer, str) else answer.untimeliness(at, TOLERANCE, MAX_AGE)
    if problem is None and answer.until(MAX_AGE) < at:
        problem = "it has expired"
    if problem is None and answer.state == "unknown":
        problem = "the responder does not know it"
    if problem is None and held is not None and answer.this_update < held.this_update:
        problem = "it is older than the available one"
    if problem is not None:
        raise ValueError(problem)
    return found, answer


def _requests(credentials: Credentials, anchors: TrustStore | None, policy: Fetch) -> list[EvidenceRequest]:
    """Return the requests for a chain; the issuer of its last certificate may be a trust anchor."""
    pairs = with_issuers(credentials, anchors)
    leaf = ParsedCertificate(credentials.chain[0])
    requests = [
        request for certificate, issuer in pairs for request in response_requests(certificate, issuer, policy)
    ]
    if not any(request.certificate.der == leaf.der for request in requests):
        leaf.load()
        raise ConfigError(_no_request_problem(leaf, policy))
    return requests


def with_issuers(
    credentials: Credentials, anchors: TrustStore | None
) -> list[tuple[ParsedCertificate, ParsedCertificate]]:
    """Return the certificates of a chain, each with its issuer; that of the last one may be a trust anchor."""
    chain = [ParsedCertificate(der) for der in credentials.chain]
    for each in chain:
        each.load()
    last = chain[-1]
    above = () if anchors is None or last.is_self_issued else anchors.issuers_of(last)
    return [*pairwise(chain), *((last, each) for each in above if is_signed_by(last, each))]


def staple_problem(
    response: OCSPResponse, pairs: Sequence[tuple[ParsedCertificate, ParsedCertificate]], at: datetime
) -> str | None:
    """Return why a response about one of our certificates has no acceptable signer, or None.

    pairs: our certificates, each with its issuer, as far as that is known.  at: the time.
    """
    for certificate, issuer in pairs:
        if response.responses_about(certificate, issuer):
            signer = response.signer(issuer, at)
            return signer if isinstance(signer, str) else None
    return None


def _no_request_problem(leaf: ParsedCertificate, policy: Fetch) -> str:
    who = shown(leaf.subject_text)
    if response_requests(leaf, leaf, policy):
        return f"staple: the issuer of {who} is required to request its status; append it to the certificate's file"
    return f"staple: the certificate of {who} has no URL of an OCSP responder that can be used"
