"""The identity of a Workload API as credentials, trust anchors and trust domains that follow it while they are used."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Generic, NamedTuple, TypeVar

from bothways.errors import ConfigError, logged
from bothways.spiffe.identities import TrustDomains
from bothways.spiffe.workload_api import WorkloadAPI
from bothways.trust.anchors import TrustStore, WatchedTrustStore
from bothways.trust.own_identity.credentials import Credentials, WatchedCredentials
from bothways.trust.watched import LOOK_SECONDS, logger

T = TypeVar("T")


class _Taken(NamedTuple):
    """What is in use, all of one response."""

    credentials: Credentials
    anchors: TrustStore
    domains: TrustDomains
    generation: int


class FollowedIdentity:
    """One identity of a Workload API. Waits for the first response; raises ConfigError.

    spiffe_id: None for the default one.  domains: the trust domains whose peers are trusted; those of our own domain
    are, too, unless `with_own` is false.  now: returns monotonic seconds.  Each use looks for what has come, at most
    once a second. Attributes: `credentials` and `anchors`, for a configuration.
    """

    def __init__(
        self,
        api: WorkloadAPI,
        spiffe_id: str | None = None,
        domains: Sequence[str] = (),
        *,
        with_own: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api, self._spiffe_id, self._extra, self._now = api, spiffe_id, tuple(domains), now
        self._with_own = with_own
        self._lock = threading.Lock()
        self._checks: list[Callable[[Credentials], object]] = []
        self._taken = self._made(0, None)
        self._seen, self._looked_at = api.generation, now()
        self.credentials = WatchedCredentials(_View(self, lambda taken: taken.credentials))
        self.anchors = WatchedTrustStore(_View(self, lambda taken: taken.anchors))

    @property
    def taken(self) -> _Taken:
        """What is in use now."""
        if self._now() >= self._looked_at + LOOK_SECONDS:
            self.look()
        return self._taken

    @property
    def domains(self) -> TrustDomains:
        """Which trust anchors verify which trust domain."""
        return self.taken.domains

    @property
    def has_expired(self) -> bool:
        """Whether our SVID has expired, so that it must not be shown any more."""
        return self.taken.credentials.not_after <= datetime.now(UTC)

    def look(self) -> None:
        """Take what has come; what cannot be used is logged, and changes nothing."""
        with self._lock:
            self._looked_at = self._now()
            for line in self._api.poll():
                logger.warning("%s", line)
            if self._api.generation == self._seen:
                return
            self._seen = self._api.generation
            try:
                made = self._made(self._taken.generation + 1, self._taken.anchors)
                for check in self._checks:
                    check(made.credentials)
            except ConfigError as error:
                logger.warning("%s; the earlier SVID and bundles stay in use", logged(error))
            else:
                self._taken = made
                logger.info("read again: %s", self._api.source)
                for line in made.domains.lacking:
                    logger.warning("%s", line)

    def accept_only(self, check: Callable[[Credentials], object]) -> None:
        """Refuse later credentials for which `check` raises ConfigError; it is called with the present ones first."""
        check(self._taken.credentials)
        self._checks.append(check)

    def _made(self, generation: int, before: TrustStore | None) -> _Taken:
        found = self._api.identities()
        own = (found.own_domain(self._spiffe_id),) if self._with_own else ()
        anchors, domains = found.trusted((*own, *self._extra), self._api.source, may_lack=before is not None)
        same = before is not None and before.digest == anchors.digest
        return _Taken(
            found.credentials(self._spiffe_id), before if same and before else anchors, domains, generation
        )


class _View(Generic[T]):
    """One part of what is in use, as the newest value of something that is followed."""

    def __init__(self, followed: FollowedIdentity, part: Callable[[_Taken], T]) -> None:
        self._followed, self._part = followed, part
        self._changes, self._last = 0, part(followed.taken)

    @property
    def value(self) -> T:
        """The newest value."""
        return self._part(self._followed.taken)

    @property
    def generation(self) -> int:
        """How often it has changed."""
        value = self.value
        if value is not self._last:
            self._last = value
            self._changes += 1
        return self._changes

    def accept_only(self, check: Callable[[Credentials], object]) -> None:
        """Refuse later credentials for which `check` raises ConfigError."""
        self._followed.accept_only(check)
