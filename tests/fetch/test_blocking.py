"""Fetching for threads: one loop for all of them, over real sockets."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import identities
from bothways.errors import ConfigError
from bothways.fetch import blocking
from bothways.fetch.blocking import fetch, find
from bothways.fetch.fetcher import fetcher
from bothways.tls.events import EvidenceWanted
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.evidence.http_exchange import Found, Missing, with_nonces
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.verdict import EvidenceRequest
from fetch.authorities import Authority, authority
from fetch.responders import Asked, Responder, answering, reply
from pki import Issued, crl

pytestmark = pytest.mark.network

NOW = datetime.now(UTC)
LIST = crl(identities.middle(), this_update=identities.START, next_update=identities.END)


def request(url: str) -> EvidenceRequest:
    return EvidenceRequest(
        "crl", ParsedCertificate(identities.server().der), ParsedCertificate(identities.middle().der), (url,)
    )


def policy(**options) -> Fetch:
    return Fetch(**{"allow": ("127.0.0.1",)} | options)


def test_evidence_is_fetched_while_the_thread_waits() -> None:
    """The results are in the order of the requests."""
    with answering(LIST) as responder, answering(b"none") as other:
        found = find(EvidenceWanted((request(responder.url), request(other.url)), policy(), NOW, 5.0))
    assert isinstance(found[0], CRL) and isinstance(found[1], Missing)


def test_many_threads_share_one_fetch() -> None:
    """One request for all of them."""
    go, came = threading.Event(), threading.Event()

    def slow(_: Asked) -> bytes:
        came.set()
        go.wait(20)
        return reply(LIST)

    shared, found = policy(seconds=20), []
    with answering(slow) as responder:
        threads = [
            threading.Thread(target=lambda: found.extend(fetch(shared, [request(responder.url)], NOW, 20.0)))
            for _ in range(8)
        ]
        for each in threads:
            each.start()
        assert came.wait(20)
        go.set()
        for each in threads:
            each.join(20)
        assert len(responder.asked) == 1
    assert [type(each) for each in found] == [CRL] * 8


def test_threads_and_loops_that_share_a_policy_get_their_own_answers() -> None:
    """Nonces, certificates and event loops are never mixed up, while everything is always due."""
    shared = policy(keep=timedelta(0))

    def requests(people: list[Issued], url: str) -> tuple[EvidenceRequest, ...]:
        about = [
            EvidenceRequest("ocsp", ParsedCertificate(each.der), ParsedCertificate(each.above[0].der), (url,))
            for each in people
        ]
        return with_nonces(about, os.urandom)

    def check(wanted: Sequence[EvidenceRequest], found: Sequence[Found]) -> None:
        for request, each in zip(wanted, found, strict=True):
            assert (
                isinstance(each, OCSPResponse)
                and each.response_about(request.certificate, request.issuer) is not None
            )

    async def in_a_loop(people: list[Issued], url: str) -> None:
        several = [requests(people, url) for _ in range(3)]
        fetching = [fetcher(shared).fetch_all(each, NOW, 5.0) for each in several]
        for each, found in zip(several, await asyncio.gather(*fetching), strict=True):
            check(each, found)

    def work(number: int, made: Authority) -> None:
        url = made.responder.url
        for _ in range(3):
            if number % 3 == 0:
                asyncio.run(in_a_loop(made.people, url))
            else:
                wanted = requests(made.people, url)
                check(wanted, fetch(shared, wanted, NOW, 5.0))

    with authority() as made, ThreadPoolExecutor(16) as pool:
        for done in [pool.submit(work, number, made) for number in range(16)]:
            done.result(60)


def test_a_responder_that_stalls_is_ended_after_the_time_limit() -> None:
    """Silent, or dripping for ever."""
    stalling: list[Responder] = []

    def silent(_: Asked) -> bytes:
        stalling[0].stall()
        return b""

    with answering(silent) as responder:
        stalling.append(responder)
        [found] = fetch(policy(seconds=0.2), [request(responder.url)], NOW, 0.2)
    assert "no answer within" in found.problem


def test_internal_addresses_are_refused_unless_allowed() -> None:
    """The responder of this test is an inner one."""
    with answering(LIST) as responder:
        [found] = fetch(Fetch(), [request(responder.url)], NOW, 5.0)
        assert responder.asked == []
    assert "127.0.0.1 is this machine" in found.problem


def test_a_directory_that_cannot_be_used_is_a_config_error(tmp_path: Path) -> None:
    """Raised where it is asked for."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError):
        fetch(policy(directory=tmp_path / "file"), [request("http://127.0.0.1/")], NOW, 5.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_its_own_loop() -> None:
    """It has neither its parent's thread, nor the holder of a lock."""
    with answering(LIST) as responder:
        assert isinstance(fetch(policy(), [request(responder.url)], NOW, 5.0)[0], CRL)
        lock = blocking.LOOP_LOCK
        lock.acquire()
        child = os.fork()
        if not child:
            signal.alarm(10)
            found = fetch(policy(), [request(responder.url)], NOW, 5.0)
            os._exit(0 if isinstance(found[0], CRL) else 1)
        lock.release()
        assert os.waitpid(child, 0)[1] == 0
