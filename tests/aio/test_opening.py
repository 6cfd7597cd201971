"""STARTTLS over asyncio: with every protocol, with those who interfere, and within the caller's time."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

import identities
from aio_talk import run
from bothways import UsageError
from bothways.aio import connect, create_connection
from bothways.aio.connecting import opened
from bothways.aio.turns import TURN_SECONDS, UNLIMITED_SECONDS, turns_of
from bothways.diagnosis.failure import explain_failure
from bothways.errors import StartTLSFailed, StartTLSProblem
from doctor_talk import listening
from net.test_starttls import playing
from starttls.conversations import TURNS, Dialogue

pytestmark = pytest.mark.network


@pytest.mark.parametrize("dialogue", TURNS, ids=lambda each: each.protocol)
def test_a_handshake_follows_a_successful_starttls(dialogue: Dialogue):
    """And what it proves is proved as ever."""

    async def conversation() -> None:
        config = identities.client_config(identities.client())
        with listening(playing(dialogue)) as server:
            reader, writer = await connect(
                "127.0.0.1", server.port, config, "localhost", timeout=20, starttls=dialogue.protocol
            )
            assert writer.peer is not None
            assert await reader.readexactly(5) == b"hello"
            writer.close()
            await writer.wait_closed()

    asyncio.run(conversation())


@run
async def test_a_protocol_gets_its_connection_after_starttls():
    """The interface of an event loop has the same."""
    got = asyncio.get_running_loop().create_future()

    class Hearing(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            got.set_result(data)

    config = identities.client_config(identities.client())
    with listening(playing(TURNS[0])) as server:
        transport, _ = await create_connection(
            Hearing, "127.0.0.1", server.port, config, "localhost", starttls=TURNS[0].protocol
        )
        assert await got == b"hello"
        transport.close()


@pytest.mark.parametrize("dialogue", TURNS, ids=lambda each: each.protocol)
def test_data_received_together_with_the_last_reply_before_tls_never_gets_into_tls(dialogue: Dialogue):
    """CVE-2011-0411 and those like it: the socket is closed instead."""

    async def conversation() -> None:
        ahead = Dialogue(dialogue.protocol, (*dialogue.parts[:-1], dialogue.parts[-1] + b"\x17\3\3\0\1x"))
        with listening(playing(ahead, tls=False)) as server, pytest.raises(StartTLSFailed) as refused:
            await connect("127.0.0.1", server.port, identities.client_config(), starttls=dialogue.protocol)
        assert refused.value.problem is StartTLSProblem.SPOKE_AHEAD
        assert explain_failure(refused.value).first.cause.name == "AHEAD_OF_TLS"

    asyncio.run(conversation())


def closing(sock: socket.socket) -> None:
    """Neither speaks nor waits."""


def silent(sock: socket.socket) -> None:
    while sock.recv(4096):
        pass


@pytest.mark.parametrize(
    ("talk", "problem"), [(closing, StartTLSProblem.ENDED), (silent, StartTLSProblem.LATE)]
)
def test_a_server_that_does_not_turn_to_tls_is_left_in_time(talk, problem: StartTLSProblem):
    """The limit is for all of it; the error says how far it had come, and knows the address."""

    async def conversation() -> None:
        with listening(talk) as server:
            began = time.monotonic()
            with pytest.raises(StartTLSFailed) as refused:
                await connect(
                    "127.0.0.1", server.port, identities.client_config(), timeout=0.5, starttls="smtp"
                )
            assert refused.value.problem is problem and time.monotonic() - began < 15
            await asyncio.sleep(0.05)  # until the socket is closed
        assert str(server.port) in explain_failure(refused.value).first.command

    asyncio.run(conversation())


@run
async def test_a_caller_that_gives_up_closes_the_connection():
    """Before TLS there is no alert to be sent."""
    with listening(silent) as server:
        task = asyncio.ensure_future(
            connect("127.0.0.1", server.port, identities.client_config(), starttls="imap")
        )
        while not server.accepted:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@run
async def test_an_unknown_protocol_is_refused_before_anything_is_connected():
    with pytest.raises(UsageError):
        await connect("127.0.0.1", 1, identities.client_config(), starttls="gopher")


async def given_up(ends: str) -> list[object]:
    """The protocols to which a connection is passed that ends while it waits for its turn."""
    loop, made = asyncio.get_running_loop(), []
    ours, theirs = socket.socketpair()

    async def way(opening_of):
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        opening = opening_of()
        transport.set_protocol(opening)
        turns_of(loop).run(time.sleep, max(TURN_SECONDS, UNLIMITED_SECONDS))
        opening.connection_made(transport)
        if ends == "is given up":
            raise asyncio.CancelledError
        transport.abort()
        return transport, opening

    with theirs:
        with pytest.raises((ConnectionResetError, asyncio.CancelledError)):
            await opened(way, None, lambda: made.append(1) or asyncio.Protocol())
        await loop.run_in_executor(None, theirs.recv, 1)
    return made


@pytest.mark.parametrize("ends", ["is lost", "is given up"])
def test_a_connection_that_waits_for_its_turn_is_passed_to_nobody_when_it(ends):
    """uvloop refuses whatever is asked of a transport that is closed, which was an error of the event loop."""
    assert asyncio.run(given_up(ends)) == []
