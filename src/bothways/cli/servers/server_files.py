"""The files of a server: its credentials, trust anchors and CRLs; they are read again when they change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bothways.cli.options.anchors import Clients
from bothways.cli.options.peer_keys import LoadedKeys, PeerKeys
from bothways.cli.options.side import LoadedSide, Side
from bothways.diagnosis.own_doubts import doubts_and_renewal
from bothways.diagnosis.situation import Files
from bothways.errors import ConfigError
from bothways.roles import Role
from bothways.tls.handshake.settings import JudgeAgain
from bothways.trust.anchors import TrustStore, WatchedTrustStore
from bothways.trust.crl_files import CRLFiles
from bothways.trust.own_identity.renewal import Overdue

if TYPE_CHECKING:
    from bothways.spiffe.followed import FollowedIdentity

RegularCheck = Callable[[], list[str]]


@dataclass(slots=True)
class ServerFiles:
    """The content of a server's files; `checks` follow them. Raises ConfigError.

    followed: our identity, where it comes from a Workload API and not from files.
    """

    side: Side
    clients: Clients
    keys: PeerKeys = field(default_factory=PeerKeys)
    followed: FollowedIdentity | None = None
    own: LoadedSide = field(init=False)
    anchors: TrustStore | None = field(init=False)
    loaded_keys: LoadedKeys = field(init=False)
    lists: CRLFiles = field(init=False)
    _doubted: tuple[bytes, ...] = field(init=False, default=())
    _overdue: Overdue = field(init=False, default_factory=Overdue)

    def __post_init__(self) -> None:
        self.lists = CRLFiles(self.side.sources.crl)
        self.own = self.side.load(self.lists.store, watched=True)
        self.anchors = self.clients.load_anchors()
        if self.followed is not None:
            self.own = replace(self.own, credentials=self.followed.credentials)
            self.anchors = self.anchors or self.followed.anchors
        self.loaded_keys = self.keys.load(watched=True)
        self._refuse_unused()

    @property
    def _verifies_clients(self) -> bool:
        return self._trusts_somebody and self.clients.client_auth != "none"

    @property
    def _trusts_somebody(self) -> bool:
        return self.anchors is not None or self.keys.verifies_peers

    def _refuse_unused(self) -> None:
        """Refuse options that say how clients are verified where nobody is verified."""
        if self._verifies_clients:
            return
        todo = (
            "add --client-ca FILE or --client-cert FILE"
            if not self._trusts_somebody
            else "remove --client-auth none"
        )
        if self.own.revocation is not None:
            raise ConfigError(
                f"--crl, --ocsp, --fetch, --revocation: no client certificate is verified; {todo}"
            )
        if self.clients.allow:
            raise ConfigError(f"--allow: no client certificate is verified; {todo}")

    @property
    def judge_again(self) -> JudgeAgain:
        """When a connected client is verified again: always at the end of its verdict."""
        if not self._verifies_clients:
            return "never"
        watched = isinstance(self.anchors, WatchedTrustStore) or self.loaded_keys.may_change
        may_change = self.own.revocation is not None or watched
        return "change" if may_change else "lapse"

    def _doubts(self) -> list[str]:
        """Return lines about what is wrong with our own certificate, once for each; clients refuse it for that.

        One that was not renewed in time is told, too.
        """
        own, now = self.own.credentials, datetime.now(UTC)
        if own is None:
            return []
        told = self._overdue.news([("", own.current)], now)
        if tuple(own.chain) != self._doubted:
            self._doubted = tuple(own.chain)
            told = doubts_and_renewal(own, Role.SERVER, now, told)
        return [f"warning: {each}" for each in told]

    def checks(self) -> list[RegularCheck]:
        """Return the functions to be called regularly; each returns lines to be printed."""
        return (
            [self._read_changed_crls, self._read_changed_credentials]
            if self.side.sources.crl
            else [self._read_changed_credentials]
        )

    def _read_changed_crls(self) -> list[str]:
        return self.lists.read_changed(datetime.now(UTC))

    def _read_changed_credentials(self) -> list[str]:
        """Read changed credentials even without new connections; changes are reported in the log."""
        for each in (self.own.credentials, self.anchors):
            _ = None if each is None else each.current
        self.loaded_keys.look()
        return self._doubts()


def file_names(side: Side, clients: Clients) -> Files:
    """Return the names of the files of a server, for what is said of a failure."""
    return Files(side.cert or "CERT", side.key or side.cert or "KEY", clients.trusted or "CA")
