"""What `serve` does for an authenticated client: it echoes, answers HTTP, or forwards to a TCP service."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from functools import partial
from typing import NoReturn

from bothways.addresses import TCPAddress
from bothways.aio.answers import Finder, Signer
from bothways.aio.connecting import connected_socket
from bothways.aio.idleness import Idleness
from bothways.aio.link import Link
from bothways.aio.protocol import BUFFER_LIMIT, TLSProtocol
from bothways.aio.server import LINGER_SECONDS
from bothways.aio.streams import StreamReader, StreamWriter
from bothways.aio.watch import Watch
from bothways.cli.servers.admission import ServedClient
from bothways.cli.servers.page import greet
from bothways.errors import StartTLSFailed, TimedOut
from bothways.gateway.log.endings import Code
from bothways.gateway.relay.relay import Relay
from bothways.gateway.routes.backends import greeted, hindrance, plain_way, unfit_greeting
from bothways.no_op import do_nothing
from bothways.starttls import Accepted
from bothways.tls.connection import Connection
from bothways.tls.events import Request

CONNECT_SECONDS = 10.0
HALF_CLOSED_SECONDS = 600.0  # seconds, for a connection with one direction closed
CHUNK = 64 * 1024


class BackendFailed(ConnectionError):
    """The service to which a client is forwarded was not reached, or was lost; the client is not at fault.

    address: of the service.  problem: what went wrong with our connection to it, if an error did.
    """

    def __init__(self, text: str, address: TCPAddress, problem: Exception | None) -> None:
        super().__init__(text)
        self.address = address
        self.problem = problem


class ServedProtocol(TLSProtocol):
    """The protocol of one client, which hears of its progress in the handshake and of each transfer after it.

    `settled` is called once, when the handshake has succeeded or failed.
    """

    def __init__(
        self,
        connection: Connection,
        watch: Watch,
        app: asyncio.BaseProtocol,
        *,
        client: ServedClient,
        limit: int = BUFFER_LIMIT,
        idle_timeout: float | None = None,
        signer: Signer | None = None,
        evidence: Finder | None = None,
    ) -> None:
        super().__init__(
            connection,
            watch,
            app,
            limit=limit,
            idle_timeout=idle_timeout,
            signer=signer,
            evidence=evidence,
        )
        self._client = client
        self.settled: Callable[[], None] | None = None
        self._step = connection.step
        self._received = 0  # since that step of the handshake
        self._silence: Idleness | None = None

    def limit_silence(self, seconds: float | None) -> None:
        """End the connection in order when no data was sent or received in either direction for so long."""
        self._silence = Idleness(seconds, partial(self._turns.do, self._end_of_silence))
        self._silence.start()

    def data_received(self, data: bytes) -> None:
        """Take what came. Of a handshake only what has completed a message is progress."""
        self._received += len(data)
        super().data_received(data)
        self._note()

    def _take(self, requests: Iterable[Request]) -> None:
        super()._take(requests)
        if self.connection.step is not self._step:
            self._client.note_progress(self._received)
            self._step, self._received = self.connection.step, 0
        if self.driver.status.failure is not None:
            self._settle()

    def _open(self) -> None:
        super()._open()
        self._settle()

    def _lose(self) -> None:
        super()._lose()
        self._turns.drop(self._end_of_silence)
        self._settle()

    def _settle(self) -> None:
        settled, self.settled = self.settled, None
        if settled is not None:
            settled()

    def resume_writing(self) -> None:
        """The client has taken what it was sent."""
        super().resume_writing()
        self._note()

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Send application data."""
        super().send(data)
        self._note()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count no longer."""
        if self._silence is not None:
            self._silence.stop()
        super().connection_lost(exc)

    def _note(self) -> None:
        if self.driver.status.established:
            self._client.note_activity()
            if self._silence is not None:
                self._silence.note_activity()

    def _end_of_silence(self) -> None:
        if self._silence is not None and self.driver.status.failure is None:
            self.driver.status.failure = silence(self._silence.seconds or 0.0)
            self.end()
            self.transport.close()
            self.wake()


class Service(ABC):
    """What is done for one client: `begin` makes the protocol, and `talk` runs once the client has its place."""

    @abstractmethod
    def begin(
        self, connection: Connection, watch: Watch, evidence: Finder | None, client: ServedClient
    ) -> ServedProtocol:
        """Return the protocol for the transport of the client."""

    @abstractmethod
    async def talk(self, tls: ServedProtocol) -> None:
        """Serve until the connection has ended. Raises TLSError or OSError if that was not in order."""


class StreamService(Service):
    """A service by a pair of streams. limit: seconds without data after which the connection ends, None for never."""

    def __init__(self, limit: float | None) -> None:
        self._limit = limit

    def begin(
        self, connection: Connection, watch: Watch, evidence: Finder | None, client: ServedClient
    ) -> ServedProtocol:
        """Return the protocol below the streams."""
        link = Link(connection, watch, evidence=evidence, below=partial(ServedProtocol, client=client))
        if not isinstance(link.tls, ServedProtocol):
            raise TypeError("the link has made another protocol")
        self._streams = StreamReader(link), StreamWriter(link)
        return link.tls


class Echo(StreamService):
    """Sends back what is received until the client's close_notify, then closes (RFC 9846 6.1)."""

    async def talk(self, tls: ServedProtocol) -> None:
        """Serve until the connection has ended."""
        tls.limit_silence(self._limit)
        reader, writer = self._streams
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
        writer.close(linger=LINGER_SECONDS)
        await tls.until_lost()


