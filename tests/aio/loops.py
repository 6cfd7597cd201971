"""Tests in every event loop: asyncio's own, and uvloop where it is installed; and OpenSSL as the other side."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import identities
import pki

try:
    import uvloop
except ImportError:  # there is none for Windows
    uvloop = None

LOOPS = {"asyncio": asyncio.new_event_loop} | ({} if uvloop is None else {"uvloop": uvloop.new_event_loop})


def in_every_loop(test: Callable[..., Awaitable[None]]) -> Any:
    """Let a test be a coroutine that runs once in each kind of loop; a test that hangs has failed."""

    def run(loop: str, tmp_path: Path) -> None:
        async def limited() -> None:
            async with asyncio.timeout(20):
                await (test(tmp_path) if test.__code__.co_argcount else test())

        with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
            runner.run(limited())

    run.__name__, run.__doc__ = test.__name__, test.__doc__
    return pytest.mark.parametrize("loop", LOOPS)(run)


class Noting(asyncio.Protocol):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.reported: list[Any] = []
        self.data = bytearray()
        self.ended: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.reported.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.reported.append(exc)
        self.ended.set_result(exc)


class Echo(Noting):
    """Sends back what comes."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def openssl_client(folder: Path, who: pki.Issued | None = None) -> ssl.SSLContext:
    made = ssl.create_default_context(cadata=identities.root().pem.decode())
    return _with(made, folder, who)


def openssl_server(folder: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_verify_locations(cadata=identities.root().pem.decode())
    made.verify_mode = ssl.CERT_REQUIRED
    return _with(made, folder, identities.server())


def _with(made: ssl.SSLContext, folder: Path, who: pki.Issued | None) -> ssl.SSLContext:
    if who is not None:
        both = folder / "identity.pem"
        both.write_bytes(who.chain_pem + who.key_pem)
        made.load_cert_chain(both)
    return made
