"""OCSP responses about our own certificates: when each is fetched, so that one that holds is always at hand.

A schedule without clock, sockets and waiting: whoever drives it asks what is due, fetches that, and says what came.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bothways.errors import ConfigError, logged
from bothways.faults import shown
from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.credentials import Credentials, WatchedCredentials
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import TOLERANCE, Found, Missing
from bothways.trust.evidence.jitter import Random, after, ahead
from bothways.trust.evidence.requests import response_requests
from bothways.trust.ocsp import MAX_AGE, OCSPResponse, SingleResponse
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.signatures import is_signed_by
from bothways.trust.verdict import EvidenceRequest

logger = logging.getLogger("bothways")

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=1)
LEAST_OFTEN = timedelta(days=1)
_AT_ONCE, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_EVERYWHERE = ("0.0.0.0/0", "::/0")


def own_responders() -> Fetch:
    """Make the policy for responders that our own certificates name: whoever installed them vouches for those.

    They may be inner machines, but nobody vouches for where a redirect leads. Without nonces, since a staple is for
    everybody. Raises ConfigError without httpcore.
    """
    return Fetch(crls=False, nonce="none", allow=_EVERYWHERE, keep=timedelta(0), redirects=0)


@dataclass(slots=True)
class _Renewal:
    """One certificate of ours: when its response is fetched next, and how often that failed in a row."""

    request: EvidenceRequest
    due: datetime
    failures: int = 0
    held: SingleResponse | None = None


class Stapling:
    """Keeps `store` supplied, which is for `staples=` of a configuration.

    A response is renewed when between a half and three quarters of its time have gone by, and once a day at least;
    the moment is drawn, so that many servers do not ask at once. A responder that fails, or has nothing newer, is
    asked again sooner. What holds is kept.
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
        """Look through our chains for certificates that name responders; those of watched ones again when they change.

        random: draws so many bytes.  anchors: where issuers are looked for that no chain has.  policy: by
        default that of `own_responders`.  Raises ConfigError where no certificate names a responder, or
        its issuer is not to be found.
        """
        self.store = OCSPStore() if store is None else store
        self.policy = own_responders() if policy is None else policy
        self._random = random
        self._credentials = (credentials,) if isinstance(credentials, Credentials) else tuple(credentials)
        self._anchors = anchors
        self._chains = self._chains_now()
        self._renewals: dict[bytes, _Renewal] = {}
        self._plan([request for each in self._chains for request in _requests(each, anchors, self.policy)])

    @property
    def may_change(self) -> bool:
        """Whether our certificates may be replaced by others, so that something is due earlier than was said."""
        return any(isinstance(each, WatchedCredentials) for each in self._credentials)

    def due(self, at: datetime) -> list[EvidenceRequest]:
        """Return what is to be fetched now."""
        self._follow()
        return [each.request for each in self._renewals.values() if each.due <= at]

    def next_due(self) -> datetime:
        """Return when something is due next: in the past where it is now, never where no responder is named."""
        self._follow()
        return min((each.due for each in self._renewals.values()), default=_NEVER)

    def took(self, request: EvidenceRequest, found: Found, at: datetime) -> str:
        """Take what came for a request, or that nothing did; returns what a person should know, as a sentence."""
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
        soon = min(ahead(at, until, self._random), after(at, LEAST_OFTEN, self._random))
        renewal.due = max(soon, at + SHORTEST)
        words = f"says {answer.state}" if is_new else f"is still the one with the status {answer.state}"
        return f"{whose} {words}, until {until:%Y-%m-%d %H:%M}"

    def _follow(self) -> None:
        """Plan anew where our certificates are others than before: a staple is about the one that is shown."""
        before, self._chains = self._chains, self._chains_now()
        if all(new is old for new, old in zip(self._chains, before, strict=True)):
            return
        requests: list[EvidenceRequest] = []
        for each in self._chains:
            try:
                requests += _requests(each, self._anchors, self.policy)
            except ConfigError as error:
                logger.warning("%s; so it is sent without an OCSP response", logged(error))
        self._plan(requests)

    def _chains_now(self) -> tuple[Credentials, ...]:
        return tuple(each.current for each in self._credentials)

    def _plan(self, requests: Sequence[EvidenceRequest]) -> None:
        """Keep what is under way for certificates that stay, and begin with those that are new."""
        planned = {each.certificate.der: _Renewal(each, _AT_ONCE) for each in requests}
        self._renewals = {der: self._renewals.get(der, begun) for der, begun in planned.items()}

    def _fail(self, renewal: _Renewal, at: datetime) -> str:
        """Ask again soon, then less and less often, but before what is at hand ends."""
        wait = min(SHORTEST * 2 ** min(renewal.failures, 10), LONGEST)
        renewal.failures += 1
        until = None if renewal.held is None else renewal.held.until(MAX_AGE)
        if until is None or until <= at:
            renewal.due = after(at, wait, self._random)
            return "there is no valid one"
        wait = min(wait, max((until - at) / 2, SHORTEST))
        renewal.due = after(at, wait, self._random)
        return f"the available one is valid until {until:%Y-%m-%d %H:%M}"


def _usable(
    request: EvidenceRequest, found: Found, held: SingleResponse | None, at: datetime
) -> tuple[OCSPResponse, SingleResponse]:
    """Return what can be a staple, with what it says of the certificate. Raises ValueError that says why not."""
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
    """Return what is wanted for a chain; its last certificate's issuer may be an anchor."""
    pairs = with_issuers(credentials, anchors)
    leaf = ParsedCertificate(credentials.chain[0])
    requests = [
        request for certificate, issuer in pairs for request in response_requests(certificate, issuer, policy)
    ]
    if not any(request.certificate.der == leaf.der for request in requests):
        leaf.load()
        raise ConfigError(_why_not(leaf, policy))
    return requests


def with_issuers(
    credentials: Credentials, anchors: TrustStore | None
) -> list[tuple[ParsedCertificate, ParsedCertificate]]:
    """Return the certificates of a chain, each with its issuer; the last one's may be an anchor."""
    chain = [ParsedCertificate(der) for der in credentials.chain]
    for each in chain:
        each.load()
    last = chain[-1]
    above = () if anchors is None or last.is_self_issued else anchors.issuers_of(last)
    return [*pairwise(chain), *((last, each) for each in above if is_signed_by(last, each))]


def staple_problem(
    response: OCSPResponse, pairs: Sequence[tuple[ParsedCertificate, ParsedCertificate]], at: datetime
) -> str | None:
    """Say why nobody who may signed a response about one of our certificates, or None.

    pairs: our certificates, each with its issuer, as far as that is known.
    """
    for certificate, issuer in pairs:
        if response.responses_about(certificate, issuer):
            signer = response.signer(issuer, at)
            return signer if isinstance(signer, str) else None
    return None


def _why_not(leaf: ParsedCertificate, policy: Fetch) -> str:
    who = shown(leaf.subject_text)
    if response_requests(leaf, leaf, policy):
        return f"staple: the issuer of {who} is required to request its status; append it to the certificate's file"
    return f"staple: the certificate of {who} has no URL of an OCSP responder that can be used"
