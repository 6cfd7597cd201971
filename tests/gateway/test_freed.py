"""What a gateway keeps of a client that has ended: nothing that waits for the garbage collector, keys least of all."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ssl
from collections import Counter
from typing import Any

import pytest

import tunnel_talk
from bothways.aio import StreamWriter
from bothways.gateway.server import Gateway
from bothways.servers.resets import end_by_reset
from gateway.http.test_client2 import BY_HTTP2, GET, answering, head
from gateway.http.test_link2 import HEAD, Client
from gateway.routes.test_backends import TLS
from gateway_http import HTTP, OK
from gateway_talk import ANYBODY, Setting, port, service, until
from tunnel_talk import connected, echoed, table, tls_server, write

pytestmark = pytest.mark.network
OURS = ("bothways", "h11")  # h2 is also that of the client here


class Garbage:
    """What only the garbage collector would free of what comes to be in the block."""

    def __enter__(self) -> Garbage:
        gc.collect()
        gc.freeze()  # what was there before, such as the gateway of an earlier test, is not looked at
        gc.disable()
        return self

    def __exit__(self, *_: object) -> None:
        gc.garbage.clear()
        gc.enable()

    def kinds(self) -> Counter[str]:
        """Count the objects of each kind of ours."""
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        gc.set_debug(0)
        kinds = map(type, gc.garbage)
        return Counter(each.__name__ for each in kinds if str(each.__module__).partition(".")[0] in OURS)


async def ok(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(OK)


ANSWER = answering(head((":status", "200"), end=True))
# What passes, the protocol by which it comes, and the service and the keys of its route.
PASSES: dict[str, tuple[str | None, Any, str]] = {
    "bytes": (None, None, ""),
    "HTTP/1.1": ("http/1.1", ok, HTTP),
    "HTTP/2": ("h2", ok, HTTP),
    "HTTP/1.1 to a service of HTTP/2": ("http/1.1", ANSWER, BY_HTTP2),
    "HTTP/2 to a service of HTTP/2": ("h2", ANSWER, BY_HTTP2),
}


async def ask(setting: Setting, gateway: Gateway, protocol: str | None) -> StreamWriter:
    """Make a request, and return the way to end its connection."""
    if protocol is None:
        reader, writer = await setting.open(gateway)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        return writer
    reader, writer = await setting.open(gateway, alpn=(protocol,))
    if protocol == "h2":
        assert (await Client(reader, writer).ask())[0] == 200
    else:
        writer.write(GET)
        assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    return writer


@pytest.mark.parametrize("ends", ["client", "service", "revoked"])
@pytest.mark.parametrize("what", PASSES)
def test_a_client_that_has_ended_is_freed_at_once(setting: Setting, what: str, ends: str) -> None:
    protocol, serves, keys = PASSES[what]

    async def talk() -> None:
        async with service(serves) as behind:
            setting.write(behind.route(keys=keys))
            async with setting.gateway() as gateway:
                with Garbage() as garbage:
                    writer = await ask(setting, gateway, protocol)
                    if ends == "revoked":
                        setting.mutual.revoke(setting.mutual.identity("client"))
                        await setting.reload()
                    elif ends == "service":
                        end_by_reset(behind.writers[-1].transport)
                        behind.writers[-1].transport.abort()
                    if ends == "client" or protocol is not None:
                        writer.close()
                    await until(lambda: not gateway.clients)
                    setting.writers.clear()
                    del writer
                    await asyncio.sleep(0.1)
                    assert garbage.kinds() == {}

    asyncio.run(talk())


async def without_certificate(port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    with contextlib.suppress(ssl.SSLError, OSError):
        await reader.read()
    writer.transport.abort()


async def silent(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    assert await reader.read() == b""
    writer.close()


async def one_of_two(port: int) -> None:
    await asyncio.gather(silent(port), silent(port), return_exceptions=True)


@pytest.mark.parametrize("comes", [without_certificate, silent, one_of_two])
def test_a_client_that_is_not_let_in_is_freed_at_once(setting: Setting, comes: Any) -> None:
    """By its certificate, by the time for its ClientHello, and by the limit of connections of one address."""

    async def talk() -> None:
        setting.write('backend = "127.0.0.1:1"\n' + ANYBODY, limits={"per_address": 1}, times={"hello": 0.3})
        async with setting.gateway() as gateway:
            with Garbage() as garbage:
                with contextlib.suppress(ConnectionError):
                    await comes(port(gateway))
                await setting.until_reported()
                await until(lambda: not gateway.clients)
                await asyncio.sleep(0.1)
                assert garbage.kinds() == {}

    asyncio.run(talk())


@pytest.mark.parametrize("ends", ["program", "server", "revoked", "refused", "unreachable"])
def test_a_program_in_a_tunnel_that_has_ended_is_freed_at_once(setting: Setting, ends: str) -> None:
    async def talk() -> None:
        leaving = setting.mutual.identity(
            "server", "unknown_ca" if ends == "refused" else "good", dns=["localhost"]
        )
        async with tls_server(setting, leaving) as server:
            write(setting, table(setting, tunnel_talk.port(server)))
            if ends == "unreachable":
                server.close()
            async with setting.gateway() as gateway:
                with Garbage() as garbage:
                    reader, writer = await connected(setting)
                    if ends not in ("refused", "unreachable"):
                        assert await echoed((reader, writer), b"hello") == b"hello"
                    if ends == "revoked":
                        setting.mutual.revoke(leaving)
                    elif ends == "server":
                        writer.write_eof()
                    elif ends == "program":
                        writer.close()
                    await until(lambda: not len(gateway.tunnelled))
                    await asyncio.sleep(0.2)
                    kinds = garbage.kinds()
                    assert not kinds, "\n".join(map(str, sorted(kinds.items())))
                    writer.close()

    asyncio.run(talk())


@pytest.mark.parametrize("is_revoked_before", [True, False])
def test_a_service_over_tls_that_is_not_trusted_is_freed_at_once(
    setting: Setting, is_revoked_before: bool
) -> None:
    """By a request of HTTP/2 that does not reach it, or with the client of a connection that it had."""
    mutual = setting.mutual
    theirs = mutual.identity("server", "revoked" if is_revoked_before else "good", dns=["localhost"])
    mine = mutual.identity("client")
    tls = TLS.format(name="localhost", cert=mine.cert.name, key=mine.key.name)

    async def talk() -> None:
        async with tls_server(setting, theirs) as server:
            mode = HTTP if is_revoked_before else ""
            setting.write(f'backend = "127.0.0.1:{tunnel_talk.port(server)}"\n{mode}\n{ANYBODY}\n{tls}')
            async with setting.gateway() as gateway:
                with Garbage() as garbage:
                    if is_revoked_before:
                        reader, writer = await setting.open(gateway, alpn=("h2",))
                        assert (await Client(reader, writer).ask())[0] == 502
                        del reader
                    else:
                        writer = await ask(setting, gateway, None)
                        mutual.revoke(theirs)
                        await until(lambda: not gateway.clients)
                    writer.close()
                    await until(lambda: not gateway.clients)
                    setting.writers.clear()
                    del writer
                    await asyncio.sleep(0.1)
                    assert garbage.kinds() == {}

    asyncio.run(talk())


async def garbage_of(setting: Setting, request: bytes, answer: bytes | None) -> Counter[str]:
    """What is left of a client and its service. answer: None for none, while the client leaves."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
        await reader.read()

    async with service(serve) as behind:
        setting.write(behind.route(keys=HTTP))
        async with setting.gateway() as gateway:
            with Garbage() as garbage:
                _, writer = await setting.open(gateway, alpn=("http/1.1",))
                writer.write(request)
                await setting.until_reported()
                writer.close()
                await until(lambda: not gateway.clients)
                setting.writers.clear()
                del writer
                await asyncio.sleep(0.1)
                return garbage.kinds()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (b"\0\1\2\r\n\r\n", None),
        (GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: x\r\n\r\n"), None),
        (GET, b"\0\1\2\r\n\r\n"),
    ],
)
def test_who_does_not_speak_http_is_freed_at_once(
    setting: Setting, request_: bytes, answer: bytes | None
) -> None:
    """The error that h11 raises keeps a frame that keeps it."""
    assert asyncio.run(garbage_of(setting, request_, answer)) == {}


def test_a_client_that_leaves_while_its_requests_are_served_is_freed_at_once(setting: Setting) -> None:
    """The error of the connection that it reset was raised while another one was handled."""

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async def talk() -> None:
        async with service(serve) as behind:
            setting.write(behind.route(keys=HTTP))
            async with setting.gateway() as gateway:
                with Garbage() as garbage:
                    reader, writer = await setting.open(gateway, alpn=("h2",))
                    client = Client(reader, writer)
                    for number in (1, 3, 5):
                        client.http.send_headers(number, HEAD, end_stream=True)
                    await client.flush()
                    await until(lambda: len(behind.writers) == 3)
                    writer.close()
                    await until(lambda: not gateway.clients)
                    setting.writers.clear()
                    del reader, writer, client
                    await asyncio.sleep(0.1)
                    assert garbage.kinds() == {}

    asyncio.run(talk())
