"""Ticket keys in a file that the servers of one machine, or of one shared directory, read and replace."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from datetime import timedelta
from typing import Protocol

from bothways.errors import ConfigError
from bothways.ticket_keys.shared_ring import LARGEST
from bothways.trust.files import FilePath, checked_path

FILE_SECONDS = 10.0


class StoreFailed(Exception):
    """A store cannot be read or written now; the text says why."""


class Store(Protocol):
    """Where one value lies. where: for people.  seconds: after which it is looked at again."""

    where: str
    seconds: float

    def load(self) -> bytes | None:
        """Return what is there, None for nothing. Raises StoreFailed."""
        ...

    def replace(self, before: bytes | None, after: bytes, lifetime: timedelta) -> bool:
        """Put `after` there if `before` is there still; whether it was. Raises StoreFailed.

        lifetime: after which nobody has a use for it.
        """
        ...


class FileStore:
    """One file, of this user alone. A new content takes its place at once and whole."""

    def __init__(self, path: FilePath) -> None:
        self.where = os.fspath(checked_path(path))
        self.seconds = FILE_SECONDS

    def load(self) -> bytes | None:
        """Return what the file holds, None where there is none. Raises StoreFailed."""
        try:
            return read_private(self.where)
        except FileNotFoundError:
            return None
        except (OSError, ConfigError) as error:
            raise StoreFailed(_problem(error)) from None

    def replace(self, before: bytes | None, after: bytes, lifetime: timedelta) -> bool:  # noqa: ARG002 - a file stays
        """Put `after` into the file if it still has `before`. Raises StoreFailed."""
        path = os.path.realpath(self.where)
        try:
            with _written_beside(path, after) as written:
                if before is None:
                    os.link(written, path)
                elif self.load() != before:
                    return False
                else:
                    os.replace(written, path)
        except FileExistsError:
            return False
        except OSError as error:
            raise StoreFailed(f"it cannot be written: {error.strerror or error}") from None
        return True


def read_private(path: FilePath, most: int = LARGEST) -> bytes:
    """Return what a file holds that only its owner and group may read. Raises OSError and ConfigError."""
    with open(path, "rb", opener=_open_at_once) as file:
        seen = os.fstat(file.fileno())
        if not stat.S_ISREG(seen.st_mode):
            raise ConfigError("it is not a regular file")
        if os.name == "posix" and seen.st_mode & stat.S_IRWXO:
            raise ConfigError("it can be read by users other than its owner and group: use chmod 600")
        data = file.read(most + 1)
    if len(data) > most:
        raise ConfigError(f"it is larger than {most} bytes, the limit for it")
    return data


@contextlib.contextmanager
def _written_beside(path: str, data: bytes) -> Iterator[str]:
    """Write a file that nobody else may read in the directory of `path`; it is gone at the end if it is still there."""
    beside = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.{secrets.token_hex(8)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield beside
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _problem(error: Exception) -> str:
    return f"it cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
