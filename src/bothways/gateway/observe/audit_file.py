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
from datetime import UTC, datetime
from typing import Any, BinaryIO

from bothways.audit_chain import FIELDS, GENESIS, ChainBroken, ChainCheck, Head, chained
from bothways.errors import ConfigError

AUTHORITY = "gateway"
ENTRY_LIMIT = 16 * 1024  # bytes of an entry
LOCK_SECONDS = 0.02  # to wait for other processes, which hold the lock for a fraction of a millisecond
FIRST_LOCK_SECONDS = 2.0  # the same, when the file is opened
TRY_SECONDS = 0.0002
TAIL = 80  # bytes of an entry that have its hash, by which its last one is known again
SHORTENED = "it was shortened: entries are missing before this one"
FOLLOWED = 3  # how often a file that is moved away is begun again for one entry

Visit = Callable[[dict[str, Any]], object]


class NotRecorded(Exception):
    """An entry cannot be written; the text says why."""


class _Open:
    """A file that is open, and its last entry. `key`: which file it is, since another may be put in its place.

    Raises OSError, and NotRecorded where it is no regular file.
    """

    def __init__(self, path: str) -> None:
        self.descriptor = _open_regular(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        found = os.fstat(self.descriptor)
        self.key = found.st_dev, found.st_ino
        self.head = Head(0, GENESIS)
        self._end = 0  # where the last entry that is known ends
        self._tail = b""  # how it ends
        self.missing: Head | None = None  # an entry that was here, and is no more

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)

    def is_at(self, path: str) -> bool:
        """Whether it is still the file of this path."""
        try:
            found = os.stat(path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return self.key == (found.st_dev, found.st_ino)

    def look(self) -> None:
        """Read the last entry, unless it is known. Raises NotRecorded where the file does not end with one."""
        size = os.fstat(self.descriptor).st_size
        if size == self._end and self._before(size, TAIL) == self._tail:
            return
        head = Head(0, GENESIS)
        if size:
            try:
                row = _last_row(self._before(size, ENTRY_LIMIT))
            except ChainBroken as error:
                raise NotRecorded(str(error)) from None
            head = Head(row["number"], row["hash"])
        if head.number < self.head.number and not self._goes_on_after(self.head):
            self.missing = self.head
        self.head, self._end, self._tail = head, size, self._before(size, TAIL)

    def write(self, line: bytes, head: Head) -> None:
        """Add an entry, which is the last one then. Raises NotRecorded."""
        written = os.write(self.descriptor, line)
        if written != len(line):
            os.ftruncate(self.descriptor, self._end)
            raise NotRecorded("no space is left for an entry")
        self.head, self._end, self._tail = head, self._end + written, line[-TAIL:]

    def _goes_on_after(self, head: Head) -> bool:
        """Whether another process has noted already that this entry is missing."""
        try:
            first = decoded(os.pread(self.descriptor, ENTRY_LIMIT, 0).partition(b"\n")[0])
            return SHORTENED in first["details"] and Head.parse(first["subject"]).number >= head.number
        except (ChainBroken, ConfigError):
            return False

    def _before(self, end: int, most: int) -> bytes:
        count = min(end, most)
        return os.pread(self.descriptor, count, end - count)


class AuditFile:
    """Appends entries to a file. actor: which process writes.

    If the file was moved away, such as by logrotate, another one is begun; its first entry names the last of the one
    before. If it was shortened, the next entry says so. Raises ConfigError where the file cannot be used.
    """

    def __init__(
        self, path: str, actor: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.path = path
        self._actor = actor
        self._now = now
        try:
            self._file = _Open(path)
            try:
                with _locked(self._file.descriptor, FIRST_LOCK_SECONDS):
                    self._file.look()
            except BaseException:
                self._file.close()
                raise
        except (NotRecorded, OSError) as error:
            raise ConfigError(f"{path}: {_problem(error)}") from None

    def append(self, action: str, subject: str, details: Mapping[str, object]) -> None:
        """Write an entry. Raises NotRecorded."""
        try:
            for _ in range(FOLLOWED):
                if not self._file.is_at(self.path):
                    self._begin_anew()
                with _locked(self._file.descriptor):
                    if self._file.is_at(self.path):  # not moved away before the lock was there
                        self._file.look()
                        self._note_missing(self._file)
                        self._write(self._file, action, subject, details)
                        return
        except OSError as error:
            raise NotRecorded(_problem(error)) from None
        raise NotRecorded("it is moved away again and again")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _begin_anew(self) -> None:
        """Begin a new file, since the old one was moved away, even if the old one cannot be read."""
        before, new = self._file, _Open(self.path)
        try:
            with _locked(before.descriptor), _locked(new.descriptor):
                new.look()
                details: dict[str, object] = {}
                had_entries = True
                try:
                    before.look()
                    had_entries = before.head.number > 0
                except NotRecorded as error:
                    details["problem"] = str(error)
                if had_entries and not new.head.number:
                    self._write(new, "continue", str(before.head), details)
        except BaseException:
            new.close()
            raise
        self._file = new
        before.close()

    def _note_missing(self, file: _Open) -> None:
        missing = file.missing
        if missing is not None:
            self._write(file, "continue", str(missing), {"problem": SHORTENED})
            file.missing = None

    def _write(self, file: _Open, action: str, subject: str, details: Mapping[str, object]) -> None:
        row: dict[str, Any] = {
            "authority": AUTHORITY,
            "number": file.head.number + 1,
            "at": self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "actor": self._actor,
            "action": action,
            "subject": subject,
            "details": json.dumps(details, sort_keys=True),
        }
        row["hash"] = chained(file.head.hash, row)
        line = encoded(row)
        if len(line) > ENTRY_LIMIT:
            raise NotRecorded(f"an entry of {len(line)} bytes; at most {ENTRY_LIMIT} are possible")
        file.write(line, Head(row["number"], row["hash"]))


def check_usable(path: str) -> None:
    """Check that a file could be gone on with, without a change to anything. Raises ConfigError."""
    try:
        with open(path, "rb", opener=_open_regular) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(size - ENTRY_LIMIT, 0))
            last = file.read()
    except FileNotFoundError:
        if not os.access(os.path.dirname(path) or ".", os.W_OK):
            raise ConfigError(f"{path}: its folder is not there, or nothing can be written to it") from None
        return
    except (NotRecorded, OSError) as error:
        raise ConfigError(f"{path}: {_problem(error)}") from None
    if last:
        try:
            _last_row(last)
        except ChainBroken as error:
            raise ConfigError(f"{path}: {error}") from None


def _open_regular(path: str, flags: int) -> int:
    """Open a file without waiting, such as for the other end of a pipe. Raises NotRecorded."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotRecorded("it is no regular file")
    return descriptor


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
