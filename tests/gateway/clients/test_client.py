"""Clients before they are verified: what they may send, how long they may take, and which route they get."""

from __future__ import annotations

import asyncio

import pytest

from bothways import ClientConfig, PeerAlert
from bothways.aio import connect
from gateway_talk import ANYBODY, Setting, port, service, until

pytestmark = pytest.mark.network


def test_a_client_is_routed_by_the_name_and_the_protocol_that_it_asks_for(setting: Setting) -> None:
    """RFC 6066 3, RFC 7301 3.2: each route answers with what it is, and speaks the protocol that was agreed."""

    async def saying(word: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(word)
        await reader.read()

    async def talk() -> None:
        one = service(lambda *ends: saying(b"h2", *ends))
        two = service(lambda *ends: saying(b"plain", *ends))
        async with one as first, two as second:
            setting.write(first.route(keys='alpn = ["h2", "x"]'), second.route())
            async with setting.gateway() as gateway:
                for protocols, word in ((("x", "h2"), b"h2"), ((), b"plain"), (("y",), b"plain")):
                    reader, writer = await setting.open(gateway, alpn=protocols)
                    assert writer.alpn == ("h2" if word == b"h2" else None)
                    assert await reader.read(9) == word
                    writer.close()

    asyncio.run(talk())


@pytest.mark.parametrize("protocols", [(), ("http/1.1",)])
def test_a_client_that_offers_no_protocol_of_its_routes_is_not_told_that_its_name_is_unknown(
    setting: Setting, protocols: tuple[str, ...]
) -> None:
    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route(keys='alpn = ["h2", "x"]'))
            async with setting.gateway() as gateway:
                with pytest.raises(PeerAlert, match="no_application_protocol"):
                    await setting.open(gateway, alpn=protocols)
                [line] = await setting.until_reported()
        assert (line["code"], line["cause"]) == ("NO_SHARED_APPLICATION_PROTOCOL", "NO_SHARED_PROTOCOL")
        assert "we accept h2, x" in line["ended"]

    asyncio.run(talk())


def test_a_session_is_resumed_and_its_client_judged_and_decided_about_again(setting: Setting) -> None:
    """RFC 9846 4.7.1; also after the file was read again, and not by a rule that has gone."""

    async def talk() -> None:
        async with service() as behind:
            setting.write(behind.route())
            async with setting.gateway() as gateway:
                config = setting.mutual.client("good").config

                async def resumed() -> bool:
                    reader, writer = await connected(gateway, config)
                    writer.write(b"hello")
                    await reader.readexactly(5)
                    writer.close()
                    return bool(writer.resumed)

                assert [await resumed(), await resumed()] == [False, True]
                assert await setting.reload()
                assert await resumed()
                setting.write(behind.route('[[route.allow]]\ndns = "other.example"'))
                assert await setting.reload()
                with pytest.raises(PeerAlert, match="access_denied"):
                    await resumed()
                reported = await setting.until_reported(4)
        assert sorted(each["resumed"] for each in reported) == [False, False, True, True]

    async def connected(gateway, config: ClientConfig):
        reader, writer = await connect("127.0.0.1", port(gateway), config, "localhost")
        setting.writers.append(writer)
        return reader, writer

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("sent", "limits", "times", "ended", "cause"),
    [
        (b"", {}, {"hello": 0.1}, "no ClientHello came in time", "STARTTLS_CLIENT"),
        (
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
            {},
            {"hello": 0.1},
            "only a part of a ClientHello came in time",
            "SLOW",
        ),
        (b"QUIT", {}, {"hello": 0.1}, "the client", "OUR_PLAIN_PORT"),
        (b"GET / HTTP/1.1\r\n\r\n", {}, {}, "the client", "HTTP_CLIENT"),
        (b"\x16\x03\x01\x40\x00\x01\xff\xff\xff" + bytes(16380), {}, {}, "the client", "BEYOND_OUR_LIMITS"),
    ],
)
def test_whoever_sends_no_hello_is_ended(
    setting: Setting, sent: bytes, limits: dict, times: dict, ended: str, cause: str
) -> None:
    async def talk() -> None:
        setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}', limits=limits, times=times)
        async with setting.gateway() as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
            writer.write(sent)
            with pytest.raises(ConnectionResetError):
                while await reader.read(1000):
                    pass
                writer.close()
                raise ConnectionResetError
            [reported] = await setting.until_reported()
            writer.close()
        assert (reported["ended"].startswith(ended), reported["cause"]) == (True, cause)
        assert (reported["verdict"] == "refused") == bool(ended == "the client")

    asyncio.run(talk())


def test_nobody_sends_more_than_a_limit_before_the_verdict(setting: Setting) -> None:
    """Many small records that are no handshake yet count as all others do."""

    async def talk() -> None:
        setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}', limits={"bytes_before_verdict": 96 * 1024})
        async with setting.gateway() as gateway:
            reader, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
            begin = b"\x16\x03\x01\x40\x00\x01\x01\x00\x00"  # a ClientHello of 64 KiB that goes on and on
            writer.write(begin + bytes(16380) + (b"\x16\x03\x01\x00\x01\x00" * 30_000))
            with pytest.raises(ConnectionResetError):
                while await reader.read(1000):
                    pass
                raise ConnectionResetError
            [reported] = await setting.until_reported()
            writer.close()
        assert reported["verdict"] in ("none", "refused")

    asyncio.run(talk())


def test_a_client_that_leaves_before_it_is_verified_costs_nothing_more(setting: Setting) -> None:
    async def talk() -> None:
        setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
        async with setting.gateway() as gateway:
            _, writer = await asyncio.open_connection("127.0.0.1", port(gateway))
            await until(lambda: gateway.clients)
            writer.close()
            await until(lambda: not gateway.clients)
            [reported] = await setting.until_reported()
        assert (reported["verdict"], reported["who"]) == ("none", None)

    asyncio.run(talk())