class Page(StreamService):
    """Answers one HTTP request with a page that shows the client's verified name.

    asks: request its certificate then, and not in the handshake.
    """

    def __init__(self, limit: float | None, *, asks: bool = False) -> None:
        super().__init__(limit)
        self._asks = asks

    async def talk(self, tls: ServedProtocol) -> None:
        """Serve until the connection has ended."""
        await greet(*self._streams, self._limit, asks=self._asks)
        await tls.until_lost()


class Forward(Service):
    """Relays between the client and a TCP service until both directions have ended.

    A truncation on one side becomes a reset on the other, so that incomplete data is not taken for complete; so does
    the idle limit.  starttls: the protocol in which its client has requested TLS, if it has.
    """

    def __init__(self, backend: TCPAddress, limit: float | None, starttls: Accepted | None = None) -> None:
        self._backend = backend
        self._starttls = starttls
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._relay = Relay(do_nothing, self._end, idle=limit, half_closed=HALF_CLOSED_SECONDS)

    def begin(
        self, connection: Connection, watch: Watch, evidence: Finder | None, client: ServedClient
    ) -> ServedProtocol:
        """Return the protocol below the client's end of the relay."""
        return ServedProtocol(connection, watch, self._relay.client, client=client, evidence=evidence)

    async def talk(self, tls: ServedProtocol) -> None:
        """Serve until the connection has ended."""
        await self._connect()
        await self._over
        await tls.until_lost()
        if self._relay.silent_for is not None:
            raise silence(self._relay.silent_for)
        why = self._relay.why
        if why is not None and why.code == Code.BACKEND_LOST.name:
            text = why.text.replace("the backend", f"the backend {self._backend}", 1)
            raise BackendFailed(text, self._backend, self._relay.error)
        if self._relay.error is not None:
            raise self._relay.error

    async def _connect(self) -> None:
        """Connect to the service. Raises BackendFailed; the client is then closed in order, since it got nothing."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connected()
        except TimeoutError as error:
            self._unreached(f"did not answer within {CONNECT_SECONDS:g} seconds", error)
        except OSError as error:
            self._unreached(f"cannot be reached: {hindrance(error)}", error)
        except StartTLSFailed as error:
            self._unreached(unfit_greeting(error), error)

    def _unreached(self, why: str, error: Exception) -> NoReturn:
        raise BackendFailed(f"the backend {self._backend} {why}", self._backend, error) from error

    async def _connected(self) -> None:
        sock = await connected_socket(self._backend)
        try:
            await greeted(plain_way(sock), self._relay.service, self._starttls)
        except BaseException:
            if self._relay.service.transport is None:
                sock.close()
            raise

    def _end(self, _relay: Relay) -> None:
        if not self._over.done():
            self._over.set_result(None)


def silence(seconds: float) -> TimedOut:
    """Return the error of a connection on which nothing passed for so long."""
    return TimedOut(f"the connection timed out: no data was sent or received for {seconds:g} seconds")
