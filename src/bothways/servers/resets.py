"""How a connection ends at once: with a reset, so that its peer does not take it for an end in order."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

_AT_ONCE = struct.pack("ii", 1, 0)  # struct linger: on, and no seconds


def end_by_reset(transport: asyncio.BaseTransport) -> None:
    """Have the connection below a transport end with a reset when it is closed; what was not sent is dropped then."""
    own = transport.get_extra_info("socket")
    if own is not None:
        with contextlib.suppress(OSError):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
