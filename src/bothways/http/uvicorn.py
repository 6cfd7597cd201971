"""uvicorn: its protocols over our own transport, with the authenticated client in the scope of each request.

`over(HttpToolsProtocol, config)` is a value for `uvicorn.Config(http=...)`. With `ssl_context_factory` and a
`bothways.ssl.SSLContext`, use `with_caller(HttpToolsProtocol)`; WebSocket protocols need `with_caller` in both cases.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from bothways.aio.admission import HANDSHAKES, Admission, AdmittedProtocol
from bothways.aio.answers import own_finder
from bothways.aio.app_calls import made_safely
from bothways.aio.limits import checked_limits
from bothways.aio.watch import Watch
from bothways.arguments import instance
from bothways.http.asgi import WithCaller
from bothways.http.caller import Caller, of_transport
from bothways.tls.config import ServerConfig
from bothways.tls.handshake.server.start import ServiceRequest

Protocol = type[asyncio.Protocol]
SECURE = {"http": "https", "ws": "wss"}


def with_caller(protocol: Protocol) -> Protocol:
    """Return a protocol class of uvicorn, for HTTP or WebSocket, that adds the client to each scope.

    `extensions` of the scope then have `tls` and `bothways`, see `bothways.http.asgi`.
    """

    class WithCallerProtocol(protocol):  # type: ignore[valid-type, misc]
        app: Any
        scheme: Any

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            """Begin, and learn who is there."""
            super().connection_made(transport)

            def caller() -> Caller | None:
                return of_transport(transport)

            if caller() is not None:
                self.scheme = SECURE.get(self.scheme, self.scheme)
            self.app = WithCaller(self.app, caller)

    WithCallerProtocol.__name__ = WithCallerProtocol.__qualname__ = f"{protocol.__name__}WithCaller"
    return WithCallerProtocol


def over(
    protocol: Protocol,
    config: ServerConfig,
    *,
    handshakes: int = HANDSHAKES,
    idle_timeout: float | None = None,
    may_serve: Callable[[], bool] | None = None,
) -> Callable[..., asyncio.BaseProtocol]:
    """Return a factory of uvicorn's protocol for each authenticated client, over our transport.

    config: how clients are verified, also again while their connection is open: with `judge_again` the connection of a
    revoked client ends even if it is idle.  handshakes: the largest number of handshakes at the same time, as for
    `bothways.aio.start_server`.  idle_timeout: seconds without data after which a connection ends.  may_serve: whether
    our certificate may be shown now, asked for each client; one is refused with the alert unrecognized_name otherwise.
    """
    instance("config", config, ServerConfig)
    _, idle_timeout, handshakes = checked_limits(idle_timeout=idle_timeout, handshakes=handshakes)
    return made_safely(Connections(with_caller(protocol), config, handshakes, idle_timeout, may_serve).made)


class Connections:
    """The connections of one server in one process; the arguments are those of `over`."""

    def __init__(
        self,
        protocol: Protocol,
        config: ServerConfig,
        handshakes: int,
        idle_timeout: float | None,
        may_serve: Callable[[], bool] | None,
    ) -> None:
        self._protocol = protocol
        self._config = config
        self._finder = own_finder(config.settings)
        self._admission = Admission(handshakes)
        self._idle_timeout = idle_timeout
        self._may_serve = may_serve
        self._watch: Watch | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def made(self, **arguments: Any) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection. arguments: those of uvicorn's own protocol."""
        app = cast(Callable[..., asyncio.Protocol], self._protocol)(**arguments)
        return AdmittedProtocol(
            self._admission,
            self._config.connection(select=None if self._may_serve is None else self._config_now),
            self._watched(),
            app,
            evidence=self._finder,
            idle_timeout=self._idle_timeout,
        )

    def _config_now(self, _asked: ServiceRequest) -> ServerConfig | None:
        return self._config if self._may_serve is None or self._may_serve() else None

    def _watched(self) -> Watch:
        """Return the `Watch` of this process, which verifies the open connections again."""
        loop = asyncio.get_running_loop()
        if self._watch is None or self._loop is not loop:
            self._watch, self._loop = Watch(self._config.settings), loop
        return self._watch
