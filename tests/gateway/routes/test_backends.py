"""Services behind a gateway: those that cannot be reached, those on Unix sockets, those with TLS of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest

import identities
from bothways import ServerConfig, TLSError, Truncated
from bothways.aio import start_server
from bothways.trust.revocation import Revocation
from gateway_talk import ANYBODY, Setting, delayed, service, until
from tunnel_talk import connected, table, write

pytestmark = pytest.mark.network


async def refused(setting: Setting, backend: str, keys: str = "", **tables: dict) -> tuple[str, str]:
    """Why a client was ended whose service cannot be reached, and the cause."""
    setting.write(f'backend = "{backend}"\n{ANYBODY}\n{keys}', **tables)
    async with setting.gateway() as gateway:
        with pytest.raises((Truncated, ConnectionError)):
            reader, _ = await setting.open(gateway)
            await reader.read()
        [line] = await setting.until_reported()
        return line["ended"], line["cause"]


def test_a_service_that_refuses_cuts_the_client_and_is_told(setting: Setting) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ended, cause = asyncio.run(refused(setting, f"127.0.0.1:{port}"))
    assert ended.startswith(f"the backend 127.0.0.1:{port} cannot be reached: ")
    assert cause == "BACKEND_DOWN"


def test_a_service_that_never_answers_is_waited_for_only_so_long(setting: Setting) -> None:
    """Its queue is full, so that nothing comes back."""
    with socket.socket() as deaf, contextlib.ExitStack() as callers:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for _ in range(4):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        where = f"127.0.0.1:{deaf.getsockname()[1]}"
        ended, cause = asyncio.run(refused(setting, where, times={"connect": 0.2}))
    assert (ended, cause) == (f"the backend {where} did not answer within 0.2 seconds", "BACKEND_DOWN")


def test_a_socket_file_that_is_not_there_is_reported(setting: Setting) -> None:
    ended, cause = asyncio.run(refused(setting, "unix:missing.sock"))
    assert ended.endswith("missing.sock cannot be reached: No such file or directory")
    assert cause == "BACKEND_DOWN"


def test_a_service_whose_name_has_no_address_is_told_as_that(setting: Setting) -> None:
    assert asyncio.run(refused(setting, "nowhere.invalid:1"))[1] == "HOST_UNKNOWN"


def test_a_service_on_a_unix_socket_is_reached(setting: Setting) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()

    async def talk() -> None:
        server = await asyncio.start_unix_server(echo, str(setting.folder / "s.sock"))
        async with server:
            setting.write(f'backend = "unix:s.sock"\n{ANYBODY}')
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"hello")
                assert await reader.read() == b"hello"
                writer.close()
                await setting.until_reported()

    asyncio.run(talk())


HTTP_ANSWER = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("http", [False, True], ids=["TCP", "HTTP"])
@pytest.mark.parametrize(
    ("peer", "cause"),
    [
        ("plain HTTP", "SPEAKS_HTTP"),
        ("wants a certificate", "NO_CERTIFICATE"),
        ("foreign", "CA_NOT_ACCEPTED"),
    ],
)
def test_a_service_whose_tls_fails_has_the_cause_of_that_in_the_log(
    setting: Setting, peer: str, cause: str, http: bool
) -> None:
    """By Python's ssl and by a plain answer; a service that requires a certificate says so after our handshake."""
    mutual = setting.mutual
    server = mutual.identity("server")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(1)
            writer.write(HTTP_ANSWER)
            await writer.drain()
            writer.close()

    async def talk() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(mutual.ca))
        context.load_cert_chain(server.cert, server.key)
        if peer == "wants a certificate":
            context.verify_mode = ssl.CERT_REQUIRED
        tls = None if peer == "plain HTTP" else context
        trusted = "other.pem" if peer == "foreign" else str(mutual.ca)
        (setting.folder / "other.pem").write_bytes(identities.root("Another").pem)
        keys = f'[route.backend_tls]\nserver_name = "localhost"\nca = "{trusted}"\n'
        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls) as listener:
            where = f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
            mode = "http" if http else "tcp"
            setting.write(f'backend = "{where}"\nmode = "{mode}"\n{ANYBODY}\n{keys}')
            async with setting.gateway() as gateway:
                with contextlib.suppress(Truncated, ConnectionError):
                    reader, writer = await setting.open(gateway)
                    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    await reader.read()
                lines = await setting.until_reported(2 if http else 1)
        assert {each["cause"] for each in lines} == {cause}, lines

    asyncio.run(talk())


TLS = """[route.backend_tls]
server_name = "{name}"
ca = "pki/ca.pem"
certificate = "pki/{cert}"
key = "pki/{key}"
crl = "pki/crl.pem"
"""


