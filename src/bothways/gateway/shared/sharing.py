"""What a gateway shares with others, by its newest routes: the limit of connections with the same names, and news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterable, Sequence

from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.observe.meter import Meter
from bothways.gateway.routes.routes import Routes
from bothways.gateway.shared.revocation_news import NewsExchange, ServedClients
from bothways.gateway.store.limits import SharedLimits
from bothways.trust.verdict import Names


class Sharing:
    """Shares nothing until `use` says where. clients: those of the news.  tell: takes a sentence for the log."""

    def __init__(self, clients: ServedClients, tell: Callable[[str], object], meter: Meter) -> None:
        self._clients, self._tell, self._meter = clients, tell, meter
        self._by: tuple[str, bytes] | None = None
        self._limits: SharedLimits | None = None
        self._news: NewsExchange | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, routes: Routes, members: Iterable[tuple[Hashable, Names]]) -> None:
        """Share by these routes from here on. members: the connections that there are."""
        url, secret = routes.config.limits.shared, routes.secret
        by = None if url is None or secret is None else (url, secret)
        if by != self._by:
            self._stop()
            self._by = by
            self._limits = None if by is None else SharedLimits(*by, self._tell, members)
        wants_news = by is not None and routes.config.limits.shared_news
        if not wants_news:
            self._stop_news()
        elif self._news is not None:
            self._news.use(routes.held)
        elif by is not None:
            self._news = NewsExchange(*by, routes.held, self._clients, self._tell, self._meter)

    def _stop(self) -> None:
        before, self._limits = self._limits, None
        if before is not None:
            self._keep(before.close())
        self._stop_news()

    def _stop_news(self) -> None:
        before, self._news = self._news, None
        if before is not None:
            self._keep(before.close())

    def when_admitted(
        self,
        client: Hashable,
        names: Names,
        limit: int,
        go_on: Callable[[], None],
        refuse: Callable[[Ending], None],
    ) -> None:
        """Go on with a connection soon, or refuse it if all gateways together have more than the limit with it."""
        loop, limits = asyncio.get_running_loop(), self._limits
        if limits is None:
            loop.call_soon(go_on)
            return

        admitted = limits.admits(client, names, limit)

        async def ask() -> None:
            if await admitted:
                go_on()
                return
            text = f"clients with these names have {limit} connections to all gateways, and get no more"
            refuse(Ending.of(Code.IDENTITY_LIMIT, text))

        self._keep(ask())

    def saw(self, issuers: Sequence[bytes]) -> None:
        """Note the CAs on the path of a client that was verified, in DER."""
        if self._news is not None:
            self._news.saw(issuers)

    def leaves(self, client: Hashable) -> None:
        """Count a connection no more."""
        if self._limits is not None:
            self._limits.leaves(client)

    async def close(self) -> None:
        """Share nothing any more."""
        self._stop()
        self._by = None
        await asyncio.gather(*self._tasks)

    def _keep(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
