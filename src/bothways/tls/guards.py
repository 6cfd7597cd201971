"""What users give: functions, whose exceptions do not end a connection and get no secret into a log, and data."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bothways.tls.events import Note, Observer

logger = logging.getLogger("bothways")


def as_bytes(data: bytes | bytearray | memoryview) -> bytes | bytearray | memoryview:
    """Return application data so that its length counts bytes. Raises TypeError for what is no bytes.

    It is called before a record is begun: that would take a sequence number, without which the peer decrypts no other.
    """
    return data if isinstance(data, bytes | bytearray) else memoryview(data).cast("B")


def guarded_observer(observer: Observer) -> Observer:
    """Return an observer whose exceptions are logged; after the first one it gets no more notes."""
    listening = True

    def note(what: Note) -> None:
        nonlocal listening
        if not listening:
            return
        try:
            observer(what)
        except Exception:
            listening = False
            logger.exception("the observer of a connection raised an error and gets no more notes")

    return note


def guarded_keylog(keylog: Callable[[str], None]) -> Callable[[str], None]:
    """Return a key log whose exceptions are logged without their text, which may contain secrets."""
    listening = True

    def tell(line: str) -> None:
        nonlocal listening
        if not listening:
            return
        try:
            keylog(line)
        except Exception as error:  # noqa: BLE001 - whatever it raises is no failure of the handshake
            listening = False
            logger.error("the key log of a connection failed and gets no more lines: %s", place_of(error))

    return tell


def place_of(error: Exception) -> str:
    """Return the class of an exception and where it was raised, without any value, since values may be secret."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} in {' > '.join(places)}"
