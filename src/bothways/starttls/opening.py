"""One exchange before TLS, as a state machine without I/O: bytes in, bytes out, done or failed."""

from __future__ import annotations

from typing import NoReturn

from bothways.errors import StartTLSProblem
from bothways.starttls.protocols import Protocol
from bothways.starttls.talk import Talk


class StartTLS:
    """The client's half of one exchange. Its caller sends `data_to_send()`, and keeps the time.

    name: the host that is asked for, which XMPP names (RFC 6120 4.7.2).
    """

    def __init__(self, protocol: Protocol, name: str) -> None:
        self._talk = Talk(protocol.title)
        self._script = protocol.script(self._talk, name)
        self._done = False
        self._go_on()

    @property
    def is_done(self) -> bool:
        """Whether the next byte in either direction is one of TLS, once `data_to_send()` is sent."""
        return self._done

    def data_to_send(self) -> bytes:
        """Return what is to be sent now; b"" for nothing."""
        return self._talk.outgoing()

    def receive(self, data: bytes) -> None:
        """Take bytes of the server, in pieces of any size. Raises StartTLSFailed."""
        self._talk.feed(data)
        if self._done:
            self._talk.end()
        else:
            self._go_on()

    def receive_eof(self) -> NoReturn:
        """Say that the server closed the connection. Raises StartTLSFailed."""
        self._talk.fail(StartTLSProblem.ENDED, self._talk.unread() or None)

    def time_is_up(self) -> NoReturn:
        """Say that the server's time is over. Raises StartTLSFailed."""
        self._talk.fail(StartTLSProblem.LATE, self._talk.unread() or None)

    def _go_on(self) -> None:
        try:
            next(self._script)
        except StopIteration:
            self._done = True
            self._talk.end()
