"""bothways.aio over real sockets: asyncio's shape, back-pressure, time, late refusal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import struct
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

import skins
from bothways import (
    Alert,
    Caution,
    ConfigError,
    Credentials,
    Fault,
    PeerAlert,
    PeerFault,
    SignatureWanted,
    TLSError,
    Truncated,
    UsageError,
)
from bothways.aio import Server, StreamReader, StreamWriter, connect, start_server
from bothways.aio import link as link_source
from bothways.aio import server as server_source

pytestmark = pytest.mark.network

Talk = Callable[[StreamReader, StreamWriter], Awaitable[None]]
BUDGET = 32 * 1024


def run(test: Callable[..., Awaitable[None]]):
    """Let a test be a coroutine: it has ten seconds, as a test that hangs has failed."""

    def in_loop() -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await test()

        asyncio.run(limited())

    in_loop.__name__ = test.__name__
    in_loop.__doc__ = test.__doc__
    return in_loop


@contextlib.asynccontextmanager
async def serving(talk: Talk, config=None, **options) -> AsyncIterator[Server]:
    refusals: list[Exception] = []
    options.setdefault("refused", lambda error, address: refusals.append(error))
    server = await start_server(talk, "127.0.0.1", 0, config or skins.server_config(), **options)
    server.refusals = refusals
    async with server:
        yield server


def port(server: Server) -> int:
    return server.sockets[0].getsockname()[1]


def ada(**options):
    return skins.client_config(skins.client(), **options)


async def open_to(server: Server, config=None, **options) -> tuple[StreamReader, StreamWriter]:
    return await connect("127.0.0.1", port(server), config or ada(), **options)


async def echo(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def quiet(reader: StreamReader, writer: StreamWriter) -> None:
    await reader.read()


async def closed(*writers: StreamWriter) -> None:
    for writer in writers:
        writer.close()
        await writer.wait_closed()


# -- both prove who they are -----------------------------------------------------------------------------


@run
async def test_both_peers_know_each_other_and_what_they_agreed_on():
    """DESIGN 8: peer, version, suite, group, alpn."""
    seen: list[str] = []

    async def talk(reader, writer) -> None:
        seen.append(writer.peer.names.common_name)
        await echo(reader, writer)

    async with serving(talk, skins.server_config(alpn=("echo/1",))) as server:
        assert server.is_serving()
        reader, writer = await open_to(server, ada(alpn=("echo/1",)), server_name="localhost")
        assert writer.peer.names.common_name == "server"
        assert (writer.version, writer.suite, writer.group) == ("1.3", "TLS_AES_128_GCM_SHA256", "x25519")
        assert (writer.alpn, writer.resumed, writer.warnings) == ("echo/1", False, [])
        assert writer.get_extra_info("peername") == ("127.0.0.1", port(server))
        assert writer.get_extra_info("nothing", 7) == 7
        assert writer.transport is not None
        assert writer.can_write_eof()
        writer.writelines([b"one ", b"two"])
        writer.write_eof()
        assert await reader.read() == b"one two"
        assert reader.at_eof()
        await closed(writer)
    assert seen == ["Ada"]


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


# -- reading ---------------------------------------------------------------------------------------------


async def lines(reader: StreamReader, writer: StreamWriter) -> None:
    writer.write(b"one\ntwo\n")
    await writer.drain()
    await asyncio.sleep(0.01)
    writer.write(b"three-")
    await asyncio.sleep(0.01)
    writer.write(b"-and a rest")


@run
async def test_reader_has_the_ways_of_asyncios_reader():
    """read, readexactly, readline, readuntil, iteration."""
    async with serving(lines) as server:
        reader, writer = await open_to(server)
        assert await reader.read(0) == b""
        assert await reader.readline() == b"one\n"
        assert await reader.read(2) == b"tw"
        assert await reader.readexactly(2) == b"o\n"
        assert await reader.readuntil(b"--") == b"three--"
        assert await reader.readexactly(0) == b""
        assert await reader.readline() == b"and a rest"
        assert await reader.readline() == b""
        assert await reader.read(1) == b""
        await closed(writer)
        reader, writer = await open_to(server)
        assert [line async for line in reader] == [b"one\n", b"two\n", b"three--and a rest"]
        await closed(writer)


@run
async def test_reader_tells_what_is_missing():
    """IncompleteReadError, LimitOverrunError as in asyncio; our caller's mistakes are UsageError."""
    async with serving(lines) as server:
        reader, writer = await open_to(server)
        with pytest.raises(asyncio.IncompleteReadError) as missing:
            await reader.readexactly(100)
        assert missing.value.partial == b"one\ntwo\nthree--and a rest"
        await closed(writer)
        reader, writer = await open_to(server)
        with pytest.raises(asyncio.IncompleteReadError):
            await reader.readuntil(b"nowhere")
        with pytest.raises(UsageError):
            await reader.readexactly(-1)
        with pytest.raises(UsageError):
            await reader.readuntil(b"")
        await closed(writer)
        reader, writer = await open_to(server, limit=16)
        with pytest.raises(asyncio.LimitOverrunError):
            await reader.readuntil(b"nowhere")
        await closed(writer)


