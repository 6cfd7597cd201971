"""The calls of the application's protocol: a mistake in one of them ends its own connection at most.

Where the event loop calls us it would end the connection itself, but not where the call follows in a later turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

from bothways.aio.waiting import Waiting

Made = Callable[..., asyncio.BaseProtocol]

# As in asyncio, any other is a mistake: a protocol that asks for the result of a cancelled task raises CancelledError.
ENDS_OF_PROGRAM = (SystemExit, KeyboardInterrupt)


def made_safely(made: Made) -> Made:
    """Return a factory of protocols whose failure is reported, and closes one connection.

    uvloop never accepts another one after such a failure.  made: calls the factory of the application, too.
    """

    def protocol(*arguments: Any, **options: Any) -> asyncio.BaseProtocol:
        try:
            return made(*arguments, **options)
        except ENDS_OF_PROGRAM:
            raise
        except BaseException as error:  # noqa: BLE001 - an application's mistake ends its own connection
            context = {"message": "no protocol was made for a connection", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
            return Unmade()

    return protocol


class Unmade(asyncio.Protocol):
    """Closes a connection for which there is no protocol."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close it at once."""
        cast(asyncio.Transport, transport).abort()


class AppCalls(Waiting):
    """A base class of `TLSProtocol`. app: the application's protocol."""

    app: Any
    _closing: bool
    _ended: bool  # the application was told the end

    @property
    def transport(self) -> asyncio.Transport:
        """The transport below."""
        raise NotImplementedError

    def deliver(self, data: bytes) -> None:
        """Pass data to the application, unless it has closed or failed meanwhile."""
        if self._closing:
            return
        app = self.app
        try:
            if isinstance(app, asyncio.BufferedProtocol):
                _fill(app, data)
            else:
                app.data_received(data)
        except ENDS_OF_PROGRAM:
            raise
        except BaseException as error:  # noqa: BLE001 - an application's mistake ends its own connection
            self._fail_of_app(error)

    def _deliver_before_end(self, data: bytes) -> None:
        """Pass data on as `deliver` does, but none after the end: a call for earlier data may have led to that."""
        if not self._ended:
            self.deliver(data)

    def call_app(self, name: str, *arguments: object) -> object:
        """Call a method of the application; if it fails, end the connection and return None."""
        try:
            return getattr(self.app, name)(*arguments)
        except ENDS_OF_PROGRAM:
            raise
        except BaseException as error:  # noqa: BLE001 - an application's mistake ends its own connection
            self._fail_of_app(error)
            return None

    def notify_app(self, name: str, *arguments: object) -> None:
        """Call a method of the application that loses no data if it fails: that is reported, and we go on."""
        try:
            getattr(self.app, name)(*arguments)
        except ENDS_OF_PROGRAM:
            raise
        except BaseException as error:  # noqa: BLE001 - what else is to be done now is done
            self._report_mistake(error)

    def _fail_of_app(self, error: BaseException) -> None:
        """End the connection after an exception of the application, which may have lost data."""
        self._report_mistake(error)
        self._closing = True
        self.transport.abort()

    def _report_mistake(self, error: BaseException) -> None:
        context = {"message": "a protocol over TLS failed", "exception": error, "protocol": self.app}
        self._loop.call_exception_handler(context)


def _fill(app: asyncio.BufferedProtocol, data: bytes) -> None:
    """Copy data into the buffers of a `BufferedProtocol`."""
    left = memoryview(data)
    while left:
        buffer = memoryview(app.get_buffer(len(left))).cast("B")
        if not buffer:
            raise RuntimeError("get_buffer() returned an empty buffer")
        size = min(len(left), len(buffer))
        buffer[:size] = left[:size]
        app.buffer_updated(size)
        left = left[size:]
