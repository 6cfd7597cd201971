"""A server of Python's ssl asks for our certificate on an open connection, and its key is held elsewhere."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import identities
from bothways import ClientConfig, Credentials, SignatureWanted, aio, net
from bothways.tls.crypto.signing import sign
from inside import connection_of

pytestmark = [pytest.mark.interop, pytest.mark.network]


def config() -> ClientConfig:
    elsewhere = Credentials.external(identities.client().chain_pem)
    return identities.client_config(credentials=elsewhere, post_handshake_auth=True)


def signer(wanted: SignatureWanted) -> bytes:
    return sign(wanted.scheme, identities.client().key, wanted.data)


def broken(wanted: SignatureWanted) -> bytes:
    raise OSError("the token is gone")


async def slow(wanted: SignatureWanted) -> bytes:
    await asyncio.sleep(0.05)
    return signer(wanted)


class Server:
    """Says a word, asks, says another word, and notes whom it has got to know by our answer to that."""

    def __init__(self, folder: Path, asks: ssl.VerifyMode) -> None:
        for name, pem in (
            ("chain", identities.server().chain_pem),
            ("key", identities.server().key_pem),
            ("ca", identities.root().pem),
        ):
            (folder / name).write_bytes(pem)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "chain", folder / "key")
        self._context.load_verify_locations(folder / "ca")
        self._context.verify_mode = asks
        self._context.post_handshake_auth = True
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.known: list[bytes | None] = []

    def serve(self) -> None:
        taken, _ = self._listening.accept()
        with self._listening, self._context.wrap_socket(taken, server_side=True) as conn:
            conn.settimeout(60)
            conn.sendall(b"one ")
            conn.verify_client_post_handshake()
            conn.sendall(b"two")
            assert conn.recv(64) == b"and three"
            self.known.append(conn.getpeercert(True))
            conn.sendall(b" four")


@contextmanager
def serving(folder: Path, asks: ssl.VerifyMode = ssl.CERT_REQUIRED) -> Iterator[Server]:
    server = Server(folder, asks)
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    thread.join(60)
    assert not thread.is_alive()


def read(receive: Callable[[int], bytes], size: int) -> bytes:
    found = b""
    while len(found) < size and (part := receive(size - len(found))):
        found += part
    return found


def until_signed(connection: Any) -> None:
    """Our answer goes out before what we send then: this server reads them in their order."""
    waiting = threading.Event()
    while connection.awaits_answer:
        waiting.wait(0.01)


def test_a_channel_signs_by_its_signer_and_data_goes_on(tmp_path: Path) -> None:
    """RFC 9846 4.7.2."""
    with (
        serving(tmp_path) as server,
        net.connect("127.0.0.1", server.port, config(), "localhost", signer=signer) as channel,
    ):
        assert read(channel.recv, 7) == b"one two"
        until_signed(connection_of(channel))
        channel.sendall(b"and three")
        assert read(channel.recv, 5) == b" four"
    assert server.known == [identities.client().chain[0]]


@pytest.mark.parametrize("answer", [signer, slow])
def test_streams_sign_by_their_signer_and_data_goes_on(
    tmp_path: Path, answer: Callable[[SignatureWanted], bytes | Awaitable[bytes]]
) -> None:
    """At once, or as a coroutine."""

    async def talk(port: int) -> None:
        reader, writer = await aio.connect("127.0.0.1", port, config(), "localhost", signer=answer)
        assert await reader.readexactly(7) == b"one two"
        while connection_of(writer).awaits_answer:
            await asyncio.sleep(0.01)
        writer.write(b"and three")
        assert await reader.readexactly(5) == b" four"
        writer.close()
        await writer.wait_closed()

    with serving(tmp_path) as server:
        asyncio.run(talk(server.port))
    assert server.known == [identities.client().chain[0]]


@pytest.mark.parametrize("by", ["channel", "streams"])
def test_a_signer_that_fails_shows_no_certificate_and_is_logged(
    tmp_path: Path, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    """RFC 9846 4.5.1.3: the request is declined; whether that will do is the server's to say."""

    async def talk(port: int) -> None:
        reader, writer = await aio.connect("127.0.0.1", port, config(), "localhost", signer=broken)
        assert await reader.readexactly(7) == b"one two"
        while connection_of(writer).awaits_answer:
            await asyncio.sleep(0.01)
        writer.write(b"and three")
        assert await reader.readexactly(5) == b" four"
        writer.close()
        await writer.wait_closed()

    with serving(tmp_path, ssl.CERT_OPTIONAL) as server, caplog.at_level(logging.ERROR):
        if by == "streams":
            asyncio.run(talk(server.port))
        else:
            with net.connect("127.0.0.1", server.port, config(), "localhost", signer=broken) as channel:
                assert read(channel.recv, 7) == b"one two"
                until_signed(connection_of(channel))
                channel.sendall(b"and three")
                assert read(channel.recv, 5) == b" four"
    assert server.known == [None]
    assert "the signer failed, so that our certificate is not sent" in caplog.text
    assert "the token is gone" in caplog.text
