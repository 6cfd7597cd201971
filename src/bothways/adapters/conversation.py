"""One connection of a context, without its socket or BIO: driven by `tls.driver`, with the exceptions of `ssl`."""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from operator import index
from typing import Any, NoReturn, TypeVar

from bothways.adapters.exceptions import data_after_close, shutdown_too_early, ssl_error
from bothways.diagnosis import Situation
from bothways.diagnosis.observer import situation_of
from bothways.errors import AuthenticationUnavailable, PeerFault, TLSError, UsageError, logged
from bothways.signers.waiting import wait_for_answer
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.connection import Connection
from bothways.tls.driver import Answers, ConnectionStatus, Driver
from bothways.tls.events import EvidenceWanted, Peer, Request, SignatureWanted
from bothways.tls.post_handshake.certificate_requests import DATA_LIMIT
from bothways.trust.evidence.http_exchange import EvidenceReply

logger = logging.getLogger("bothways")

T = TypeVar("T")
Signer = Callable[[SignatureWanted], bytes]
Finder = Callable[[EvidenceWanted], Sequence[EvidenceReply] | None]
Answering = Answers[bytes, Sequence[EvidenceReply] | None]


def writable(buffer: Any) -> memoryview:
    """Return a buffer as writable bytes. Raises TypeError, before any data is taken, if it is not writable."""
    view = memoryview(buffer).cast("B")
    if view.readonly:
        raise TypeError("expected a buffer that can be written to")
    return view


class SSLConversation:
    """The common part of `SSLObject` and `SSLSocket`: one connection and its data.

    config: that of the connection.  context: its SSLContext.  server_name: the name that the server's certificate must
    contain.  incoming: data received and not read yet.  send_request: calls the engine for a request, and sends it;
    None where the next call sends it.
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
        self.connection = self._connect()
        self.driver = Driver(self.connection, self.incoming.append, address=address)
        self.status: ConnectionStatus = self.driver.status
        self.judges_again = config.settings.judges_again
        self.has_closed = self.has_stopped_reading = False
        self.is_plain = False  # open, and not verified again: the fast path can be used
        self.send_request: Callable[[Callable[[], list[Request]]], None] | None = None
        self._address = address

    def _connect(self) -> Connection:
        if isinstance(self.config, ClientConfig):
            return self.config.connection(self.server_name)
        return self.config.connection()

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer; None before the handshake is complete, and for a client without a certificate."""
        return self.status.peer

    def has_failed(self) -> bool:
        """Whether an error has ended the connection."""
        return self.status.failure is not None

    # -- events ----------------------------------------------------------------------------------------

    def answer_requests(self, requests: list[Request]) -> None:
        """Answer the requests of the connection in this thread."""
        waiting = deque(requests)
        while waiting:
            request = waiting.popleft()
            try:
                answer = wait_for_answer(self.answers.answer, request)
                waiting += self.driver.provide(request, answer)
            except Exception as error:  # noqa: BLE001 - our own side's signer may raise anything
                waiting += self.driver.continue_without_answer(request, error)

    def authenticate_client(self, *, required: bool) -> None:
        """Request the client's certificate; what cannot be sent now is sent by the next call.

        Raises SSLError for a client that cannot be asked, while another answer is awaited, and without trust anchors.
        """
        ask, send = self.driver.authenticate_client, self.send_request or self._send_later
        try:
            with contextlib.suppress(TimeoutError):
                send(lambda: ask(required=required, seconds=None, max_data=DATA_LIMIT))
        except (AuthenticationUnavailable, UsageError) as error:
            failed = ssl.SSLError(ssl.SSL_ERROR_SSL, str(error))
        else:
            return
        raise failed

    def _send_later(self, request: Callable[[], list[Request]]) -> None:
        self.answer_requests(request())

    def situation(self) -> Situation:
        """Return what the engine has kept of the connection so far."""
        facts = self.connection.history.facts()
        if facts is None:
            raise TypeError("a connection without a configuration")
        return situation_of(facts)

    def check_if_due(self) -> None:
        """Check time limits and evidence before data is sent or returned; raise the error that follows.

        If the peer is no longer accepted, data that was not read yet is dropped.
        """
        if not self.has_failed():
            self.answer_requests(self.driver.check_if_due())
            if self.has_failed():
                self.incoming.clear()

    def note_established(self) -> None:
        """Use the fast path from here on, where the peer is not verified again."""
        self.is_plain = not self.judges_again and not self.has_closed

    def receive_data(self, record: bytes) -> bytes | None:
        """Return the content of a record of application data on the fast path.

        None for any other record, of which the driver then has what follows.
        """
        content = self.connection.receive_data(record)
        if content is None:
            self.answer_requests(self.driver.receive_other(record))
        return content

    def read(self, size: int) -> bytes:
        """Return one piece of the data received; b"" if another thread has read it."""
        size = index(size)  # before any data is taken, which an exception would lose
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
        """Return the number of bytes that can be read at once."""
        return sum(map(len, self.incoming)) if self.incoming else 0

    def drive(self, act: Callable[[], T], late: str, again: Callable[[], OSError] | None) -> T:
        """Call `act` on the socket, and convert its exceptions into those of `ssl`.

        late: the text of a TimeoutError.  again: creates the exception of a non-blocking socket instead.
        """
        try:
            return act()
        except Exception as error:
            failed = self.status.failure if isinstance(self.status.failure, UsageError) else error
            # a timeout of the system, not of the caller's limit, is raised unchanged
            if not isinstance(failed, TLSError) and not (
                isinstance(failed, TimeoutError) and failed.errno is None
            ):
                raise
        if isinstance(failed, TLSError):
            self.fail(failed)
        if again is not None:
            raise again()
        timed_out = TimeoutError(late)
        timed_out.situation = self.connection.history.facts()  # type: ignore[attr-defined]
        raise timed_out

    # -- the end ---------------------------------------------------------------------------------------

    @property
    def has_ended(self) -> bool:
        """Whether no more data follows, in order: the peer has closed, or our own side has shut down reading."""
        return self.status.peer_closed or self.has_stopped_reading

    def close(self) -> None:
        """Send close_notify."""
        self.has_closed, self.is_plain = True, False
        with contextlib.suppress(TLSError):
            self.driver.close()

    def check_all_read(self) -> None:
        """Raise SSLError if received data was not read; as with `ssl`, it can still be read."""
        if self.incoming:
            raise data_after_close()

    def check_established(self) -> None:
        """Raise the error of `ssl` if the connection is closed before its handshake is complete."""
        if not self.status.established:
            raise shutdown_too_early()

    def raise_failure(self) -> None:
        """Raise the error that ended the connection, if there is one, as an exception of `ssl`."""
        if self.status.failure is not None:
            self.fail(self.status.failure)

    def fail(self, error: TLSError | OSError) -> NoReturn:
        """Raise an error as an exception of `ssl`, with its explanation."""
        raise ssl_error(error, self.situation() if isinstance(error, TLSError) else None)

    def log_refusal(self) -> None:
        """Log why a client was refused, since event loops do not report failed handshakes."""
        error = self.status.failure
        what = "refused" if isinstance(error, PeerFault) else "failed"
        logger.info("handshake with %s %s: %s", self._address() or "a client", what, logged(error))
