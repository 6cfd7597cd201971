"""Server names of routes, and what is found by them without a look at each route."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class ByServerName(Generic[T]):
    """Things that are for some server names each, or for all names, in the order in which they were added."""

    def __init__(self) -> None:
        self._count = 0
        self._for_all: list[tuple[int, T]] = []
        self._by_name: dict[str, list[tuple[int, T]]] = {}

    def add(self, names: Sequence[str] | None, item: T) -> None:
        """Add one. names: in lower case, `*.example.com` for one label; None for all names."""
        self._count += 1
        if names is None:
            self._for_all.append((self._count, item))
        for name in dict.fromkeys(names or ()):
            self._by_name.setdefault(name, []).append((self._count, item))

    def candidates(self, name: str) -> list[T]:
        """Return those that are for a name, in their order. name: in lower case, also one with a wildcard."""
        found = dict(self._for_all)
        for each in (name, wildcard(name)):
            found |= self._by_name.get(each, ())
        return [found[place] for place in sorted(found)]


def wildcard(name: str) -> str:
    """Return what a route has for every name beside this one: `*.` and all but the first label."""
    return "*." + name.partition(".")[2]
