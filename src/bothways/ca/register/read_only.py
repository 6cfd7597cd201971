"""A file of SQLite that this process may read and not write: another user's, or on a file system that is read-only."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from bothways.ca.errors import DatabaseBusy, DatabaseUnavailable

LOG = "-wal"  # the name of SQLite's write-ahead log ends so


def may_write(path: str) -> bool:
    """Whether this process may write to a file and create files beside it, as SQLite does also to read."""
    return os.access(path, os.W_OK) and os.access(os.path.dirname(path) or ".", os.W_OK | os.X_OK)


class ReadOnlyFile:
    """Opens a file of SQLite for reading. path: its name.

    While another process has it open, the files of that process are used. Otherwise SQLite cannot lock it and is told
    that it does not change, which `check` verifies afterwards (https://sqlite.org/wal.html#read_only_databases).
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None

    def connect(self) -> sqlite3.Connection:
        """Return a connection. Raises sqlite3.Error, and DatabaseUnavailable where changes wait in a log."""
        seen = self._state()
        with suppress(sqlite3.OperationalError):
            return self._opened("mode=ro")
        if self._has_log():
            raise DatabaseUnavailable(
                f"{self._path}: its newest changes are in {self._path}{LOG}, which only a process that may write to "
                "the directory can read: run any `bothways ca` command as its owner first"
            )
        self._seen = seen
        return self._opened("immutable=1")

    def check(self) -> None:
        """Raise DatabaseBusy if the file was changed while it was read without a lock."""
        if self._seen is not None and self._seen != self._state():
            raise DatabaseBusy(f"{self._path}: was changed while it was read; try again")

    def _opened(self, how: str) -> sqlite3.Connection:
        connection = sqlite3.connect(f"file:{quote(self._path)}?{how}", uri=True, check_same_thread=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _state(self) -> tuple[int, int, int]:
        found = os.stat(self._path)
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _has_log(self) -> bool:
        log = Path(self._path + LOG)
        return log.exists() and log.stat().st_size > 0
