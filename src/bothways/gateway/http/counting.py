"""An exchange as the log tells of it."""

from __future__ import annotations

from bothways.gateway.http.messages import BodyEnd, Field, RequestExchange, RequestHead, Response
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.log.log import RequestEntry
from bothways.gateway.log.service_refusal import KEPT, STATUSES, refusal_of_us


class Counted:
    """Passes an exchange on, and counts the bytes of bodies; the request may be replaced. A `RequestExchange`.

    `start` is the beginning of a response by which a service may refuse us, as it would be in HTTP/1.1.
    """

    def __init__(self, exchange: RequestExchange, entry: RequestEntry) -> None:
        self.request: RequestHead = exchange.request
        self._exchange = exchange
        self._entry = entry
        self.start = b""

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
            if response.status in STATUSES:
                self.start = b"HTTP/1.1 %d %s\r\n\r\n" % (response.status, response.reason)
        await self._exchange.respond(response)

    async def send(self, data: bytes) -> None:
        """Send a part of the body."""
        self._entry.sent += len(data)
        if self.start and len(self.start) < KEPT:
            self.start += data[: KEPT - len(self.start)]
        await self._exchange.send(data)

    async def finish(self, trailers: list[Field]) -> None:
        """End the response."""
        await self._exchange.finish(trailers)

    def note_refusal(self, transport: object) -> None:
        """Note for the log that the service refused us and not the client. transport: of the connection to it."""
        refusal = refusal_of_us(self.start, transport)
        if refusal is not None:
            self._entry.ending = Ending.of(Code.BACKEND_REFUSED, *refusal)
