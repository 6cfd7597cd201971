"""Which clients new evidence is about, so that they are verified again before all others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from bothways.gateway.routes.routes import Routes
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.http_exchange import Evidence

Leaf = tuple[bytes, bytes]  # the issuer of a certificate in normal form, and its serial number


def newly_listed(leaves: Iterable[Leaf], before: Routes, routes: Routes) -> set[Leaf]:
    """Return which certificates CRLs list that are new in these routes; for a thread, as there may be many."""
    known = {id(crl) for lists in before.held.lists.values() for crl in lists.store}
    stores = [lists.store for lists in routes.held.lists.values()]
    return listed_in(leaves, [crl for store in stores for crl in store if id(crl) not in known])


async def found_in_time(look: Callable[[], set[Leaf]], until: float | None = None) -> set[Leaf]:
    """Look in a thread; where that takes too long, here, so that nobody is served by what is older.

    The thread is another one than those of the event loop, which may all wait for names of services. until: on the
    monotonic clock.
    """
    left = None if until is None else until - time.monotonic()
    if left is not None and left <= 0:
        return look()
    pool = ThreadPoolExecutor(1, "listed")
    try:
        async with asyncio.timeout(left):
            return await asyncio.get_running_loop().run_in_executor(pool, look)
    except TimeoutError:
        return look()
    finally:
        pool.shutdown(wait=False)


def listed_in(leaves: Iterable[Leaf], evidence: Iterable[Evidence]) -> set[Leaf]:
    """Return which certificates are in CRLs, or have the serial number of one in an OCSP response; for a thread."""
    new: dict[bytes, list[CRL]] = {}
    serials: set[int] = set()
    for each in evidence:
        if isinstance(each, CRL):
            new.setdefault(each.normal_issuer, []).append(each)
        else:
            serials |= {named.serial for named in each.named}
    return {
        leaf
        for leaf in leaves
        if any(_lists(crl, leaf) for crl in new.get(leaf[0], ()))
        or (serials and int.from_bytes(leaf[1], "big", signed=True) in serials)
    }


def _lists(crl: CRL, leaf: Leaf) -> bool:
    issuer, serial = leaf
    try:
        return crl.lists(serial, issuer)
    except ValueError:  # it is judged with all else
        return False