@run
async def test_a_long_line_goes_through_a_small_window():
    """A reader that needs more gets more though it had stopped the transport."""

    async def long_lines(reader, writer) -> None:
        for _ in range(20):
            writer.write(b"x" * 50_000 + b"\n")
            await writer.drain()

    async with serving(long_lines) as server:
        reader, writer = await open_to(server)
        for _ in range(20):
            assert len(await reader.readline()) == 50_001
        assert await reader.readline() == b""
        await closed(writer)


@run
async def test_a_reader_that_waits_for_more_gets_more_though_its_buffer_was_full():
    """Half-empty is not empty enough to go on by itself, but enough for a line that is not complete."""

    async def two_lines(reader, writer) -> None:
        writer.write(b"a" * 900 + b"\n" + b"b" * 600)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"c\n")

    async with serving(two_lines) as server:
        reader, writer = await open_to(server, limit=1000)
        await asyncio.sleep(0.02)
        assert len(await reader.readline()) == 901
        assert await reader.readline() == b"b" * 600 + b"c\n"
        await closed(writer)


@run
async def test_only_one_task_reads_at_a_time():
    """As in asyncio, the second is told so."""
    async with serving(quiet) as server:
        reader, writer = await open_to(server)
        first = asyncio.create_task(reader.read(1))
        await asyncio.sleep(0.01)
        with pytest.raises(UsageError):
            await reader.read(1)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        await closed(writer)
        with pytest.raises(UsageError):
            await reader.read(1)
        with pytest.raises(UsageError):
            await reader.readline()


# -- back-pressure ---------------------------------------------------------------------------------------


@run
async def test_a_reader_that_does_not_read_stops_the_sender():
    """What waits is bounded on both sides; nothing is lost."""
    go = asyncio.Event()
    received = 0

    async def slow(reader, writer) -> None:
        nonlocal received
        await go.wait()
        while data := await reader.read(65536):
            received += len(data)
        writer.write(b"done")

    async with serving(slow) as server:
        reader, writer = await open_to(server)
        sent = 0
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                while True:
                    writer.write(bytes(65536))
                    sent += 65536
                    await writer.drain()
        assert sent < 64 * 1024 * 1024
        go.set()
        writer.write_eof()
        assert await reader.read() == b"done"
        assert received == sent
        await closed(writer)


@run
async def test_megabytes_go_both_ways_at_once():
    """Every byte comes back, in order."""
    payload = bytes(range(256)) * 16384
    async with serving(echo) as server:
        reader, writer = await open_to(server)

        async def send() -> None:
            for start in range(0, len(payload), 100_000):
                writer.write(payload[start : start + 100_000])
                await writer.drain()
            writer.write_eof()

        sending = asyncio.create_task(send())
        assert await reader.read() == payload
        await sending
        await closed(writer)


