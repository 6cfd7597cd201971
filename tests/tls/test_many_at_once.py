"""Many handshakes at once over configurations that all of them share: nobody is taken for somebody else."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import pki
from bothways import ClientConfig, Credentials, Fault, PeerFault, ServerConfig, TrustStore
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.revocation import Revocation
from pair import FrozenClock, Pair

THREADS, HANDSHAKES = 16, 8
HOUR = timedelta(hours=1)
ROOT = pki.root()
CA = pki.intermediate(ROOT)
SERVER = pki.leaf(CA, "localhost")
PEOPLE = [pki.leaf(CA, f"client-{number}.example") for number in range(6)]
REVOKED = PEOPLE[-1]


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


def credentials(issued: pki.Issued) -> Credentials:
    return Credentials.from_pem(b"".join(each.pem for each in (issued, CA)), issued.key_pem)


def lists(number: int) -> CRLStore:
    return CRLStore([CRL(pki.crl(ROOT)), CRL(pki.crl(CA, REVOKED, number=number))])


def everybody(work: Callable[[int], None]) -> None:
    """Do the work in all threads, beginning together; what one of them raises is raised."""
    ready = threading.Barrier(THREADS)

    def begin(number: int) -> None:
        ready.wait(20)
        work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(begin, number) for number in range(THREADS)]:
            done.result(60)


@pytest.mark.parametrize("remembered", [3, 1024])
def test_each_peer_is_who_it_is_and_has_keys_of_its_own(remembered: int) -> None:
    """While memories run over, and lists are replaced; whoever is revoked passes in no thread."""
    fields = {"clock": FrozenClock(pki.NOW), "versions": ("1.3", "1.2")}
    anchors = TrustStore([ROOT.der], remember_paths=remembered)
    store = lists(1)
    policy = Revocation(crls=store)
    server = ServerConfig(
        credentials=credentials(SERVER), client_anchors=anchors, revocation=policy, **fields
    )
    clients = [ClientConfig(anchors=anchors, credentials=credentials(each), **fields) for each in PEOPLE]
    old = [
        ClientConfig(anchors=anchors, credentials=credentials(each), **fields | {"versions": ("1.2",)})
        for each in PEOPLE
    ]
    exported: list[bytes] = []

    def shake(number: int) -> None:
        for turn in range(HANDSHAKES):
            who = (number + turn) % len(PEOPLE)
            if number == 0:
                store.replace(lists(turn + 2))
            chosen = old if (number + turn) % 5 == 0 else clients
            talk = Pair(chosen[who].connection("localhost"), server.connection())
            talk.exchange()
            if PEOPLE[who] is REVOKED:
                assert isinstance(talk.server.failure, PeerFault)
                assert talk.server.failure.fault is Fault.REVOKED and talk.server.peer is None
                continue
            assert talk.server.peer is not None and talk.client.peer is not None
            assert talk.server.peer.names.dns == (f"client-{who}.example",)
            assert talk.server.peer.certificate == PEOPLE[who].certificate
            assert talk.client.peer.certificate == SERVER.certificate
            ours, theirs = (each.export("EXPERIMENTAL", None, 32) for each in (talk.client, talk.server))
            assert ours == theirs
            exported.append(ours)

    everybody(shake)
    assert len(set(exported)) == len(exported) > THREADS * HANDSHAKES // 2
