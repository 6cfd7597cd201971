"""The client's certificate on request after the handshake, by streams and by a transport: RFC 9846 4.7.2."""

from __future__ import annotations

import asyncio

import pytest

import identities
from aio_talk import ada, closed, open_to, run, serving
from bothways import AuthenticationUnavailable, Credentials, Fault, PeerAlert, PeerFault, SignatureWanted
from bothways.aio import StreamReader, StreamWriter, create_server
from bothways.tls.crypto.signing import sign
from bothways.tls.driver import ClientAnswer

pytestmark = pytest.mark.network


EXTERNAL = Credentials.external(identities.client().chain_pem)


def later(**options):
    return identities.server_config(client_auth="later", **options)


def asked(**options):
    return ada(**{"post_handshake_auth": True} | options)


@run
async def test_streams_ask_and_say_what_came_before_the_answer():
    """What is read first was sent by nobody that is known."""
    answers: list[ClientAnswer] = []

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        assert writer.peer is None and await reader.readexactly(3) == b"get"
        answers.append(await writer.authenticate_client())
        assert writer.peer is answers[0].peer
        before = await reader.readexactly(answers[0].unread)
        writer.write(before.upper())
        writer.write(await reader.readexactly(5))

    async with serving(talk, later()) as server:
        reader, writer = await open_to(server, asked())
        writer.write(b"get, early")
        reading = asyncio.create_task(reader.readexactly(12))
        await asyncio.sleep(0.05)
        writer.write(b"after")
        assert await reading == b", EARLYafter"
        await closed(writer)
    (answer,) = answers
    assert answer.unread == 7 and answer.peer is not None
    assert answer.peer.names.common_name == "Ada"


@run
async def test_signer_of_the_client_may_wait():
    """A key held elsewhere, in the event loop of the client."""

    async def signed(wanted: SignatureWanted) -> bytes:
        await asyncio.sleep(0.01)
        return sign(wanted.scheme, identities.client().key, wanted.data)

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        answer = await writer.authenticate_client()
        writer.write(b"hello" if answer.peer else b"nobody")

    async with serving(talk, later()) as server:
        reader, writer = await open_to(server, asked(credentials=EXTERNAL), signer=signed)
        assert await reader.readexactly(5) == b"hello"
        await closed(writer)


@run
async def test_client_that_declines_is_none_or_is_refused():
    """As the caller says."""
    outcomes: list[object] = []

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        outcomes.append((await writer.authenticate_client(required=False)).peer)
        try:
            await writer.authenticate_client()
        except PeerFault as error:
            outcomes.append(error.fault)
            raise

    async with serving(talk, later()) as server:
        reader, writer = await open_to(server, asked(credentials=None))
        with pytest.raises(PeerAlert, match="certificate_required"):
            await reader.read()
        writer.close()
    assert outcomes == [None, Fault.NO_CERTIFICATE]


@run
async def test_client_that_cannot_be_asked_stays_connected():
    """It did not offer it: the application answers in its own way."""

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        try:
            await writer.authenticate_client()
        except AuthenticationUnavailable:
            writer.write(b"403")

    async with serving(talk, later()) as server:
        reader, writer = await open_to(server)
        assert await reader.readexactly(3) == b"403"
        await closed(writer)


@run
async def test_client_that_reads_nothing_is_refused_in_time():
    """And data of a client that does not answer is bounded, though nobody reads it."""
    outcomes: list[Fault] = []

    async def talk(reader: StreamReader, writer: StreamWriter) -> None:
        terms = {"seconds": 0.2} if not outcomes else {"max_data": 200_000}
        try:
            await writer.authenticate_client(**terms)
        except PeerFault as error:
            outcomes.append(error.fault)

    never = asyncio.Event()

    async def no_signature(wanted: SignatureWanted) -> bytes:
        await never.wait()
        return b""

    async with serving(talk, later()) as server:
        for count in range(2):
            config = asked(credentials=EXTERNAL)
            reader, writer = await open_to(server, config, signer=no_signature)
            if count:
                writer.write(bytes(300_000))
            with pytest.raises(PeerAlert, match="certificate_required"):
                await reader.read()
            writer.close()
    assert outcomes == [Fault.NO_ANSWER_TO_REQUEST, Fault.DATA_BEFORE_CERTIFICATE]


@run
async def test_protocol_is_told_between_its_data():
    """A protocol on a transport: what parts the data is a call like the others."""
    calls: list[object] = []

    class Asking(asyncio.Protocol):
        def connection_made(self, transport) -> None:
            self.transport = transport

        def data_received(self, data: bytes) -> None:
            calls.append(data)
            if data == b"get":
                self.task = asyncio.create_task(self.transport.authenticate_client())
            if data == b"after":
                self.transport.write(b"done")

        def client_answered(self, peer) -> None:
            calls.append(peer.names.common_name)

    server = await create_server(Asking, "127.0.0.1", 0, later())
    async with server:
        reader, writer = await open_to(server, asked())
        writer.write(b"get")
        while len(calls) < 2:
            await asyncio.sleep(0.01)
        writer.write(b"after")
        assert await reader.readexactly(4) == b"done"
        await closed(writer)
    assert calls == [b"get", "Ada", b"after"]
