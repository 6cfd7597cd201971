"""For whom the requests of one connection are, and who makes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bothways.gateway.http.messages import Field

if TYPE_CHECKING:
    from bothways.gateway.routes.routes import Route, Routes
    from bothways.servers.addresses import ListenerAddress
    from bothways.tls.handshake.server.start import ServiceRequest


@dataclass(slots=True)
class Served:
    """For whom requests are, and as whom; a changed file changes the routes.

    asked: in the handshake.  protocol: the application protocol that was chosen in it.  host: the address of the
    client; None for a Unix socket.  identity: the fields that tell who it is.
    """

    listener: ListenerAddress
    asked: ServiceRequest
    protocol: str | None
    routes: Routes
    route: Route
    host: str | None
    identity: list[Field] = field(repr=False)
