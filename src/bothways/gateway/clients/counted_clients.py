"""The clients of a gateway of one process: counted by address and by identity, within the limits of its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from bothways.addresses import UNIX_CLIENT
from bothways.gateway.clients.interfaces import GatewayClient
from bothways.gateway.config.gateway import GatewayLimits
from bothways.gateway.log.endings import Code, Ending
from bothways.gateway.observe.snapshot import identity_text
from bothways.trust.verdict import Names

K = TypeVar("K")


class CountedClients:
    """All clients; `established`: the names of those that are verified, in the order in which they were."""

    def __init__(self) -> None:
        self._all: set[GatewayClient] = set()
        self.established: dict[GatewayClient, Names] = {}
        self._by_source: dict[str, int] = {}
        self._by_identity: dict[Names, int] = {}
        self._by_text: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[GatewayClient]:
        return iter(self._all)

    @property
    def by_text(self) -> Mapping[str, int]:
        """How many are verified, by `identity_text` of their names."""
        return self._by_text

    def arrive(self, client: GatewayClient, source: str, limits: GatewayLimits) -> Ending | None:
        """Count a client; returns why there is no place for it. source: the address by which it counts."""
        self._all.add(client)
        count = self._by_source[source] = self._by_source.get(source, 0) + 1
        if len(self.established) >= limits.connections:
            return _full(limits.connections)
        if source != UNIX_CLIENT and count > limits.per_address:
            text = f"its address has {limits.per_address} connections, and gets no more"
            return Ending.of(Code.ADDRESS_LIMIT, text)
        return None

    def establish(self, client: GatewayClient, names: Names, limits: GatewayLimits) -> Ending | None:
        """Count a verified client; returns why there is no place for it. names: of its certificate."""
        if len(self.established) >= limits.connections:
            return _full(limits.connections)
        if self._by_identity.get(names, 0) >= limits.per_identity:
            text = f"clients with these names have {limits.per_identity} connections, and get no more"
            return Ending.of(Code.IDENTITY_LIMIT, text)
        self.established[client] = names
        self._by_identity[names] = self._by_identity.get(names, 0) + 1
        text = identity_text(names)
        self._by_text[text] = self._by_text.get(text, 0) + 1
        return None

    def leave(self, client: GatewayClient, source: str) -> bool:
        """Count a client no more; returns whether it was verified."""
        self._all.discard(client)
        _count_down(self._by_source, source)
        names = self.established.pop(client, None)
        if names is None:
            return False
        _count_down(self._by_identity, names)
        _count_down(self._by_text, identity_text(names))
        return True


def _full(connections: int) -> Ending:
    text = f"there are {connections} connections, and no more are taken"
    return Ending.of(Code.CONNECTIONS_LIMIT, text)


def _count_down(counts: dict[K, int], key: K) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
