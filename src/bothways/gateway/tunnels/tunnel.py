"""A tunnel: a local socket without TLS in, mutual TLS to a server out, for programs that know no certificates.

Whoever may connect to the local socket speaks with our identity. So it is a Unix socket of mode 0600, or TCP on this
machine where that is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bothways.addresses import Address
from bothways.aio.connecting import connected_socket
from bothways.aio.transport import TLSTransport
from bothways.aio.turns import turns_of
from bothways.errors import ConfigError, InternalError, PeerAlert, PeerFault, TimedOut, TLSError
from bothways.gateway.config.listener import TUNNEL, ListenerConfig
from bothways.gateway.config.tunnel import CONNECTIONS
from bothways.gateway.listeners.serving import ServedListener, served
from bothways.gateway.log.endings import Code, Ending, ending_of
from bothways.gateway.relay.relay import Ended, PlainEnd, Relay
from bothways.gateway.routes.backends import judge_again, over_tls
from bothways.gateway.tunnels.metrics import TunnelMetrics
from bothways.servers.addresses import ListenerAddress
from bothways.starttls import Protocol, StartTLS
from bothways.tls.config import ClientConfig
from bothways.tls.events import Observer

DRAIN_SECONDS = 5.0
READ_SIZE = 4096


@dataclass(frozen=True, slots=True)
class TunnelSettings:
    """How a tunnel connects.

    server: where it leads to.  name: what the server's certificate must contain.  starttls: the protocol in which TLS
    is requested first; one in which the client speaks first, since what the server says before is taken from it.
    may_show: whether our certificate may be shown now.  connect, idle, half_closed: seconds, as for a gateway.
    """

    config: ClientConfig
    server: Address
    name: str
    starttls: Protocol | None = None
    may_show: Callable[[], bool] = lambda: True
    connect: float = 30.0
    idle: float = 3600.0
    half_closed: float = 600.0


class ProgramEnd(PlainEnd):
    """The end of a local program. gone: is called when it is lost, and nothing is left for its server either."""

    gone: Callable[[], None] | None = None
    _last: asyncio.Task[None] | None = None

    def connection_lost(self, error: Exception | None) -> None:
        """This end is gone; an alert may be on its way to the server."""
        server = None if isinstance(self.relay, Ended) else self.relay.service.transport
        super().connection_lost(error)
        gone, self.gone = self.gone, None
        if gone is not None and isinstance(server, TLSTransport) and not server.tls.is_lost:
            self._last = asyncio.get_running_loop().create_task(_call_when_lost(server, gone))
        elif gone is not None:
            gone()


async def _call_when_lost(server: TLSTransport, gone: Callable[[], None]) -> None:
    await server.tls.until_lost()
    gone()


class Tunnel:
    """Listens locally, and gives each connection one of its own to the server.

    told: is called when a connection has ended, with why, and the error that it was, if any.  metrics: counts them.
    insecure_tcp: whether a socket of a service manager may be of TCP.
    """

    def __init__(
        self,
        settings: TunnelSettings,
        told: Callable[[str, Exception | None], None],
        metrics: TunnelMetrics | None = None,
        *,
        insecure_tcp: bool = False,
    ) -> None:
        self._settings = settings
        self._told = told
        self._metrics = metrics
        self._relays: dict[Relay, asyncio.Task[None] | None] = {}
        self._closing: set[Relay] = set()
        self._emptied = asyncio.Event()
        self._listener: ServedListener | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._insecure_tcp = insecure_tcp

    async def start(self, address: ListenerAddress) -> str:
        """Listen, and return where; TCP has to be on this machine. Raises OSError."""
        self._loop = asyncio.get_running_loop()
        listener = ListenerConfig("local", address, kind=TUNNEL, insecure_tcp=self._insecure_tcp)
        self._listener = await served(listener, partial(_made, self))
        return self._listener.where

    def judge_soon(self) -> None:
        """Have the servers of open connections verified again, since evidence has changed. For any thread."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._judge_all)

    def _judge_all(self) -> None:
        for relay in self._relays:
            turns_of(asyncio.get_running_loop()).verify_soon(partial(judge_service, relay))

    async def close(self) -> None:
        """Accept nobody any more, wait a little for those who are there, then end them."""
        if self._listener is not None:
            self._listener.close()
        if self._metrics is not None:
            self._metrics.drains()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while self._relays or self._closing:
                    self._emptied.clear()
                    await self._emptied.wait()
        for relay in tuple(self._relays):
            relay.end(Ending.of(Code.GATEWAY_ENDED, "the tunnel ends"))
        await asyncio.sleep(0)

    def relay(self) -> Relay:
        """Return the relay of a new connection."""
        settings = self._settings
        relay = Relay(
            self._begin, self._over, idle=settings.idle, half_closed=settings.half_closed, client=ProgramEnd
        )
        relay.use_tls()
        if isinstance(relay.client, ProgramEnd):
            relay.client.gone = partial(self._gone, relay)
        return relay

    def _begin(self, relay: Relay) -> None:
        if self._metrics is not None:
            self._metrics.began(relay)
        if len(self._relays) >= CONNECTIONS:
            self._relays[relay] = None
            text = f"there are {CONNECTIONS} connections, and no more are taken"
            relay.failed(Ending.of(Code.CONNECTIONS_LIMIT, text))
            return
        if not self._settings.may_show():
            self._relays[relay] = None
            text = Code.SVID_EXPIRED.value
            relay.failed(Ending.of(Code.SVID_EXPIRED, text), ConfigError(text))
            return
        self._relays[relay] = asyncio.get_running_loop().create_task(self._connect(relay))

    async def _connect(self, relay: Relay) -> None:
        began = asyncio.get_running_loop().time()
        if await reach(relay, self._settings) and self._metrics is not None:
            self._metrics.reached(asyncio.get_running_loop().time() - began)

    def _over(self, relay: Relay) -> None:
        connecting = self._relays.pop(relay, None)
        if connecting is not None and connecting is not asyncio.current_task():
            connecting.cancel()
        self._closing.add(relay)
        if self._metrics is not None:
            self._metrics.ended(relay, relay.why)
        self._told("" if relay.why is None else relay.why.text, relay.error)

    def _gone(self, relay: Relay) -> None:
        self._closing.discard(relay)
        self._emptied.set()


