"""Requests of a server for the client's certificate on an open connection (RFC 9846 4.7.2)."""

from __future__ import annotations

from collections.abc import Iterable

from bothways.aio.sending import Sending
from bothways.errors import UsageError
from bothways.tls.events import Peer, Request


class ClientRequests(Sending):
    """A base class of `TLSProtocol`. `app` may have a method `client_answered(peer)`, called between its data."""

    _last_answer: Peer | None = None

    async def authenticate_client(
        self, *, required: bool, seconds: float | None, max_data: int
    ) -> Peer | None:
        """Request the client's certificate; return the client when it is verified, None if it declines.

        The request follows what was written before. Receiving continues until the answer, even if the application reads
        nothing: up to `max_data` bytes.
        """
        await self.until_encrypted()
        status, before = self.driver.status, self.driver.status.answers
        self._take(self.driver.authenticate_client(required=required, seconds=seconds, max_data=max_data))
        await self.until(lambda: status.answers != before or self.closing)
        if status.answers == before:
            status.raise_failure()
            raise UsageError("authenticate_client: the connection was closed by its own side")
        return self._last_answer

    def _address(self) -> object:
        """Return the address of the peer, for the log."""
        return self.transport.get_extra_info("peername")

    def _tell_answer(self, peer: Peer | None) -> None:
        """Note the client's answer, and pass it to the application."""
        self._last_answer = peer
        if hasattr(self.app, "client_answered") and not self.closing:
            self.call_app("client_answered", peer)

    def _take(self, requests: Iterable[Request]) -> None:
        raise NotImplementedError
