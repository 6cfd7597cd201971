"""Between the engine and functions of its user: what these raise ends no connection, and no secret gets into a log."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bothways.tls.events import Note, Observer

logger = logging.getLogger("bothways")


def guarded_observer(observer: Observer) -> Observer:
    """Keep what an observer raises away from the connection: it goes to the log, and no more notes to it."""
    listening = True

    def note(what: Note) -> None:
        nonlocal listening
        if not listening:
            return
        try:
            observer(what)
        except Exception:
            listening = False
            logger.exception("the observer of a connection raised an error and hears no more of it")

    return note


def guarded_keylog(keylog: Callable[[str], None]) -> Callable[[str], None]:
    """Keep what a key log raises away from the connection, and its words, which may be secret, from our log."""
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
    """Say what kind of error arose and where, without any value: values may be secret."""
    places = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_name}:{trace.tb_lineno}")
        trace = trace.tb_next
    return f"{type(error).__name__} in {' > '.join(places)}"
