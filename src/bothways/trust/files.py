"""The only module of trust that reads files and clocks. It does not interpret the content of a file."""

from __future__ import annotations

import os
import re
import select
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bothways.errors import ConfigError, UnusableFile

FilePath = str | os.PathLike[str]

MAX_FILE = 64 * 1024 * 1024
MAX_CRL_FILE = 256 * 1024 * 1024
PIPE_SECONDS = 30
SYSTEM_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD, macOS
)


def content(path: FilePath, *, waits: bool = True, most: int | None = None) -> bytes:
    """Return the content of a file. Raises ConfigError, which names the file.

    waits: whether it may be a pipe, which is read until its writer closes it; 30 seconds without data are an error.
    most: the maximum size in bytes, by default 64 MiB.
    """
    most = MAX_FILE if most is None else most
    path = checked_path(path)
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                data = file.read(most + 1)
            elif waits:
                data = _from_pipe(file.fileno(), most)
            else:
                raise OSError("it is not a regular file, but a pipe or a device")
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        if isinstance(error, FileNotFoundError) and _is_url(path):
            problem = "it is a URL, and a file is expected: download it, and give the file"
        raise UnusableFile(f"{os.fspath(path)}: cannot be read: {problem}") from None
    if len(data) > most:
        raise UnusableFile(f"{os.fspath(path)}: larger than {most} bytes, the limit for it")
    return data


def checked_path(path: object) -> FilePath:
    """Return the path of a file. Raises ConfigError for anything else, such as the number of an open file."""
    if isinstance(path, bytes):
        return os.fsdecode(path)
    if not isinstance(path, str | os.PathLike):
        raise ConfigError(f"a file: expected its path as text, not {type(path).__name__}")
    return path


def _is_url(path: FilePath) -> bool:
    return _URL.match(os.fsdecode(path)) is not None


_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def _from_pipe(pipe: int, most: int) -> bytes:
    """Read a pipe or a device to its end, or one byte more than `most`. OSError after 30 seconds without data."""
    data = bytearray()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(data) <= most:
        if not poll.poll(PIPE_SECONDS * 1000):
            raise OSError(f"nothing came from this pipe for {PIPE_SECONDS} seconds")
        chunk = os.read(pipe, most + 1 - len(data))
        if not chunk:
            break
        data += chunk
    return bytes(data)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@dataclass(frozen=True, slots=True)
class Stamp:
    """The metadata of a file; it differs after the file was written or replaced."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def check_private(path: FilePath) -> None:
    """Raise ConfigError for a file of secrets that others than its owner and group can use."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return  # whoever reads it says what is wrong
    if os.name == "posix" and mode & stat.S_IRWXO:
        raise ConfigError(
            f"{path}: it contains secrets, and users other than its owner and group can use it: chmod 600"
        )


def have_settled(stamps: Iterable[Stamp | None]) -> bool:
    """Whether all files exist and were not written within the last second, by the system clock."""
    now = time.time_ns()
    return all(each is not None and now - max(each.modified, each.changed) >= 10**9 for each in stamps)


def monotonic() -> float:
    """Return seconds of a clock that is never set back, which continues in a forked process."""
    return time.monotonic()


def stamp(path: FilePath) -> Stamp | None:
    """Return the metadata of a file; None where it does not exist or cannot be accessed."""
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return Stamp(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def system_bundle() -> Path:
    """Return the system's file of trust anchors: SSL_CERT_FILE if set, else the first of `SYSTEM_BUNDLES`.

    Raises ConfigError where there is none.
    """
    named = os.environ.get("SSL_CERT_FILE")
    if named:
        return Path(named)
    for each in map(Path, SYSTEM_BUNDLES):
        if each.is_file():
            return each
    raise ConfigError(
        "no file of trust anchors was found on this system; name one with TrustStore.from_file or SSL_CERT_FILE"
    )
