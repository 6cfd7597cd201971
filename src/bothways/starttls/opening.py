"""One STARTTLS exchange as a state machine without I/O: bytes in, bytes out, done or failed."""

from __future__ import annotations

from typing import NoReturn

from bothways.errors import StartTLSProblem
from bothways.starttls.protocols import Protocol
from bothways.starttls.talk import Talk


class StartTLS:
    """The client's side of one exchange. The caller sends `data_to_send()` and limits the time.

    name: the server's host name, which XMPP sends (RFC 6120 4.7.2).
    """

    def __init__(self, protocol: Protocol, name: str) -> None:
        self._talk = Talk(protocol.title)
        self._script = protocol.script(self._talk, name)
        self._done = False
        self._advance()

    @property
    def is_done(self) -> bool:
        """Whether the next byte in both directions belongs to TLS, after `data_to_send()` is sent."""
        return self._done

    def data_to_send(self) -> bytes:
        """Return the bytes to be sent now; b"" for none."""
        return self._talk.outgoing()

    def receive(self, data: bytes) -> None:
        """Process bytes from the server, in pieces of any size. Raises StartTLSFailed."""
        self._talk.feed(data)
        if self._done:
            self._talk.end()
        else:
            self._advance()

    def receive_eof(self) -> NoReturn:
        """Report that the server closed the connection. Raises StartTLSFailed."""
        self._talk.fail(StartTLSProblem.ENDED, self._talk.unread() or None)

    def time_limit_reached(self) -> NoReturn:
        """Report that the time limit is reached. Raises StartTLSFailed."""
        self._talk.fail(StartTLSProblem.LATE, self._talk.unread() or None)

    def _advance(self) -> None:
        try:
            next(self._script)
        except StopIteration:
            self._done = True
            self._talk.end()
