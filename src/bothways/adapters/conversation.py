"""One connection of a context, without its socket or BIO: driven by `tls.driver`, failing as `ssl` fails."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from bothways.adapters.exceptions import data_after_close, shutdown_too_early, ssl_error
from bothways.adapters.watching import Watched
from bothways.errors import PeerFault, TLSError, UsageError, logged
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.connection import Connection
from bothways.tls.driver import Answers, ConnectionStatus, Driver
from bothways.tls.events import Data, EvidenceWanted, Peer, Request, SignatureWanted
from bothways.trust.evidence.http_exchange import EvidenceReply

logger = logging.getLogger("bothways")

T = TypeVar("T")
Signer = Callable[[SignatureWanted], bytes]
Finder = Callable[[EvidenceWanted], Sequence[EvidenceReply] | None]
Answering = Answers[bytes, Sequence[EvidenceReply] | None]


def writable(buffer: Any) -> memoryview:
    """Return a buffer as bytes to be written. Raises TypeError before anything is taken that could not be put there."""
    view = memoryview(buffer).cast("B")
    if view.readonly:
        raise TypeError("expected a buffer that can be written to")
    return view


class Conversation:
    """What an `SSLObject` and an `SSLSocket` both are beneath: one connection, and all that is known of it.

    config: that of the connection.  context: the SSLContext that it belongs to.  server_name: whom a client wants to
    reach.  incoming: data that came and was not read yet.
    """

    def __init__(
        self,
        config: ClientConfig | ServerConfig,
        context: Any,
        server_name: str | None,
        answers: Answering,
        *,
        address: Callable[[], object] = str,
    ) -> None:
        self.config = config
        self.context = context
        self.server_name = server_name
        self.answers = answers
        self.is_server = isinstance(config, ServerConfig)
        self.incoming: deque[bytes] = deque()
        self.facts = Watched(config, server_name)
        self.connection = self._connect()
        self.driver = Driver(self.connection, self.incoming.append, address=address)
        self.status: ConnectionStatus = self.driver.status
        self.judges_again = config.settings.judges_again
        self.has_closed = False
        self.is_plain = False  # open, and nobody watches or looks again: data alone passes
        self._address = address
        self._is_watched = True

    def _connect(self) -> Connection:
        if isinstance(self.config, ClientConfig):
            return self.config.connection(self.server_name, observer=self.facts)
        return self.config.connection(observer=self.facts)

    @property
    def peer(self) -> Peer | None:
        """Who the peer proved to be; None before that, and for a client without a certificate."""
        return self.status.peer

    def has_failed(self) -> bool:
        """Whether something has ended the connection."""
        return self.status.failure is not None

    # -- what happens ----------------------------------------------------------------------------------

    def settle(self, requests: list[Request]) -> None:
        """Answer what the connection waits for, here and now."""
        waiting = deque(requests)
        while waiting:
            request = waiting.popleft()
            try:
                answer = self.answers.answer(request)
                waiting += self.driver.provide(request, answer)
            except Exception as error:  # noqa: BLE001 - our own side's signer may raise anything
                waiting += self.driver.go_without(request, error)

    def look(self) -> None:
        """Do what is due by the clock and by new evidence, before anything passes; raise what that comes to.

        Of a peer that no longer passes nothing is handed out that was not read yet.
        """
        if not self.has_failed():
            self.settle(self.driver.look())
            if self.has_failed():
                self.incoming.clear()

    def stop_watching(self, stop: Callable[[], None] | None = None) -> None:
        """Tell the facts nothing more, once the peer has accepted us: data passes faster.

        stop: how to say so to the engine where another thread may be within it.
        """
        if self._is_watched and self.connection.confirmed:
            self._is_watched = False
            self.is_plain = not self.judges_again and not self.has_closed
            self.facts.condense()
            (stop or self.connection.stop_observing)()

    def receive_data(self, record: bytes) -> bytes | None:
        """Take a record; return its content where it was data and nothing else, which else goes its usual way."""
        events = self.connection.receive(record)
        if len(events) == 1:
            event = events[0]
            if type(event) is Data:
                return event.data
        self.settle(self.driver.heed(events))
        return None

    def read(self, size: int) -> bytes:
        """Return data that is there already, one piece of it; b"" where another thread has taken it away."""
        try:
            first = self.incoming.popleft()
        except IndexError:
            return b""
        if len(first) > size:
            self.incoming.appendleft(first[size:])
            first = first[:size]
        return first

    @property
    def pending(self) -> int:
        """How many bytes can be read at once."""
        return sum(map(len, self.incoming))

    def drive(self, act: Callable[[], T], late: str, again: Callable[[], OSError] | None) -> T:
        """Do something with a socket, and raise as `ssl` does where that fails or takes too long.

        late: what a TimeoutError says.  again: makes what is raised in its place where nobody may wait.
        """
        try:
            return act()
        except Exception as error:
            failed = self.status.failure if isinstance(self.status.failure, UsageError) else error
            # what is the system's own, not that of our caller's limit, is raised as it is
            if not isinstance(failed, TLSError) and not (
                isinstance(failed, TimeoutError) and failed.errno is None
            ):
                raise
        if isinstance(failed, TLSError):
            self.fail(failed)
        raise TimeoutError(late) if again is None else again()

    # -- the end ---------------------------------------------------------------------------------------

    def close(self) -> None:
        """Say that we send no more."""
        self.has_closed, self.is_plain = True, False
        with contextlib.suppress(TLSError):
            self.driver.close()

    def check_all_read(self) -> None:
        """Raise SSLError where data came that nobody has read: as with `ssl`, it can be read still."""
        if self.incoming:
            raise data_after_close()

    def check_established(self) -> None:
        """Raise what `ssl` does where a connection is to end in order that has not begun."""
        if not self.status.established:
            raise shutdown_too_early()

    def raise_failure(self) -> None:
        """Raise what has ended the connection, if anything has, as `ssl` would."""
        if self.status.failure is not None:
            self.fail(self.status.failure)

    def fail(self, error: TLSError | OSError) -> NoReturn:
        """Raise an error as `ssl` would, with its explanation."""
        raise ssl_error(error, self.facts.situation() if isinstance(error, TLSError) else None)

    def log_refusal(self) -> None:
        """Put into the log why a client was refused: event loops tell nobody of a handshake that failed."""
        error = self.status.failure
        what = "refused" if isinstance(error, PeerFault) else "failed"
        logger.info("handshake with %s %s: %s", self._address() or "a client", what, logged(error))
