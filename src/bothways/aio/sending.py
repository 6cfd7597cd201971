"""What is written to the transport below: at once, or together with what the application writes first."""

from __future__ import annotations

import asyncio

from bothways.aio.waiting import Waiting
from bothways.tls.driver import Driver


class Sending(Waiting):
    """A base class of `TLSProtocol`, which has the transport below since it is connected."""

    driver: Driver
    _transport: asyncio.Transport | None = None
    _was_open = False

    def _flush(self) -> None:
        """Write what is ready for the peer."""
        self._pass_on(self.driver.data_to_send())

    def _flush_gathered(self) -> None:
        """Write what is ready; what completes the handshake only after the tasks that were woken by its end.

        What they write at once goes with it: a client's Finished and its first request are one packet, and so are a
        server's session ticket and its first reply.
        """
        status = self.driver.status
        if status.established and not self._was_open and status.failure is None:
            self._loop.call_soon(self._flush)
        else:
            self._flush()
        self._was_open = status.established

    def _pass_on(self, data: bytes) -> None:
        """Write data for the peer to the transport below."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
