"""Handshakes that fetch evidence by themselves, over real sockets: they wait, others are served, nothing hangs."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import pytest

import identities
import pki
from aio_talk import ada, echo, open_to, run, serving
from bothways import Caution, ConfigError, Credentials, EvidenceWanted, Fault, PeerAlert, PeerFault, TLSError
from bothways.aio import connect as aio_connect
from bothways.net import Channel, connect, wrap
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.revocation import Revocation
from fetch.authorities import TIMES, authority, down
from trust.evidence.evidence_requests import access

pytestmark = pytest.mark.network


def credentials(issued: pki.Issued) -> Credentials:
    return Credentials.from_pem(issued.chain_pem, issued.key_pem)


def policy(unknown: str = "refuse", **options) -> Revocation:
    return Revocation(unknown=unknown, fetch=Fetch(**{"allow": ("127.0.0.1",), "seconds": 10} | options))


def both_ends(client, server) -> tuple[Channel | Exception, Channel | Exception]:
    """What came of one handshake over loopback, for the client and for the server."""
    outcome: list[Channel | Exception] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            outcome.append(caught(lambda: greeted(wrap(sock, server, timeout=20))))

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = listener.getsockname()[1]
        theirs = caught(lambda: heard(connect("127.0.0.1", port, client, "localhost", timeout=20)))
        thread.join(20)
    return theirs, outcome[0]


def greeted(channel: Channel) -> Channel:
    """A server says that it let its client in, and a client hears it."""
    channel.sendall(b"!")
    return channel


def heard(channel: Channel) -> Channel:
    channel.settimeout(20)
    channel.recv(1)
    return channel


def caught(make: Callable[[], Channel]) -> Channel | Exception:
    try:
        return make()
    except (TLSError, OSError) as error:
        return error


def closed(*ends: Channel | Exception) -> None:
    for each in ends:
        if isinstance(each, Channel):
            each.close()


# -- blocking ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.3", "1.2"])
def test_both_sides_fetch_evidence_about_their_peer(version: str) -> None:
    """The client asks about the server, the server about the client, each about the CA between."""
    with authority() as ca:
        client = identities.client_config(ca.clients[0], revocation=policy(), versions=(version,))
        server = identities.server_config(credentials=credentials(ca.server), revocation=policy())
        ends = both_ends(client, server)
        assert [end.peer.verdict.findings[2].outcome.value for end in ends] == ["passed", "passed"]
        assert sorted(ca.asked) == ["CN=Ada", "CN=server", "crl", "crl"]
        closed(*ends)


def test_a_revoked_client_is_refused_with_an_alert() -> None:
    """Before the first byte of data."""
    with authority() as ca:
        ca.revoked.append(ca.clients[0])
        server = identities.server_config(credentials=credentials(ca.server), revocation=policy())
        theirs, ours = both_ends(identities.client_config(ca.clients[0]), server)
    assert isinstance(ours, PeerFault) and ours.fault is Fault.REVOKED and ours.step == "3.3c"
    assert isinstance(theirs, PeerAlert) and theirs.name == "certificate_revoked"


@pytest.mark.parametrize("unknown", ["refuse", "accept"])
def test_a_responder_that_is_down_means_unknown_and_the_policy_decides(unknown: str) -> None:
    """Refused with the reason, or accepted with a warning."""
    usage = {"usage": ("clientAuth",), "alternatives": (), "extra": [access(down())]}
    client = identities.client_config(pki.leaf(identities.middle(), "Ada", **usage, **identities.SPAN))
    theirs, ours = both_ends(client, identities.server_config(revocation=policy(unknown)))
    if unknown == "refuse":
        assert isinstance(ours, PeerFault) and ours.fault is Fault.REVOCATION_UNKNOWN
        assert "connection refused by the host or by a firewall" in str(ours)
        assert isinstance(theirs, PeerAlert) and theirs.name == "certificate_unknown"
    else:
        assert ours.warnings == [Caution.REVOCATION_UNKNOWN]
    closed(theirs, ours)


def test_an_internal_responder_is_not_contacted_unless_allowed() -> None:
    """The server cannot be made to connect to its own host."""
    with authority() as ca:
        server = identities.server_config(credentials=credentials(ca.server), revocation=policy(allow=()))
        _, ours = both_ends(identities.client_config(ca.clients[0]), server)
        assert ca.asked == []
    assert "127.0.0.1 is this machine, and not allowed" in str(ours)


def test_a_silent_responder_leads_to_a_verdict_and_not_to_a_timeout() -> None:
    """The handshake waits for evidence only so long."""
    with authority() as ca:
        ca.silent = True
        server = identities.server_config(credentials=credentials(ca.server), revocation=policy(seconds=0.2))
        _, ours = both_ends(identities.client_config(ca.clients[0]), server)
    assert isinstance(ours, PeerFault) and ours.fault is Fault.REVOCATION_UNKNOWN
    assert "no answer within" in str(ours)


def test_evidence_is_waited_for_no_longer_than_the_caller_waits() -> None:
    """The time limit of one `wrap` is shorter than the policy's."""
    with authority() as ca:
        ca.silent = True
        client = identities.client_config(revocation=policy(seconds=60), handshake_timeout=60)
        near, far = socket.socketpair()
        server = identities.server_config(credentials=credentials(ca.server), client_anchors=None)
        threading.Thread(target=lambda: caught(lambda: wrap(far, server, timeout=20)), daemon=True).start()
        with pytest.raises((PeerFault, TimeoutError)):
            wrap(near, client, "localhost", timeout=0.3)
        far.close()


