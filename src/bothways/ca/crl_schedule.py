"""Which CRLs a CA publishes, at which URLs, and when each must be replaced (RFC 5280 5).

One CRL covers all certificates. If certificates contain the URLs of CRLs, there is also one for each partition, which
bounds the size of a CRL. For each of them there is a delta CRL.
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

PARTITION_SIZE = 10_000  # certificates; a CRL of half a megabyte if all are revoked
CRL_LIFETIME = timedelta(days=7)
DELTA_LIFETIME = timedelta(days=1)
# A CRL of at most this number of entries is signed again as soon as something changed, a larger one once a day.
SMALL_LIMIT = PARTITION_SIZE
LARGE_INTERVAL = timedelta(days=1)
# Above this number of entries the CRL of all certificates is left to `ca crl` if there are partitions: signing it
# takes seconds, in which no certificate can be issued.
LARGE_LIMIT = 10 * SMALL_LIMIT


def crl_path(series: Series, name: str = "issuing") -> str:
    """The path of a CRL below the URL of the CA."""
    place = name if series.partition is None else f"{name}/{series.partition}"
    return f"crl/{place}{'-delta' if series.delta else ''}.crl"


def crl_url(url: str, series: Series, name: str = "issuing") -> str:
    """The URL of a CRL; `url` is that of the CA."""
    return f"{url}/{crl_path(series, name)}"


def publish(
    authority: Authority, transaction: Transaction, series: Series, lifetime: timedelta, url: str
) -> x509.CertificateRevocationList:
    """Sign the next CRL of a series and record it; `url` is that of the CA, or empty.

    Raises ClockSetBack, and NoBaseCRL for a delta CRL without a base CRL.
    """
    now = authority.now().replace(microsecond=0)
    last = transaction.last_update()
    if last is not None and now < last:
        raise ClockSetBack(
            f"the clock says {now:%Y-%m-%d %H:%M}, which is before the thisUpdate of the last CRL: set the clock"
        )
    # An entry stays until one CRL after its certificate has expired (RFC 5280 3.3).
    base = transaction.newest(Series(series.partition))
    since = base.this_update if base is not None else now
    if not series.delta:
        entries, amended = transaction.revoked(since, series.partition), None
    elif base is not None:
        entries, amended = transaction.changed(base.number, since, series.partition), base.number
    else:
        raise NoBaseCRL("there is no base CRL for a delta CRL yet; `bothways ca crl` signs one")
    until = min(now + lifetime, authority.certificate.not_valid_after_utc)
    crl = build_crl(
        authority,
        entries,
        transaction.next_crl_number,
        now,
        until,
        base=amended,
        distribution_point="" if series.partition is None else crl_url(url, Series(series.partition)),
        freshest_crl=crl_url(url, Series(series.partition, delta=True)) if url and not series.delta else "",
    )
    transaction.publish(crl.public_bytes(Encoding.DER), now, until, len(entries), series, amended)
    return crl


def due(state: CRLState, now: datetime) -> Iterator[Series]:
    """The series whose next CRL must be signed now: it has none, its CRL expires soon, or something changed.

    A CRL and its delta CRL are never due together: the delta CRL is due at the next call.
    """
    for partition in maintained(state):
        whole, delta = Series(partition), Series(partition, delta=True)
        changed = state.changed.get(partition, -1)
        base, amendment = state.newest.get(whole), state.newest.get(delta)
        if base is None or _is_outdated(base, changed, now):
            yield whole
        elif amendment is None or amendment.number < base.number or _is_outdated(amendment, changed, now):
            yield delta


def maintained(state: CRLState) -> Iterator[int | None]:
    """The partitions that always have a valid CRL; None is for the CRL of all certificates, unless it is too large."""
    complete = state.newest.get(WHOLE)
    if complete is None or complete.entries <= LARGE_LIMIT or not state.partitions:
        yield None
    yield from state.partitions


def lifetime_of(series: Series) -> timedelta:
    """The time from thisUpdate to nextUpdate of a CRL of a series."""
    return DELTA_LIFETIME if series.delta else CRL_LIFETIME


def _is_outdated(crl: PublishedCRL, changed: int, now: datetime) -> bool:
    """Whether a CRL has at most two sevenths of its validity left (two days of seven), or lacks a change."""
    validity = crl.next_update - crl.this_update
    at_once = crl.entries <= SMALL_LIMIT or now >= crl.this_update + LARGE_INTERVAL
    return now >= crl.next_update - validity * 2 / 7 or (changed >= crl.number and at_once)
