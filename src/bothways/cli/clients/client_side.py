"""What the commands that connect to a server are and trust, from files or from a Workload API."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from bothways.cli.options.anchors import load_anchors
from bothways.cli.options.peer_keys import LoadedKeys, PeerKeys
from bothways.cli.options.side import LoadedSide, Side
from bothways.cli.options.spiffe import Workload
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import refuse
from bothways.cli.output.watching import RegularCheck
from bothways.trust.anchors import NO_ANCHORS, TrustStore
from bothways.trust.crl_store import CRLStore
from bothways.trust.renewal import Overdue
from bothways.trust.verdict import Profile

if TYPE_CHECKING:
    from bothways.spiffe.followed import FollowedIdentity


SPOKEN = ("1.3", "1.2")  # the versions used by default
TIMEOUT = 30.0  # seconds, of clients
OFFERED_ALPN = "An application protocol (ALPN) to offer, the preferred one first; repeatable."
ca_option = click.option(
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


def load_client(
    side: Side,
    workload: Workload,
    keys: PeerKeys,
    ca: str | None,
    server: str,
    profile: Profile = "private",
    *,
    lists: CRLStore | None = None,
    watched: bool = False,
) -> ClientSide:
    """Read the files of a client, or call the agent. Raises ConfigError; exits with status 2 for wrong options.

    ca: the trusted CAs; by default the bundle of the server's trust domain, or those of the system; none where keys
    say whom to trust.  server: its name. The rest is as for `Side.load` and `load_anchors`.
    """
    workload.check(side)
    by_bundle = workload.spiffe is not None and ca is None and not keys.verifies_peers
    if by_bundle and profile != "private":
        refuse(
            f"--profile {profile}: a bundle of SPIFFE has no public CAs; remove it, or name the CAs by --ca"
        )
    loaded, own = keys.load(watched=watched), side.load(lists, watched=watched)
    followed = workload.load_for(server) if by_bundle else workload.load()
    if followed is not None:
        own = replace(own, credentials=followed.credentials)
    if followed is not None and by_bundle:
        anchors: TrustStore = followed.anchors
    elif ca is None and keys.verifies_peers:
        anchors = NO_ANCHORS
    else:
        anchors = load_anchors(ca, profile, watched=watched)
    return ClientSide(own, anchors, loaded, followed)


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
