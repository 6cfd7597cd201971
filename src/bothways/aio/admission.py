"""Limits the handshakes of a server at the same time, in total and for each client address."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Any

from bothways.addresses import host_and_address
from bothways.aio.protocol import TLSProtocol
from bothways.aio.watch import Watch
from bothways.counts import counted
from bothways.errors import TLSError, logged
from bothways.servers.places import Place, Places, source_of_peer
from bothways.servers.resets import end_by_reset
from bothways.tls.connection import Connection
from bothways.tls.events import Request
from bothways.tls.handshake.settings import Settings

logger = logging.getLogger("bothways")

Refusal = Callable[[Exception, object], None]
HANDSHAKES = 512
TOLD_SECONDS = 60.0  # seconds between two log messages about ended handshakes


class Evicted(ConnectionAbortedError):
    """A handshake was ended because the limit was reached and others had priority."""


class Admission:
    """The connections of one server: `here` has all, `places` those in a handshake.

    handshakes: the largest number of handshakes at the same time.  refused: called with the error and the client's
    address when a handshake fails; by default that is logged.
    """

    def __init__(self, handshakes: int = HANDSHAKES, refused: Refusal | None = None) -> None:
        self.here: set[AdmittedProtocol] = set()
        self.places = Places(handshakes)
        self._refused = refused or _log_refusal
        self._evicted = 0
        self._told_at: float | None = None
        self._emptied: set[asyncio.Future[None]] = set()

    def arrived(self, protocol: AdmittedProtocol) -> None:
        """Register a new handshake; at the limit another one, or this one, is ended."""
        self.here.add(protocol)
        now = protocol.place.since
        loser = self.places.enter(protocol.place, now)
        if loser is not None:
            loser.end()
            self._report_evictions(now)

    def handshake_ended(self, protocol: AdmittedProtocol, failure: Exception | None) -> None:
        """Release the place of a handshake, and report its failure."""
        self.places.leave(protocol.place)
        if isinstance(failure, (TLSError, OSError)) and not isinstance(failure, Evicted):
            address = protocol.transport.get_extra_info("peername")
            try:
                self._refused(failure, address)
            except Exception as error:  # noqa: BLE001 - a mistake of the caller's function is no end of the server
                context = {"message": "what is called for refusals failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def gone(self, protocol: AdmittedProtocol) -> None:
        """Remove a connection that has ended."""
        self.here.discard(protocol)
        if not self.here:
            for each in self._emptied:
                if not each.done():
                    each.set_result(None)

    async def until_empty(self) -> None:
        """Wait until there is no connection."""
        while self.here:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._emptied.add(waiter)
            try:
                await waiter
            finally:
                self._emptied.discard(waiter)

    def _report_evictions(self, now: float) -> None:
        self._evicted += 1
        if self._told_at is None or now >= self._told_at + TOLD_SECONDS:
            logger.warning("%s had to end because too many had begun", counted(self._evicted, "handshake"))
            self._told_at, self._evicted = now, 0


class AdmittedProtocol(TLSProtocol):
    """A protocol that counts as a handshake until its handshake is complete."""

    __slots__ = (
        "_admission",
        "_in_handshake",
        "place",
    )  # as those of TLSProtocol

    def __init__(
        self,
        admission: Admission,
        connection: Connection,
        watch: Watch,
        app: asyncio.BaseProtocol,
        **options: Any,
    ) -> None:
        super().__init__(connection, watch, app, **options)
        self._admission = admission
        self._in_handshake = True
        self.place = Place("", self.evict, 0.0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the handshake."""
        super().connection_made(transport)
        self.place.source = source_of_peer(self.address_of(transport), self)
        self.place.since = asyncio.get_running_loop().time()
        self._admission.arrived(self)

    def address_of(self, transport: asyncio.BaseTransport) -> object:
        """Return the address for which it is counted: a tuple that begins with a host, or anything for none."""
        return transport.get_extra_info("peername")

    def _lose(self) -> None:
        """Release the place."""
        super()._lose()
        self._notice_end_of_handshake(lost=True)
        self._admission.gone(self)
        self.place.give_up()

    def evict(self) -> None:
        """End the handshake in favour of another, and reset the connection."""
        end_by_reset(self.transport)
        self.fail(Evicted("its place was given to another handshake"))

    def watch_by(self, watch: Watch) -> None:
        """Use the `Watch` of the configuration that was chosen for this client."""
        self._watch.leave(self._judge_if_due)
        self._watch, self._follows_evidence = watch, watch.follows_evidence
        if self.driver.status.established and not self._lost:
            watch.join(self._judge_if_due)

    def judge_by(self, settings: Settings, watch: Watch) -> None:
        """Verify an established client again soon, with another configuration, which is used from then on.

        No data passes before that. A connection that has ended passes none, and is not verified.
        """
        self.watch_by(watch)
        if not self._may_send:
            return
        self.connection.judge_by(settings)
        self._follows_evidence = True  # whatever the other configuration says of later changes
        watch.call_soon(self._judge_if_due)

    def _receive(self, data: bytes) -> None:
        """Count the bytes as progress of the handshake."""
        self.place.moved += len(data)
        super()._receive(data)

    def _take(self, requests: Iterable[Request]) -> None:
        super()._take(requests)
        self.place.waits = self.connection.wants_data
        self._notice_end_of_handshake()

    def _notice_end_of_handshake(self, *, lost: bool = False) -> None:
        status = self.driver.status
        if self._in_handshake and (lost or status.established or status.failure is not None):
            self._in_handshake = False
            self._admission.handshake_ended(self, None if status.established else status.failure)


def _log_refusal(error: Exception, address: object) -> None:
    logger.info(
        "handshake with %s failed: %s", host_and_address(address)[1], logged(error), extra={"failure": error}
    )
