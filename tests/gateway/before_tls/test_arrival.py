"""Connections by a proxy in front: the header is mandatory from its address, and means nothing from any other."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest

from bothways import Truncated
from bothways.aio import connect
from bothways.aio.client import create_connection
from bothways.gateway.server import Gateway
from gateway.proxy_protocol.test_reading import TCP4, binary, with_checksum
from gateway_talk import Setting, port, service, until

pytestmark = pytest.mark.network

LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 5 443\r\n"


def write(setting: Setting, route: str, proxies: str, **tables: object) -> None:
    text = setting.write(route, **tables).read_text()
    setting.path.write_text(text.replace("port = 0", f"port = 0\nproxy_from = {proxies}"))


async def announced(setting: Setting, gateway: Gateway, header: bytes) -> tuple:
    """A verified client by way of a proxy."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.setblocking(False)
    await loop.sock_connect(sock, ("127.0.0.1", port(gateway)))
    await loop.sock_sendall(sock, header)
    config = setting.mutual.client("good").config
    reader, writer = await connect(None, None, config, "localhost", sock=sock)
    setting.writers.append(writer)
    return reader, writer


async def sent(gateway: Gateway, data: bytes) -> bytes:
    """What comes back to whoever sends this."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
    try:
        writer.write(data)
        return await reader.read()
    except ConnectionError:
        return b"reset"
    finally:
        writer.close()


@pytest.mark.parametrize("header", [LINE, binary(TCP4), with_checksum(TCP4)])
def test_a_client_counts_and_is_told_of_by_the_address_that_a_proxy_announces(
    setting: Setting, header: bytes
) -> None:
    """The service learns it too, and the address that the client connected to."""

    async def talk() -> None:
        async with service() as behind:
            write(setting, behind.route(keys='proxy_protocol = "v2"'), '"127.0.0.1"')
            async with setting.gateway() as gateway:
                reader, writer = await announced(setting, gateway, header)
                writer.write(b"hello")
                data = await reader.readuntil(b"hello")
                assert data[16:28] == TCP4
                writer.close()
                [reported] = await setting.until_reported()
        assert (reported["client"], reported["proxy"][:10], reported["verdict"]) == (
            "192.0.2.7:5",
            "127.0.0.1:",
            "allowed",
        )

    asyncio.run(talk())


def test_limits_count_announced_addresses_and_not_that_of_the_proxy(setting: Setting) -> None:
    async def talk() -> None:
        async with service() as behind:
            write(setting, behind.route(), '"127.0.0.0/8"', limits={"per_address": 1})
            async with setting.gateway() as gateway:
                other = LINE.replace(b"192.0.2.7", b"192.0.2.8")
                await announced(setting, gateway, LINE)
                await announced(setting, gateway, other)
                with pytest.raises((OSError, Truncated)):
                    await announced(setting, gateway, LINE)
                [reported] = await setting.until_reported()
                assert reported["client"] == "192.0.2.7:5"
                assert reported["ended"] == "its address has 1 connections, and gets no more"

    asyncio.run(talk())


def test_a_proxy_that_speaks_for_itself_counts_by_its_own_address(setting: Setting) -> None:
    async def talk() -> None:
        async with service() as behind:
            write(setting, behind.route(), '"127.0.0.1"')
            async with setting.gateway() as gateway:
                _, writer = await announced(setting, gateway, binary(b"", 0x00, 0x20))
                writer.close()
                [reported] = await setting.until_reported()
                assert reported["client"] == reported["proxy"]

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("data", "reported"),
    [
        (b"\x16\x03\x01\x00\x05hello", "mandatory from this address"),
        (binary(TCP4 + b"\x01"), "ends within a value"),
        (b"PROXY TCP4 ", "no PROXY header came in time"),
    ],
)
def test_a_proxy_without_a_header_in_form_and_in_time_reaches_nothing(
    setting: Setting, data: bytes, reported: str
) -> None:
    async def talk() -> None:
        async with service() as behind:
            write(setting, behind.route(), '"127.0.0.1"', times={"hello": 0.2})
            async with setting.gateway() as gateway:
                assert await sent(gateway, data) in (b"", b"reset")
                [line] = await setting.until_reported()
        assert reported in line["ended"]
        assert (line["verdict"], line["proxy"], behind.writers) == ("none", line["client"], [])

    asyncio.run(talk())


def test_a_header_from_another_address_is_no_tls_and_changes_nothing(setting: Setting) -> None:
    """Neither where other addresses are proxies, nor where nobody is."""

    async def talk(proxies: str | None) -> None:
        setting.lines.clear()
        async with service() as behind:
            if proxies is None:
                setting.write(behind.route())
            else:
                write(setting, behind.route(), proxies)
            async with setting.gateway() as gateway:
                for header in (LINE, binary(TCP4)):
                    assert (await sent(gateway, header))[:2] in (b"\x15\x03", b"re", b"")
                _, writer = await setting.open(gateway)
                writer.close()
                reported = await setting.until_reported(3)
        assert [each["verdict"] for each in reported][-1] == "allowed"
        assert {each["client"].rpartition(":")[0] for each in reported} == {"127.0.0.1"}
        assert {each["proxy"] for each in reported} == {None}

    asyncio.run(talk('"192.0.2.0/24"'))
    asyncio.run(talk(None))


def test_connections_that_wait_for_a_header_are_limited_in_number_and_ended_with_the_gateway(
    setting: Setting,
) -> None:
    async def talk() -> None:
        async with service() as behind:
            write(setting, behind.route(), '"127.0.0.1"', limits={"handshakes": 4})
            async with setting.gateway() as gateway:
                waiting = [await asyncio.open_connection("127.0.0.1", port(gateway)) for _ in range(5)]
                [reported] = await setting.until_reported()
                assert "too many connections of proxies" in reported["ended"]
                waiting[0][1].close()
                waiting[1][1].write(b"PROXY")
                waiting[1][1].close()
                await until(lambda: len(setting.reported()) == 2)
                assert "before its PROXY header" in setting.reported()[1]["ended"]
            for reader, writer in waiting[2:]:
                with pytest.raises(ConnectionError):
                    assert await reader.read() == b"", "it is closed"
                    raise ConnectionResetError
                writer.close()

    asyncio.run(talk())


def test_proxies_of_a_unix_socket_are_whoever_may_connect_to_it(setting: Setting) -> None:
    """A changed file counts for the next connection, though the socket stays."""

    async def through(path: Path, header: bytes) -> None:
        loop = asyncio.get_running_loop()
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        await loop.sock_connect(sock, str(path))
        await loop.sock_sendall(sock, header)
        config = setting.mutual.client("good").config
        transport, _ = await create_connection(asyncio.Protocol, None, None, config, "localhost", sock=sock)
        transport.close()

    async def talk() -> None:
        async with service() as behind:
            text = setting.write(behind.route()).read_text()
            setting.path.write_text(text.replace("port = 0", 'unix = "in.sock"\nproxy_from = "unix"'))
            async with setting.gateway():
                await through(setting.folder / "in.sock", LINE)
                await until(lambda: len(setting.reported()) == 1)
                setting.path.write_text(text.replace("port = 0", 'unix = "in.sock"'))
                assert await setting.reload()
                await through(setting.folder / "in.sock", b"")
                await until(lambda: len(setting.reported()) == 2)
        assert [each["client"] for each in setting.reported()] == ["192.0.2.7:5", "unix"]

    asyncio.run(talk())
