"""The body of a received message of HTTP/1.1, of a request or of a response: parts of a bounded size, and the end."""

from __future__ import annotations

import asyncio
from typing import Any

import h11

from bothways.gateway.http.messages import PIECE, BodyEnd, Field

EVENTS_AT_ONCE = 128  # parts of a body after which others have their turn


class ReceivedBody:
    """Reads the body of the message whose head was read last. Its sides say where events and bytes come from."""

    def __init__(self) -> None:
        self._ended: Any = None

    async def receive(self) -> bytes | BodyEnd:
        """Return the next part of the body, or its end."""
        data, count = bytearray(), 0
        while len(data) < PIECE:
            event = self._next_event()
            if isinstance(event, h11.Data):
                data += event.data
                count += 1
                if count % EVENTS_AT_ONCE == 0:
                    await asyncio.sleep(0)
            elif data:  # the end is still there for the next call
                if isinstance(event, h11.EndOfMessage):
                    self._ended = event
                break
            elif isinstance(event, h11.EndOfMessage):
                return BodyEnd(fields_in(event.headers))
            else:
                await self._more()
        return bytes(data)

    def _next_event(self) -> Any:
        if self._ended is not None:
            event, self._ended = self._ended, None
            return event
        return self._read_event()

    def _read_event(self) -> Any:
        """Return the next event of h11."""
        raise NotImplementedError

    async def _more(self) -> None:
        """Give h11 what came."""
        raise NotImplementedError


def fields_in(headers: Any) -> list[Field]:
    """Return the fields of a message of h11."""
    return [(bytes(name), bytes(value)) for name, value in headers]
