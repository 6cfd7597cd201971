"""One end of a measurement over loopback, a process of its own: told what to do by lines, it tells what that cost.

`python -m bench.adapters_end server|client KIND asyncio|uvloop FOLDER`. KIND is ssl, context, transport; or least, for
records of bare AES-GCM without TLS, which nobody decrypts. A server prints its port, then for each line its
processor seconds so far; a client reads `connect|request|stream|hold PORT COUNT` and prints those that it took, and the
cipher suite for `suite PORT 1`. `hold` keeps so many connections open, which then are idle.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import process_time
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from bothways import ClientConfig, Credentials, ServerConfig, TrustStore, aio
from bothways.ssl import SSLContext

MIB = bytes(1 << 20)
RECORD, PIECE = 1 << 14, 1 << 16
REQUEST = bytes(1024)
ECHO, SINK = b"E", b"S"
HELD: list[tuple[Any, Any]] = []


class End:
    """Whose TLS it is, and of which files."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind, self._folder = kind, folder

    def _openssl(self, side: int, who: str) -> ssl.SSLContext:
        context = ssl.SSLContext(side)
        context.load_cert_chain(self._folder / f"{who}.pem", self._folder / f"{who}.key")
        context.load_verify_locations(self._folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        return context

    def _ours(self, who: str) -> dict[str, Any]:
        files = (self._folder / f"{who}.pem", self._folder / f"{who}.key")
        return {
            "credentials": Credentials.from_files(*files),
            "groups": ("x25519",),
            "versions": ("1.3",),
            "suites": ("TLS_AES_128_GCM_SHA256",),
        }

    def client(self) -> Callable[[int], Awaitable[tuple[Any, Any]]]:
        """Return what connects to a port."""
        if self.kind == "least":
            return least
        if self.kind == "ssl":
            context = self._openssl(ssl.PROTOCOL_TLS_CLIENT, "client")
            return lambda port: asyncio.open_connection("localhost", port, ssl=context)
        anchors = TrustStore.from_file(self._folder / "ca.pem")
        config = ClientConfig(anchors=anchors, **self._ours("client"))
        if self.kind == "context":
            ours = SSLContext(config)
            return lambda port: asyncio.open_connection("localhost", port, ssl=ours)
        return lambda port: aio.connect("localhost", port, config)

    async def serve(self, handler: Callable[[Any, Any], Awaitable[None]], port: int = 0) -> Any:
        """Begin to serve."""
        if self.kind == "least":
            return await asyncio.start_server(handler, "localhost", port, backlog=1024)
        if self.kind == "ssl":
            context = self._openssl(ssl.PROTOCOL_TLS_SERVER, "server")
            return await asyncio.start_server(handler, "localhost", port, ssl=context, backlog=1024)
        anchors = TrustStore.from_file(self._folder / "ca.pem")
        config = ServerConfig(client_anchors=anchors, **self._ours("server"))
        if self.kind == "context":
            ours = SSLContext(config)
            return await asyncio.start_server(handler, "localhost", port, ssl=ours, backlog=1024)
        return await aio.start_server(handler, "localhost", port, config)


class LeastWriter:
    """Writes large data as records of AES-GCM: what no TLS can leave out, without a connection, limits or checks."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer, self._aead, self._sequence = writer, AESGCM(bytes(16)), 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        if len(view) < RECORD:
            self._writer.write(data)
            return
        for at in range(0, len(view), PIECE):
            parts: list[bytes] = []
            for start in range(at, at + PIECE, RECORD):
                parts += self._sealed(b"".join((view[start : start + RECORD], b"\x17")))
            self._writer.writelines(parts)

    def _sealed(self, inner: bytes) -> tuple[bytes, bytes]:
        header = b"\x17\x03\x03" + (len(inner) + 16).to_bytes(2, "big")
        self._sequence += 1
        return header, self._aead.encrypt(self._sequence.to_bytes(12, "big"), inner, header)


async def least(port: int) -> tuple[Any, Any]:
    reader, writer = await asyncio.open_connection("localhost", port)
    return reader, LeastWriter(writer)


async def talk(reader: Any, writer: Any) -> None:
    """Send back what comes, or take a number of bytes and say so."""
    with contextlib.suppress(Exception):
        if await reader.readexactly(1) == SINK:
            left = int.from_bytes(await reader.readexactly(8), "big")
            while left:
                left -= len(await reader.read(1 << 18))
            writer.write(ECHO)
        else:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        await writer.drain()
    with contextlib.suppress(Exception):
        writer.close()


async def serve(end: End) -> None:
    server = await end.serve(talk)
    print(server.sockets[0].getsockname()[1], flush=True)
    over = asyncio.Event()

    def reported() -> None:
        if sys.stdin.readline():
            print(process_time(), flush=True)
        else:
            over.set()

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), reported)
    await over.wait()


async def measure(
    connect: Callable[[int], Awaitable[tuple[Any, Any]]], what: str, port: int, count: int
) -> float:
    """Return the processor seconds that so many of something take."""
    began = process_time()
    if what in ("connect", "hold"):
        for _ in range(count):
            reader, writer = await connect(port)
            writer.write(ECHO + b"?")
            await reader.readexactly(1)
            if what == "hold":
                HELD.append((reader, writer))
            else:
                await closed(writer)
        return process_time() - began
    reader, writer = await connect(port)
    if what == "request":
        writer.write(ECHO)
        began = process_time()
        for _ in range(count):
            writer.write(REQUEST)
            await reader.readexactly(len(REQUEST))
    else:
        mib = len(MIB) + (len(MIB) // RECORD * 22 if isinstance(writer, LeastWriter) else 0)
        writer.write(SINK + (count * mib).to_bytes(8, "big"))
        began = process_time()
        for _ in range(count):
            writer.write(MIB)
            await writer.drain()
        await reader.readexactly(1)
    took = process_time() - began
    await closed(writer)
    return took


async def suite(connect: Callable[[int], Awaitable[tuple[Any, Any]]], port: int) -> str:
    """Return the cipher suite of a connection."""
    _, writer = await connect(port)
    cipher = writer.get_extra_info("cipher")
    name = cipher[0] if cipher else getattr(writer, "suite", "no TLS")
    await closed(writer)
    return str(name)


async def closed(writer: Any) -> None:
    with contextlib.suppress(Exception):
        writer.close()
        await writer.wait_closed()


async def ask(end: End) -> None:
    connect = end.client()
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        what, port, count = line.split()
        if what == "suite":
            print(await suite(connect, int(port)), flush=True)
        else:
            print(await measure(connect, what, int(port), int(count)), flush=True)


def main() -> None:
    side, kind, loop, folder = sys.argv[1:]
    end = End(kind, Path(folder))
    work = serve(end) if side == "server" else ask(end)
    if loop == "uvloop":
        import uvloop

        uvloop.run(work)
    else:
        asyncio.run(work)


if __name__ == "__main__":
    main()
