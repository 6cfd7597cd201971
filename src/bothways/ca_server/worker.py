"""What a service has at hand and keeps fresh by itself: answers, lists, certificates, and how all of it stands.

`tick` does what is due, again and again; every other method answers from what is there. Nothing here knows HTTP.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bothways.ca.crl_schedule import kept_fresh
from bothways.ca.errors import AuthorityError
from bothways.ca.issuer import Issuer
from bothways.ca.ocsp import Responder
from bothways.ca.profiles import Holder, Profile
from bothways.ca.register.values import WHOLE, Lists, Series
from bothways.ca_server.ocsp_cache import Answers
from bothways.ca_server.published_files import certificates, root_list
from bothways.trust import parsing

LISTS_INTERVAL = timedelta(seconds=2)  # how long a revocation waits for its list
LOOK_INTERVAL = timedelta(minutes=1)  # and how often is looked for lists that end
SHELF_LIMIT = 128 * 1024 * 1024  # bytes of lists in memory

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Document:
    """A file for others, since when it holds, and until when."""

    content: bytes
    this_update: datetime
    next_update: datetime


@dataclass(frozen=True, slots=True)
class Health:
    """What keeps the service from telling the truth, in words without secrets; none: it is well."""

    problems: tuple[str, ...]


class Worker:
    """What one issuer tells the world. `tick` is for one thread, the rest for many."""

    def __init__(self, issuer: Issuer, tell: Tell) -> None:
        """Sign what must be there before anybody asks. Raises AuthorityError if that is not to be had."""
        self._issuer = issuer
        self._tell = tell
        self.now = issuer.authority.now
        self._alone = threading.Lock()
        self._responder = Responder(
            issuer.authority.certificate,
            lambda: issuer.issue(Profile.OCSP, Holder("OCSP signer")),
            self.now,
        )
        self._responder.rotate()
        self.answers = Answers(self._responder, issuer.register, self.now)
        self.certificates = certificates(issuer)
        self._root_list = _roots(issuer)
        self._shelf: OrderedDict[Series, tuple[int, Document]] = OrderedDict()
        self._lists = Lists({}, {}, ())
        self._length = -1  # of the log, when the lists were looked at
        self._asked_at: datetime | None = None
        self._looked_at: datetime | None = None
        self.failures = 0
        self._failed: type[AuthorityError] | None = None  # of what was told last
        self._renew_lists()

    def tick(self) -> bool:
        """Do a step of what is due, and return whether more is left; what fails is told once and tried again."""
        try:
            more = self.answers.refresh()
            self._renew_lists()
        except AuthorityError as error:
            self.failures += 1
            if type(error) is not self._failed:
                self._failed = type(error)
                self._tell(f"cannot keep up: {error}")
            return False
        self._failed = None
        return more

    def list_(self, series: Series) -> Document | None:
        """The newest list of a series, or None if there is none; raises StoreUnavailable as the register does."""
        newest = self._lists.newest.get(series)
        if newest is None or series.partition not in (None, *self._lists.partitions):
            return None
        with self._alone:
            number, document = self._shelf.get(series, (0, None))
            if document is None or number < newest.number:
                content = self._issuer.register.newest_list(series) or b""
                document = Document(content, newest.this_update, newest.next_update)
                self._put_on_shelf(series, newest.number, document)
            self._shelf.move_to_end(series)
            return document

    def root_list(self) -> Document | None:
        """The list that the root signed before it went offline."""
        return self._root_list

    def health(self) -> Health:
        """Ask the register, and look at what must not have ended. Never raises."""
        problems = []
        now = self.now()
        try:
            self._issuer.register.log_length()
        except AuthorityError:
            problems.append("the register cannot be reached")
        until = self._responder.signer_until
        if until is None or until < now:
            problems.append("there is no signer of OCSP answers")
        if any(self._has_ended(partition, now) for partition in kept_fresh(self._lists)):
            problems.append("a list has ended")
        if self._root_list is not None and self._root_list.next_update < now:
            problems.append("the root's list has ended")
        return Health(tuple(problems))

    @property
    def signer_until(self) -> datetime | None:
        """Until when the OCSP signer's certificate is valid."""
        return self._responder.signer_until

    @property
    def list_until(self) -> datetime | None:
        """Until when the list of all certificates holds."""
        whole = self._lists.newest.get(WHOLE)
        return None if whole is None else whole.next_update

    def _has_ended(self, partition: int | None, now: datetime) -> bool:
        newest = self._lists.newest.get(Series(partition))
        return newest is None or newest.next_update < now

    def _renew_lists(self) -> None:
        """Publish what is due, and learn what others published."""
        now = self.now()
        if self._asked_at is not None and now < self._asked_at + LISTS_INTERVAL:
            return
        length = self._issuer.register.log_length()
        if length != self._length or self._looked_at is None or now >= self._looked_at + LOOK_INTERVAL:
            self._issuer.publish_due()
            self._lists = self._issuer.register.lists(now)
            self._length, self._looked_at = length, now
        self._asked_at = now

    def _put_on_shelf(self, series: Series, number: int, document: Document) -> None:
        self._shelf[series] = number, document
        while len(self._shelf) > 1 and self._weight() > SHELF_LIMIT:
            self._shelf.popitem(last=False)

    def _weight(self) -> int:
        return sum(len(document.content) for _, document in self._shelf.values())


def _roots(issuer: Issuer) -> Document | None:
    der = root_list(issuer)
    if der is None:
        return None
    crl = parsing.crl(der)
    end = crl.next_update_utc or issuer.authority.root.not_valid_after_utc
    return Document(der, crl.last_update_utc, end)
