"""What a gateway and its clients ask of one another, so that neither imports the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from bothways.aio.admission import Admission
from bothways.gateway.clients.connections_before_tls import ConnectionsBeforeTLS
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.log.endings import Ending
from bothways.gateway.log.lines_in_turn import LinesInTurn
from bothways.gateway.log.log import ConnectionEntry, Log
from bothways.gateway.observe.auditor import Auditor
from bothways.gateway.observe.meter import Meter
from bothways.gateway.proxy_protocol.reading import Announced
from bothways.gateway.relay.relay import Relay
from bothways.gateway.routes.newly_listed import Leaf
from bothways.gateway.routes.routes import Routes
from bothways.servers.addresses import ListenerAddress
from bothways.tls.events import Peer

if TYPE_CHECKING:
    from bothways.describe.recorder import Noted
    from bothways.gateway.http.messages import RequestHead
    from bothways.gateway.observe.pages import PageAnswer
    from bothways.gateway.observe.spans import Spans


class GatewayClient(Protocol):
    """A client, for its gateway. `entry`: its line in the log.  `leaf`: names the certificate of a verified one."""

    entry: ConnectionEntry
    leaf: Leaf
    relay: Relay

    def __hash__(self) -> int:
        """Each is another, whoever is served."""

    def catch_up(self) -> None:
        """Have it verified by the newest routes, unless that was done."""

    def judge_soon(self) -> None:
        """Have it verified again, ahead of all others for whom that is due."""

    def count_bytes(self) -> None:
        """Count what has passed and was not counted yet."""

    def drain(self) -> None:
        """Take no other request of it."""

    def close(self, linger: float) -> None:
        """End it after what was sent; wait up to `linger` seconds for its own end."""

    def abort(self) -> None:
        """End it at once."""


class ServingGateway(Protocol):
    """A gateway, for its clients.

    `routes`: those of new clients.  `before_tls`: connections without TLS yet.  `lines`: what tells of what has ended.
    `drains`: whether no further request is taken.
    """

    routes: Routes
    admission: Admission
    before_tls: ConnectionsBeforeTLS
    meter: Meter
    auditor: Auditor
    log: Log
    lines: LinesInTurn
    drains: bool

    @property
    def spans(self) -> Spans | None:
        """What makes spans, where the configuration wants them."""

    def client_protocol(self, listener: ListenerConfig, announced: Announced | None) -> asyncio.Protocol:
        """Return the protocol of a client. announced: what a proxy in front says of it, if one does."""

    def tls_protocol(
        self, listener: ListenerAddress, announced: Announced | None, *, needs_alpn: str | None
    ) -> asyncio.Protocol:
        """Return the protocol of a client with which TLS begins. needs_alpn: what it has to offer."""

    def arrived(self, client: GatewayClient, source: str) -> Ending | None:
        """Count a client; returns why there is no place for it."""

    def established(self, client: GatewayClient) -> Ending | None:
        """Count a verified client; returns why there is no place for it."""

    def when_admitted(self, client: GatewayClient, go_on: Callable[[], None]) -> None:
        """Go on with an established client, or end it if all gateways together have too many with its names."""

    def left(self, client: GatewayClient, source: str) -> None:
        """Count a client no more."""

    def saw(self, peer: Peer) -> None:
        """Note the CAs of a verified client, or of the server of a tunnel: news of theirs are for it."""

    def note_refusal(self, entry: ConnectionEntry, notes: Sequence[Noted]) -> None:
        """Note a connection that has ended, where refusals are shown. notes: of its handshake."""

    async def status(self, request: RequestHead) -> PageAnswer:
        """Answer a request for the status. Raises RefusedRequest."""
