"""Where a gateway answers its operator over HTTP: metrics, health and readiness. Not for clients, and without TLS.

Anyone who can connect may read, so it is on loopback or a Unix socket. A web page must not read it by a name that
leads here (DNS rebinding), so a request over TCP has to name an IP address or localhost; or no host, as probes of
HTTP/1.0 do, and no browser.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from typing import Any

from bothways.gateway.http.conversation import give
from bothways.gateway.http.messages import ClientGone, RefusedRequest, RequestHead, ServiceFailed
from bothways.gateway.http.server1 import HTTP1Server, Patience
from bothways.gateway.observe.pages import METRICS, Answer, PageAnswer
from bothways.gateway.relay.streams import PlainStream

MOST_CONNECTIONS = 32
PATIENCE = Patience(between=10.0, head=5.0, taking=10.0)
METHODS = (b"GET", b"HEAD")


class Operator:
    """Answers on one listener, in threads, as there may be much to sum up.

    answers: by path.  refresh: brings the numbers of this process up to date, before metrics are read.  checks_host:
    refuse requests that name another host than this one.  Attribute: `answering`, the connections that have a request.
    """

    def __init__(
        self,
        answers: dict[bytes, Answer],
        refresh: Callable[[], Awaitable[None]],
        *,
        checks_host: bool = True,
    ) -> None:
        self._refresh = refresh
        self._answers = answers
        self._checks_host = checks_host
        self._tasks: dict[asyncio.Task[None], OperatorStream] = {}
        self.answering: set[OperatorStream] = set()
        self._one_at_a_time = {
            path: asyncio.Lock() for path in answers
        }  # so that clients wait for few answers

    def protocol(self) -> OperatorStream:
        """Return the protocol of a new connection."""
        return OperatorStream(self)

    def serve(self, stream: OperatorStream) -> None:
        """Answer one connection. If there are too many, the oldest without a request is ended in its favour."""
        if len(self._tasks) >= MOST_CONNECTIONS:
            idle = next((task for task, each in self._tasks.items() if each not in self.answering), None)
            if idle is None:
                stream.cut()
                return
            self._tasks.pop(idle).cut()
        task = asyncio.get_running_loop().create_task(self._serve(stream))
        self._tasks[task] = stream
        task.add_done_callback(lambda task: self._tasks.pop(task, None))

    async def close(self) -> None:
        """End all connections."""
        tasks = tuple(self._tasks)
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, stream: OperatorStream) -> None:
        server, is_tcp = HTTP1Server(stream, PATIENCE, takes_http10=True), isinstance(stream.peer, tuple)
        try:
            while (exchange := await server.next_exchange()) is not None:
                self.answering.add(stream)
                page = await self._page(exchange.request, checks_host=self._checks_host and is_tcp)
                await give(exchange, page)
                self.answering.discard(stream)
                if not exchange.may_go_on:
                    return
        except RefusedRequest as refused:
            await server.refuse(refused)
        except (ClientGone, ServiceFailed):
            return
        finally:
            self.answering.discard(stream)
            stream.close()

    async def _page(self, request: RequestHead, *, checks_host: bool) -> PageAnswer:
        """Return the answer to a request. Raises RefusedRequest."""
        if checks_host and request.authority and not is_this_host(request.authority):
            raise RefusedRequest(421, "the host of the request is neither an IP address nor localhost")
        path = request.target.partition(b"?")[0]
        answer = self._answers.get(path)
        if answer is None:
            known = ", ".join(each.decode() for each in self._answers)
            raise RefusedRequest(404, f"there is {known}")
        if request.method not in METHODS or request.has_body:
            raise RefusedRequest(405, "only GET and HEAD, without a body")
        async with self._one_at_a_time[path]:
            if path == METRICS:
                await self._refresh()
            return await asyncio.get_running_loop().run_in_executor(None, answer)


class OperatorStream(PlainStream):
    """One connection. `peer` is its address, no tuple for a Unix socket."""

    peer: Any = None

    def __init__(self, operator: Operator) -> None:
        super().__init__()
        self._operator = operator

    def connection_made(self, transport: Any) -> None:
        """Begin to answer."""
        super().connection_made(transport)
        self.peer = transport.get_extra_info("peername")
        self._operator.serve(self)


def is_this_host(authority: bytes) -> bool:
    """Whether the authority of a request is an IP address or localhost, with or without a port."""
    host = authority.decode("ascii", "replace").lower()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    else:
        host = host.partition(":")[0]
    if host == "localhost":
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
