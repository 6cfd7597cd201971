"""Files of revocation lists that are followed while they change."""

from __future__ import annotations

from collections.abc import Iterable

from bothways.faults import shown
from bothways.trust import files
from bothways.trust.crl import CRL, Progress, crls_in
from bothways.trust.crl_store import CRLStore
from bothways.trust.watched import Watched


class CRLFiles:
    """Files of lists and what they hold; `store` is for a `Revocation`, and follows them with each `look`.

    An older list never takes the place of a newer one.
    """

    def __init__(self, paths: Iterable[files.FilePath], progress: Progress | None = None) -> None:
        """Read all of them, as `CRLStore.from_files` does. Raises ConfigError."""
        self._watched = Watched(paths, lambda data, path: crls_in(data, path, progress))
        self.store = CRLStore(self._watched.items())

    def look(self) -> list[str]:
        """Take what has changed since the last look, and return what a person should know, in sentences.

        May read whole files, so an event loop has it done in a thread; one look at a time.
        """
        news: list[str] = []
        changed = self._watched.look(news)
        news += [f"{path}: {self._told(crl)}" for path, crls in changed for crl in crls]
        if changed:
            self.store.replace(CRLStore(self._watched.items()))
        return news

    def _told(self, crl: CRL) -> str:
        of, entries = shown(crl.issuer_text), "1 entry" if len(crl) == 1 else f"{len(crl)} entries"
        if any(each.series == crl.series and each.age > crl.age for each in self.store.of(crl.normal_issuer)):
            return f"its list of {of} is older than the one in use, which stays"
        return f"read again: a list of {of} with {entries}, of {crl.this_update:%Y-%m-%d %H:%M}"
