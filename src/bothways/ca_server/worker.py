"""The state of a service: OCSP responses, CRLs, CA certificates and health, without HTTP.

`tick` renews what is due and is called periodically; every other method returns what is there.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256

from bothways.ca.crl_schedule import maintained
from bothways.ca.errors import AuthorityError
from bothways.ca.issuer import Issuer
from bothways.ca.ocsp import Responder
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.values import WHOLE, CRLState, Series
from bothways.ca_server.ocsp_cache import OCSPCache
from bothways.ca_server.published_files import certificates, root_crl
from bothways.trust.decoding import parsing

CRL_INTERVAL = timedelta(seconds=2)  # between two searches for revocations in the log
CRL_CHECK_INTERVAL = timedelta(minutes=1)  # between two searches for CRLs that expire
CRL_CACHE_LIMIT = 128 * 1024 * 1024  # bytes of CRLs in memory

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ServedFile:
    """A file to serve, with its thisUpdate and nextUpdate. tag: a digest, made once: a CRL may have many MiB."""

    content: bytes
    this_update: datetime
    next_update: datetime
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tag", sha256(self.content).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Health:
    """The problems of the service, as text without secrets; none if it is healthy."""

    problems: tuple[str, ...]


class Worker:
    """Everything that is served of one CA. `tick` is for one thread; the other methods are safe for several."""

    def __init__(self, issuer: Issuer, report: Report) -> None:
        """Issue the OCSP responder's certificate and sign the CRLs that are due; raises AuthorityError.

        report: called with a sentence when `tick` fails in a new way.
        """
        self._issuer = issuer
        self._report = report
        self.now = issuer.authority.now
        self._lock = threading.Lock()
        self._responder = Responder(
            issuer.authority.certificate,
            lambda: issuer.issue(Profile.OCSP, Holder("OCSP signer")),
            self.now,
        )
        self._responder.rotate()
        self.ocsp_cache = OCSPCache(self._responder, issuer.register, self.now)
        self.certificates = certificates(issuer)
        self._root_crl = _root_crl(issuer)
        self._crl_cache: OrderedDict[Series, tuple[int, ServedFile]] = OrderedDict()
        self._crl_state = CRLState({}, {}, ())
        self._length = -1  # of the log, when the CRLs were checked
        self._polled_at: datetime | None = None
        self._checked_at: datetime | None = None
        self.failures = 0
        self._failed: type[AuthorityError] | None = None  # the last one that was reported
        self._renew_crls()

    def tick(self) -> bool:
        """Do some of the periodic work, and return whether there is more; a failure is reported once and retried."""
        try:
            more = self.ocsp_cache.refresh()
            self._renew_crls()
        except AuthorityError as error:
            self.failures += 1
            if type(error) is not self._failed:
                self._failed = type(error)
                self._report(f"OCSP responses and CRLs cannot be renewed: {error}")
            return False
        self._failed = None
        return more

    def crl(self, series: Series) -> ServedFile | None:
        """The newest CRL of a series, or None if there is none; raises DatabaseUnavailable."""
        newest = self._crl_state.newest.get(series)
        if newest is None or series.partition not in (None, *self._crl_state.partitions):
            return None
        with self._lock:
            number, document = self._crl_cache.get(series, (0, None))
            if document is None or number < newest.number:
                content = self._issuer.register.newest_crl(series) or b""
                document = ServedFile(content, newest.this_update, newest.next_update)
                self._cache_crl(series, newest.number, document)
            self._crl_cache.move_to_end(series)
            return document

    def root_crl(self) -> ServedFile | None:
        """The root's CRL; None if the root itself issues."""
        return self._root_crl

    def health(self) -> Health:
        """Check the register and the expiry times. Never raises."""
        problems = []
        now = self.now()
        try:
            self._issuer.register.log_length()
        except AuthorityError:
            problems.append("the register is unavailable")
        until = self._responder.signer_not_after
        if until is None or until < now:
            problems.append("the OCSP responder's certificate has expired")
        if any(self._has_expired(partition, now) for partition in maintained(self._crl_state)):
            problems.append("a CRL has expired")
        if self._root_crl is not None and self._root_crl.next_update < now:
            problems.append("the root's CRL has expired")
        return Health(tuple(problems))

    @property
    def signer_not_after(self) -> datetime | None:
        """The notAfter of the OCSP responder's certificate."""
        return self._responder.signer_not_after

    @property
    def crl_next_update(self) -> datetime | None:
        """The nextUpdate of the CRL of all certificates."""
        crl = self._crl_state.newest.get(WHOLE)
        return None if crl is None else crl.next_update

    def _has_expired(self, partition: int | None, now: datetime) -> bool:
        newest = self._crl_state.newest.get(Series(partition))
        return newest is None or newest.next_update < now

    def _renew_crls(self) -> None:
        """Sign the CRLs that are due, and read which CRLs other processes published."""
        now = self.now()
        if self._polled_at is not None and now < self._polled_at + CRL_INTERVAL:
            return
        length = self._issuer.register.log_length()
        if length != self._length or self._checked_at is None or now >= self._checked_at + CRL_CHECK_INTERVAL:
            self._issuer.publish_due()
            self._crl_state = self._issuer.register.crl_state(now)
            self._length, self._checked_at = length, now
        self._polled_at = now

    def _cache_crl(self, series: Series, number: int, document: ServedFile) -> None:
        self._crl_cache[series] = number, document
        while len(self._crl_cache) > 1 and self._cache_size() > CRL_CACHE_LIMIT:
            self._crl_cache.popitem(last=False)

    def _cache_size(self) -> int:
        return sum(len(document.content) for _, document in self._crl_cache.values())


def _root_crl(issuer: Issuer) -> ServedFile | None:
    der = root_crl(issuer)
    if der is None:
        return None
    crl = parsing.crl(der)
    end = crl.next_update_utc or issuer.authority.root.not_valid_after_utc
    return ServedFile(der, crl.last_update_utc, end)
