"""The options --spiffe: identity and trust from the Workload API of SPIFFE."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

import click

from bothways.cli.options.anchors import Clients
from bothways.cli.options.gathering import Command, gathered
from bothways.cli.options.peer_keys import PeerKeys
from bothways.cli.options.side import Side
from bothways.cli.options.types import Text
from bothways.cli.output.terminal import refuse
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.spiffe.addresses import ENVIRONMENT, found_address
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

    @property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """The options of a client that the commands of a remedy keep."""
        given = (("--spiffe", self.spiffe), ("--spiffe-id", self.spiffe_id))
        return tuple((option, value) for option, value in given if value is not None)

    def check(self, side: Side) -> None:
        """Refuse options that do not belong together; exit with status 2."""
        if self.spiffe is None:
            if self.spiffe_id is not None or self.trust_domain:
                refuse("--spiffe-id and --trust-domain have an effect only with --spiffe")
        elif side.cert is not None or side.key is not None:
            refuse("--spiffe gives our certificate and key: remove --cert and --key")

    def check_required(self, side: Side, keys: PeerKeys) -> None:
        """Refuse a command without any identity, too."""
        self.check(side)
        if self.spiffe is None and side.cert is None and not keys.are_own:
            refuse(
                "how we authenticate ourselves is missing: --cert FILE, or --raw-key FILE or --psk FILE, or --spiffe"
            )

    def load(self) -> FollowedIdentity | None:
        """Call the agent and wait for the first identity; None where no agent is named. Raises ConfigError.

        The anchors are those of our trust domain and of the others that are named.
        """
        return None if self.spiffe is None else self._followed(self.spiffe, self.trust_domain, with_own=True)

    def load_for(self, server: str) -> FollowedIdentity | None:
        """The same, with the anchors of the trust domain of a server alone, which is named by its SPIFFE ID."""
        if self.spiffe is None:
            return None
        domain = trust_domain(server)
        if domain is None:
            raise ConfigError(
                f"--spiffe: {shown(server)} is no SPIFFE ID, so no bundle says whom to trust for it\nHint: "
                "--name spiffe://DOMAIN/PATH, the SPIFFE ID of the server; or --ca FILE for a server with another name"
            )
        return self._followed(self.spiffe, (domain,), with_own=False)

    def _followed(self, given: str, domains: Sequence[str], *, with_own: bool) -> FollowedIdentity:
        if find_spec("h2") is None:
            raise ConfigError("--spiffe needs h2, which is not installed: pip install 'bothways[gateway]'")
        if self.spiffe_id is not None and trust_domain(self.spiffe_id) is None:
            raise ConfigError(f"--spiffe-id: {self.spiffe_id!a} is no SPIFFE ID")
        checked = [checked_domain(each) for each in domains]
        address = found_address(given)
        from bothways.spiffe.followed import FollowedIdentity  # h2 is loaded only where it is needed
        from bothways.spiffe.workload_api import WorkloadAPI

        if address not in _apis:
            _apis[address] = WorkloadAPI(address)
        return FollowedIdentity(_apis[address], self.spiffe_id, checked, with_own=with_own)


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


def _of_client(spiffe: str | None, spiffe_id: str | None) -> Workload:
    return Workload(spiffe, spiffe_id)


def _spiffe_option(gives: str) -> Callable[[Command], Command]:
    return click.option(
        "--spiffe",
        type=Text(),
        is_flag=False,
        flag_value=ENVIRONMENT,
        metavar="[unix:PATH]",
        help=f"Get {gives} from this Workload API of SPIFFE, instead of --cert; by default its address is in "
        f"{ENVIRONMENT}.",
    )


_spiffe_id_option = click.option(
    "--spiffe-id",
    type=Text(),
    metavar="ID",
    help="Our SPIFFE ID, if the Workload API has several; by default the first one.",
)
client_workload_options = gathered(
    "workload",
    _of_client,
    _spiffe_option("our certificate, and the CAs of the trust domain of the server (--name),"),
    _spiffe_id_option,
)
workload_options = gathered(
    "workload",
    Workload,
    _spiffe_option("our certificate and the CAs of clients"),
    _spiffe_id_option,
    click.option(
        "--trust-domain",
        type=Text(),
        multiple=True,
        metavar="NAME",
        help="Trust also clients of this federated trust domain, by its own bundle; repeatable.",
    ),
)
