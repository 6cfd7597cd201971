"""Files of revocation lists, read again when they change: what is taken from them, and what stays in use.

Waits for nothing by itself: whoever serves looks now and then, beside what else it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.trust import files
from bothways.trust.crl import CRL, Progress, crls_in
from bothways.trust.crl_store import CRLStore


@dataclass(slots=True)
class _Read:
    """What was read of a file: `taken` when it looked how; `seen` is how it looked last."""

    crls: list[CRL]
    taken: files.Stamp | None
    seen: files.Stamp | None


class CRLFiles:
    """Files of lists and what they hold; `store` is for a `Revocation`, and follows them with each `look`.

    A file that is gone, is being written or cannot be read keeps the lists that it had. An older list never
    takes the place of a newer one.
    """

    def __init__(self, paths: Iterable[files.FilePath], progress: Progress | None = None) -> None:
        """Read all of them, as `CRLStore.from_files` does. Raises ConfigError."""
        self._progress = progress
        self._files: dict[str, _Read] = {}
        for path in map(str, paths):
            stamp = files.stamp(path)
            self._files[path] = _Read(self._read(path), stamp, stamp)
        self.store = CRLStore(self._crls())

    def look(self) -> list[str]:
        """Take what has changed since the last look, and return what a person should know, in sentences.

        A change is taken when a file looks the same in two looks: one that is still being written does not.
        May read whole files, so an event loop has it done in a thread; one look at a time.
        """
        news: list[str] = []
        changed = [path for path, read in self._files.items() if self._has_changed(path, read)]
        taken = [path for path in changed if self._take(path, self._files[path], news)]
        if taken:
            self.store.replace(CRLStore(self._crls()))
        return news

    def _has_changed(self, path: str, read: _Read) -> bool:
        before, read.seen = read.seen, files.stamp(path)
        return read.seen == before and read.seen != read.taken

    def _take(self, path: str, read: _Read, news: list[str]) -> bool:
        try:
            crls = self._read(path)
        except ConfigError as error:
            read.taken = read.seen
            news.append(f"{error}; the lists that it had stay in use")
            return False
        if files.stamp(path) != read.seen:
            return False
        read.crls, read.taken = crls, read.seen
        news += [f"{path}: {self._told(crl)}" for crl in crls]
        return True

    def _told(self, crl: CRL) -> str:
        of, entries = shown(crl.issuer_text), "1 entry" if len(crl) == 1 else f"{len(crl)} entries"
        if any(each.series == crl.series and each.age > crl.age for each in self.store.of(crl.normal_issuer)):
            return f"its list of {of} is older than the one in use, which stays"
        return f"read again: a list of {of} with {entries}, of {crl.this_update:%Y-%m-%d %H:%M}"

    def _read(self, path: str) -> list[CRL]:
        return crls_in(files.content(path), path, self._progress)

    def _crls(self) -> Iterator[CRL]:
        for read in self._files.values():
            yield from read.crls
