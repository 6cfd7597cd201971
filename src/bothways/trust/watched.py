"""Files that change while they are in use: when their content is taken anew, and what stays where it cannot be.

Waits for nothing by itself: whoever serves looks now and then, beside what else it does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from bothways.errors import ConfigError, logged
from bothways.trust import files

T = TypeVar("T")

logger = logging.getLogger("bothways")

LOOK_SECONDS = 1.0


@dataclass
class _File(Generic[T]):
    """What was read of a file: `taken` is how it looked then, `seen` how it looked last."""

    items: list[T]
    taken: files.Stamp | None
    seen: files.Stamp | None


class Watched(Generic[T]):
    """Files and what they hold. One that is gone, is being written or cannot be read keeps what it had."""

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
        self._files: dict[str, _File[T]] = {}
        for path in map(str, paths):
            stamp = files.stamp(path)
            self._files[path] = _File(read(files.content(path, most=most), path), stamp, stamp)

    def items(self) -> list[T]:
        """Return what all files hold."""
        return [item for file in self._files.values() for item in file.items]

    def look(self, problems: list[str]) -> list[tuple[str, list[T]]]:
        """Return paths that have changed since the last look, with what they hold now.

        A change is taken when a file looks the same in two looks: one that is still being written does not.
        What cannot be taken is told in `problems`, once, in sentences.
        """
        changed = [path for path, file in self._files.items() if self._has_changed(path, file)]
        return [(path, self._files[path].items) for path in changed if self._take(path, problems)]

    def _has_changed(self, path: str, file: _File[T]) -> bool:
        before, file.seen = file.seen, files.stamp(path)
        return file.seen == before and file.seen != file.taken

    def _take(self, path: str, problems: list[str]) -> bool:
        file = self._files[path]
        try:
            items = self._read(files.content(path, waits=False, most=self._most), path)
        except ConfigError as error:
            file.taken = file.seen
            problems.append(f"{error}; what it held before stays in use")
            return False
        if files.stamp(path) != file.seen:
            return False
        file.items, file.taken = items, file.seen
        return True


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
        # How the files looked when they were taken, or refused; and what was seen last, and since when.
        self._taken = self._seen = self._stamps()
        self._seen_since = self._looked_at = clock()
        self._value = make([files.content(path) for path in self._paths])

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
            self._look(now)

    def _look(self, now: float) -> None:
        """Take a change that nobody goes on with: it looked the same a while ago, or was written a while ago."""
        stamps = self._stamps()
        if stamps != self._seen:
            self._seen, self._seen_since = stamps, now
        is_old = now >= self._seen_since + LOOK_SECONDS or files.have_settled(stamps)
        if stamps != self._taken and is_old:
            self._take(stamps)

    def _take(self, stamps: tuple[files.Stamp | None, ...]) -> None:
        try:
            value = self._make([files.content(path, waits=False) for path in self._paths])
            for check in self._checks:
                check(value)
        except ConfigError as error:
            self._taken = stamps
            logger.warning("%s; what was read before stays in use", logged(error))
        except Exception:
            self._taken = stamps
            logger.exception("defect: files that changed are not read; what was read before stays in use")
        else:
            if self._stamps() == stamps:
                self._value, self._taken = value, stamps
                self._generation += 1
                logger.info("read again: %s", ", ".join(map(str, self._paths)))

    def _stamps(self) -> tuple[files.Stamp | None, ...]:
        return tuple(files.stamp(path) for path in self._paths)
