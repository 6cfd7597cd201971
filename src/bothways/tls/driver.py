"""Drives one connection without I/O: events, deadlines, answers, repeated verification and the end.

The socket and asyncio layers pass in what was received, send what is ready, call `check_if_due` at the deadline and get
requests answered; the rules for all of this are here, once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from bothways.errors import PeerAlert, PeerFault, TLSError, Truncated, UsageError, logged
from bothways.faults import Fault
from bothways.roles import Phase
from bothways.tls.connection import Connection
from bothways.tls.events import (
    Caution,
    ChecksWanted,
    ClientAuthenticated,
    ClientDeclined,
    Data,
    Established,
    Event,
    EvidenceWanted,
    Failed,
    Peer,
    PeerClosed,
    Request,
    SignatureWanted,
    Warned,
)
from bothways.tls.handshake.message_io import SEALED_AT_ONCE
from bothways.trust.evidence.http_exchange import EvidenceReply

logger = logging.getLogger("bothways")

Confirmation = Literal["accepted", "refused", "unknown"]

S = TypeVar("S")
E = TypeVar("E")


# Closing a socket while the peer still sends may discard our last bytes (the alert). So we read on until the peer's
# end of file, for at most so many seconds and bytes.
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
# How long an authenticated peer may take nothing of the last data that is sent to it before the connection is reset.
DELIVERY_SECONDS = 30.0
# Input before the end of the handshake is processed in slices, so that other connections get their turn.
SLICE = 4096
_TIME_LIMITS = (Fault.HANDSHAKE_TIMEOUT, Fault.NO_ANSWER_TO_REQUEST)


class ConnectionStatus:
    """The status of one connection, from its events so far.

    peer: also known after the end, since the data before the end came from it.  failure: what ended the connection.
    warnings: what a user should know although nothing failed.  answers: how often the client has answered a request for
    its certificate after the handshake.
    """

    def __init__(
        self,
        deliver: Callable[[bytes], object],
        opened: Callable[[], object] | None = None,
        answered: Callable[[Peer | None], object] | None = None,
    ) -> None:
        """Start. opened: called when the handshake is complete.  deliver: called with each piece of data, in order.

        answered: called, in the order of the data, with the client after it has authenticated on request, and with None
        where it has declined.
        """
        self._deliver = deliver
        self._opened = opened
        self._answered = answered
        self.answers = 0
        self.established = False
        self.peer: Peer | None = None
        self.peer_closed = False
        self.failure: TLSError | OSError | None = None
        self.warnings: list[Caution] = []

    def take(self, events: Iterable[Event]) -> list[Request]:
        """Process events; return the requests that the connection waits for."""
        requests: list[Request] = []
        for event in events:
            match event:
                case Data(data):
                    self._deliver(data)
                case Established(peer):
                    self.established = True
                    self.peer = peer
                    if self._opened is not None:
                        self._opened()
                case ClientAuthenticated(peer):
                    self.peer = peer
                    self._has_answered(peer)
                case ClientDeclined():
                    self._has_answered(None)
                case PeerClosed():
                    self.peer_closed = True
                case Failed(error):
                    self.failure = error
                case Warned(warning):
                    self.warnings.append(warning)
                case SignatureWanted() | EvidenceWanted() | ChecksWanted():
                    requests.append(event)
        return requests

    def forget_listeners(self) -> None:
        """Call and keep nobody any more."""
        self._deliver = len
        self._opened = self._answered = None

    def _has_answered(self, peer: Peer | None) -> None:
        self.answers += 1
        if self._answered is not None:
            self._answered(peer)

    @property
    def ended_by_peer(self) -> bool:
        """Whether the peer's alert or a truncation ended the connection, so that we send no alert."""
        return isinstance(self.failure, (PeerAlert, Truncated))

    @property
    def refused(self) -> bool:
        """Whether the peer ended the connection because it did not accept us (step 3)."""
        error = self.failure
        return (
            isinstance(error, (PeerAlert, Truncated))
            and error.step is not None
            and error.step.phase is Phase.CLIENT_AUTHENTICATION
        )

    @property
    def is_out_of_time(self) -> bool:
        """Whether a time limit of ours ended the connection: its error comes then, and waits for no delivery."""
        return isinstance(self.failure, PeerFault) and self.failure.fault in _TIME_LIMITS

    def raise_failure(self) -> None:
        """Raise the error that ended the connection, if there is one."""
        if self.failure is not None:
            raise self.failure.with_traceback(None) from None


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """The client's answer to a request for its certificate after the handshake.

    peer: the client, verified; None where it has declined.  unread: the number of bytes received and not read yet that
    the client sent before its answer; they are the next ones to be read.
    """

    peer: Peer | None
    unread: int


