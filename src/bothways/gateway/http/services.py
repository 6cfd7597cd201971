"""The connections of one client to the service of its route; nobody else ever uses them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from bothways.aio.transport import TLSTransport
from bothways.diagnosis.causes import Cause
from bothways.gateway.config.http import HTTP2
from bothways.gateway.http.client1 import HTTP1Service
from bothways.gateway.http.client2 import HTTP2Service, HTTP2ServiceExchange
from bothways.gateway.http.messages import RefusedRequest, ServiceFailed
from bothways.gateway.log.endings import Code
from bothways.gateway.relay.streams import ByteStream

IDLE = 8  # connections without a request that are kept
BUSY = 32  # requests at once to a service of HTTP/1.1, each on a connection; others wait

ToService = HTTP1Service | HTTP2ServiceExchange


class Services:
    """Gives a connection, or a stream of one, to each request. connect: makes a connection.

    version: of HTTP that the service speaks.  taking: seconds in which the service has to take something.
    """

    def __init__(self, connect: Callable[[], Awaitable[ByteStream]], version: str, taking: float) -> None:
        self._connect = connect
        self._version = version
        self._taking = taking
        self._idle: list[HTTP1Service] = []
        self._busy: set[HTTP1Service] = set()
        self._shared: list[HTTP2Service] = []
        self._let_go: list[ByteStream] = []  # which go on as something else
        self._one_at_a_time = asyncio.Lock()
        self._places = asyncio.Semaphore(BUSY)

    async def take(self, *, new: bool) -> ToService:
        """Return the way to the service for one request. new: on a connection that had no other, by HTTP/1.1.

        Raises RefusedRequest and ServiceFailed.
        """
        if self._version == "2":
            return (await self._shared_one()).exchange()
        try:
            async with asyncio.timeout(self._taking):
                await self._places.acquire()
        except TimeoutError:
            raise RefusedRequest(503, "this client has too many requests at once") from None
        try:
            return await self._one_of_its_own(new=new)
        except BaseException:
            self._places.release()
            raise

    async def _one_of_its_own(self, *, new: bool) -> HTTP1Service:
        while self._idle and not new:
            service = self._idle.pop()
            if service.may_go_on:
                self._busy.add(service)
                return service
            service.close()
        service = HTTP1Service(await self._connect(), self._taking)
        self._busy.add(service)
        return service

    def give_back(self, service: ToService) -> None:
        """Take back what a request has used; what cannot be used again is ended."""
        if isinstance(service, HTTP2ServiceExchange):
            service.close()
            return
        self._busy.discard(service)
        self._places.release()
        if service.may_go_on and len(self._idle) < IDLE:
            self._idle.append(service)
        else:
            service.close()

    def let_go(self, service: HTTP1Service) -> ByteStream:
        """Return the connection of a request that goes on as something else, with what came for it."""
        self._busy.discard(service)
        self._places.release()
        service.stream.put_back(service.rest())
        self._let_go.append(service.stream)
        return service.stream

    def reached(self) -> list[ByteStream]:
        """Return all connections that are there."""
        http: list[HTTP1Service | HTTP2Service] = [*self._idle, *self._busy, *self._shared]
        return [*(each.stream for each in http), *self._let_go]

    def close(self) -> None:
        """End all connections: with a reset where a request is in progress."""
        for each in (*self._idle, *self._busy):
            each.close()
        for shared in self._shared:
            shared.close()

    async def _shared_one(self) -> HTTP2Service:
        async with self._one_at_a_time:
            for each in tuple(self._shared):
                if not each.may_go_on and each.is_unused:
                    self._shared.remove(each)
                    each.close()
            for each in self._shared:
                if each.may_go_on and not each.is_full:
                    return each
            if len(self._shared) >= IDLE:
                raise ServiceFailed(
                    "the service takes no more requests at once",
                    why=Cause.SERVICE_BUSY,
                    code=Code.REQUEST_REFUSED,
                )
            stream = await self._connect()
            if isinstance(stream.transport, TLSTransport) and stream.transport.tls.connection.alpn != HTTP2:
                stream.cut()
                raise ServiceFailed(
                    "the service has not agreed to HTTP/2 (ALPN h2)", why=Cause.NO_SHARED_PROTOCOL
                )
            made = HTTP2Service(stream, self._taking)
            self._shared.append(made)
            await made.start()
            return made
