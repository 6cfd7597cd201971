"""What a gateway shares with others, by its newest routes: the limit of connections with the same names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterable

from bothways.gateway.endings import Code, Ending
from bothways.gateway.shared_limits import SharedLimits
from bothways.trust.verdict import Names


class Sharing:
    """Shares nothing until `use` says where. tell: takes a sentence for the log."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._by: tuple[str, bytes] | None = None
        self._limits: SharedLimits | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def use(self, url: str | None, secret: bytes | None, members: Iterable[tuple[Hashable, Names]]) -> None:
        """Share at this URL from here on, or nothing if it is None. members: the connections that there are."""
        by = None if url is None or secret is None else (url, secret)
        if by == self._by:
            return
        before, self._by = self._limits, by
        self._limits = None if by is None else SharedLimits(*by, self._tell, members)
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

    def leaves(self, client: Hashable) -> None:
        """Count a connection no more."""
        if self._limits is not None:
            self._limits.leaves(client)

    async def close(self) -> None:
        """Share nothing any more."""
        self.use(None, None, ())
        await asyncio.gather(*self._tasks)

    def _keep(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
