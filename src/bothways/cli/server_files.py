"""The files of a server: who it is, whom it trusts and who was revoked; followed while it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bothways.cli.options import Clients, LoadedSide, Side, load_anchors
from bothways.tls.handshake.settings import JudgeAgain
from bothways.trust.anchors import TrustStore, WatchedTrustStore
from bothways.trust.crl_files import CRLFiles

Look = Callable[[], list[str]]


@dataclass(slots=True)
class ServerFiles:
    """What the files of a server hold; `looks` follow them. Raises ConfigError for files that cannot be used."""

    side: Side
    clients: Clients
    own: LoadedSide = field(init=False)
    anchors: TrustStore | None = field(init=False)
    lists: CRLFiles = field(init=False)

    def __post_init__(self) -> None:
        self.lists = CRLFiles(self.side.sources.crl)
        self.own = self.side.load(self.lists.store, watched=True)
        ca = self.clients.client_ca
        self.anchors = None if ca is None else load_anchors(ca, watched=True)

    @property
    def judge_again(self) -> JudgeAgain:
        """When a client that is connected is judged again: always at the end of its certificate."""
        if self.anchors is None or self.clients.client_auth == "none":
            return "never"
        may_change = self.own.revocation is not None or isinstance(self.anchors, WatchedTrustStore)
        return "change" if may_change else "lapse"

    def looks(self) -> list[Look]:
        """Return what is to be called now and then, and returns what there is to say."""
        return (
            [self._look_at_lists, self._look_at_identities]
            if self.side.sources.crl
            else [self._look_at_identities]
        )

    def _look_at_lists(self) -> list[str]:
        return self.lists.look(datetime.now(UTC))

    def _look_at_identities(self) -> list[str]:
        """Take what has changed though nobody connects; who follows the files tells of it in the log."""
        for each in (self.own.credentials, self.anchors):
            _ = None if each is None else each.current
        return []
