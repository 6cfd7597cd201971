"""One call explains a failure of any layer: the engine, sockets, asyncio; of a client and of a server.

The errors know what passed: the explanation is the same as that of an observer of the connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

import identities
from bothways import ClientConfig, ServerConfig, TLSError, explain_failure
from bothways.aio import connect as aio_connect
from bothways.aio import start_server
from bothways.diagnosis import Explanation, HandshakeFacts, explain
from bothways.diagnosis.observer import situation_of
from bothways.net import connect, wrap
from bothways.tls.handshake.history import MESSAGE_LIMIT, FailureFacts
from diagnosis.talks import client, first
from doctor_talk import listening
from pair import Pair

pytestmark = pytest.mark.network

# What each side is told: by its configuration and its peer's, in TLS 1.3 and 1.2.
FAILURES: list[tuple[str, str, str, dict[str, Any], dict[str, Any]]] = [
    ("a stranger", "ROOT_NOT_TRUSTED", "CA_NOT_ACCEPTED", {"who": "stranger"}, {}),
    ("no certificate", "NO_CERTIFICATE", "NO_CERTIFICATE", {"who": None}, {}),
    ("no version", "NO_SHARED_VERSION", "NO_SHARED_VERSION", {"versions": ("1.3",)}, {"versions": ("1.2",)}),
    ("no protocol", "NO_SHARED_PROTOCOL", "NO_SHARED_PROTOCOL", {"alpn": ("h2",)}, {"alpn": ("echo",)}),
]
IDS = [row[0] for row in FAILURES]


def configured(
    mine: dict[str, Any], theirs: dict[str, Any], version: str
) -> tuple[ClientConfig, ServerConfig]:
    who = mine.get("who", "client")
    named = {"client": identities.client, "stranger": identities.stranger}
    options = {"versions": (version,)} | {key: value for key, value in mine.items() if key != "who"}
    config = identities.client_config(None if who is None else named[who](), **options)
    return config, identities.server_config(**theirs)


def watched(mine: ClientConfig, theirs: ServerConfig) -> tuple[HandshakeFacts, HandshakeFacts, Pair]:
    ours, peers = HandshakeFacts(mine, "localhost"), HandshakeFacts(theirs)
    talk = Pair(mine.connection("localhost", observer=ours), theirs.connection(observer=peers))
    talk.exchange()
    return ours, peers, talk


def same(left: Explanation, right: Explanation) -> bool:
    """But for the minute in which it was asked."""
    return [(each.cause, each.party, each.weight, each.evidence) for each in left.causes] == [
        (each.cause, each.party, each.weight, each.evidence) for each in right.causes
    ]


@pytest.mark.parametrize("version", ["1.3", "1.2"])
@pytest.mark.parametrize(("what", "server_reported", "client_reported", "mine", "theirs"), FAILURES, ids=IDS)
def test_an_error_of_the_engine_has_the_explanation_of_an_observer(
    what: str,
    server_reported: str,
    client_reported: str,
    mine: dict[str, Any],
    theirs: dict[str, Any],
    version: str,
):
    """Both sides' errors, without an observer's help."""
    ours, peers, talk = watched(*configured(mine, theirs, version))
    for error, facts in ((talk.client_failure, ours), (talk.server_failure, peers)):
        assert error is not None
        assert isinstance(error.situation, FailureFacts)
        assert same(explain_failure(error), explain(error, facts.situation()))
        assert situation_of(error.situation).observed.progress is facts.situation().observed.progress
    if not (what == "no version" and version == "1.2"):
        assert explain_failure(talk.server_failure).first.cause.name in (server_reported, "CA_NOT_ACCEPTED")


def failing(config: ServerConfig, errors: list[Exception]) -> Callable[[socket.socket], None]:
    def talk(sock: socket.socket) -> None:
        try:
            with wrap(sock, config, timeout=20) as channel:
                channel.recv(1)
        except Exception as error:
            errors.append(error)
            raise

    return talk


@pytest.mark.parametrize(("what", "server_reported", "client_reported", "mine", "theirs"), FAILURES, ids=IDS)
def test_errors_of_sockets_explain_themselves_in_both_roles(
    what: str, server_reported: str, client_reported: str, mine: dict[str, Any], theirs: dict[str, Any]
):
    """A late refusal too, which `recv` raises; commands name the address that was connected to."""
    config, server = configured(mine, theirs, "1.3")
    errors: list[Exception] = []
    with listening(failing(server, errors)) as listener:
        port = listener.port
        with (
            pytest.raises(TLSError) as failed,
            connect("127.0.0.1", port, config, "localhost", timeout=20) as channel,
        ):
            channel.recv(1)
    found = explain_failure(failed.value)
    assert first(found)[0] == client_reported, str(found)
    assert found.first.facts["target"] == f"127.0.0.1:{port}"
    assert explain_failure(errors[0]).first.cause.name in (server_reported, "CA_NOT_ACCEPTED")


@pytest.mark.parametrize(("what", "server_reported", "client_reported", "mine", "theirs"), FAILURES, ids=IDS)
def test_errors_of_asyncio_explain_themselves_in_both_roles(
    what: str, server_reported: str, client_reported: str, mine: dict[str, Any], theirs: dict[str, Any]
):
    """By `connect`, or whichever call meets the refusal."""
    config, server_config = configured(mine, theirs, "1.3")

    async def run() -> tuple[Exception, Exception, int]:
        refused: asyncio.Queue[Exception] = asyncio.Queue()

        async def talk(reader: Any, writer: Any) -> None:
            writer.close()

        server = await start_server(
            talk, "127.0.0.1", 0, server_config, refused=lambda error, _: refused.put_nowait(error)
        )
        port = server.sockets[0].getsockname()[1]
        async with server:
            try:
                reader, writer = await aio_connect("127.0.0.1", port, config, "localhost")
                try:
                    await reader.read(1)
                finally:
                    writer.close()
                    with contextlib.suppress(TLSError, OSError):
                        await writer.wait_closed()
            except TLSError as error:
                theirs = await asyncio.wait_for(refused.get(), 20)
                await asyncio.sleep(0.05)  # both sides let go of their sockets
                return error, theirs, port
        raise AssertionError("nothing failed")

    ours, theirs_, port = asyncio.run(run())
    found = explain_failure(ours)
    assert first(found)[0] == client_reported, str(found)
    assert found.first.facts["target"] == f"127.0.0.1:{port}"
    assert explain_failure(theirs_).first.cause.name in (server_reported, "CA_NOT_ACCEPTED")


# -- the network ---------------------------------------------------------------------------------------------


def unused() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def by_socket(port: int) -> Exception:
    with pytest.raises(OSError) as failed:
        connect("127.0.0.1", port, client(), "localhost", timeout=0.5)
    return failed.value


def by_asyncio(port: int) -> Exception:
    async def run() -> Exception:
        with pytest.raises(OSError) as failed:
            await aio_connect("127.0.0.1", port, client(), "localhost", timeout=0.5)
        return failed.value

    return asyncio.run(run())


@pytest.mark.parametrize("by", [by_socket, by_asyncio])
def test_errors_of_the_network_have_the_address_and_the_progress(by: Callable[[int], Exception]):
    """A port where nothing listens, and one that takes our hello and is silent."""
    found = explain_failure(by(port := unused()))
    assert found.first.cause.name == "NOTHING_LISTENS"
    assert found.first.facts["target"] == f"127.0.0.1:{port}"
    over = threading.Event()
    with listening(lambda _: over.wait(60)) as listener:
        found = explain_failure(by(listener.port))
        over.set()
    assert found.first.cause.name == "PEER_SILENT"
    assert "received our hello" in found.first.evidence


def test_facts_kept_after_the_handshake_are_bounded():
    """A peer that continues to send cannot fill a connection's history."""
    _, _, talk = watched(client(), identities.server_config())
    for each in (talk.client, talk.server):
        facts = each.history.facts()
        assert facts is not None
        assert facts.complete
        assert len(facts.messages) <= 4
        assert len(facts.messages) <= MESSAGE_LIMIT
