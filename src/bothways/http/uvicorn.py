"""uvicorn: its protocols over our own transport, and who calls in the scope of each request.

`over(HttpToolsProtocol, config)` is what `uvicorn.Config(http=...)` takes. Under `ssl_context_factory` with a
`bothways.ssl.SSLContext`, `with_caller(HttpToolsProtocol)` is; WebSocket protocols take `with_caller` in both ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from bothways.aio.admission import HANDSHAKES, Admission, AdmittedProtocol
from bothways.aio.answers import own_finder
from bothways.aio.watch import Watch
from bothways.http.asgi import WithCaller
from bothways.http.caller import Caller, of_transport
from bothways.tls.config import ServerConfig

Protocol = type[asyncio.Protocol]
SECURE = {"http": "https", "ws": "wss"}


def with_caller(protocol: Protocol) -> Protocol:
    """Return a protocol of uvicorn's, for HTTP or WebSocket, that tells an application who calls.

    `extensions` of the scope have `tls` and `bothways` then, see `bothways.http.asgi`.
    """

    class Telling(protocol):  # type: ignore[valid-type, misc]
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

    Telling.__name__ = Telling.__qualname__ = f"{protocol.__name__}WithCaller"
    return Telling


def over(
    protocol: Protocol,
    config: ServerConfig,
    *,
    handshakes: int = HANDSHAKES,
    idle_timeout: float | None = None,
) -> Callable[..., asyncio.BaseProtocol]:
    """Return what makes a protocol of uvicorn's for each client that `config` trusts, over a transport of ours.

    Clients are judged as `config` says, and again while their connection is open, where it says so: the connection of
    one that was revoked ends though nothing is said on it. handshakes: how many clients at once may not have finished
    theirs, as for `bothways.aio.start_server`. idle_timeout: seconds after which a connection ends on which nothing is
    said.
    """
    return Connections(with_caller(protocol), config, handshakes, idle_timeout).made


class Connections:
    """The connections of one server in one process."""

    def __init__(
        self, protocol: Protocol, config: ServerConfig, handshakes: int, idle_timeout: float | None
    ) -> None:
        self._protocol = protocol
        self._config = config
        self._finder = own_finder(config.settings)
        self._admission = Admission(handshakes)
        self._idle_timeout = idle_timeout
        self._watch: Watch | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def made(self, **arguments: Any) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection. arguments: what uvicorn gives its own."""
        app = cast(Callable[..., asyncio.Protocol], self._protocol)(**arguments)
        return AdmittedProtocol(
            self._admission,
            self._config.connection(),
            self._watched(),
            app,
            evidence=self._finder,
            idle_timeout=self._idle_timeout,
        )

    def _watched(self) -> Watch:
        """Return what has the open connections of this loop judged again; a worker that was forked has its own."""
        loop = asyncio.get_running_loop()
        if self._watch is None or self._loop is not loop:
            self._watch, self._loop = Watch(self._config.settings), loop
        return self._watch
