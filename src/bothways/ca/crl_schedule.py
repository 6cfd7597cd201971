"""Which lists an authority publishes, where they are found, and when each must be replaced (RFC 5280 5).

One speaks of all certificates; where these name their lists' addresses there is one for each partition too, so
that no file outgrows a limit. Each has a delta beside it, with what changed since.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.ca.authority import Authority
from bothways.ca.crl import build_crl
from bothways.ca.errors import ClockSetBack, NoBaseCRL
from bothways.ca.register.transaction import Transaction
from bothways.ca.register.values import WHOLE, CRLState, PublishedCRL, Series

PARTITION_SIZE = 10_000  # half a megabyte, should all of them be revoked
CRL_LIFETIME = timedelta(days=7)
DELTA_LIFETIME = timedelta(days=1)
# Until which size a list is made anew at once when something changed; a larger one once a day.
SMALL_LIMIT = PARTITION_SIZE
LARGE_INTERVAL = timedelta(days=1)
# From which size on the list of all is left to `ca crl`, where certificates name those of their partitions: to sign it
# takes seconds in which nobody else can issue.
LARGE_LIMIT = 10 * SMALL_LIMIT


def crl_path(series: Series, name: str = "issuing") -> str:
    """The path of a list below an authority's URL."""
    place = name if series.partition is None else f"{name}/{series.partition}"
    return f"crl/{place}{'-delta' if series.delta else ''}.crl"


def crl_url(url: str, series: Series, name: str = "issuing") -> str:
    """Where a list is found under an authority's URL."""
    return f"{url}/{crl_path(series, name)}"


def publish(
    authority: Authority, transaction: Transaction, series: Series, lifetime: timedelta, url: str
) -> x509.CertificateRevocationList:
    """Sign the next list of a series and record it; `url` is where lists are found, or empty.

    Raises ClockSetBack, and NoBaseCRL for a delta without a CRL to amend.
    """
    now = authority.now().replace(microsecond=0)
    last = transaction.last_update()
    if last is not None and now < last:
        raise ClockSetBack(
            f"the clock says {now:%Y-%m-%d %H:%M}, before the last list was made: set the clock"
        )
    # An entry stays until one list after the end of its certificate (RFC 5280 3.3).
    base = transaction.newest(Series(series.partition))
    since = base.this_update if base is not None else now
    if not series.delta:
        entries, amended = transaction.revoked(since, series.partition), None
    elif base is not None:
        entries, amended = transaction.changed(base.number, since, series.partition), base.number
    else:
        raise NoBaseCRL("there is no list yet for a delta to amend; `bothways ca crl` makes one")
    until = min(now + lifetime, authority.certificate.not_valid_after_utc)
    crl = build_crl(
        authority,
        entries,
        transaction.next_crl_number,
        now,
        until,
        base=amended,
        point="" if series.partition is None else crl_url(url, Series(series.partition)),
        freshest=crl_url(url, Series(series.partition, delta=True)) if url and not series.delta else "",
    )
    transaction.publish(crl.public_bytes(Encoding.DER), now, until, len(entries), series, amended)
    return crl


def due(lists: CRLState, now: datetime) -> Iterator[Series]:
    """The series whose next list must be made now: none is there, it ends soon, or something changed since.

    A list and its delta are never due together: the delta follows with the next question.
    """
    for partition in maintained(lists):
        whole, delta = Series(partition), Series(partition, delta=True)
        changed = lists.changed.get(partition, -1)
        list_, amendment = lists.newest.get(whole), lists.newest.get(delta)
        if list_ is None or _is_outdated(list_, changed, now):
            yield whole
        elif amendment is None or amendment.number < list_.number or _is_outdated(amendment, changed, now):
            yield delta


def maintained(lists: CRLState) -> Iterator[int | None]:
    """Of what there must be a list at any time: of each partition, and of all (None) while that is no giant."""
    of_all = lists.newest.get(WHOLE)
    if of_all is None or of_all.entries <= LARGE_LIMIT or not lists.partitions:
        yield None
    yield from lists.partitions


def lifetime_of(series: Series) -> timedelta:
    """How long a list of a series may be used."""
    return DELTA_LIFETIME if series.delta else CRL_LIFETIME


def _is_outdated(list_: PublishedCRL, changed: int, now: datetime) -> bool:
    """Whether a list has less than two sevenths of its time left, two days of a week, or lacks a change."""
    time = list_.next_update - list_.this_update
    at_once = list_.entries <= SMALL_LIMIT or now >= list_.this_update + LARGE_INTERVAL
    return now >= list_.next_update - time * 2 / 7 or (changed >= list_.number and at_once)