@dataclass(frozen=True)
class Answers(Generic[S, E]):
    """Who answers the requests of a connection: a signer for keys that are held elsewhere, a fetcher of evidence."""

    signer: Callable[[SignatureWanted], S] | None = None
    evidence: Callable[[EvidenceWanted], E] | None = None

    def answer(self, request: Request) -> S | E | Future[bytes]:
        """Return what answers such a request, a signature perhaps later. Raises `UsageError` if there is nothing."""
        if isinstance(request, SignatureWanted):
            if self.signer is not None:
                return self.signer(request)
            if request.holder is not None:
                return request.holder.submit(request.scheme.name, request.data)
            raise UsageError("the private key of the credentials is held elsewhere: pass a signer")
        if isinstance(request, ChecksWanted):
            raise UsageError("checks are run, not answered")
        if self.evidence is None:
            raise UsageError("revocation evidence is required: pass an evidence finder")
        return self.evidence(request)


class Driver:
    """Drives one connection; it must be called from one thread at a time.

    The caller has to answer the requests that the methods return: with `provide`, or with `continue_without_answer` if
    that is not possible. After each method there may be something in `data_to_send`, another `deadline`, and the end of
    the connection.
    address: of the peer, for the log.
    """

    def __init__(
        self,
        connection: Connection,
        deliver: Callable[[bytes], object],
        *,
        opened: Callable[[], object] | None = None,
        answered: Callable[[Peer | None], object] | None = None,
        address: Callable[[], object] = str,
    ) -> None:
        self.connection = connection
        self.status = ConnectionStatus(deliver, opened, answered)
        self._address = address
        self.unfed = bytearray()
        self._discarded = 0
        self.end_follows = False  # the end of file follows the input not processed yet
        self.loss: OSError | None = None  # the error of the transport, if its end was no end of file

    # -- receiving ---------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Request]:
        """Process all received bytes at once."""
        return self._take(self.connection.receive(data))

    def receive_other(self, data: bytes) -> list[Request]:
        """Process received bytes that `receive_data` has returned None for."""
        return self._take(self.connection.receive_other(data))

    def receive_data(self, data: bytes) -> bytes | None:
        """Process `data` if it is one complete record of application data, and return its content.

        None if it is something else; then nothing was done.
        """
        return None if self._is_behind else self.connection.receive_data(data)

    def receive_slice(self, data: bytes) -> list[Request]:
        """Process as many of the received bytes as one turn allows; call `feed` later for the rest.

        data: for which `receive_data` has returned None.
        """
        if self._is_behind or (len(data) > SLICE and not self.status.established):
            self.keep(data)
            return []
        return self.receive_other(data)

    def keep(self, data: bytes) -> None:
        """Keep received bytes for `feed`."""
        self.unfed += data

    def receive_end(self) -> list[Request]:
        """Process the peer's end of file, after all bytes before it."""
        if self._is_behind:
            self.end_follows = True
            return []
        return self._take(self.connection.receive_eof())

    @property
    def _is_behind(self) -> bool:
        """Whether input waits for `feed`: not yet passed to the connection, or more than it processes in one call."""
        return bool(self.unfed) or self.connection.is_behind

    @property
    def may_feed(self) -> bool:
        """Whether input or the end of file waits for `feed`, and the connection accepts it now."""
        return (self._is_behind or self.end_follows) and self.connection.wants_data

    def feed(self) -> list[Request]:
        """Process the next slice, and the end of file after the last one."""
        requests = self.receive(b"" if self.connection.is_behind else self._next_slice())
        if self.end_follows and not self._is_behind and self.status.failure is None:
            self.end_follows = False
            requests += self.receive_end()
        return requests

    def transport_closed(self) -> None:
        """Report that nothing more can be received or sent, after the input that `feed` still had.

        Of a handshake no more than a slice is processed. A connection that was ended from outside deletes its secrets.
        """
        if self.status.failure is not None:
            self.connection.receive_eof()
        else:
            if self.may_feed and not self.status.established:
                self.feed()
            self._take(self.connection.receive_eof())
        self.unfed.clear()

    def forget_listeners(self) -> None:
        """Call and keep nobody any more: nothing more comes, and a cycle would wait for the garbage collector."""
        self.status.forget_listeners()
        self._address = str

    def discard(self, data: bytes = b"") -> bool:
        """Count and drop bytes received after the end; False when the limit is reached."""
        self.unfed.clear()
        self._discarded += len(data)
        return self._discarded < LINGER_BYTES

    @property
    def wants_data(self) -> bool:
        """Whether more may be read: not while slices wait, nor while the handshake waits for an answer."""
        return not self._is_behind and (self.connection.wants_data or self.status.peer_closed)

    # -- sending -----------------------------------------------------------------------------------------

    def send(self, data: bytes | bytearray | memoryview) -> bytes:
        """Return application data as it is to be sent. Raises the error that ended the connection, if there is one."""
        if self.status.failure is not None:
            self.status.raise_failure()
        return self.connection.send_data(data)

    def send_in_pieces(self, data: memoryview, write: Callable[[list[bytes]], object]) -> None:
        """Call `write` with application data as it is to be sent, piece by piece, each in parts; the data is bytes.

        All of it at once would take memory that the system has to provide first. No piece is kept until the next, so
        that all are encrypted into the same memory.
        """
        for at in range(0, len(data), SEALED_AT_ONCE):
            self.status.raise_failure()
            write(self.connection.send_parts(data[at : at + SEALED_AT_ONCE]))

    def send_in_records(self, data: memoryview, write: Callable[[bytes | memoryview], object]) -> None:
        """Call `write` with application data as it is to be sent, record by record; it copies what it gets at once.

        The next record overwrites it.
        """
        self.status.raise_failure()
        self.connection.write_data(data, write)

    def authenticate_client(self, *, required: bool, seconds: float | None, max_data: int) -> list[Request]:
        """Request the client's certificate; the arguments and errors are those of `Connection.authenticate_client`."""
        if self.status.failure is not None:
            self.status.raise_failure()
        self.connection.authenticate_client(required=required, seconds=seconds, max_data=max_data)
        return []

    def close(self) -> None:
        """Send close_notify; before the handshake is complete, cancel it."""
        self.connection.close()

    def data_to_send(self) -> bytes:
        """Return the bytes to be sent to the peer; each byte is returned once."""
        return self.connection.data_to_send()

    # -- time and repeated verification ------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when to call `check_if_due`, on the scale of the configuration's monotonic clock; None for never."""
        return self.connection.next_deadline()

    @property
    def has_new_evidence(self) -> bool:
        """Whether the evidence has changed since the peer was verified, so that `check_if_due` is due at once."""
        return self.connection.evidence_changed

    def check_if_due(self) -> list[Request]:
        """Check time limits and evidence: end what took too long, verify the peer of an open connection again."""
        if self.status.failure is not None:
            return []
        changed = self.connection.evidence_changed
        return self._take(self.connection.judge_again() if changed else self.connection.tick())

    def judge_again(self) -> list[Request]:
        """Verify the peer with the evidence now at hand."""
        return [] if self.status.failure is not None else self._take(self.connection.judge_again())

    # -- answers ---------------------------------------------------------------------------------------

    def is_awaited(self, request: Request) -> bool:
        """Whether the answer to this request is still awaited."""
        return self.connection.is_awaited(request)

    def provide(self, request: Request, answer: bytes | Sequence[EvidenceReply] | None) -> list[Request]:
        """Continue with an answer, if it is still awaited. Raises `UsageError` for one that does not fit."""
        return self._take(self.connection.provide(request, answer)) if self.is_awaited(request) else []

    def continue_without_answer(self, request: Request, error: object) -> list[Request]:
        """Continue without an answer: an open connection stays open, a handshake is cancelled.

        error: why there is no answer, for the log.
        """
        if not self.is_awaited(request):
            return []
        if self.status.established:
            logger.error("%s: %s", _without(request), logged(repr(error)))
            return self._take(self.connection.provide(request, None))
        self.status.failure = UsageError(f"the handshake waited for an answer of ours that failed: {error!r}")
        self.connection.close()
        return []

    # -- status ------------------------------------------------------------------------------------------

    @property
    def confirmation(self) -> Confirmation:
        """Whether the peer has accepted us, as far as is known."""
        if self.connection.confirmed:
            return "accepted"
        return "refused" if self.status.refused else "unknown"

    def may_be_refused(self) -> bool:
        """Whether the peer may still refuse us."""
        return not self.connection.confirmed and self.status.failure is None and not self.status.peer_closed

    @property
    def must_linger(self) -> bool:
        """Whether our alert was sent, so that we wait for the peer's end of file before the socket is closed."""
        return self.status.failure is not None and not self.status.ended_by_peer

    def _take(self, events: Iterable[Event]) -> list[Request]:
        status = self.status
        was_open, known = status.established, len(status.warnings)
        was_over = status.failure is not None
        requests = status.take(events)
        if not was_over and isinstance(status.failure, Truncated):
            status.failure.loss = self.loss
        if status.peer_closed:
            self.unfed.clear()  # what follows close_notify is ignored (RFC 9846 6.1)
        if was_open and len(status.warnings) > known:
            for warning in status.warnings[known:]:
                logger.warning("connection with %s: %s", self._address(), logged(warning))
        return requests

    def _next_slice(self) -> bytes:
        size = len(self.unfed) if self.status.established else SLICE
        data = bytes(self.unfed[:size])
        del self.unfed[:size]
        return data


def _without(request: Request) -> str:
    """Return what an open connection does without when nothing could be fetched or signed, as text."""
    if isinstance(request, SignatureWanted):
        return "the signer failed, so that our certificate is not sent"
    return "the evidence finder failed, so that nothing was found"
