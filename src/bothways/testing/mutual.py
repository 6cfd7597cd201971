"""The value of the fixtures: identities, and servers and clients that use them."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bothways.testing.client import Client
from bothways.testing.identities import Identities, Identity, Kind
from bothways.testing.server import Respond, Server, answer_http
from bothways.tls.config import ClientAuth, ClientConfig, ServerConfig
from bothways.trust.revocation import Revocation


class MutualTLS(Identities):
    """Identities in a folder, and servers on loopback, which `close` ends.

    It can be used without the fixture `mtls`: `with MutualTLS(folder) as mtls:`.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._servers: list[Server] = []

    def server(
        self,
        identity: Kind | Identity = "good",
        *,
        client_auth: ClientAuth = "none",
        respond: Respond = answer_http,
        **settings: Any,
    ) -> Server:
        """Start a server on loopback with an identity.

        identity: a kind, or an `Identity`.  client_auth: "require" and "request" verify clients with `anchors` and
        `crls`. respond: handles a connection; `answer_http` answers each request with status 200 and JSON about the
        client, `echo` sends back what it receives.  settings: fields of `ServerConfig`. Raises ConfigError.
        """
        judging: dict[str, Any] = {}
        if client_auth != "none":
            judging = {"client_anchors": self.anchors, "revocation": Revocation(crls=self.crls)}
        config = ServerConfig(
            **{"credentials": self._one("server", identity).credentials, "client_auth": client_auth}
            | judging
            | settings
        )
        server = Server(config, respond)
        self._servers.append(server)
        return server

    def client(self, identity: Kind | Identity | None = "good", **settings: Any) -> Client:
        """Return a client with an identity, or with none, that verifies servers with `anchors` and `crls`.

        identity: a kind, an `Identity`, or None.  settings: fields of `ClientConfig`, such as `revocation=None` for a
        client that does not check revocation. Raises ConfigError.
        """
        mine = None if identity is None else self._one("client", identity)
        defaults: dict[str, Any] = {
            "anchors": self.anchors,
            "credentials": None if mine is None else mine.credentials,
            "revocation": Revocation(crls=self.crls),
        }
        return Client(ClientConfig(**defaults | settings), mine)

    def close(self) -> None:
        """Close every server."""
        while self._servers:
            self._servers.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _one(self, role: Any, identity: Kind | Identity) -> Identity:
        return identity if isinstance(identity, Identity) else self.identity(role, identity)