def test_evidence_may_be_found_by_the_caller() -> None:
    """In the place of fetching; nothing is asked then."""
    with authority() as ca:
        asked: list[EvidenceWanted] = []

        def finder(wanted: EvidenceWanted):
            asked.append(wanted)
            about = {
                "ocsp": pki.ocsp_response(ca.clients[0], **TIMES),
                "crl": pki.crl(identities.root(), **TIMES),
            }
            return [about[each.kind] for each in wanted.wants]

        server = identities.server_config(
            credentials=credentials(ca.server), revocation=policy(by_caller=True)
        )
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
            client = threading.Thread(
                target=lambda: connect(*address, identities.client_config(ca.clients[0]), "localhost").close()
            )
            client.start()
            wrap(listener.accept()[0], server, evidence=finder, timeout=20).close()
            client.join(20)
        assert len(asked) == 1 and ca.asked == []


def test_a_policy_without_a_fetcher_is_a_config_error() -> None:
    """ConfigError, from every door."""
    nobody = policy(by_caller=True)
    client, server = identities.client_config(revocation=nobody), identities.server_config(revocation=nobody)
    near, far = socket.socketpair()
    with near, far:
        with pytest.raises(ConfigError, match="pass an evidence finder"):
            wrap(near, server)
        far.settimeout(5)
        assert far.recv(1) == b""
    with pytest.raises(ConfigError, match="pass an evidence finder"):
        connect("127.0.0.1", 1, client)

    async def doors() -> None:
        with pytest.raises(ConfigError, match="pass an evidence finder"):
            await aio_connect("127.0.0.1", 1, client)
        async with serving(echo, identities.server_config()):
            pass
        with pytest.raises(ConfigError, match="pass an evidence finder"):
            async with serving(echo, server):
                pass

    asyncio.run(doors())


# -- asyncio -------------------------------------------------------------------------------------------------


@run
async def test_a_handshake_that_waits_for_evidence_delays_no_other() -> None:
    """One client's responder is silent; another client is served meanwhile."""
    with authority() as ca:
        server = identities.server_config(credentials=credentials(ca.server), revocation=policy())
        async with serving(echo, server) as listening:
            ada, bea = (identities.client_config(each) for each in ca.clients[:2])
            ca.silent = True
            first_reader, first_writer = await open_to(listening, ada)
            while "CN=Ada" not in ca.asked:
                await asyncio.sleep(0.01)
            ca.silent = False
            reader, writer = await open_to(listening, bea)
            writer.write(b"hello")
            assert await reader.readexactly(5) == b"hello"
            assert await first_reader.confirmed(0.01) == "unknown"
            ca.responder.close()
            first_writer.write(b"late")
            assert await first_reader.readexactly(4) == b"late"
            for each in (first_writer, writer):
                each.close()


@run
async def test_many_handshakes_of_one_client_cost_one_fetch() -> None:
    """They wait together; what came is used again."""
    with authority() as ca:
        server = identities.server_config(credentials=credentials(ca.server), revocation=policy())
        async with serving(echo, server) as listening:
            config = identities.client_config(ca.clients[0])
            talks = await asyncio.gather(*(open_to(listening, config) for _ in range(8)))
            for reader, writer in talks:
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                writer.close()
        assert sorted(ca.asked) == ["CN=Ada", "crl"]


@run
async def test_a_client_that_is_cancelled_while_it_waits_leaves_nothing_behind() -> None:
    """Neither a task nor a connection to the responder."""
    with authority() as ca:
        ca.silent = True
        async with serving(echo, identities.server_config(credentials=credentials(ca.server))) as listening:
            waiting = asyncio.create_task(open_to(listening, ada(revocation=policy())))
            while "CN=server" not in ca.asked:
                await asyncio.sleep(0.01)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            for _ in range(100):
                if names_of_tasks() == set():
                    break
                await asyncio.sleep(0.01)
            assert names_of_tasks() == set()


def names_of_tasks() -> set[str]:
    """What of ours still runs to fetch something."""
    running = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}
    return {each for each in running if each.startswith(("Fetcher.", "TLSProtocol."))}


@run
async def test_a_late_answer_of_a_caller_is_ignored() -> None:
    """By the engine's own clock the handshake went on; the finder is cancelled and no error comes of it."""
    cancelled = asyncio.Event()

    async def endless(_: EvidenceWanted):
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with authority() as ca:
        tolerant = policy("accept", by_caller=True, seconds=0.1)
        async with serving(echo, identities.server_config(credentials=credentials(ca.server))) as listening:
            reader, writer = await aio_connect(
                "127.0.0.1", listening.sockets[0].getsockname()[1], ada(revocation=tolerant), evidence=endless
            )
            assert writer.warnings == [Caution.REVOCATION_UNKNOWN]
            await cancelled.wait()
            writer.write(b"x")
            assert await reader.readexactly(1) == b"x"
            writer.close()
