"""How a service behind the gateway is reached: over TCP or a Unix socket, with TLS of its own or without."""

from __future__ import annotations

import asyncio

from bothways.aio.client import create_connection
from bothways.errors import TLSError
from bothways.gateway.addresses import TCPAddress
from bothways.gateway.relay import Relay
from bothways.gateway.routes import Route


async def connect(relay: Relay, route: Route, seconds: float) -> None:
    """Connect a relay to the service of a route, or have it fail with a sentence that says why."""
    backend = route.config.backend
    try:
        async with asyncio.timeout(seconds):
            await _connected(relay, route)
    except TimeoutError:
        relay.failed(f"the backend {backend} did not answer within {seconds:g} seconds")
    except OSError as error:
        relay.failed(f"the backend {backend} cannot be reached: {error.strerror or error}")
    except TLSError as error:
        relay.failed(f"the backend {backend}: {str(error).partition(chr(10))[0]}")


async def _connected(relay: Relay, route: Route) -> None:
    backend, tls = route.config.backend, route.config.backend_tls
    loop = asyncio.get_running_loop()
    host, port, path = None, None, None
    if isinstance(backend, TCPAddress):
        host, port = backend.host, backend.port
    else:
        path = backend.path
    if route.client is not None and tls is not None:
        await create_connection(
            lambda: relay.service, host, port, route.client, tls.server_name, path=path, timeout=None
        )
    elif isinstance(backend, TCPAddress):
        await loop.create_connection(lambda: relay.service, backend.host, backend.port)
    else:
        await loop.create_unix_connection(lambda: relay.service, backend.path)