def test_an_idle_connection_fits_the_budget():
    """DESIGN 10: at most 32 KiB for an idle established connection, engine and asyncio, both sides halved."""

    async def measured() -> float:
        count = 40
        async with serving(quiet) as server:
            warm = [await open_to(server) for _ in range(5)]
            gc.collect()
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            pairs = [await open_to(server) for _ in range(count)]
            await asyncio.sleep(0.05)
            gc.collect()
            used = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            await closed(*(writer for _, writer in (*warm, *pairs)))
        return used / count / 2

    assert asyncio.run(measured()) < BUDGET


# -- the end ---------------------------------------------------------------------------------------------


@run
async def test_truncation_is_raised_from_read_and_never_an_empty_read():
    """DESIGN 5: all authenticated data first, then Truncated."""

    async def cut(reader, writer) -> None:
        writer.write(b"half a sent")
        await writer.drain()
        writer.transport.close()

    async with serving(cut) as server:
        reader, writer = await open_to(server)
        assert await reader.read(5) == b"half "
        assert await reader.read(100) == b"a sent"
        for _ in range(2):
            with pytest.raises(Truncated):
                await reader.read(1)
        assert not reader.at_eof()
        with pytest.raises(Truncated):
            await reader.readline()
        with pytest.raises(Truncated):
            writer.write(b"x")
        with pytest.raises(Truncated):
            await writer.drain()
        await closed(writer)


@run
async def test_readline_raises_truncated_with_half_a_line():
    """Half a line is no line where the connection was cut."""

    async def cut(reader, writer) -> None:
        writer.write(b"half a li")
        await writer.drain()
        writer.transport.close()

    async with serving(cut) as server:
        reader, writer = await open_to(server)
        with pytest.raises(Truncated):
            await reader.readline()
        await closed(writer)


@run
async def test_one_side_may_end_while_the_other_goes_on():
    """RFC 9846 6.1: close_notify ends one direction."""

    async def late(reader, writer) -> None:
        question = await reader.read()
        writer.write(b"answer to " + question)

    async with serving(late) as server:
        reader, writer = await open_to(server)
        writer.write(b"question")
        writer.write_eof()
        assert await reader.read() == b"answer to question"
        with pytest.raises(UsageError):
            writer.write(b"more")
        await closed(writer)


@run
async def test_closed_writers_are_not_used_again():
    """Our caller's mistake; a second close is none."""
    async with serving(echo) as server:
        _, writer = await open_to(server)
        assert not writer.is_closing()
        writer.close(linger=0.05)
        writer.close()
        assert writer.is_closing()
        with pytest.raises(UsageError):
            writer.write(b"x")
        await writer.wait_closed()
        assert await writer.confirmed(0) in ("unknown", "accepted")


@run
async def test_a_handlers_last_words_arrive_though_the_client_still_talks():
    """The server lingers a moment: closing with unread data would destroy them."""

    async def short(reader, writer) -> None:
        await reader.read(1)
        writer.write(b"short answer")

    async with serving(short) as server:
        reader, writer = await open_to(server)
        writer.write(bytes(300_000))
        writer.write_eof()
        assert await reader.read() == b"short answer"
        await closed(writer)


@run
async def test_a_slow_client_gets_all_of_an_answer_that_its_handler_left_behind():
    """The server's patience counts from the last byte that the client took."""
    size = 8 * 1024 * 1024

    async def big(reader, writer) -> None:
        writer.write(bytes(size))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server_source, "LINGER_SECONDS", 0.2)
        async with serving(big) as server:
            reader, writer = await open_to(server)
            received = 0
            while data := await reader.read(256 * 1024):
                received += len(data)
                await asyncio.sleep(0.02)
            assert received == size
            await closed(writer)


# -- late refusal ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", ["read", "drain", "write"])
def test_a_late_refusal_is_the_handshakes_failure_in_any_call(call):
    """DESIGN 8: whichever call meets the refusal raises it at step 3."""

    async def refused() -> None:
        async with serving(quiet) as server:
            reader, writer = await open_to(server, skins.client_config())
            with pytest.raises(PeerAlert) as late:
                if call == "read":
                    await reader.read(1)
                for _ in range(1000):
                    writer.write(bytes(1000))
                    await (writer.drain() if call == "drain" else asyncio.sleep(0.001))
            assert (late.value.alert, late.value.step) == (Alert.CERTIFICATE_REQUIRED, "3.1")
            assert await writer.confirmed(1) == "refused"
            with pytest.raises(PeerAlert):
                writer.write_eof()
            await closed(writer)
            assert server.refusals[0].fault is Fault.NO_CERTIFICATE

    asyncio.run(refused())


