"""A cache of evidence in a directory, for later processes: one file for each entry, written atomically.

Cached evidence is checked as if it came over the network. A file that cannot be read is ignored.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import stat
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bothways.errors import ConfigError
from bothways.trust.files import FilePath

logger = logging.getLogger("bothways")

MOST_FILES = 1024
MOST_BYTES = 512 * 1024 * 1024
_OURS = re.compile(r"[0-9a-f]{64}\.(?:crl|ocsp)|\.new-\w+")
_WITHOUT_WAITING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


class DiskCache:
    """A cache in a directory that only its owner may write to.

    Raises ConfigError where the directory cannot be made, or others may write to it: an older CRL in place of a newer
    one would hide a revocation.
    """

    def __init__(self, directory: FilePath) -> None:
        self._path = Path(directory)
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            seen = self._path.stat()
        except OSError as error:
            raise ConfigError(
                f"{self._path}: cannot keep evidence there: {error.strerror or error}"
            ) from None
        self._check_owner(seen)

    def _check_owner(self, seen: os.stat_result) -> None:
        if not hasattr(os, "geteuid"):
            return
        if seen.st_uid not in (os.geteuid(), 0):
            raise ConfigError(
                f"{self._path}: it belongs to somebody else; evidence needs a directory of its own"
            )
        if seen.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(
                f"{self._path}: others than its owner may write there: chmod 700 it, or name a new one"
            )

    def load(self, key: str, limit: int) -> tuple[bytes, datetime] | None:
        """Return the data of a key, of at most `limit` bytes, and when it was stored; None where there is none."""
        try:
            with open(self._path / key, "rb", opener=_open) as file:
                seen = os.fstat(file.fileno())
                if not stat.S_ISREG(seen.st_mode):
                    return None
                data = file.read(limit + 1)
                since = datetime.fromtimestamp(seen.st_mtime, UTC)
        except (OSError, OverflowError, ValueError):
            return None
        return (data, since) if len(data) <= limit else None

    def save(self, key: str, data: bytes) -> None:
        """Store data under a key. An error of the disk is logged and does not fail the handshake."""
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
        """Delete the oldest files of the cache until it is within its limits."""
        files = [(_time_and_size(each), each) for each in self._path.iterdir() if _OURS.fullmatch(each.name)]
        size = 0
        for count, ((_, bytes_in_it), each) in enumerate(sorted(files, reverse=True), 1):
            size += bytes_in_it
            if count > MOST_FILES or size > MOST_BYTES:
                with contextlib.suppress(OSError):
                    each.unlink()


def _open(path: str, flags: int) -> int:
    """Open a file without waiting, in case it is a pipe."""
    return os.open(path, flags | _WITHOUT_WAITING)


def _time_and_size(path: Path) -> tuple[float, int]:
    """Return when a file was written, and its size in bytes."""
    try:
        seen = path.stat()
    except OSError:
        return 0.0, 0
    return seen.st_mtime, seen.st_size
