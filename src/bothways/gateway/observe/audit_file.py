"""The audit file of a gateway: one entry for each decision and each change, chained by hashes as the CA's log is.

All worker processes write to one file, each entry whole and under a lock. An entry is on its way to the disk when the
decision counts: it survives the end of the process, and not the loss of power.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, BinaryIO

from bothways.audit_chain import FIELDS, GENESIS, ChainBroken, ChainCheck, Head, chained
from bothways.errors import ConfigError

AUTHORITY = "gateway"
ENTRY_LIMIT = 16 * 1024  # bytes of an entry
LOCK_SECONDS = 0.02  # to wait for other processes, which hold the lock for a fraction of a millisecond
FIRST_LOCK_SECONDS = 2.0  # the same, when the file is opened
TRY_SECONDS = 0.0002

Visit = Callable[[dict[str, Any]], object]


class NotRecorded(Exception):
    """An entry cannot be written; the text says why."""


@dataclass(frozen=True, slots=True)
class _Open:
    """The file that is open. key: which one it is, since another may be put in its place."""

    descriptor: int
    key: tuple[int, int]


class AuditFile:
    """Appends entries to a file. actor: which process writes.

    If the file was moved away, such as by logrotate, another one is begun; its first entry names the last of the one
    before. Raises ConfigError where the file cannot be used.
    """

    def __init__(
        self, path: str, actor: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = path
        self._actor = actor
        self._now = now
        self._head = Head(0, GENESIS)
        self._end = 0  # where the last entry that is known ends
        try:
            self._file = self._opened()
            with _locked(self._file.descriptor, FIRST_LOCK_SECONDS):
                self._read_head(self._file.descriptor)
        except (NotRecorded, OSError) as error:
            raise ConfigError(f"{path}: {_problem(error)}") from None

    def append(self, action: str, subject: str, details: Mapping[str, object]) -> None:
        """Write an entry. Raises NotRecorded."""
        try:
            self._follow()
            descriptor = self._file.descriptor
            with _locked(descriptor):
                self._read_head(descriptor)
                self._write(descriptor, action, subject, details)
        except OSError as error:
            raise NotRecorded(_problem(error)) from None

    def close(self) -> None:
        """Close the file."""
        os.close(self._file.descriptor)

    def _opened(self) -> _Open:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        descriptor = os.open(self.path, flags, 0o600)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            raise NotRecorded("it is no regular file")
        return _Open(descriptor, (found.st_dev, found.st_ino))

    def _follow(self) -> None:
        """Begin the file anew if it was moved away."""
        with contextlib.suppress(FileNotFoundError):
            found = os.stat(self.path, follow_symlinks=False)
            if (found.st_dev, found.st_ino) == self._file.key:
                return
        before, new = self._file.descriptor, self._opened()
        with _locked(before):
            self._read_head(before)
            last = self._head
        self._file, self._head, self._end = new, Head(0, GENESIS), 0
        os.close(before)
        with _locked(new.descriptor):
            self._read_head(new.descriptor)
            if not self._head.number and last.number:
                self._write(new.descriptor, "continue", str(last), {})

    def _read_head(self, descriptor: int) -> None:
        """Read the last entry, unless it is known. Raises NotRecorded where the file does not end with one."""
        size = os.fstat(descriptor).st_size
        if size == self._end:
            return
        self._head = Head(0, GENESIS)
        if size:
            try:
                row = _last_row(os.pread(descriptor, ENTRY_LIMIT, max(size - ENTRY_LIMIT, 0)))
            except ChainBroken as error:
                raise NotRecorded(str(error)) from None
            self._head = Head(row["number"], row["hash"])
        self._end = size

    def _write(self, descriptor: int, action: str, subject: str, details: Mapping[str, object]) -> None:
        row: dict[str, Any] = {
            "authority": AUTHORITY,
            "number": self._head.number + 1,
            "at": self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "actor": self._actor,
            "action": action,
            "subject": subject,
            "details": json.dumps(details, sort_keys=True),
        }
        row["hash"] = chained(self._head.hash, row)
        line = encoded(row)
        if len(line) > ENTRY_LIMIT:
            raise NotRecorded(f"an entry of {len(line)} bytes; at most {ENTRY_LIMIT} are possible")
        written = os.write(descriptor, line)
        if written != len(line):
            os.ftruncate(descriptor, self._end)
            raise NotRecorded("no space is left for an entry")
        self._head, self._end = Head(row["number"], row["hash"]), self._end + written


def check_usable(path: str) -> None:
    """Check that a file could be gone on with, without a change to anything. Raises ConfigError."""
    try:
        with open(path, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - ENTRY_LIMIT, 0))
            last = file.read()
    except FileNotFoundError:
        if not os.access(os.path.dirname(path) or ".", os.W_OK):
            raise ConfigError(f"{path}: its folder is not there, or nothing can be written to it") from None
        return
    except OSError as error:
        raise ConfigError(f"{path}: {_problem(error)}") from None
    if last:
        try:
            _last_row(last)
        except ChainBroken as error:
            raise ConfigError(f"{path}: {error}") from None


def _last_row(tail: bytes) -> dict[str, Any]:
    """Return the last entry of a file, of which this is the end. Raises ChainBroken."""
    try:
        if tail.endswith(b"\n"):
            return decoded(tail[:-1].rpartition(b"\n")[2])
    except ChainBroken:
        pass
    raise ChainBroken("it does not end with a whole entry; move it away, and another one is begun")


def encoded(row: Mapping[str, Any]) -> bytes:
    """Return an entry as a line: details as they were chained, in their own object."""
    return json.dumps({**row, "details": json.loads(row["details"])}).encode() + b"\n"


def decoded(line: bytes) -> dict[str, Any]:
    """Return the fields of an entry as they are chained, and its hash. Raises ChainBroken for anything else."""
    try:
        row = json.loads(line)
        row["details"] = json.dumps(row["details"], sort_keys=True)
        if tuple(row) == (*FIELDS, "hash") and encoded(row) == line + b"\n" and type(row["number"]) is int:
            return dict(row)
    except (ValueError, TypeError, KeyError, RecursionError):
        pass
    raise ChainBroken("it is no entry")


def verified(path: str, noted: Head | None = None, visit: Visit | None = None) -> Head:
    """Verify a file, and return its head. visit: called with each entry after its hash was verified.

    Raises ChainBroken, which names the first entry that is wrong; ConfigError where it cannot be read.
    """
    check = ChainCheck(noted)
    try:
        with open(path, "rb") as file:
            for line in _lines(file, check):
                try:
                    row = decoded(line)
                except ChainBroken:
                    number = check.head.number + 1
                    raise ChainBroken(f"the audit log is broken at entry {number}: it is no entry") from None
                check.take(row, row["hash"])
                if visit is not None:
                    visit({**row, "details": json.loads(row["details"])})
    except OSError as error:
        raise ConfigError(f"{path}: {_problem(error)}") from None
    return check.end()


def _lines(file: BinaryIO, check: ChainCheck) -> Iterator[bytes]:
    """Yield lines without their ends, none longer than an entry can be."""
    while line := file.readline(ENTRY_LIMIT + 1):
        if not line.endswith(b"\n"):
            raise ChainBroken(f"the audit log ends within entry {check.head.number + 1}, or it is too long")
        yield line[:-1]


@contextlib.contextmanager
def _locked(descriptor: int, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a file, for which an event loop can wait only so long. Raises NotRecorded."""
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() >= until:
                raise NotRecorded("another process holds its lock") from None
            time.sleep(TRY_SECONDS)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _problem(error: Exception) -> str:
    return (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