@run
async def test_confirmed_answers_accepted_refused_or_unknown():
    """The first protected record after the server's Finished is the answer (RFC 9846 4.5.3)."""
    async with serving(echo) as server:
        reader, writer = await open_to(server)
        assert await writer.confirmed(0.02) == "unknown"
        writer.write(b"x")
        assert await reader.confirmed() == "accepted"
        assert await reader.read(1) == b"x"
        await closed(writer)
        reader, writer = await open_to(server, skins.client_config(skins.stranger()))
        assert writer.warnings == [Caution.NO_MATCHING_AUTHORITY]
        assert await reader.confirmed(5) == "refused"
        with pytest.raises(PeerAlert) as late:
            await reader.read(1)
        assert late.value.step == "3.3a"
        await closed(writer)


@run
async def test_a_reset_before_the_first_word_fails_the_handshake():
    """DESIGN 8: a reset before the first protected record is a failure of step 3."""

    async def reset(reader, writer) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    async with serving(reset) as server:
        reader, writer = await open_to(server)
        with pytest.raises(Truncated) as cut:
            await reader.read(1)
        assert cut.value.step == "3"
        assert await reader.confirmed(0) == "refused"
        await closed(writer)


# -- our own refusal, time, cancellation -----------------------------------------------------------------


@run
async def test_our_alert_reaches_a_peer_that_is_still_sending():
    """DESIGN 8: alert, then the write side is shut, then what comes is drained."""
    async with serving(echo) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        writer.write(b"\x17\x03\x03\x00\x10" + bytes(16) + bytes(200_000))
        writer.write_eof()
        assert await reader.read() == bytes((21, 3, 3, 0, 2, 2, Alert.UNEXPECTED_MESSAGE))
        writer.close()
        await writer.wait_closed()
        assert isinstance(server.refusals[0], PeerFault)


