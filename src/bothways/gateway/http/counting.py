"""An exchange as the log tells of it."""

from __future__ import annotations

from bothways.gateway.http.messages import BodyEnd, Field, RequestExchange, RequestHead, Response
from bothways.gateway.log import RequestEntry


class Counted:
    """Passes an exchange on, and counts the bytes of bodies; the request may be replaced. A `RequestExchange`."""

    def __init__(self, exchange: RequestExchange, entry: RequestEntry) -> None:
        self.request: RequestHead = exchange.request
        self._exchange = exchange
        self._entry = entry

    @property
    def has_response(self) -> bool:
        """Whether a response has begun."""
        return self._exchange.has_response

    async def receive(self) -> bytes | BodyEnd:
        """Return the next part of the body."""
        part = await self._exchange.receive()
        if not isinstance(part, BodyEnd):
            self._entry.received += len(part)
        return part

    async def respond(self, response: Response) -> None:
        """Send a head."""
        if response.is_final:
            self._entry.status = response.status
        await self._exchange.respond(response)

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        self._entry.sent += len(data)
        await self._exchange.send(data)

    async def finish(self, trailers: list[Field]) -> None:
        """End the response."""
        await self._exchange.finish(trailers)
