"""What a supervisor hands to its workers when a configuration or its files have changed: the contents, and new sockets.

One process has read and checked them, so that all workers take the same. They are in memory that nobody can change any
more (memfd_create(2), sealed), and are never written to a disk. Both ends are of this program, and trust each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import mmap
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bothways.errors import ConfigError
from bothways.gateway.config.gateway import MOST_LISTENERS
from bothways.trust.crl.handed_over import Facts, handed_over, size_of, taken_over
from bothways.trust.crl.revocation_list import CRL

MOST_SOCKETS = 2 * MOST_LISTENERS + 2  # of listeners and tunnels, and of the operator
TAKE_SECONDS = 10.0  # for a worker to apply a generation; after that it serves nobody until it has done so
TELL_SECONDS = 0.5  # how often a worker that applies one says that it makes progress
_HEAD = struct.Struct("!QQd")  # the number of a generation, the length of its index, until when it is in time
_NEWS = struct.Struct("!Q?")  # the number of a generation, and whether it is in use
_NOEXEC_SEAL = 8  # MFD_NOEXEC_SEAL of Linux 6.3
_SEALS = ("F_SEAL_SEAL", "F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE")


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation. number: it rises.  text: of the configuration; None for the same as before.

    contents: of files, by path.  lists: the CRLs of files instead, which were read and are in memory that all
    processes share.  changed: the files that are different from before.  sockets: one that listens for each address,
    as it is written, that is new.  until: on the monotonic clock, when all that is older must not serve any more.
    """

    number: int
    text: str | None
    contents: dict[str, bytes]
    lists: dict[str, tuple[CRL, ...]]
    changed: frozenset[str]
    sockets: dict[str, socket.socket]
    until: float


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """Return the ends of the supervisor and of a worker; neither waits. Raises ConfigError on other systems."""
    if not hasattr(os, "memfd_create"):
        raise ConfigError("workers: this system has no sealed memory (memfd_create); run one process")
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for each in pair:
        each.setblocking(False)
    return pair


class SealedGeneration:
    """A generation in sealed memory, from which it is sent to any number of workers."""

    def __init__(
        self,
        number: int,
        text: str | None,
        contents: Mapping[str, bytes],
        changed: frozenset[str],
        lists: Mapping[str, Sequence[CRL]] | None = None,
    ) -> None:
        handed = {path: [handed_over(crl) for crl in several] for path, several in (lists or {}).items()}
        facts = {path: [each[0] for each in several] for path, several in handed.items()}
        sizes = [(path, len(data)) for path, data in contents.items()]
        index = json.dumps(
            {"text": text, "files": sizes, "changed": sorted(changed), "lists": facts}
        ).encode()
        self.number = number
        self._index_size = len(index)
        self._memory = _sealable_memory()
        try:
            with open(self._memory, "wb", closefd=False) as file:
                file.write(index)
                for data in contents.values():
                    file.write(data)
                for _, octets in (each for several in handed.values() for each in several):
                    file.seek(_mappable(file.tell()))
                    file.write(octets)
            fcntl.fcntl(self._memory, fcntl.F_ADD_SEALS, _seals())
        except BaseException:
            self.close()
            raise

    def send(self, channel: socket.socket, sockets: dict[str, socket.socket], until: float) -> None:
        """Send it to one worker, with its sockets. Raises OSError, at once for a worker that takes nothing."""
        head = _HEAD.pack(self.number, self._index_size, until)
        names = json.dumps(list(sockets)).encode()
        descriptors = [self._memory, *(each.fileno() for each in sockets.values())]
        socket.send_fds(channel, [head + names], descriptors)

    def close(self) -> None:
        """Forget it; whoever has received it keeps it."""
        os.close(self._memory)


def received(channel: socket.socket) -> Generation | None:
    """Return the next generation, None if there is none. Raises EOFError when the supervisor has gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(channel, 65536, MOST_SOCKETS + 1)
    except BlockingIOError:
        return None
    if not data:
        raise EOFError
    number, length, until = _HEAD.unpack_from(data)
    memory, *others = descriptors
    names = json.loads(data[_HEAD.size :])
    sockets = {name: socket.socket(fileno=each) for name, each in zip(names, others, strict=True)}
    try:
        if _seals() & ~fcntl.fcntl(memory, fcntl.F_GET_SEALS):  # there may be F_SEAL_EXEC, too
            raise OSError("the memory of a generation is not sealed")
        with mmap.mmap(memory, 0, access=mmap.ACCESS_READ) as whole:
            index = json.loads(whole[:length])
            contents, at = {}, length
            for path, size in index["files"]:
                contents[path] = whole[at : at + size]
                at += size
        lists = _mapped(memory, at, index["lists"])
    finally:
        os.close(memory)
    return Generation(number, index["text"], contents, lists, frozenset(index["changed"]), sockets, until)


def _mapped(memory: int, at: int, lists: dict[str, list[Facts]]) -> dict[str, tuple[CRL, ...]]:
    """Return the CRLs behind a position, which stay where they are."""
    found: dict[str, tuple[CRL, ...]] = {}
    for path, several in lists.items():
        found[path] = ()
        for facts in several:
            at, size = _mappable(at), size_of(facts)
            found[path] += (taken_over(facts, mmap.mmap(memory, size, access=mmap.ACCESS_READ, offset=at)),)
            at += size
    return found


def _mappable(at: int) -> int:
    """Return the next position at which memory can be mapped."""
    return at + -at % mmap.ALLOCATIONGRANULARITY


class WorkerReport:
    """What a worker tells the supervisor of a generation; it may be called in any thread. clock: monotonic seconds."""

    def __init__(
        self, channel: socket.socket, number: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._channel = channel
        self._number = number
        self._clock = clock
        self._told = clock()

    def progress(self) -> None:
        """Tell that a part of the work is done, at most now and then."""
        if self._clock() >= self._told + TELL_SECONDS:
            self._told = self._clock()
            self._tell(is_in_use=False)

    def acknowledge(self) -> None:
        """Tell that it is in use."""
        self._tell(is_in_use=True)

    def _tell(self, *, is_in_use: bool) -> None:
        with contextlib.suppress(OSError):
            self._channel.send(_NEWS.pack(self._number, is_in_use))


def progressed(channel: socket.socket) -> int | None:
    """Return the number of the newest generation that a worker uses, 0 for none; None if it has told nothing since."""
    newest = None
    with contextlib.suppress(OSError):
        while data := channel.recv(_NEWS.size):
            number, is_in_use = _NEWS.unpack(data)
            newest = number if is_in_use else newest or 0
    return newest


def _sealable_memory() -> int:
    """Return the descriptor of memory that cannot be executed, which vm.memfd_noexec may demand (sysctl)."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("bothways", flags | _NOEXEC_SEAL)
    except OSError:  # an older kernel does not know that
        return os.memfd_create("bothways", flags)


def _seals() -> int:
    seals = 0
    for each in _SEALS:
        seals |= int(getattr(fcntl, each))
    return seals
