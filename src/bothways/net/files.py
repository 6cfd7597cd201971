"""Files over a channel, as `socket.makefile` returns them for a socket."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, Protocol

from bothways.errors import UsageError


class FileStream(Protocol):
    """The object that a file reads from and writes to."""

    def recv_into(self, buffer: memoryview, /) -> int:
        """Receive into `buffer` and return the number of bytes; 0 at the end."""

    def send(self, data: bytes | memoryview, /) -> int:
        """Send all of `data` and return its length."""


def open_file(
    stream: FileStream, closed: Callable[[], None], mode: str, buffering: int | None, **text: Any
) -> Any:
    """Return a file over `stream`. closed: called once, when the file is closed.

    mode: as for `open`.  buffering: in bytes; 0 for none.  text: arguments of `io.TextIOWrapper`.  Raises `UsageError`
    for a wrong mode.
    """
    raw: Any = StreamFile(stream, closed, mode)
    if buffering == 0:
        return raw
    size = buffering if buffering and buffering > 0 else io.DEFAULT_BUFFER_SIZE
    buffered: Any
    if raw.readable() and raw.writable():
        buffered = io.BufferedRWPair(raw, raw, size)
    else:
        buffered = io.BufferedReader(raw, size) if raw.readable() else io.BufferedWriter(raw, size)
    return buffered if "b" in mode else io.TextIOWrapper(buffered, **text)


class StreamFile(io.RawIOBase):
    """The unbuffered file, which the buffered and text files use."""

    def __init__(self, stream: FileStream, closed: Callable[[], None], mode: str) -> None:
        super().__init__()
        if not set(mode) <= set("rwb"):
            super().close()  # closed here, or the garbage collector would call `closed` for a file that was not counted
            raise UsageError(f"makefile: {mode!r} is not a mode; expected r, w, rw, with b for bytes")
        self._stream = stream
        self._tell_closed = closed
        self._reads = "r" in mode or "w" not in mode
        self._writes = "w" in mode

    def readable(self) -> bool:
        """Whether the mode allows reading."""
        return self._reads

    def writable(self) -> bool:
        """Whether the mode allows writing."""
        return self._writes

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Receive into `buffer` and return the number of bytes."""
        return self._stream.recv_into(buffer) if len(buffer) else 0

    def write(self, data: bytes | memoryview) -> int:  # type: ignore[override]
        """Send all of `data` and return its length."""
        return self._stream.send(data)

    def close(self) -> None:
        """Close the file and report it."""
        if not self.closed:
            super().close()
            self._tell_closed()
