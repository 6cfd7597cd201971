"""How far a connection had come when a time limit passed, by an exception that no connection of ours has described."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from itertools import islice
from types import TracebackType

EXCEPTIONS = 32  # that are looked at, along causes and contexts
CALLS = 256  # of the traceback of each
# The functions that wait for TCP, and for what comes after it.
WAITED_IN = {
    ("socket", "create_connection"): False,
    ("urllib3.util.connection", "create_connection"): False,
    ("asyncio.base_events", "_connect_sock"): False,
    ("asyncio.selector_events", "sock_connect"): False,
    ("asyncio.base_events", "_create_connection_transport"): True,
    ("asyncio.base_events", "start_tls"): True,
    ("ssl", "do_handshake"): True,
    ("ssl", "read"): True,
    ("ssl", "write"): True,
}


def is_of_handshake(error: Exception) -> bool:
    """Whether asyncio ended a connection because the handshake took too long; the system's own error has a number."""
    return isinstance(error, ConnectionAbortedError) and error.errno is None and was_connected(error) is True


def was_connected(error: BaseException) -> bool | None:
    """Return whether TCP was connected when the time was over, or None where the exception does not tell.

    error: with its causes and contexts. The error number of the system, and the calls in which it was raised, are
    looked at.
    """
    for each in islice(_chain(error), EXCEPTIONS):
        if isinstance(each, TimeoutError) and each.errno == errno.ETIMEDOUT:
            return False
        for call in islice(_calls(each.__traceback__), CALLS):
            if call in WAITED_IN:
                return WAITED_IN[call]
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    each: BaseException | None = error
    while each is not None and id(each) not in seen:
        seen.add(id(each))
        yield each
        each = each.__cause__ or each.__context__


def _calls(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    while traceback is not None:
        frame = traceback.tb_frame
        yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_name
        traceback = traceback.tb_next
