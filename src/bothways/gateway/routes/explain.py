"""Which rule of which route decides about a certificate, and why: asked without a handshake, answered as by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bothways.gateway.access import Decision
from bothways.gateway.routes.routes import Route, Routes
from bothways.trust.request import VerificationRequest
from bothways.trust.verdict import Purpose, Trusted, Verdict


@dataclass(frozen=True, slots=True)
class RuleAnswer:
    """What one rule says of a certificate. failing: the first kind that does not match; None where all match.

    holds: whether the rule holds, which a deny rule also does in doubt.
    """

    kind: str
    name: str
    failing: str | None
    holds: bool


@dataclass(frozen=True, slots=True)
class RouteAnswer:
    """What one route says of a certificate. decision: None where the certificate is not trusted."""

    route: Route
    verdict: Verdict
    decision: Decision | None
    rules: tuple[RuleAnswer, ...]

    @property
    def may_pass(self) -> bool:
        """Whether a client with this certificate may use the route."""
        return self.decision is not None and self.decision.allowed


def explained(routes: Routes, chain: Sequence[bytes], at: datetime) -> list[RouteAnswer]:
    """Ask every route about a client with this chain, by the evidence at hand: nothing is fetched.

    chain: DER, the leaf first.
    """
    return [_answer(each, chain, at) for each in routes.all]


def _answer(route: Route, chain: Sequence[bytes], at: datetime) -> RouteAnswer:
    trust = route.server.settings.trust
    if trust is None:
        raise TypeError("a route verifies its clients")
    request = VerificationRequest(
        chain=chain, anchors=trust.anchors, purpose=Purpose.CLIENT, revocation=trust.revocation
    )
    verdict = request.verify(at)
    if not isinstance(verdict, Trusted):
        return RouteAnswer(route, verdict, None, ())
    access = route.config.access
    denied = [
        RuleAnswer("deny", each.name, each.peers.failing(verdict), each.peers.may_mean(verdict))
        for each in access.deny
    ]
    allowed = [
        RuleAnswer("allow", each.name, each.peers.failing(verdict), each.peers.allows(verdict))
        for each in access.allow or ()
    ]
    rules = (*denied, *allowed)
    return RouteAnswer(route, verdict, access.decision(verdict), rules)
