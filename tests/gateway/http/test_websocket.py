"""WebSockets through a gateway: only where both sides agree, and then byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

import pytest
import websockets

from bothways import ServerConfig, TLSError
from bothways.aio import start_server
from bothways.ssl import SSLContext
from gateway_http import CUT, HTTP, gateway_to, talk_raw, web
from gateway_talk import ANYBODY, Setting, port, service

pytestmark = pytest.mark.network

ASK = (
    b"GET /chat HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def test_a_websocket_passes_both_ways_and_its_service_knows_who_it_is(setting: Setting) -> None:
    """With a client and a server that we did not write."""

    async def chat(talk_of: websockets.ServerConnection) -> None:
        request = talk_of.request
        assert request is not None
        await talk_of.send(request.headers["X-Forwarded-Client-Cert"])
        async for message in talk_of:
            await talk_of.send(message)

    async def talk() -> None:
        async with websockets.serve(chat, "127.0.0.1", 0, max_size=None) as server:
            backend = f'backend = "127.0.0.1:{server.sockets[0].getsockname()[1]}"'
            setting.write(f'server_names = ["localhost"]\n{backend}\n{HTTP}\nallow = "any verified client"')
            async with setting.gateway() as gateway:
                context = SSLContext(setting.mutual.client("good").config)
                url = f"wss://localhost:{port(gateway)}/chat"
                async with websockets.connect(url, ssl=context, max_size=None, proxy=None) as client:
                    assert "CN=good client" in str(await client.recv())
                    for message in ("hello", b"x" * 500_000):
                        await client.send(message)
                        assert await client.recv() == message

    asyncio.run(talk())


def test_bytes_after_a_refused_upgrade_are_the_next_request_and_no_tunnel(setting: Setting) -> None:
    """Otherwise a client could speak to the service past the gateway, with header fields of its own."""

    async def talk() -> None:
        async with web() as requests, gateway_to(setting, requests) as gateway:
            smuggled = b"GET /admin HTTP/1.1\r\nHost: localhost\r\nClient-Cert: forged\r\n\r\n"
            answer = await talk_raw(setting, gateway, ASK + smuggled)
            assert answer.count(b"HTTP/1.1 200") == 2
            assert [each.target for each in requests.got] == ["/chat", "/admin"]
            assert requests.got[0]["upgrade"] == "websocket"
            assert "forged" not in requests.got[1]["client-cert"]
            other = ASK.replace(b"Upgrade: websocket", b"Upgrade: h2c").replace(b"/chat", b"/h2c")
            await talk_raw(setting, gateway, other)
            assert "upgrade" not in requests.got[2].names

    asyncio.run(talk())


def test_each_way_of_a_websocket_ends_by_itself_and_a_cut_is_a_cut(setting: Setting) -> None:
    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nfirst"
        )
        if await reader.readexactly(3) == b"cut":
            own = writer.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            return
        while data := await reader.read(100):
            writer.write(data)
        writer.write(b"last")

    async def talk() -> None:
        async with service(agree) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway:
                answer = await talk_raw(setting, gateway, ASK + b"---bytes\x00\r\n")
                head, _, rest = answer.partition(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 101") and rest == b"firstbytes\x00\r\nlast"
                assert (await talk_raw(setting, gateway, ASK + b"cut", end=False)).endswith(b"first" + CUT)
                ended = [each["code"] for each in await setting.until_reported(4) if "code" in each]
                assert ended == ["CLOSED", "BACKEND_LOST"]

    asyncio.run(talk())


def test_a_websocket_on_which_nothing_passes_is_ended(setting: Setting) -> None:
    async def agree(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        await reader.read()

    async def talk() -> None:
        async with service(agree) as behind:
            setting.write(behind.route(keys=HTTP), times={"idle": 0.2})
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(ASK)
                with pytest.raises(Exception, match="close_notify|reset"):
                    await reader.read()
                request, connection = await setting.until_reported(2)
        assert request["ended"] == connection["ended"] == "nothing was sent or received for 0.2 seconds"
        assert (connection["code"], connection["cause"], request["cause"]) == ("IDLE_TIMEOUT", None, None)

    asyncio.run(talk())


def test_a_websocket_ends_when_its_service_is_revoked(setting: Setting) -> None:
    """Nothing more reaches a service over TLS that is listed in a CRL that came after the connection."""
    mutual = setting.mutual
    theirs = mutual.identity("server", dns=["backend.example"])

    async def agree(reader, writer) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n")
        with contextlib.suppress(TLSError, OSError):
            while data := await reader.read(100):
                writer.write(data)

    async def talk() -> None:
        config = ServerConfig(credentials=theirs.credentials, client_anchors=mutual.anchors)
        async with await start_server(agree, "127.0.0.1", 0, config, refused=lambda *_: None) as server:
            keys = f'backend = "127.0.0.1:{server.sockets[0].getsockname()[1]}"\n{HTTP}\n{ANYBODY}'
            mine = mutual.identity("client")
            own = f'certificate = "pki/{mine.cert.name}"\nkey = "pki/{mine.key.name}"'
            tls = f'server_name = "backend.example"\nca = "pki/ca.pem"\ncrl = "pki/crl.pem"\n{own}'
            setting.write(f"{keys}\n[route.backend_tls]\n{tls}")
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(ASK + b"a")
                assert (await reader.readuntil(b"\r\n\r\na")).startswith(b"HTTP/1.1 101 ")
                mutual.revoke(theirs)
                async with asyncio.timeout(60):
                    with pytest.raises((TLSError, OSError)):
                        while True:
                            writer.write(b"b")
                            await reader.readexactly(1)
                [request, _] = await setting.until_reported(2)
        assert "revoked" in request["ended"]

    asyncio.run(talk())
