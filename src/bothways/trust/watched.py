"""Files that change while they are in use: when their content is taken anew, and what stays where it cannot be.

Waits for nothing by itself: whoever serves looks now and then, beside what else it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

from bothways.errors import ConfigError, logged
from bothways.trust import files

T = TypeVar("T")

logger = logging.getLogger("bothways.files")

LOOK_SECONDS = 1.0


Stamps = tuple[files.Stamp | None, ...]


class _Followed:
    """Some files that are taken together, and how they looked: when they were taken or refused, and last."""

    def __init__(self, paths: Iterable[files.FilePath]) -> None:
        self._paths = tuple(paths)
        self._taken = self._seen = self._stamps()

    def change(self) -> Stamps | None:
        """Look at them. Returns how they look if they have changed and nobody goes on with that.

        They looked the same in the look before, or were written a while ago.
        """
        before, self._seen = self._seen, self._stamps()
        rests = self._seen == before or files.have_settled(self._seen)
        return self._seen if rests and self._seen != self._taken else None

    def read(self, *, waits: bool, most: int | None = None) -> list[bytes]:
        """Return what is in them. Raises ConfigError."""
        return [files.content(path, waits=waits, most=most) for path in self._paths]

    def take(self, looks: Stamps, read: Callable[[], T]) -> T | None:
        """Return what `read` makes of a change, None where they changed meanwhile.

        A change for which it raises is looked at once.
        """
        try:
            made = read()
        except Exception:
            self._taken = looks
            raise
        if self._stamps() != looks:
            return None
        self._taken = looks
        return made

    def _stamps(self) -> Stamps:
        return tuple(files.stamp(path) for path in self._paths)


class Watched(Generic[T]):
    """Files and what they hold, each by itself. One that is gone, or cannot be read, keeps what it had."""

    def __init__(
        self,
        paths: Iterable[files.FilePath],
        read: Callable[[bytes, str], list[T]],
        most: int | None = None,
    ) -> None:
        """Read all of them; `read` gets content and path. Raises ConfigError, as `read` does.

        most: bytes of a file, as for `files.content`.
        """
        self._read = read
        self._most = most
        self._followed = {path: _Followed((path,)) for path in map(str, paths)}
        self._items = {path: self._content(path, waits=True) for path in self._followed}

    def items(self) -> list[T]:
        """Return what all files hold."""
        return [item for items in self._items.values() for item in items]

    def each(self) -> list[tuple[str, list[T]]]:
        """Return the paths, each with what it holds."""
        return list(self._items.items())

    def look(self, problems: list[str]) -> list[tuple[str, list[T]]]:
        """Return paths that have changed since the last look, with what they hold now.

        What cannot be taken is told in `problems`, once, in sentences.
        """
        changes = {path: followed.change() for path, followed in self._followed.items()}
        changed = [path for path, looks in changes.items() if looks and self._take(path, looks, problems)]
        return [(path, self._items[path]) for path in changed]

    def _take(self, path: str, looks: Stamps, problems: list[str]) -> bool:
        try:
            items = self._followed[path].take(looks, lambda: self._content(path, waits=False))
        except ConfigError as error:
            problems.append(f"{error}; its earlier content stays in use")
            return False
        if items is not None:
            self._items[path] = items
        return items is not None

    def _content(self, path: str, *, waits: bool) -> list[T]:
        [data] = self._followed[path].read(waits=waits, most=self._most)
        return self._read(data, path)


class Renewed(Generic[T]):
    """What is made of files, and made anew when they change: of all of them, or what was made before stays.

    Whoever uses it looks at the files, at most once a second: no thread and no event loop has to, and a forked
    process goes on by itself. `generation` rises with each change that was taken.
    """

    def __init__(
        self,
        paths: Iterable[files.FilePath],
        make: Callable[[Sequence[bytes]], T],
        clock: Callable[[], float] = files.monotonic,
    ) -> None:
        """Read the files and make it; `make` gets what is in them. Raises ConfigError, as `make` does."""
        self._paths = tuple(paths)
        self._make = make
        self._clock = clock
        self._checks: list[Callable[[T], object]] = []
        self._generation = 0
        self._looked_at = clock()
        self._followed = _Followed(self._paths)
        self._value = make(self._followed.read(waits=True))

    @property
    def value(self) -> T:
        """What the files hold, as far as it could be taken."""
        self._look_in_time()
        return self._value

    @property
    def generation(self) -> int:
        """How many changes were taken."""
        self._look_in_time()
        return self._generation

    def accept_only(self, check: Callable[[T], object]) -> None:
        """Refuse later changes for which `check` raises ConfigError; what is there now must pass it."""
        check(self._value)
        self._checks.append(check)

    def _look_in_time(self) -> None:
        now = self._clock()
        if now >= self._looked_at + LOOK_SECONDS:
            self._looked_at = now
            looks = self._followed.change()
            if looks is not None:
                self._take(looks)

    def _take(self, looks: Stamps) -> None:
        try:
            made = self._followed.take(looks, self._made_anew)
        except ConfigError as error:
            logger.warning("%s; the earlier content stays in use", logged(error))
        except Exception:
            logger.exception("defect: changed files are not read; the earlier content stays in use")
        else:
            if made is not None:
                [self._value] = made
                self._generation += 1
                logger.info("read again: %s", ", ".join(map(str, self._paths)))

    def _made_anew(self) -> list[T]:
        value = self._make(self._followed.read(waits=False))
        for check in self._checks:
            check(value)
        return [value]
