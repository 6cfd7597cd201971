"""`connect`: names, networks, time, cancellation, keys that are elsewhere."""

from __future__ import annotations

import asyncio
import socket

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import identities
from aio.loops import in_every_loop
from aio_talk import Clock, ada, closed, echo, open_to, run, serving
from bothways import (
    Alert,
    ConfigError,
    Credentials,
    Fault,
    PeerAlert,
    PeerFault,
    SignatureWanted,
    TLSError,
    UsageError,
)
from bothways.aio import connect, protocol

pytestmark = pytest.mark.network


@run
async def test_client_refuses_a_server_of_another_name():
    """RFC 9525 6.3: the client blames the server, and the server is told."""
    async with serving(echo) as server:
        with pytest.raises(PeerFault) as refused:
            await open_to(server, server_name="elsewhere.example")
        assert refused.value.fault is Fault.NAME_MISMATCH
        while not server.refusals:
            await asyncio.sleep(0.01)
        assert isinstance(server.refusals[0], PeerAlert)
        assert server.refusals[0].alert == Alert.BAD_CERTIFICATE


@run
async def test_connect_raises_what_the_name_and_the_network_raise():
    """ConfigError before anything is connected, OSError where nobody listens."""
    with pytest.raises(ConfigError):
        await connect("127.0.0.1", 1, ada(), server_name="not a name")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = listener.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        await connect("127.0.0.1", free, ada())


@run
async def test_the_error_of_a_time_limit_waits_for_no_delivery_of_the_alert():
    """The limit is that of the caller; what the operating system has of the alert is still delivered."""
    ours, theirs = socket.socketpair()
    with theirs, pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "LINGER_SECONDS", 600.0)
        with pytest.raises(PeerFault) as late:
            await connect(None, None, ada(handshake_timeout=0.05), "localhost", sock=ours)
        assert late.value.fault is Fault.HANDSHAKE_TIMEOUT
        theirs.settimeout(60)
        assert bytes((Alert.USER_CANCELED,)) in theirs.recv(65536)[-16:]


@run
async def test_client_gives_up_on_a_server_that_stays_silent():
    """`timeout` covers the handshake; the server reads user_canceled (RFC 9846 6.1)."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def silent(reader, writer) -> None:
        heard.put_nowait(await reader.read(1))
        heard.put_nowait(await reader.read())
        writer.close()

    clock = Clock()
    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        way = connect("127.0.0.1", listener.sockets[0].getsockname()[1], ada(), timeout=10)
        connecting = asyncio.create_task(way)
        await heard.get()
        await clock.advance(11)
        with pytest.raises(TimeoutError, match="no TLS connection within 10 seconds"):
            await connecting
        assert bytes((Alert.USER_CANCELED,)) in (await heard.get())[-16:]


@run
async def test_the_transport_to_a_server_that_has_sent_nothing_is_closed_at_once():
    """Its end is not waited for: it does not read, and there is no byte of it that could destroy the alert."""
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        loop = asyncio.get_running_loop()
        connecting = socket.create_connection(deaf.getsockname())
        connecting.setblocking(False)
        with pytest.raises(TimeoutError):
            await connect(None, None, ada(), "localhost", sock=connecting, timeout=0.01)
        began = loop.time()
        while connecting.fileno() >= 0 and loop.time() < began + 1:
            await asyncio.sleep(0.01)
        assert connecting.fileno() < 0


@run
async def test_a_cancelled_connect_leaves_nothing_behind():
    """The server is told, and the socket closed."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def silent(reader, writer) -> None:
        heard.put_nowait(await reader.read(1))
        heard.put_nowait(await reader.read())
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        task = asyncio.create_task(connect("127.0.0.1", listener.sockets[0].getsockname()[1], ada()))
        await heard.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bytes((Alert.USER_CANCELED,)) in (await heard.get())[-16:]


@in_every_loop
async def test_a_connect_that_is_cancelled_in_whatever_turn_tells_the_server_or_has_said_nothing():
    """In some of them the event loop closes the transport by itself, so that nothing could be said any more."""
    said: list[bytes] = []
    come = 0

    async def silent(reader, writer) -> None:
        nonlocal come
        come += 1
        said.append(await reader.read())
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        for turns in range(12):
            task = asyncio.create_task(connect("127.0.0.1", port, ada()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        _, last = await asyncio.open_connection("127.0.0.1", port)
        last.write(b"last")
        last.close()
        while b"last" not in said or len(said) < come:
            await asyncio.sleep(0.01)
        said.remove(b"last")
        assert any(said)
        for each in filter(None, said):
            assert bytes((Alert.USER_CANCELED,)) in each[-16:]


def sign(request: SignatureWanted) -> bytes:
    return identities.client().key.sign(request.data, ec.ECDSA(hashes.SHA256()))


async def sign_later(request: SignatureWanted) -> bytes:
    await asyncio.sleep(0.02)
    return sign(request)


@pytest.mark.parametrize("signer", [sign, sign_later])
def test_a_signer_answers_at_once_or_later(signer):
    """SignatureWanted is answered by `signer`, a function or a coroutine."""

    async def signed() -> None:
        names: list[str] = []
        observed: list[object] = []

        async def talk(reader, writer) -> None:
            names.append(writer.peer.names.common_name)
            await echo(reader, writer)

        async with serving(talk, observer=lambda: observed.append) as server:
            config = ada(credentials=Credentials.external(identities.client().chain_pem))
            reader, writer = await open_to(server, config, signer=signer)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await closed(writer)
        assert names == ["Ada"]
        assert observed

    asyncio.run(signed())


@run
async def test_a_missing_or_failing_signer_is_reported():
    """Our own side's mistake is a UsageError that says so."""

    def fails(request: SignatureWanted) -> bytes:
        raise ZeroDivisionError("out of order")

    async def gives_up(request: SignatureWanted) -> bytes:
        raise asyncio.CancelledError  # of a task that it has waited for

    async with serving(echo) as server:
        config = ada(credentials=Credentials.external(identities.client().chain_pem))
        for signer, words in (
            (None, ("the private key of the credentials is held elsewhere: pass a signer")),
            (fails, "out of order"),
            (gives_up, "was cancelled"),
        ):
            with pytest.raises(UsageError, match=words):
                await open_to(server, config, signer=signer)


@run
async def test_a_cancelled_handshake_cancels_its_signer():
    """Nothing goes on behind a connection that is gone."""
    ended: list[str] = []
    begun = asyncio.Event()

    async def never(request: SignatureWanted) -> bytes:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return b""

    clock = Clock()
    async with serving(echo) as server:
        config = ada(credentials=Credentials.external(identities.client().chain_pem))
        connecting = asyncio.create_task(open_to(server, config, signer=never, timeout=10))
        await begun.wait()
        await clock.advance(11)
        with pytest.raises(TimeoutError):
            await connecting
        while not ended:
            await asyncio.sleep(0.01)
    assert ended == ["cancelled"]
    assert all(isinstance(error, TLSError) for error in server.refusals)
