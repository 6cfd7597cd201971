"""Runs the service, and beside it on an address of its own what is for the operator, until a signal comes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp

from bothways.ca_server.slow_clients import BoundedClient
from bothways.places import Places

CONNECTIONS = 512
OPERATORS = 16  # connections to the address that is for the operator
ACCEPTED_AT_ONCE = 64  # so that what a client sent is read before many others come
BACKLOG = 1024  # connections that wait in the system to be accepted


def configured(app: ASGIApp, places: Places, client: type[BoundedClient] = BoundedClient) -> uvicorn.Config:
    """Return uvicorn's settings for an application whose connections share `places`."""
    http = cast(type[asyncio.Protocol], partial(client, places=places))
    return uvicorn.Config(
        app,
        http=http,
        backlog=ACCEPTED_AT_ONCE,
        log_level="error",  # what is wrong with a request is its sender's to know, and no line of the log
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws="none",
        timeout_keep_alive=5,
        timeout_graceful_shutdown=10,
    )


class Server(uvicorn.Server):
    """uvicorn with a second listener for what is no business of strangers.

    operator: an application and a listening socket for it.  ready: is called when signals are in uvicorn's hands.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        operator: tuple[ASGIApp, socket.socket] | None = None,
        ready: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(config)
        self._operator = operator
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(BACKLOG)
        if self._operator is not None:
            await self._listen_for_operator(*self._operator)
        self._ready()

    async def _listen_for_operator(self, app: ASGIApp, own: socket.socket) -> None:
        config = configured(app, Places(OPERATORS, exempt_loopback=True))
        config.load()

        def made() -> asyncio.Protocol:
            client = cast(Callable[..., asyncio.Protocol], config.http_protocol_class)
            return client(config=config, server_state=self.server_state, app_state={})

        self.servers.append(await asyncio.get_running_loop().create_server(made, sock=own))


def serve(
    app: ASGIApp,
    own: socket.socket,
    *,
    operator: tuple[ASGIApp, socket.socket] | None = None,
    exempt_loopback: bool = False,
    ready: Callable[[], None],
) -> None:
    """Answer on a listening socket until a signal comes.

    operator: an application and a listening socket for it alone.  exempt_loopback: see `Places`.
    ready: is called when signals are in uvicorn's hands.
    """
    places = Places(CONNECTIONS, exempt_loopback=exempt_loopback)
    Server(configured(app, places), operator=operator, ready=ready).run(sockets=[own])