async def reach(relay: Relay, settings: TunnelSettings, observer: Observer | None = None) -> bool:
    """Connect a relay to the server of a tunnel, or have it fail with a sentence that says why.

    observer: of the handshake.
    """
    try:
        async with asyncio.timeout(settings.connect):
            await _connected(relay, settings, observer)
    except TimeoutError:
        late = TimedOut(f"no TLS connection within {settings.connect:g} seconds")
        relay.failed(Ending.of(Code.BACKEND_TIMEOUT, f"{settings.server}: {late}", late), late)
    except (PeerFault, PeerAlert, InternalError) as error:
        relay.failed(ending_of(error, is_verified=False), error)
    except (
        TLSError
    ) as error:  # it ended without a word, did not change to TLS, or its pre-shared key was removed
        text = f"{settings.server}: {str(error).partition(chr(10))[0]}"
        relay.failed(Ending.of(Code.BACKEND_UNREACHABLE, text, error), error)
    except OSError as error:
        text = f"{settings.server} cannot be reached: {error.strerror or error}"
        relay.failed(Ending.of(Code.BACKEND_UNREACHABLE, text, error), error)
    else:
        return True
    return False


def judge_service(relay: Relay) -> None:
    """Verify the server of a relay again, by what counts now."""
    judge_again(relay.service.transport)


async def _connected(relay: Relay, settings: TunnelSettings, observer: Observer | None) -> None:
    sock = await connected_socket(settings.server)
    try:
        if settings.starttls is not None:
            await _request_tls(sock, StartTLS(settings.starttls, settings.name))
    except BaseException:
        sock.close()
        raise
    await over_tls(sock, settings.config, settings.name, lambda: relay.service, observer)


def _made(tunnel: Tunnel) -> asyncio.BaseProtocol:
    return tunnel.relay().client


async def _request_tls(sock: socket.socket, exchange: StartTLS) -> None:
    """Request TLS in another protocol; after that the next byte belongs to TLS. Raises StartTLSFailed."""
    loop = asyncio.get_running_loop()
    while True:
        await loop.sock_sendall(sock, exchange.data_to_send())
        if exchange.is_done:
            return
        data = await loop.sock_recv(sock, READ_SIZE)
        if data:
            exchange.receive(data)
        else:
            exchange.receive_eof()
