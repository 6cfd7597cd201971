"""How a service behind the gateway is reached: over TCP or a Unix socket, with TLS of its own or without."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from bothways.addresses import Address
from bothways.aio.client import create_connection
from bothways.aio.connecting import connected_socket, over
from bothways.aio.opening import ClientOpening
from bothways.aio.transport import TLSTransport
from bothways.diagnosis.causes import Cause
from bothways.errors import ConfigError, StartTLSFailed, TLSError
from bothways.gateway.log.endings import Code, Ending, Why
from bothways.gateway.relay.relay import PlainEnd, Relay, TLSEnd
from bothways.gateway.relay.streams import ByteStream
from bothways.gateway.routes.routes import Route, is_same_trust, svid_problem
from bothways.starttls import Accepted, greeting_of
from bothways.tls.config import ClientConfig
from bothways.tls.events import Observer
from bothways.tls.handshake.settings import Settings

Way = Callable[[Callable[[], asyncio.BaseProtocol]], Awaitable[object]]
Service = TLSEnd | PlainEnd | ByteStream


async def connect(relay: Relay, route: Route, seconds: float, head: bytes = b"") -> None:
    """Connect a relay to the service of a route, or have it fail with a sentence that says why.

    head: is sent before all else, and before TLS.
    """
    problem = await reach(relay.service, route, seconds, head)
    if problem is not None:
        relay.failed(problem.ending)


@dataclass(frozen=True, slots=True)
class Unreached:
    """Why a service was not reached. in_time: false where it did not answer.  why: what prevented it."""

    text: str
    in_time: bool = True
    why: Why = None

    def __post_init__(self) -> None:
        if isinstance(self.why, BaseException):
            self.why.with_traceback(None)  # whose frames keep the connection, which keeps it

    @property
    def ending(self) -> Ending:
        """Why a connection ends that cannot be without the service."""
        code = Code.BACKEND_UNREACHABLE if self.in_time else Code.BACKEND_TIMEOUT
        return Ending.of(code, self.text, self.why)


async def reach(protocol: Service, route: Route, seconds: float, head: bytes) -> Unreached | None:
    """Connect a protocol to the service of a route; return what prevents it. The parameters are as for `connect`."""
    backend = route.config.backend
    if backend is None:
        return Unreached("there is no service", why=Cause.OTHER_SERVICE)
    problem = svid_problem(route.service_ends)
    if problem is not None:
        return Unreached(f"the backend {backend}: {problem}", why=Cause.EXPIRED)
    try:
        async with asyncio.timeout(seconds):
            await _connected(protocol, route, backend, head)
    except TimeoutError:
        return Unreached(f"the backend {backend} did not answer within {seconds:g} seconds", in_time=False)
    except OSError as error:
        return Unreached(f"the backend {backend} cannot be reached: {hindrance(error)}", why=error)
    except StartTLSFailed as error:
        return Unreached(f"the backend {backend} {unfit_greeting(error)}", why=error)
    except TLSError as error:
        return Unreached(f"the backend {backend}: {str(error).partition(chr(10))[0]}", why=error)
    return None


async def _connected(protocol: Service, route: Route, backend: Address, head: bytes) -> None:
    tls, loop = route.config.backend_tls, asyncio.get_running_loop()
    sock = await connected_socket(backend)
    try:
        if head:
            await loop.sock_sendall(sock, head)
    except BaseException:
        sock.close()
        raise
    way = plain_way(sock)
    if route.client is not None and tls is not None:
        way = partial(over_tls, sock, route.client, tls.server_name)
    await greeted(way, protocol, route.config.starttls)


async def over_tls(
    sock: socket.socket,
    client: ClientConfig,
    name: str,
    made: Callable[[], asyncio.BaseProtocol],
    observer: Observer | None = None,
) -> object:
    """Connect a protocol by TLS over a connected socket, which belongs to its transport from then on.

    That may have an alert to deliver when this is cancelled: whoever closes the socket then ends the connection that
    gets its number. The parameters are as for `create_connection`.
    """
    try:
        return await create_connection(
            made, None, None, client, name, sock=sock, timeout=None, observer=observer
        )
    except ConfigError:  # before there was a transport
        sock.close()
        raise


def judge_services(
    uppers: Iterable[object], client: ClientConfig | None, before: ClientConfig | None
) -> None:
    """Verify services again that are reached by TLS, if there is something new. before: by what they were verified."""
    if client is None or before is None or is_same_trust(client, before):
        return
    for upper in uppers:
        judge_again(upper, client.settings)


def judge_again(transport: object, settings: Settings | None = None) -> None:
    """Verify a service again by what counts now, if it is reached by TLS. settings: by others than before."""
    if isinstance(transport, TLSTransport) and not transport.is_closing():
        try:
            if settings is not None:
                transport.tls.connection.judge_by(settings)
            transport.tls.judge_again()
        except (TLSError, OSError) as error:  # the relay hears of it, or it has ended already
            error.with_traceback(None)  # whose frames keep the connection, which keeps it


def hindrance(error: OSError) -> str:
    """Say why a service was not reached; the event loop's own words for a refusal do not tell it."""
    refused = isinstance(error, ConnectionRefusedError)
    return "connection refused" if refused else error.strerror or str(error)


def unfit_greeting(error: StartTLSFailed) -> str:
    """Say what a service sent in the place of a greeting."""
    return f"has no greeting of {error.protocol} for us: {error.said or error.sentence}"


async def greeted(way: Way, protocol: asyncio.Protocol, starttls: Accepted | None) -> None:
    """Connect a protocol by `way`, behind the greeting of a service whose client was greeted by us (`starttls`).

    Raises StartTLSFailed where the service sends another greeting, or more than that.
    """
    greeting = greeting_of(starttls)
    if greeting is None:
        await way(lambda: protocol)
        return
    opening = ClientOpening(greeting, lambda: protocol)
    try:
        await way(lambda: opening)
        await opening.finished
    except BaseException:
        opening.abort()
        raise


def plain_way(sock: socket.socket) -> Way:
    """Return the way to connect a protocol over a connected socket."""
    return partial(over, sock)
