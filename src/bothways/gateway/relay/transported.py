"""What both kinds of connections of a gateway do with their transport: end one way, end at once, count what is left."""

from __future__ import annotations

import contextlib
from typing import Any

from bothways.aio.transport import TLSTransport
from bothways.servers.resets import end_by_reset


class Transported:
    """A connection with its transport, which is None until it is there. is_lost: it is gone."""

    transport: Any = None
    is_lost = False

    @property
    def left(self) -> int:
        """How many bytes are still to be sent."""
        return 0 if self.transport is None or self.is_lost else int(self.transport.get_write_buffer_size())

    def write_end(self) -> None:
        """Tell the peer that nothing more comes."""
        if self.transport is not None and not self.is_lost and not self.transport.is_closing():
            with contextlib.suppress(OSError):
                self.transport.write_eof()

    def cut(self) -> None:
        """End at once, with a reset, so that it is no end in order."""
        if self.transport is None or self.is_lost:
            return
        if not isinstance(self.transport, TLSTransport):
            end_by_reset(self.transport)
        self.transport.abort()
