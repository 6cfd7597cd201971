"""Files of CRLs that are read again when they change."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

from bothways.counts import counted
from bothways.faults import shown
from bothways.trust import files
from bothways.trust.crl.entry_index import Progress
from bothways.trust.crl.revocation_list import CRL, crls_in
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.http_exchange import TOLERANCE
from bothways.trust.reported_once import ReportedOnce
from bothways.trust.watched import Watched

_NEVER = datetime.max.replace(tzinfo=UTC)


class CRLFiles:
    """Files of CRLs and their content; `store` is for a `Revocation`, and each `read_changed` brings it up to date.

    A CRL that was used stays in the store until there is a newer one by the same signer, whatever its file contains.
    """

    def __init__(self, paths: Iterable[files.FilePath], progress: Progress | None = None) -> None:
        """Read all files of `paths`, as `CRLStore.from_files` does. Raises ConfigError.

        progress: as for `CRL.read_entries`.
        """
        self._watched = Watched(paths, lambda data, path: crls_in(data, path, progress), files.MAX_CRL_FILE)
        self.store = CRLStore(self._watched.items())
        self._expiries = ReportedOnce()

    def each(self) -> list[tuple[str, list[CRL]]]:
        """Return the paths, each with the CRLs that its file has now."""
        return self._watched.each()

    def read_changed(self, at: datetime | None = None) -> list[str]:
        """Take over what has changed since the last look, and return messages for the user, as sentences.

        at: the time, by default that of the last verification; where it is given, CRLs that have expired are reported.
        May read whole files, so an event loop should run it in a thread, one look at a time.
        """
        news: list[str] = []
        before = {each.digest for each in self._watched.items()}
        changed = self._watched.read_changed(news)
        if changed:
            news += replace_changed(self.store, changed, self._watched.items(), before, at)
        return news if at is None else news + self._expired(at)

    def _expired(self, at: datetime) -> list[str]:
        """Say which CRLs have expired, each once."""
        new = self._expiries.news(expired_in(self.store, at))
        return [f"{self._path_of(each.digest)}: {expiry(each)}" for each in new]

    def _path_of(self, digest: bytes) -> str:
        paths = (path for path, items in self._watched.each() if any(each.digest == digest for each in items))
        return next(paths, "CRLs")


def replace_changed(
    store: CRLStore,
    changed: Sequence[tuple[str, Sequence[CRL]]],
    present: Iterable[CRL],
    before: Collection[bytes],
    at: datetime | None = None,
) -> list[str]:
    """Bring a store up to date with files, and return messages for the user, as sentences.

    changed: the files that have changed, each with its CRLs.  present: the CRLs of all files now.  before: those of all
    files before, by their digests.  at: the time, by default that of the last verification. A CRL that was used stays
    in the store until there is a newer one by the same signer.
    """
    latest = None if at is None else at + min(TOLERANCE, _NEVER - at)
    objections = [(path, crl, store.objection(crl, latest)) for path, crls in changed for crl in crls]
    stay = store.replace(CRLStore(present), at, withdraws=False)
    news = [f"{path}: {_reported(crl, objection)}" for path, crl, objection in objections]
    series = {crl.series for _, crl, _ in objections}
    missing = [each for each in stay if each.digest in before and each.series not in series]
    paths = ", ".join(path for path, _ in changed)
    return news + [
        f"{paths}: {_whose(each)} is not there any more; the one in use is kept" for each in missing
    ]


def expired_in(store: Iterable[CRL], at: datetime) -> dict[bytes, CRL]:
    """Return the CRLs that have expired, by their digests."""
    return {each.digest: each for each in store if each.next_update is not None and each.next_update < at}


def expiry(crl: CRL) -> str:
    """Say that a CRL has expired, as a sentence for the user."""
    return f"{_whose(crl)} {_expiry(crl)}"


def _reported(crl: CRL, objection: str | None) -> str:
    if objection is not None:
        return f"{_whose(crl)} {objection}, which is kept"
    entries = counted(len(crl), "entry")
    return (
        f"read again: a CRL of {shown(crl.issuer_text)} with {entries}, of {crl.this_update:%Y-%m-%d %H:%M}"
    )


def _expiry(crl: CRL) -> str:
    end = crl.next_update or _NEVER
    last = end + min(TOLERANCE, _NEVER - end)
    until = f"{last:%Y-%m-%d %H:%M}"
    return f"expired on {end:%Y-%m-%d %H:%M}; from {until} on it proves nothing until a newer one is there"


def _whose(crl: CRL) -> str:
    return f"its CRL of {shown(crl.issuer_text)}"
