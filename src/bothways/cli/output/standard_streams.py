"""Standard input, output and error as commands need them: open, of any text, and with errors that name the output."""

from __future__ import annotations

import io
import os
import sys
from typing import Any

# What is written to a closed output is lost, so writing fails there; lines on standard error may be lost.
STREAMS = (("stdin", "rb", os.O_RDONLY), ("stdout", "wb", os.O_RDONLY), ("stderr", "wb", os.O_WRONLY))


class OutputFailed(OSError):
    """Standard output takes nothing, such as on a full disk; not that its reader has closed it."""


class NamedOutput(io.FileIO):
    """The descriptor of standard output, whose errors are told from those of the network and of other files."""

    def write(self, data: Any, /) -> int:
        """Write. Raises OutputFailed, BrokenPipeError."""
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise OutputFailed(error.errno, error.strerror, "standard output") from None


def prepare_streams() -> None:
    """Open the standard streams that are closed, and have standard output take any text, as standard error does."""
    _open_closed_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout = _named(sys.stdout)


def _open_closed_streams() -> None:
    """Put the null device in place of each standard stream that whoever began us has closed, as a shell by `>&-`.

    Otherwise Python has None there, and the next file or socket that is opened gets the number of the stream. What is
    opened here has no buffer, so that the end of the process finds nothing to write.
    """
    for name, mode, flags in STREAMS:
        if getattr(sys, name) is None:
            null = os.open(os.devnull, flags)
            # It stays open whatever becomes of this stream: else the next socket would get its number.
            raw = open(null, mode, buffering=0, closefd=False)  # noqa: SIM115
            setattr(sys, name, io.TextIOWrapper(raw, "utf-8", "replace", write_through=True))


def _named(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    raw = NamedOutput(stream.fileno(), "wb", closefd=False)
    # Signs that the locale lacks, such as those of a file's name, are escaped, and are no error.
    errors = "backslashreplace" if stream.errors == "strict" else stream.errors
    return io.TextIOWrapper(
        raw if stream.write_through else io.BufferedWriter(raw),
        stream.encoding,
        errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
