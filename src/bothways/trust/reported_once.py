"""What lasts is reported when it begins, and once more only after it was over."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)
What = TypeVar("What")


class ReportedOnce:
    """Remembers what was found last: of that nothing is news."""

    def __init__(self) -> None:
        self._known: frozenset[Hashable] = frozenset()

    def news(self, found: Mapping[Key, What]) -> list[What]:
        """Return what was not found last time. found: all that holds now, by what identifies it."""
        new = [each for key, each in found.items() if key not in self._known]
        self._known = frozenset(found)
        return new
