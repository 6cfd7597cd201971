"""Evidence in a directory, so that it outlives the process: one file each, whole or not at all.

What lies there is believed no more than what comes over the network. A file that cannot be read is none.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bothways.errors import ConfigError
from bothways.trust.files import FilePath

logger = logging.getLogger("bothways")

MOST_FILES = 1024


class Shelf:
    """A directory of evidence, for its owner alone. Raises ConfigError where it cannot be made."""

    def __init__(self, directory: FilePath) -> None:
        self._path = Path(directory)
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{self._path}: cannot keep evidence there: {error.strerror or error}"
            ) from None

    def load(self, key: str, limit: int) -> tuple[bytes, datetime] | None:
        """Return what was kept under a key, of at most `limit` bytes, and since when; None without it."""
        try:
            with open(self._path / key, "rb") as file:
                data = file.read(limit + 1)
                since = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        except (OSError, OverflowError, ValueError):
            return None
        return (data, since) if len(data) <= limit else None

    def save(self, key: str, data: bytes) -> None:
        """Keep data under a key; a disk that will not is a matter for the log, not for the handshake."""
        try:
            handle, name = tempfile.mkstemp(prefix=".new-", dir=self._path)
            try:
                with open(handle, "wb") as file:
                    file.write(data)
                os.replace(name, self._path / key)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise
            self._make_room()
        except OSError as error:
            logger.warning("evidence cannot be kept in %s: %s", self._path, error.strerror or error)

    def _make_room(self) -> None:
        """Drop the files that were written longest ago, beyond so many."""
        files = list(self._path.iterdir())
        if len(files) <= MOST_FILES:
            return
        by_time = sorted((_written(each), each) for each in files)
        for _, each in by_time[: len(files) - MOST_FILES]:
            with contextlib.suppress(OSError):
                each.unlink()


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
