"""One STARTTLS exchange as a state machine without I/O: bytes in, bytes out, done or failed."""

from __future__ import annotations

from typing import NoReturn

from bothways.errors import StartTLSFailed, StartTLSProblem
from bothways.starttls.talk import Talk, Wait


class Exchange:
    """One side of one exchange. The caller sends `data_to_send()`, also after a failure, and limits the time.

    talk: the bytes of the exchange.  script: reads and writes them.
    """

    def __init__(self, talk: Talk, script: Wait[None]) -> None:
        self._talk = talk
        self._script = script
        self._done = False
        self._advance()

    @property
    def is_done(self) -> bool:
        """Whether the next byte in both directions belongs to TLS, after `data_to_send()` is sent."""
        return self._done

    @property
    def rest(self) -> bytes:
        """The first bytes of TLS, where it began without a request."""
        return self._talk.rest

    def data_to_send(self) -> bytes:
        """Return the bytes to be sent now; b"" for none."""
        return self._talk.outgoing()

    def receive(self, data: bytes) -> None:
        """Process bytes from the peer, in pieces of any size. Raises StartTLSFailed."""
        self._talk.feed(data)
        if self._done:
            self._talk.end()
        else:
            self._advance()

    def receive_eof(self) -> NoReturn:
        """Report that the peer closed the connection. Raises StartTLSFailed."""
        self._talk.fail(StartTLSProblem.ENDED, self._talk.unread() or None)

    def ended(self) -> StartTLSFailed:
        """Return the failure of an exchange whose peer has closed the connection."""
        try:
            self.receive_eof()
        except StartTLSFailed as error:
            return error

    def time_limit_reached(self) -> NoReturn:
        """Report that the time limit is reached. Raises StartTLSFailed."""
        self._talk.fail(StartTLSProblem.LATE, self._talk.unread() or None)

    def _advance(self) -> None:
        try:
            next(self._script)
        except StopIteration:
            self._done = True
            self._talk.end()
