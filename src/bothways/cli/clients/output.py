"""The destination of a response's content: standard output, or a file that is written completely or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from types import TracebackType
from typing import BinaryIO, Self

from bothways.cli.output.terminal import print_bytes
from bothways.errors import ConfigError


class Output:
    """Takes bytes; `keep` replaces the file by them. Without `keep` an existing file stays as it was.

    path: a file; "-" or None for standard output. If it is not a regular file, such as a pipe, it is written at once.
    A file that exists keeps its permissions.
    """

    def __init__(self, path: str | None) -> None:
        self._path = None if path in (None, "-") else path
        self._part: str | None = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        """Open the file, before any connection. Raises ConfigError."""
        if self._path is not None:
            try:
                self._file = self._opened(self._path)
            except OSError as error:
                raise ConfigError(f"{self._path}: {error.strerror or error}") from None
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
        if self._part is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._part)

    def write(self, data: bytes) -> None:
        """Write bytes. Raises ConfigError if that fails, such as for a full disk."""
        if self._path is None:
            print_bytes(data)
            return
        try:
            self._open_file.write(data)
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror or error}") from None

    def keep(self) -> None:
        """Replace the file by what was written. Raises ConfigError."""
        if self._path is None:
            return
        try:
            self._open_file.close()
            if self._part is not None:
                os.replace(self._part, os.path.realpath(self._path))
                self._part = None
        except OSError as error:
            raise ConfigError(f"{self._path}: {error.strerror or error}") from None

    @property
    def _open_file(self) -> BinaryIO:
        if self._file is None:
            raise ConfigError(f"{self._path}: not open")
        return self._file

    def _opened(self, path: str) -> BinaryIO:
        """Open a temporary file beside the file, or the file itself if it is not a regular one."""
        # Of the name as given: that of a pipe in /proc, which /dev/stdout may be, leads nowhere.
        earlier = os.stat(path) if os.path.exists(path) else None
        if earlier is not None and not stat.S_ISREG(earlier.st_mode):
            return open(path, "wb")
        part = f"{os.path.realpath(path)}.{secrets.token_hex(4)}.part"
        mode = 0o666 if earlier is None else 0o600
        file = os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb")
        self._part = part
        if earlier is not None:
            os.chmod(part, _permissions(earlier, os.stat(part)))
        return file


def _permissions(earlier: os.stat_result, new: os.stat_result) -> int:
    """Return the permissions of a file for the one that replaces it; those of its group only for the same group."""
    mode = stat.S_IMODE(earlier.st_mode) & 0o777
    return mode if earlier.st_gid == new.st_gid else mode & ~0o070
