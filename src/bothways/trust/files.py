"""The only place of trust that reads files and looks at the time. What is in them is for others to say."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bothways.errors import ConfigError

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
    """Read a whole file, or raise ConfigError that names it.

    waits: whether it may be a pipe, which is read until its writer ends, or nothing came for 30 seconds.  most: so
    many bytes, by default 64 MiB.
    """
    most = MAX_FILE if most is None else most
    if not isinstance(path, str | bytes | os.PathLike):
        raise ConfigError(f"a file: expected its path as text, not {type(path).__name__}")
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                data = file.read(most + 1)
            elif waits:
                data = _from_pipe(file.fileno(), most)
            else:
                raise ConfigError(f"{os.fspath(path)}: is not a regular file, but a pipe or a device")
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or error
        raise ConfigError(f"{os.fspath(path)}: cannot be read: {problem}") from None
    if len(data) > most:
        raise ConfigError(f"{os.fspath(path)}: larger than {most} bytes, the limit for it")
    return data


def _from_pipe(pipe: int, most: int) -> bytes:
    """Read a pipe or a device to its end, or one byte more than `most`; OSError where nothing comes for too long."""
    data = bytearray()
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    while len(data) <= most:
        if not poll.poll(PIPE_SECONDS * 1000):
            raise OSError(f"nothing came from this pipe for {PIPE_SECONDS} seconds")
        came = os.read(pipe, most + 1 - len(data))
        if not came:
            break
        data += came
    return bytes(data)


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


@dataclass(frozen=True, slots=True)
class Stamp:
    """How a file looks from outside: another one at its place, or other content, looks otherwise."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


def have_settled(stamps: Iterable[Stamp | None]) -> bool:
    """Whether files are there and nobody has written to them for a second, by the clock on the wall."""
    now = time.time_ns()
    return all(each is not None and now - max(each.modified, each.changed) >= 10**9 for each in stamps)


def monotonic() -> float:
    """Return seconds on a scale that never runs backwards, which a forked process goes on with."""
    return time.monotonic()


def stamp(path: FilePath) -> Stamp | None:
    """Return how a file looks now; None where there is none that can be seen."""
    try:
        seen = Path(path).stat()
    except OSError:
        return None
    return Stamp(seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def system_bundle() -> Path:
    """Find the system's file of anchors: SSL_CERT_FILE if set, else where the common systems keep it."""
    named = os.environ.get("SSL_CERT_FILE")
    if named:
        return Path(named)
    for each in map(Path, SYSTEM_BUNDLES):
        if each.is_file():
            return each
    raise ConfigError(
        "no file of trust anchors was found on this system; name one with TrustStore.from_file or SSL_CERT_FILE"
    )
