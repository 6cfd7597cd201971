"""The option of servers to share news of revocations with other servers and with gateways."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import click

from bothways.cli.options.tickets import Tickets
from bothways.cli.output.terminal import refuse, say
from bothways.cli.servers.server_files import ServerFiles
from bothways.errors import ConfigError
from bothways.gateway.store.news import SharedNews
from bothways.tls.events import Peer
from bothways.tls.handshake.access import ByRules, Decide, Refusal
from bothways.trust.evidence.http_exchange import Evidence
from bothways.trust.revocation import Revocation

if TYPE_CHECKING:
    from bothways.gateway.files.held import Held
    from bothways.gateway.shared.revocation_news import NewsExchange

LOOK_SECONDS = 1.0

news_option = click.option(
    "--revocation-news",
    is_flag=True,
    help="Share revocations that CRLs and OCSP responses contain with other servers, in the Redis of --ticket-keys.",
)


@dataclass(slots=True)
class ServerNews:
    """The revocation news of one process. url, secret: of the store.  files: of the server, with anchors and CRLs."""

    url: str
    secret: bytes
    files: ServerFiles
    news: SharedNews = field(default_factory=SharedNews)
    _exchange: NewsExchange | None = None

    @classmethod
    def of(cls, wanted: bool, tickets: Tickets, files: ServerFiles) -> ServerNews | None:
        """Return those of a server; None where none are wanted. Raises ConfigError; wrong use exits with status 2."""
        if not wanted:
            return None
        store = tickets.shared_store()
        if store is None:
            refuse("--revocation-news has an effect only with --ticket-keys redis://...")
        if files.own.revocation is None:
            raise ConfigError(
                "--revocation-news: no client certificate is checked; add --crl FILE or --fetch"
            )
        return cls(*store, files)

    def policy(self, policy: Revocation | None) -> Revocation | None:
        """Return how revocation is checked with news, which also learn what is fetched."""
        if policy is None:
            return None
        fetch = policy.fetch and replace(policy.fetch, learned=self.news.learned)
        return replace(policy, fetch=fetch, news=self.news)

    def noting(self, decide: Decide | None) -> Decide:
        """Return what decides about clients as before, and notes the CAs on their paths: news by these count."""
        return _NotingRules(decide.rules, self) if isinstance(decide, ByRules) else _noting(decide, self)

    def saw(self, peer: Peer | None) -> None:
        """Note the CAs on the path of a client that was verified."""
        if self._exchange is not None and peer is not None:
            self._exchange.saw(peer.verdict.path_der[1:])

    async def revoked(self, news: Sequence[Evidence]) -> None:
        """Do nothing: the clients of open connections are verified again, since there is other evidence."""

    @contextlib.asynccontextmanager
    async def exchanged(self) -> AsyncIterator[None]:
        """Publish and take news while the body runs. Raises ConfigError for a URL that cannot be used."""
        from bothways.gateway.observe.meter import Meter  # loaded only where news are wanted
        from bothways.gateway.shared.revocation_news import NewsExchange

        self._exchange = NewsExchange(self.url, self.secret, self._held(), self, say, Meter())
        following = asyncio.get_running_loop().create_task(self._follow(self._exchange))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await self._exchange.close()
            self._exchange = None

    async def _follow(self, exchange: NewsExchange) -> None:
        """Have the exchange go by the files when they have changed."""
        seen = self._state()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._state() != seen:
                seen = self._state()
                exchange.use(self._held())

    def _state(self) -> Hashable:
        anchors = self.files.anchors
        return self.files.lists.store.generation, None if anchors is None else anchors.generation

    def _held(self) -> Held:
        from bothways.gateway.files.held import Held, Lists

        held = Held(lists={("crl",): Lists(self.files.lists.store, {})}, news=self.news)
        if self.files.anchors is not None:
            held.anchors[("clients",)] = self.files.anchors
        return held


def sharing(news: ServerNews | None) -> contextlib.AbstractAsyncContextManager[None]:
    """Share news while the body runs; None for a server that shares none."""
    return contextlib.nullcontext() if news is None else news.exchanged()


@dataclass(frozen=True, slots=True)
class _NotingRules(ByRules):
    """Rules that also note whom they are asked about; a diagnosis looks at them as at others."""

    news: ServerNews

    def __call__(self, peer: Peer | None) -> Refusal | None:
        """Decide about a client."""
        self.news.saw(peer)
        return ByRules.__call__(self, peer)


def _noting(decide: Decide | None, news: ServerNews) -> Decide:
    def noted(peer: Peer | None) -> Refusal | None:
        news.saw(peer)
        return None if decide is None else decide(peer)

    return noted
