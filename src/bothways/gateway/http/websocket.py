"""Bytes both ways after a service has agreed to a WebSocket; they are not looked into."""

from __future__ import annotations

import asyncio

from bothways.gateway.http.messages import ClientGone
from bothways.gateway.log.endings import Code
from bothways.gateway.relay.streams import BUFFER_LIMIT, ByteStream


async def pass_bytes(client: ByteStream, service: ByteStream, idle: float, half_closed: float) -> None:
    """Pass bytes until both ways have ended. Raises ClientGone where an end was cut, so that the other has to be too.

    idle: seconds without a byte either way.  half_closed: the same, when one way has ended.
    """
    loop = asyncio.get_running_loop()
    ways = [
        loop.create_task(_way(client, service)),
        loop.create_task(_way(service, client)),
    ]
    try:
        while True:
            before = client.received + service.received + client.left + service.left
            ended = [each for each in ways if each.done()]
            waiting = [each for each in ways if not each.done()]
            seconds = min(half_closed, idle) if ended else idle
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                cut = each.result()
                if cut is not None:
                    raise _told(cut, service)
            if len(done) == len(waiting):
                return
            if not done and before == client.received + service.received + client.left + service.left:
                text = f"nothing was sent or received for {seconds:g} seconds"
                raise ClientGone(text, None, Code.IDLE_TIMEOUT)
    finally:
        for each in ways:
            each.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _way(come: ByteStream, go: ByteStream) -> ConnectionError | None:
    """Pass one way until its end in order; otherwise return what cut it."""
    try:
        while data := await come.read(BUFFER_LIMIT):
            await go.write(data, None)
    except ConnectionError as error:
        return error
    go.write_end()
    return None


def _told(cut: ConnectionError, service: ByteStream) -> ClientGone:
    """Return that a WebSocket is cut off, by the end of which the connection was lost."""
    if service.is_lost:
        return ClientGone(f"the service: {cut}", cut, Code.BACKEND_LOST)
    return ClientGone(f"the client: {cut}")