@pytest.mark.parametrize(
    ("kind", "name", "ended", "cause"),
    [
        ("good", "localhost", None, None),
        ("revoked", "localhost", "the server sent a certificate that was revoked", "REVOKED"),
        (
            "good",
            "other.example",
            "the server sent a certificate for localhost, 127.0.0.1, ::1, not for other.example",
            "WRONG_NAME",
        ),
    ],
)
def test_a_service_with_tls_of_its_own_is_verified_and_sees_our_certificate(
    setting: Setting, kind: str, name: str, ended: str | None, cause: str | None
) -> None:
    mutual = setting.mutual
    seen: list[str | None] = []

    async def echo(reader, writer) -> None:
        seen.append(writer.peer.names.common_name)
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()

    async def talk() -> None:
        config = ServerConfig(
            credentials=mutual.identity("server", kind).credentials,
            client_anchors=mutual.anchors,
            revocation=Revocation(crls=mutual.crls),
        )
        server = await start_server(echo, "127.0.0.1", 0, config, refused=lambda *_: None)
        async with server:
            port = server.sockets[0].getsockname()[1]
            mine = mutual.identity("client")
            tls = TLS.format(name=name, cert=mine.cert.name, key=mine.key.name)
            if ended is not None:
                told = await refused(setting, f"127.0.0.1:{port}", tls)
                assert ended in told[0] and told[1] == cause
                return
            setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}\n{tls}')
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"x" * 200_000)
                writer.write_eof()
                assert len(await reader.read()) == 200_000
                writer.close()
                [reported] = await setting.until_reported()
                assert reported["ended"] == "both sides closed"
        await until(lambda: seen == ["good client"])

    asyncio.run(talk())


def test_a_service_that_is_revoked_after_a_reload_is_ended(setting: Setting) -> None:
    """Its connection was made by the configuration before, whose CRLs are still followed."""
    mutual = setting.mutual
    theirs = mutual.identity("server", dns=["backend.example"])

    async def echo(reader, writer) -> None:
        while data := await reader.read(65536):
            writer.write(data)

    async def talk() -> None:
        config = ServerConfig(credentials=theirs.credentials, client_anchors=mutual.anchors)
        async with await start_server(echo, "127.0.0.1", 0, config, refused=lambda *_: None) as server:
            mine = mutual.identity("client")
            tls = TLS.format(name="backend.example", cert=mine.cert.name, key=mine.key.name)
            route = f'backend = "127.0.0.1:{server.sockets[0].getsockname()[1]}"\n{ANYBODY}\n{tls}'
            setting.write(route)
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"
                setting.write(route, limits={"per_identity": 7})
                assert await setting.reload()
                writer.write(b"again")
                assert await reader.readexactly(5) == b"again"
                mutual.revoke(theirs)
                [reported] = await setting.until_reported()
        assert "revoked" in reported["ended"]

    asyncio.run(talk())


@pytest.mark.parametrize("way", ["tcp", "http", "tunnel"])
def test_a_connection_to_a_service_that_is_given_up_while_tls_begins_takes_no_socket_from_others(
    setting: Setting, way: str
) -> None:
    """The service still gets its alert; a socket that was closed before had its number given to another one."""
    mutual = setting.mutual
    got: list[bytes] = []
    began, over = asyncio.Event(), asyncio.Event()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(b"\x16\x03\x03\x00\x7a\x02")  # a part of a ServerHello
        began.set()
        got.append(await reader.read(65536))
        await over.wait()

    async def talk() -> None:
        async with service(begin) as behind:
            where = behind.server.sockets[0].getsockname()[1]
            mine = mutual.identity("client")
            if way == "tunnel":
                write(setting, "[times]\nconnect = 0.3\n", table(setting, where))
            else:
                tls = TLS.format(name="localhost", cert=mine.cert.name, key=mine.key.name)
                setting.write(
                    f'backend = "127.0.0.1:{where}"\nmode = "{way}"\n{ANYBODY}\n{tls}', times={"connect": 0.3}
                )
            async with setting.gateway() as gateway:
                if way == "tunnel":
                    writer = (await connected(setting))[1]
                else:
                    writer = (await setting.open(gateway))[1]
                    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await began.wait()
                await asyncio.sleep(0.1)  # what the service sent is with the gateway
                if way == "http":  # in other ways it is not read from, and the time ends it
                    writer.transport.abort()
                await setting.until_reported()
                for _ in range(8):
                    _, other = await asyncio.open_connection("127.0.0.1", where)
                    setting.writers.append(other)
                await until(lambda: got)
                over.set()
                writer.close()
        assert got[0].startswith(b"\x15\x03\x03\x00\x02")

    asyncio.run(talk())


@pytest.mark.parametrize("mode", ["tcp", "http"])
def test_a_service_that_is_revoked_while_it_is_connected_to_gets_nothing(setting: Setting, mode: str) -> None:
    """It delays its side of the handshake until the CRL is in use, and was called by the configuration before."""
    mutual = setting.mutual
    theirs = mutual.identity("server", dns=["backend.example"])
    came: list[bytes] = []

    async def keep(reader, writer) -> None:
        with contextlib.suppress(TLSError, OSError):
            came.append(await reader.read(1000))
            writer.write(HTTP_ANSWER)

    async def talk() -> None:
        config = ServerConfig(credentials=theirs.credentials, client_anchors=mutual.anchors)
        async with (
            await start_server(keep, "127.0.0.1", 0, config, refused=lambda *_: None) as server,
            delayed(server.sockets[0].getsockname()[1]) as front,
        ):
            mine = mutual.identity("client")
            tls = TLS.format(name="backend.example", cert=mine.cert.name, key=mine.key.name)
            setting.write(f'backend = "127.0.0.1:{front.port}"\nmode = "{mode}"\n{ANYBODY}\n{tls}')
            async with setting.gateway() as gateway:
                reader, writer = await setting.open(gateway)
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await front.called.wait()
                before = gateway.routes
                mutual.revoke(theirs)
                await until(lambda: gateway.routes is not before)
                front.go_on.set()
                with contextlib.suppress(Truncated, ConnectionError):
                    await reader.read(1)
                reported = (await setting.until_reported())[0]
        assert "revoked" in reported["ended"]
        assert b"".join(came) == b""

    asyncio.run(talk())
