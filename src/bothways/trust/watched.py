"""Files that may change while they are used: when they are read again, and what stays in use if that fails.

Nothing here waits or runs by itself: the users of a file call it from time to time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from bothways.arguments import several
from bothways.errors import ConfigError, logged
from bothways.trust import files

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

logger = logging.getLogger("bothways.files")

LOOK_SECONDS = 1.0
UNSETTLED_SECONDS = 1.5  # after that files are read that are being written all the time


Stamps = tuple[files.Stamp | None, ...]


class _Followed:
    """A group of files that are read together, with their metadata when last read or refused, and when last seen."""

    def __init__(self, paths: Iterable[files.FilePath]) -> None:
        self._paths = tuple(map(files.checked_path, paths))
        self._taken = self._seen = self._stamps()
        self._since: float | None = None  # the first look at which they were different

    def change(self) -> Stamps | None:
        """Return the metadata if the files have changed and are not being written.

        That is so if they were the same at the last look, or were not written for a second. Files that are written all
        the time are read nevertheless.
        """
        before, self._seen = self._seen, self._stamps()
        if self._seen == self._taken:
            self._since = None
            return None
        now = files.monotonic()
        self._since = now if self._since is None else self._since
        is_stable = self._seen == before or files.have_settled(self._seen)
        return self._seen if is_stable or now - self._since >= UNSETTLED_SECONDS else None

    def read(self, *, waits: bool, most: int | None = None) -> list[bytes]:
        """Return the content of the files. Raises ConfigError."""
        return [files.content(path, waits=waits, most=most) for path in self._paths]

    def take(self, stamps: Stamps, read: Callable[[], T]) -> T | None:
        """Return the result of `read` for changed files; None where they changed again meanwhile.

        If `read` raises, this change is not read again.
        """
        try:
            result = read()
        except Exception:
            self._note(stamps)
            raise
        if self._stamps() != stamps:
            return None
        self._note(stamps)
        return result

    def _note(self, stamps: Stamps) -> None:
        """Note what was read; files that are written on are not read again at each look."""
        self._taken, self._since = stamps, None

    def _stamps(self) -> Stamps:
        return tuple(files.stamp(path) for path in self._paths)


class Watched(Generic[T]):
    """Files and their decoded content, each file by itself. If one is missing or invalid, its last content stays."""

    def __init__(
        self,
        paths: Iterable[files.FilePath],
        read: Callable[[bytes, str], list[T]],
        most: int | None = None,
    ) -> None:
        """Read all files. Raises ConfigError, as `read` does.

        read: decodes the content of a file, with its path for errors.  most: the size limit, as for `files.content`.
        """
        self._read = read
        self._most = most
        given = map(files.checked_path, several("paths", paths, "paths of files"))
        self._followed = {path: _Followed((path,)) for path in map(str, given)}
        self._items = {path: self._content(path, waits=True) for path in self._followed}

    def items(self) -> list[T]:
        """Return the content of all files."""
        return [item for items in self._items.values() for item in items]

    def each(self) -> list[tuple[str, list[T]]]:
        """Return the paths, each with the content of the file."""
        return list(self._items.items())

    def read_changed(self, problems: list[str]) -> list[tuple[str, list[T]]]:
        """Return the paths of files that have changed since the last look, each with its new content.

        problems: a sentence for each file that cannot be read is appended, once for each change.
        """
        changes = {path: followed.change() for path, followed in self._followed.items()}
        changed = [path for path, stamps in changes.items() if stamps and self._take(path, stamps, problems)]
        return [(path, self._items[path]) for path in changed]

    def _take(self, path: str, stamps: Stamps, problems: list[str]) -> bool:
        try:
            items = self._followed[path].take(stamps, lambda: self._content(path, waits=False))
        except ConfigError as error:
            problems.append(f"{error}; its earlier content stays in use")
            return False
        if items is not None:
            self._items[path] = items
        return items is not None

    def _content(self, path: str, *, waits: bool) -> list[T]:
        [data] = self._followed[path].read(waits=waits, most=self._most)
        return self._read(data, path)


class Newest(Protocol[T_co]):
    """A value that is made again when what it comes from changes. generation: how often it was."""

    @property
    def value(self) -> T_co:
        """The newest value."""

    @property
    def generation(self) -> int:
        """The number of new values since the first one."""

    def accept_only(self, check: Callable[[Any], object]) -> None:
        """Refuse later values for which `check` raises ConfigError."""


class Replaceable(Generic[T]):
    """The first base of a class whose values may be replaced: what is current, and how often it was replaced.

    renewed: makes new values.
    """

    def __init__(self, renewed: Newest[T]) -> None:
        self._renewed = renewed

    @property
    def current(self) -> T:
        """The last valid value."""
        return self._renewed.value

    @property
    def generation(self) -> int:
        """How many changes were taken over."""
        return self._renewed.generation


class Renewed(Generic[T]):
    """A value made from several files, and made again when they change; if that fails, the last value stays.

    Each use looks at the files, at most once a second, so no thread and no event loop is needed, and it works in a
    forked process. `generation` rises with each new value.
    """

    def __init__(
        self,
        paths: Iterable[files.FilePath],
        make: Callable[[Sequence[bytes]], T],
        clock: Callable[[], float] = files.monotonic,
    ) -> None:
        """Read the files and make the value. Raises ConfigError, as `make` does.

        make: makes the value from the contents of the files.  clock: returns monotonic seconds.
        """
        self._paths = tuple(paths)
        self._make = make
        self._clock = clock
        self._checks: list[Callable[[T], object]] = []
        self._generation = 0
        self._checked_at = clock()
        self._followed = _Followed(self._paths)
        self._value = make(self._followed.read(waits=True))

    @property
    def value(self) -> T:
        """The value, from the last valid content of the files."""
        self._check_files()
        return self._value

    @property
    def generation(self) -> int:
        """The number of new values since the first one."""
        self._check_files()
        return self._generation

    def accept_only(self, check: Callable[[T], object]) -> None:
        """Refuse later changes for which `check` raises ConfigError; it is called with the present value first."""
        check(self._value)
        self._checks.append(check)

    def _check_files(self) -> None:
        now = self._clock()
        if now >= self._checked_at + LOOK_SECONDS:
            self._checked_at = now
            stamps = self._followed.change()
            if stamps is not None:
                self._take(stamps)

    def _take(self, stamps: Stamps) -> None:
        try:
            result = self._followed.take(stamps, self._made_again)
        except ConfigError as error:
            logger.warning("%s; the earlier content stays in use", logged(error))
        except Exception:
            logger.exception("defect: changed files are not read; the earlier content stays in use")
        else:
            if result is not None:
                [self._value] = result
                self._generation += 1
                logger.info("read again: %s", ", ".join(map(str, self._paths)))

    def _made_again(self) -> list[T]:
        value = self._make(self._followed.read(waits=False))
        for check in self._checks:
            check(value)
        return [value]