@run
async def test_draining_is_bounded_in_time_and_bytes(monkeypatch=None):
    """A peer that never ends does not hold us."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(link_source, "LINGER_SECONDS", 0.05)
        async with serving(echo) as server:
            for extra in (b"", bytes(3 * link_source.LINGER_BYTES)):
                reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
                writer.write(b"no TLS at all " + extra)
                with contextlib.suppress(OSError):
                    await reader.read()
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
            assert len(server.refusals) == 2


@run
async def test_server_gives_up_on_a_client_that_stays_silent():
    """The configuration's own limit is a fault of the peer."""
    async with serving(echo, skins.server_config(handshake_timeout=0.05)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", port(server))
        alert = await reader.read()
        writer.close()
        assert bytes((Alert.USER_CANCELED,)) in alert
        assert server.refusals[0].fault is Fault.HANDSHAKE_TIMEOUT


@run
async def test_client_gives_up_on_a_server_that_stays_silent():
    """`timeout` covers the handshake; the server reads user_canceled (RFC 9846 6.1)."""
    heard: list[bytes] = []

    async def silent(reader, writer) -> None:
        heard.append(await reader.read())
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        with pytest.raises(TimeoutError, match=r"no connection within 0\.05 seconds"):
            await connect("127.0.0.1", listener.sockets[0].getsockname()[1], ada(), timeout=0.05)
        while not heard:
            await asyncio.sleep(0.01)
    assert bytes((Alert.USER_CANCELED,)) in heard[0][-16:]


@run
async def test_a_cancelled_connect_leaves_nothing_behind():
    """The server is told, and the socket closed."""
    heard: list[bytes] = []

    async def silent(reader, writer) -> None:
        heard.append(await reader.read())
        writer.close()

    listener = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with listener:
        task = asyncio.create_task(connect("127.0.0.1", listener.sockets[0].getsockname()[1], ada()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        while not heard:
            await asyncio.sleep(0.01)
    assert bytes((Alert.USER_CANCELED,)) in heard[0][-16:]


@run
async def test_an_idle_connection_is_ended_and_told_so():
    """`idle_timeout`: TimeoutError for whoever reads, close_notify for the peer."""
    async with serving(quiet) as server:
        reader, writer = await open_to(server, idle_timeout=0.1)
        for _ in range(4):
            writer.write(b"still here")
            await asyncio.sleep(0.05)
        with pytest.raises(TimeoutError, match=r"nothing was said for 0\.1 seconds"):
            await reader.read(1)
        await closed(writer)


@run
async def test_a_server_ends_with_its_connections():
    """Leaving the context cancels handlers and closes their connections in order (close_notify)."""
    cancelled: list[bool] = []

    async def waits(reader, writer) -> None:
        try:
            await reader.read()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async with serving(waits) as server:
        reader, writer = await open_to(server)
        await asyncio.sleep(0.02)
    assert cancelled == [True]
    assert not server.is_serving()
    assert await reader.read() == b""
    await closed(writer)


@run
async def test_serve_forever_ends_when_cancelled():
    """As asyncio's; handlers end with it."""
    server = await start_server(quiet, "127.0.0.1", 0, skins.server_config())
    task = asyncio.create_task(server.serve_forever())
    await asyncio.sleep(0.01)
    _, writer = await open_to(server)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closed(writer)


@run
async def test_a_failing_handler_ends_its_own_connection_only(caplog=None):
    """The loop is told; the peer sees a cut; others go on."""
    told: list[BaseException] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context["exception"]))

    async def fails(reader, writer) -> None:
        if await reader.read(1) == b"!":
            raise ZeroDivisionError
        raise TimeoutError("a handler's own")

    async with serving(fails) as server:
        for word, kind in ((b"!", ZeroDivisionError), (b"?", None)):
            reader, writer = await open_to(server)
            writer.write(word)
            with pytest.raises(Truncated):
                await reader.read(1)
            await closed(writer)
            assert [type(error) for error in told] == ([kind] if kind else [ZeroDivisionError])


def test_refusals_are_logged_unless_taken(caplog):
    """The default of `refused`."""

    async def refused() -> None:
        server = await start_server(quiet, "127.0.0.1", 0, skins.server_config())
        async with server:
            reader, writer = await open_to(server, skins.client_config())
            with pytest.raises(PeerAlert):
                await reader.read(1)
            await closed(writer)

    with caplog.at_level(logging.INFO, "bothways"):
        asyncio.run(refused())
    assert "sent no certificate although we require one" in caplog.text


# -- keys elsewhere --------------------------------------------------------------------------------------


def sign(request: SignatureWanted) -> bytes:
    return skins.client().key.sign(request.data, ec.ECDSA(hashes.SHA256()))


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
            config = ada(credentials=Credentials.external(skins.client().chain_pem))
            reader, writer = await open_to(server, config, signer=signer)
            writer.write(b"x")
            assert await reader.read(1) == b"x"
            await closed(writer)
        assert names == ["Ada"]
        assert observed

    asyncio.run(signed())


@run
async def test_a_missing_or_failing_signer_is_told():
    """Our own side's mistake is a UsageError that says so."""

    def fails(request: SignatureWanted) -> bytes:
        raise ZeroDivisionError("out of order")

    async with serving(echo) as server:
        config = ada(credentials=Credentials.external(skins.client().chain_pem))
        for signer, words in ((None, "give a signer"), (fails, "out of order")):
            with pytest.raises(UsageError, match=words):
                await open_to(server, config, signer=signer)


@run
async def test_a_cancelled_handshake_cancels_its_signer():
    """Nothing goes on behind a connection that is gone."""
    ended: list[str] = []

    async def never(request: SignatureWanted) -> bytes:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")
        return b""

    async with serving(echo) as server:
        config = ada(credentials=Credentials.external(skins.client().chain_pem))
        with pytest.raises(TimeoutError):
            await open_to(server, config, signer=never, timeout=0.1)
        while not ended:
            await asyncio.sleep(0.01)
    assert ended == ["cancelled"]
    assert all(isinstance(error, TLSError) for error in server.refusals)
