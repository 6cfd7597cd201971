"""What the commands that connect to a server are and trust, from files or from a Workload API."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bothways.cli.options.anchors import load_anchors, profile_option, profile_words
from bothways.cli.options.gathering import Command, gathered
from bothways.cli.options.peer_keys import LoadedKeys, PeerKeys, keys_options
from bothways.cli.options.side import LoadedSide, Side, side_options
from bothways.cli.options.spiffe import Workload, client_workload_options
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import refuse
from bothways.cli.output.watching import RegularCheck
from bothways.trust.anchors import NO_ANCHORS, TrustStore
from bothways.trust.crl_store import CRLStore
from bothways.trust.own_identity.renewal import Overdue
from bothways.trust.verdict import Profile

if TYPE_CHECKING:
    from bothways.diagnosis.situation import Files
    from bothways.spiffe.followed import FollowedIdentity


SPOKEN = ("1.3", "1.2")  # the versions used by default
TIMEOUT = 30.0  # seconds, of clients
OFFERED_ALPN = "An application protocol (ALPN) to offer, the preferred one first; repeatable."
_ca_option = click.option(
    "--ca",
    type=FILE,
    metavar="FILE",
    help="The trusted CA certificates (PEM); by default those of the system, with --psk or --pin none.",
)
name_option = click.option(
    "--name", metavar="NAME", help="The name that the server's certificate must contain; by default HOST."
)


@dataclass(frozen=True, slots=True)
class ClientSide:
    """Whom a client is, and whom it trusts. followed: our identity, where it comes from a Workload API."""

    own: LoadedSide
    anchors: TrustStore
    keys: LoadedKeys
    followed: FollowedIdentity | None = None

    @property
    def may_show(self) -> bool:
        """Whether our certificate may be shown now."""
        return self.followed is None or not self.followed.has_expired

    def renewal_check(self) -> RegularCheck:
        """Return a function that looks at our certificate, and returns lines where it was not renewed in time."""
        late = Overdue()

        def check() -> list[str]:
            own = self.own.credentials
            several = [] if own is None else [("", own.current)]
            return [f"warning: {each}" for each in late.news(several, datetime.now(UTC))]

        return check


@dataclass(frozen=True, slots=True)
class ClientOptions:
    """The options of commands that connect to a server: who we are, and whom we trust.

    ca: the trusted CAs; by default the bundle of the server's trust domain, or those of the system; none where keys
    say whom to trust.  profile: the rules for server certificates.
    """

    ca: str | None
    side: Side
    workload: Workload
    keys: PeerKeys
    profile: Profile = "private"

    def files(self, *more: tuple[str, ...]) -> Files:
        """Return the names of our files, for the commands of a remedy. more: options of the command to keep."""
        own = (*profile_words(self.profile), *self.workload.words, *self.keys.words)
        return self.side.files(self.ca, *own, *more)

    def load(self, server: str, *, lists: CRLStore | None = None, watched: bool = False) -> ClientSide:
        """Read the files, or call the agent. Raises ConfigError; exits with status 2 for wrong options.

        server: its name. The rest is as for `Side.load` and `load_anchors`.
        """
        self.workload.check(self.side)
        by_bundle = self.workload.spiffe is not None and self.ca is None and not self.keys.verifies_peers
        if by_bundle and self.profile != "private":
            refuse(
                f"--profile {self.profile}: a bundle of SPIFFE has no public CAs; remove it, or name the CAs by --ca"
            )
        loaded, own = self.keys.load(watched=watched), self.side.load(lists, watched=watched)
        followed = self.workload.load_for(server) if by_bundle else self.workload.load()
        if followed is not None:
            own = replace(own, credentials=followed.credentials)
        if followed is not None and by_bundle:
            anchors: TrustStore = followed.anchors
        elif self.ca is None and self.keys.verifies_peers:
            anchors = NO_ANCHORS
        else:
            anchors = load_anchors(self.ca, self.profile, watched=watched)
        return ClientSide(own, anchors, loaded, followed)


def _of_private_cas(ca: str | None, side: Side, workload: Workload, keys: PeerKeys) -> ClientOptions:
    return ClientOptions(ca, side, workload, keys)


def client_options(*, alpn_help: str | None, with_profile: bool = True) -> Callable[[Command], Command]:
    """Add the options of `ClientOptions` to a command. alpn_help: the help of --alpn; None for no such option."""
    return gathered(
        "client",
        ClientOptions if with_profile else _of_private_cas,
        _ca_option,
        *((profile_option,) if with_profile else ()),
        side_options(cert_required=False, alpn_help=alpn_help),
        client_workload_options,
        keys_options("--pin", "servers"),
    )


def hello_words(
    tls: str | None,
    *,
    timeout: float,
    groups: tuple[str, ...] | None = None,
    suites: tuple[str, ...] | None = None,
    post_handshake: bool = False,
) -> tuple[tuple[str, ...], ...]:
    """Return the options about our hello and about time that a command of a remedy keeps."""
    given = [
        ("--tls", tls),
        ("--groups", groups and ",".join(groups)),
        ("--suites", suites and ",".join(suites)),
    ]
    given += [("--timeout", None if timeout == TIMEOUT else f"{timeout:g}")]
    flags = [("--post-handshake",)] if post_handshake else []
    return (*((option, value) for option, value in given if value), *flags)
