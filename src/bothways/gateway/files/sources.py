"""Where the contents come from that a gateway names: files, the Workload API of SPIFFE, and the directory of our CA."""

from __future__ import annotations

from typing import Protocol

from bothways.gateway.config.authority import CERTIFICATE, LISTS
from bothways.gateway.config.http import check_installed
from bothways.gateway.config.spiffe import SPIFFE
from bothways.trust import files


class Followed(Protocol):
    """A source whose content changes by itself. generation: it rises with each other content."""

    generation: int

    def first(self) -> bytes:
        """Return the newest content, after waiting within a bound for one if there was none. Raises ConfigError."""

    def poll(self) -> list[str]:
        """Take what has come; returns what there is to report."""

    def close(self) -> None:
        """End what is open."""


class ContentSources:
    """Reads contents; of what is followed the newest is the content. `close` ends what is open.

    issues: whether our CA may issue; false for a check.  `waits`: whether a file may be a pipe, which is waited for.
    """

    def __init__(self, *, issues: bool = True) -> None:
        self._issues = issues
        self.waits = True
        self._followed: dict[str, Followed] = {}

    def content(self, path: str, most: int = files.MAX_FILE) -> bytes:
        """Return the content of at most so many bytes. Raises ConfigError."""
        if is_followed(path):
            return self._source(path).first()
        return files.content(path, waits=self.waits, most=most)

    def stamp(self, path: str) -> files.Stamp | None:
        """Return what differs when the content has changed; None where it cannot be read."""
        if not is_followed(path):
            return files.stamp(path)
        followed = self._followed.get(path)
        return None if followed is None else files.Stamp(0, 0, 0, followed.generation, 0)

    def poll(self) -> list[str]:
        """Take what has come of all that is followed; returns what there is to report."""
        return [line for each in self._followed.values() for line in each.poll()]

    def keep_only(self, paths: set[str]) -> None:
        """End what is followed and not among these paths."""
        for path in [each for each in self._followed if each not in paths]:
            self._followed.pop(path).close()

    def close(self) -> None:
        """End everything."""
        self.keep_only(set())

    def _source(self, path: str) -> Followed:
        if path not in self._followed:
            self._followed[path] = self._made(path)
        return self._followed[path]

    def _made(self, path: str) -> Followed:
        if path.startswith(SPIFFE):
            check_installed("`spiffe`", ("h2",))
            from bothways.spiffe.workload_api import WorkloadAPI  # h2 is loaded only where it is needed

            return WorkloadAPI(path.removeprefix(SPIFFE))
        check_installed("`authority`", ("sqlalchemy",), "pip install 'bothways[ca]'")
        from bothways.gateway.files.authority_source import (
            source_of,  # SQLAlchemy is loaded only where it is needed
        )

        return source_of(path, issues=self._issues)


def is_followed(path: str) -> bool:
    """Whether a path names no file, but what is followed."""
    return path.startswith((SPIFFE, CERTIFICATE, LISTS))
