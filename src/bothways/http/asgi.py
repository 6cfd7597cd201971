"""The client's identity in the scope of an ASGI application: the TLS extension of ASGI, and our `Peer`.

`identity(scope)` returns it. Only the server sets it; no header is read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from bothways.http.caller import Caller, pem
from bothways.http.rules import REFUSED, PeerRules
from bothways.tls.events import Peer
from bothways.trust.access.peer_rules import Rule
from bothways.trust.access.rule import Texts

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TLS, OWN = "tls", "bothways"
POLICY_VIOLATION = 1008  # RFC 6455 7.4.1


def identity(scope: Scope) -> Peer | None:
    """Return the authenticated client of a request: a `Peer` with `names`, `path` and `verdict`.

    scope: that of the request.  None for a client without a certificate, and where TLS is not that of bothways.
    """
    extensions = scope.get("extensions")
    own = extensions.get(OWN) if isinstance(extensions, dict) else None
    peer = own.get("peer") if isinstance(own, dict) else None
    return peer if isinstance(peer, Peer) else None


def extensions_of(caller: Caller) -> dict[str, dict[str, Any]]:
    """Return the entries of a request's scope about its connection (ASGI, TLS extension version 0.2).

    `tls`: `server_cert`, `client_cert_chain` (PEM, the client's certificate first), `client_cert_name` (RFC 4514),
    `client_cert_error`, `tls_version`, `cipher_suite`. `bothways`: the `peer`.
    """
    peer = caller.peer
    return {
        TLS: {
            "server_cert": None,
            "client_cert_chain": [pem(each) for each in caller.chain],
            "client_cert_name": None if peer is None or peer.certificate is None else peer.names.subject,
            "client_cert_error": None,  # a client whose certificate is not valid is never accepted
            "tls_version": caller.version_code,
            "cipher_suite": caller.suite_code,
        },
        OWN: {"peer": peer},
    }


class WithCaller:
    """An application with the client's identity in each scope.

    app: the application.  caller: called for each request, returns the client; None adds nothing.
    """

    def __init__(self, app: App, caller: Callable[[], Caller | None]) -> None:
        self._app = app
        self._caller = caller
        self._told: tuple[Caller, dict[str, dict[str, Any]]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of this connection."""
        if scope["type"] in ("http", "websocket"):
            others = {
                name: value
                for name, value in (scope.get("extensions") or {}).items()
                if name not in (TLS, OWN)
            }
            scope["extensions"] = {**others, **self._extensions()}
        await self._app(scope, receive, send)

    def _extensions(self) -> dict[str, dict[str, Any]]:
        caller = self._caller()
        if caller is None:
            return {}
        if self._told is None or self._told[0].peer is not caller.peer:
            self._told = (caller, extensions_of(caller))
        return {name: dict(value) for name, value in self._told[1].items()}


class RequirePeer:
    """An application for certain clients only; all others get status 403, or their WebSocket is refused.

    app: the application.  The rest is as for `PeerRules`: without a rule every authenticated client is allowed.
    """

    def __init__(self, app: App, *rules: Rule, **kinds: Texts) -> None:
        self._app = app
        self._rules = PeerRules(*rules, **kinds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it."""
        kind = scope["type"]
        if kind == "lifespan" or self._rules.allows(identity(scope), scope.get("path", "")):
            await self._app(scope, receive, send)
        elif kind == "http":
            await _forbid(send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": REFUSED})


async def _forbid(send: Send) -> None:
    body = f"{REFUSED}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})
