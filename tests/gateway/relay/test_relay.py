"""Bytes between a client and a service that dies, hangs or is slow; and clients that are."""

from __future__ import annotations

import asyncio
import socket
import struct

import pytest

from bothways import Truncated
from bothways.gateway.relay.relay import BUFFER_LIMIT, PlainEnd, Relay, RelayEnd
from bothways.servers.resets import end_by_reset
from gateway_talk import Setting, service, until

pytestmark = pytest.mark.network

MUCH = 16 * 1024 * 1024


def test_a_service_that_dies_cuts_its_client(setting: Setting) -> None:
    """Without close_notify, so that the client does not take a part for the whole (RFC 9846 6.1)."""

    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()

    async def talk() -> None:
        async with service(dying) as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"x")
                with pytest.raises((Truncated, ConnectionError)):
                    await reader.read()
                [reported] = await setting.until_reported()
        assert reported["ended"] == "the backend: the connection was reset"
        assert (reported["bytes_in"], reported["bytes_out"]) == (1, 0)

    asyncio.run(talk())


def test_a_client_that_is_cut_cuts_the_service(setting: Setting) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                writer.transport.abort()
                [reported] = await setting.until_reported()
                await until(lambda: behind.ends)
        assert "without close_notify" in reported["ended"] or "reset" in reported["ended"]
        assert behind.ends == ["ConnectionResetError"]

    asyncio.run(talk())


@pytest.mark.parametrize("is_reset", [False, True])
def test_a_reset_of_a_client_is_told_from_an_end_without_close_notify(
    setting: Setting, is_reset: bool
) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"x")
                assert await reader.readexactly(1) == b"x"
                if is_reset:
                    end_by_reset(writer.transport)
                writer.transport.abort()
                [reported] = await setting.until_reported()
        assert reported["code"] == ("CLIENT_LOST" if is_reset else "CLIENT_TRUNCATED")
        assert ("was reset" in reported["ended"]) == is_reset
        assert reported["cause"] == "CUT"

    asyncio.run(talk())


def test_the_service_may_end_first_and_still_be_told_the_rest(setting: Setting) -> None:
    """Half-closed either way."""
    came = bytearray()

    async def ending_first(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"all that I say")
        writer.write_eof()
        while data := await reader.read(65536):
            came.extend(data)

    async def talk() -> None:
        async with service(ending_first) as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                assert await reader.read() == b"all that I say"
                writer.write(b"y" * 200_000)
                writer.close()
                [reported] = await setting.until_reported()
                await until(lambda: behind.ends)
        assert (len(came), reported["ended"]) == (200_000, "both sides closed")

    asyncio.run(talk())


@pytest.mark.parametrize("slow", ["service", "client"])
def test_a_side_that_does_not_read_stops_the_other(setting: Setting, slow: str) -> None:
    """No more than some buffers is taken from whoever sends on and on; then everything arrives."""
    go_on: asyncio.Event
    came = 0

    async def talking(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal came
        if slow == "client":
            writer.write(b"z" * MUCH)
            await writer.drain()
            writer.write_eof()
        else:
            await go_on.wait()
        while data := await reader.read(65536):
            came += len(data)

    async def talk() -> None:
        nonlocal go_on
        go_on = asyncio.Event()
        async with service(talking) as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                if slow == "service":
                    writer.write(b"z" * MUCH)
                    writer.write_eof()
                await until(lambda: gateway.clients)
                [client] = gateway.clients
                end = client.relay.client if slow == "service" else client.relay.service
                await until(lambda: end.count and end.other.transport is not None)
                before = -1
                while before != end.count:
                    before = end.count
                    await asyncio.sleep(0.1)
                assert end.count < MUCH
                other = end.other.transport
                assert other.get_write_buffer_size() < 4 * BUFFER_LIMIT
                go_on.set()
                data = await reader.read()
                writer.close()
                await until(lambda: behind.ends)
        assert (len(data), came) == ((MUCH, 0) if slow == "client" else (0, MUCH))

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("times", "half_closes", "seconds"),
    [({"idle": 0.1}, False, "0.1"), ({"idle": 60, "half_closed": 0.1}, True, "0.1")],
)
def test_a_connection_on_which_nothing_is_said_is_ended(
    setting: Setting, times: dict, half_closes: bool, seconds: str
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del writer
        await reader.read()
        await asyncio.sleep(1)

    async def talk() -> None:
        async with service(silent) as behind:
            setting.write(behind.route(), times=times)
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                if half_closes:
                    writer.write_eof()
                with pytest.raises((Truncated, ConnectionError)):
                    await reader.read()
                [reported] = await setting.until_reported()
        assert reported["ended"] == f"nothing was sent or received for {seconds} seconds"

    asyncio.run(talk())


def test_a_client_that_takes_nothing_holds_no_place_for_ever(setting: Setting) -> None:
    """It keeps its connection open and reads nothing: no byte moves, and the idle limit ends it."""

    async def flooding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        writer.write(b"z" * MUCH)
        await writer.drain()

    async def talk() -> None:
        async with service(flooding) as behind:
            setting.write(behind.route(), times={"idle": 0.3})
            async with setting.gateway() as gateway:
                _, writer = await setting.open(gateway)
                writer.transport.pause_reading()
                [reported] = await setting.until_reported()
                await until(lambda: not gateway.clients)
        assert reported["ended"] == "nothing was sent or received for 0.3 seconds"

    asyncio.run(talk())


class FakeTransport:
    """A transport that takes nothing: it says so as soon as anything is written."""

    def __init__(self, end: RelayEnd) -> None:
        self.end = end
        self.reads = True
        self.written = b""

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data
        self.end.pause_writing()


def test_data_received_before_the_service_is_connected_is_limited_too() -> None:
    """Nothing more is read while the service has not taken that."""

    async def talk() -> None:
        relay = Relay(lambda _: None, lambda _: None, idle=60, half_closed=60, client=PlainEnd)
        client, backend = FakeTransport(relay.client), FakeTransport(relay.service)
        relay.client.connection_made(client)
        assert not client.reads
        relay.client.data_received(b"early")
        relay.service.connection_made(backend)
        assert (backend.written, client.reads) == (b"early", False)
        relay.service.resume_writing()
        assert client.reads
        relay.idleness.stop()

    asyncio.run(talk())
