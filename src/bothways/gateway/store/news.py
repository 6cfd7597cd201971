"""The revocation news of one process: those that it uses, and what it has learned itself and others may need."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from bothways.trust.evidence.http_exchange import Evidence
from bothways.trust.revocation.news import RevocationNews, revokes

MOST_LEARNED = 256


class SharedNews(RevocationNews):
    """Lasts as long as the process, whatever is read again. Any thread may call `learned`."""

    def __init__(self) -> None:
        super().__init__()
        self._learned: deque[Evidence] = deque(maxlen=MOST_LEARNED)
        self._follower: Callable[[], object] | None = None

    def follow(self, tell: Callable[[], object]) -> None:
        """Call a function whenever something has been learned, in whatever thread."""
        self._follower = tell

    def unfollow(self, tell: Callable[[], object]) -> None:
        """Call it no more; nothing happens where it is another one by now."""
        if self._follower == tell:
            self._follower = None

    def learned(self, evidence: Evidence) -> None:
        """Note evidence that was fetched and whose signature was verified, if it revokes somebody."""
        follower = self._follower
        if follower is not None and revokes(evidence):
            self._learned.append(evidence)
            follower()

    def take_learned(self) -> list[Evidence]:
        """Return what has been learned since the last call."""
        return [self._learned.popleft() for _ in range(len(self._learned))]
