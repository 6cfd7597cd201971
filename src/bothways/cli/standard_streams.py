"""Standard input, output and error where whoever started the command has closed them, as a shell does by `>&-`."""

from __future__ import annotations

import io
import os
import sys

# What is written to a closed output is lost, so writing fails there; lines on standard error may be lost.
STREAMS = (("stdin", "rb", os.O_RDONLY), ("stdout", "wb", os.O_RDONLY), ("stderr", "wb", os.O_WRONLY))


def open_closed_streams() -> None:
    """Put the null device in place of each standard stream that is closed.

    Otherwise Python has None there, and the next file or socket that is opened gets the number of the stream. What is
    opened here has no buffer, so that the end of the process finds nothing to write.
    """
    for name, mode, flags in STREAMS:
        if getattr(sys, name) is None:
            null = os.open(os.devnull, flags)
            raw = open(null, mode, buffering=0)  # noqa: SIM115
            setattr(sys, name, io.TextIOWrapper(raw, "utf-8", "replace", write_through=True))
