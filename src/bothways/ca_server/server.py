"""Runs the service, and the operator's application on a separate address, until a signal."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from bothways.ca_server.slow_clients import BoundedClient
from bothways.no_op import do_nothing
from bothways.servers.places import Places
from bothways.servers.shortage import report_shortages

CONNECTIONS = 512
OPERATORS = 16  # connections to the operator's address
ACCEPTED_TOGETHER = 64  # connections, before requests of accepted clients are read
BACKLOG = 4096  # connections in the queue of the system, where it allows so many


def configured(app: ASGIApp, places: Places, client: type[BoundedClient] = BoundedClient) -> uvicorn.Config:
    """Return uvicorn's settings for an application whose connections share `places`."""
    http = cast(type[asyncio.Protocol], partial(client, places=places))
    return uvicorn.Config(
        app,
        http=http,
        backlog=ACCEPTED_TOGETHER,
        log_level="error",  # errors of clients are not logged
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
    )


class UvicornServer(uvicorn.Server):
    """uvicorn with a second listening socket for the operator.

    config: of uvicorn.  operator: an application and its listening socket.  ready: called when uvicorn handles
    signals.  tell: reports that no connections can be accepted.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        operator: tuple[ASGIApp, socket.socket] | None = None,
        ready: Callable[[], None] = do_nothing,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(config)
        self._tell = tell
        self._operator = operator
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then call `ready`."""
        report_shortages(asyncio.get_running_loop(), self._tell)
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)
        if self._operator is not None:
            await self._listen_for_operator(*self._operator)
        self._ready()

    async def _listen_for_operator(self, app: ASGIApp, listener: socket.socket) -> None:
        config = configured(app, Places(OPERATORS, exempt_loopback=True))
        config.load()

        def new_client() -> asyncio.Protocol:
            client = cast(Callable[..., asyncio.Protocol], config.http_protocol_class)
            return client(config=config, server_state=self.server_state, app_state={})

        self.servers.append(await asyncio.get_running_loop().create_server(new_client, sock=listener))


def serve(
    app: ASGIApp,
    listener: socket.socket,
    *,
    operator: tuple[ASGIApp, socket.socket] | None = None,
    exempt_loopback: bool = False,
    ready: Callable[[], None],
    tell: Callable[[str], None],
) -> None:
    """Serve an application on a listening socket until a signal.

    operator: the operator's application and its listening socket. exempt_loopback: see `Places`. ready: called when
    uvicorn handles signals.  tell: reports that no connections can be accepted.
    """
    places = Places(CONNECTIONS, exempt_loopback=exempt_loopback)
    UvicornServer(configured(app, places), operator=operator, ready=ready, tell=tell).run(sockets=[listener])
