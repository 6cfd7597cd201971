"""The options --spiffe: a server has its identity and its trust from the Workload API of SPIFFE."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from bothways.cli.options import Clients, Side, gathered
from bothways.cli.terminal import refuse
from bothways.errors import ConfigError
from bothways.spiffe.addresses import checked_address
from bothways.spiffe.identities import checked_domain, trust_domain
from bothways.tls.events import Peer
from bothways.tls.handshake.access import NO_CERTIFICATE, Decide, Refusal, checked_allow

if TYPE_CHECKING:
    from bothways.spiffe.followed import FollowedIdentity
    from bothways.spiffe.workload_api import WorkloadAPI


_apis: dict[str, WorkloadAPI] = {}  # of this process: a reload goes on with the same connection


@dataclass(frozen=True, slots=True)
class Workload:
    """Which identity of which Workload API is ours; spiffe is None where none is."""

    spiffe: str | None = None
    spiffe_id: str | None = None
    trust_domain: tuple[str, ...] = ()

    def check(self, side: Side) -> None:
        """Refuse options that do not belong together; exit with status 2."""
        if self.spiffe is None:
            if self.spiffe_id is not None or self.trust_domain:
                refuse("--spiffe-id and --trust-domain have an effect only with --spiffe")
        elif side.cert is not None or side.key is not None:
            refuse("--spiffe gives our certificate and key: remove --cert and --key")

    def load(self) -> FollowedIdentity | None:
        """Call the agent and wait for the first identity; None where no agent is named. Raises ConfigError."""
        if self.spiffe is None:
            return None
        if find_spec("h2") is None:
            raise ConfigError("--spiffe needs h2, which is not installed: pip install 'bothways[gateway]'")
        if self.spiffe_id is not None and trust_domain(self.spiffe_id) is None:
            raise ConfigError(f"--spiffe-id: {self.spiffe_id!a} is no SPIFFE ID")
        domains = [checked_domain(each) for each in self.trust_domain]
        checked_address(self.spiffe)
        from bothways.spiffe.followed import FollowedIdentity  # h2 is loaded only where it is needed
        from bothways.spiffe.workload_api import WorkloadAPI

        if self.spiffe not in _apis:
            _apis[self.spiffe] = WorkloadAPI(self.spiffe)
        return FollowedIdentity(_apis[self.spiffe], self.spiffe_id, domains)


def allowing(clients: Clients, followed: FollowedIdentity | None) -> Decide | None:
    """Return what decides about clients: the rules, after the trust domains where bundles say whom to trust."""
    rules = checked_allow(clients.allow or None)
    if followed is None or clients.trusted is not None:
        return rules

    def decide(peer: Peer | None) -> Refusal | None:
        if peer is None:
            return NO_CERTIFICATE
        # who is trusted by a pinned key or a shared one has no trust domain
        problem = followed.domains.problem(peer.verdict) if peer.verdict.path_der else None
        if problem is not None:
            return Refusal(problem)
        return None if rules is None else rules(peer)

    return decide


workload_options = gathered(
    "workload",
    Workload,
    click.option(
        "--spiffe",
        metavar="unix:PATH",
        help="Have our certificate and the CAs of clients from this Workload API of SPIFFE, instead of --cert.",
    ),
    click.option(
        "--spiffe-id", metavar="ID", help="Which SPIFFE ID is ours; by default the first of the Workload API."
    ),
    click.option(
        "--trust-domain",
        multiple=True,
        metavar="NAME",
        help="Trust also clients of this federated trust domain, by its own bundle; repeatable.",
    ),
)
