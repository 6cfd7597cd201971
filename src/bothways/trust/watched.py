"""Files that change while they are in use: when their content is taken anew, and what stays where it cannot be.

Waits for nothing by itself: whoever serves looks now and then, beside what else it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bothways.errors import ConfigError
from bothways.trust import files

T = TypeVar("T")


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
