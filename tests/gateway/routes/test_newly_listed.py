"""Which clients new evidence is about."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from bothways.gateway.routes.newly_listed import found_in_time, listed_in
from bothways.trust.certificate.parsed import ParsedCertificate
from gateway.news_talk import ALICE, BOB, CA, ROOT, listing, response
from pki import leaf


def named(issued: object) -> tuple[bytes, bytes]:
    parsed = ParsedCertificate(issued.der)
    return parsed.normal_issuer, parsed.serial


def test_newly_revoked_certificates_of_a_crl_or_a_response_are_found() -> None:
    carol = leaf(CA, "carol.example")
    leaves = {named(each) for each in (ALICE, BOB, carol)}
    assert listed_in(leaves, [listing(ALICE), response(BOB)]) == {named(ALICE), named(BOB)}
    assert listed_in(leaves, []) == set()
    assert listed_in(leaves, [listing(ALICE, by=ROOT)]) == set()


def test_who_is_listed_is_found_when_all_threads_of_the_event_loop_are_busy() -> None:
    """Otherwise clients are served by what is older until names of services are resolved."""
    go = threading.Event()

    async def talk() -> set[tuple[bytes, bytes]]:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        busy = loop.run_in_executor(None, go.wait, 60.0)
        try:
            async with asyncio.timeout(30):
                return await found_in_time(lambda: {named(ALICE)})
        finally:
            go.set()
            await busy

    assert asyncio.run(talk()) == {named(ALICE)}


@pytest.mark.parametrize("seconds", [0.0, 0.05])
def test_where_a_thread_does_not_find_in_time_who_is_listed_nobody_is_served_meanwhile(
    seconds: float,
) -> None:
    go, where = threading.Event(), []

    def look() -> set[tuple[bytes, bytes]]:
        where.append(threading.current_thread())
        if where[-1] is not threading.main_thread():
            go.wait(60)
        return {named(ALICE)}

    async def talk() -> set[tuple[bytes, bytes]]:
        try:
            async with asyncio.timeout(30):
                return await found_in_time(look, time.monotonic() + seconds)
        finally:
            go.set()

    assert asyncio.run(talk()) == {named(ALICE)}
    assert where[-1] is threading.main_thread()


def test_who_is_listed_is_looked_for_in_a_thread_while_there_is_time() -> None:
    looking: list[threading.Thread] = []

    def look() -> set[tuple[bytes, bytes]]:
        looking.append(threading.current_thread())
        return set()

    for seconds in (None, 60.0):
        asyncio.run(found_in_time(look, None if seconds is None else time.monotonic() + seconds))
    assert len(looking) == 2 and threading.main_thread() not in looking
