"""One connection as every skin drives it: events, deadlines, answers, judging again and the end, without any I/O.

A skin says what came and what is to be sent, asks when to look again, has requests answered, and does what the end
needs. It knows sockets or event loops; what is to be done when stands here, once.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from bothways.errors import PeerAlert, TLSError, Truncated, UsageError, logged
from bothways.roles import Phase
from bothways.tls.connection import Connection
from bothways.tls.events import (
    Caution,
    ChecksWanted,
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
from bothways.trust.evidence.http_exchange import EvidenceReply

logger = logging.getLogger("bothways")

Confirmation = Literal["accepted", "refused", "unknown"]

S = TypeVar("S")
E = TypeVar("E")


# A socket that is closed while the peer still sends may destroy what we sent last: how long, and for how much more, the
# peer's own end is waited for.
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
# What a peer that is not trusted yet sends is taken in slices: other connections have their turn between them.
SLICE = 4096
# After the handshake, of one that nobody judged.
ANONYMOUS_SLICE = 64 * 1024


class ConnectionStatus:
    """How one connection stands by its events so far.

    `peer` stays known after the end: what came before the end came from this peer. `failure` is what ended
    the connection. `warnings` has what a user should know although nothing failed.
    """

    def __init__(
        self, deliver: Callable[[bytes], object], opened: Callable[[], object] | None = None
    ) -> None:
        """Begin; `opened` is called when the handshake is complete, `deliver` with each piece of data, in order."""
        self._deliver = deliver
        self._opened = opened
        self.established = False
        self.peer: Peer | None = None
        self.peer_closed = False
        self.failure: TLSError | OSError | None = None
        self.warnings: list[Caution] = []

    def take(self, events: Iterable[Event]) -> list[Request]:
        """Enter what happened; returns what the connection waits for answers to."""
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
                case PeerClosed():
                    self.peer_closed = True
                case Failed(error):
                    self.failure = error
                case Warned(warning):
                    self.warnings.append(warning)
                case SignatureWanted() | EvidenceWanted() | ChecksWanted():
                    requests.append(event)
        return requests

    @property
    def ended_by_peer(self) -> bool:
        """Whether what ended the connection is the peer's alert or a cut, so that nothing is left to say."""
        return isinstance(self.failure, (PeerAlert, Truncated))

    @property
    def refused(self) -> bool:
        """Whether what ended the connection is the peer's refusal of us (step 3)."""
        error = self.failure
        return (
            isinstance(error, (PeerAlert, Truncated))
            and error.step is not None
            and error.step.phase is Phase.CLIENT_AUTHENTICATION
        )

    def raise_failure(self) -> None:
        """Raise what ended the connection, if anything did."""
        if self.failure is not None:
            raise self.failure.with_traceback(None) from None


@dataclass(frozen=True)
class Answers(Generic[S, E]):
    """Who answers what a connection waits for: a signer for keys that are elsewhere, a finder of evidence."""

    signer: Callable[[SignatureWanted], S] | None = None
    evidence: Callable[[EvidenceWanted], E] | None = None

    def answer(self, request: Request) -> S | E:
        """Ask whoever answers such a request. Raises `UsageError` where there is nobody."""
        if isinstance(request, SignatureWanted):
            if self.signer is None:
                raise UsageError("the private key of the credentials is held elsewhere: pass a signer")
            return self.signer(request)
        if isinstance(request, ChecksWanted):
            raise UsageError("checks are run, not answered")
        if self.evidence is None:
            raise UsageError("revocation evidence is required: pass an evidence finder")
        return self.evidence(request)


class Driver:
    """Drives one connection for a skin, which calls it from one thread at a time.

    Methods that return requests have them answered: by `provide`, or by `go_without` where that cannot be done. After
    each of them `data_to_send` may have something, `deadline` may be another, and the connection may have ended.
    address: says with whom this is, for the log.
    """

    def __init__(
        self,
        connection: Connection,
        deliver: Callable[[bytes], object],
        *,
        opened: Callable[[], object] | None = None,
        address: Callable[[], object] = str,
    ) -> None:
        self.connection = connection
        self.status = ConnectionStatus(deliver, opened)
        self._address = address
        self._unfed = bytearray()
        self._discarded = 0
        self.end_follows = False  # the peer's end of file came after what was not fed yet

    # -- what comes ------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> list[Request]:
        """Take all that came at once."""
        return self._take(self.connection.receive(data))

    def receive_data(self, data: bytes) -> bytes | None:
        """Take one whole record of data, and return what is in it; nothing else has changed then.

        None says that `data` is something else, and was not taken.
        """
        return None if self._unfed else self.connection.receive_data(data)

    def receive_slice(self, data: bytes) -> list[Request]:
        """Take as much of what came as one turn may; `feed` takes the rest, when others had theirs."""
        if self._unfed or len(data) > self._turn:
            self._unfed += data
            return []
        return self.receive(data)

    def receive_end(self) -> list[Request]:
        """Take the peer's end of file, after all that came before it."""
        if self._unfed:
            self.end_follows = True
            return []
        return self._take(self.connection.receive_eof())

    @property
    def may_feed(self) -> bool:
        """Whether `feed` has something to take, and the connection takes it."""
        return bool(self._unfed) and self.connection.wants_data

    def feed(self) -> list[Request]:
        """Take the next slice, and the end of file that follows the last one."""
        requests = self.receive(self._next_slice(self._turn))
        if self.end_follows and not self._unfed and self.status.failure is None:
            self.end_follows = False
            requests += self.receive_end()
        return requests

    def lose(self) -> None:
        """Know that nothing more will come or go: what came is taken, and its end told from a cut."""
        if self.status.failure is None:
            if self.may_feed:
                self.receive(self._next_slice(len(self._unfed) if self.status.established else SLICE))
            self._take(self.connection.receive_eof())
        self._unfed.clear()

    def discard(self, data: bytes = b"") -> bool:
        """Throw away what comes after an end, and what was not taken; False when that was enough."""
        self._unfed.clear()
        self._discarded += len(data)
        return self._discarded < LINGER_BYTES

    @property
    def wants_data(self) -> bool:
        """Whether more is to be read: not while slices wait, nor while the handshake waits for an answer."""
        return not self._unfed and (self.connection.wants_data or self.status.peer_closed)

    # -- what goes -------------------------------------------------------------------------------------

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Seal data. Raises what has ended the connection, if anything has."""
        if self.status.failure is not None:
            self.status.raise_failure()
        self.connection.send(data)

    def close(self) -> None:
        """Say that we send no more; before the handshake is done, that we give it up."""
        self.connection.close()

    def data_to_send(self) -> bytes:
        """Return what is to go to the peer, once."""
        return self.connection.data_to_send()

    # -- time and judging again --------------------------------------------------------------------------

    def deadline(self) -> float | None:
        """Return when to `look`, on the scale of the configuration's monotonic clock; None for never."""
        return self.connection.next_deadline()

    @property
    def has_news(self) -> bool:
        """Whether there is other evidence than the peer was judged by, so that a `look` is due at once."""
        return self.connection.evidence_changed

    def look(self) -> list[Request]:
        """Do what is due by the clock or by new evidence: end what took too long, judge an open peer again."""
        if self.status.failure is not None:
            return []
        changed = self.connection.evidence_changed
        return self._take(self.connection.judge_again() if changed else self.connection.tick())

    def judge_again(self) -> list[Request]:
        """Judge the peer by the evidence now at hand."""
        return [] if self.status.failure is not None else self._take(self.connection.judge_again())

    # -- answers ---------------------------------------------------------------------------------------

    def is_awaited(self, request: Request) -> bool:
        """Whether the answer to this request is still waited for."""
        return self.connection.is_awaited(request)

    def provide(self, request: Request, answer: bytes | Sequence[EvidenceReply] | None) -> list[Request]:
        """Go on with an answer, if it is still waited for. Raises `UsageError` for one that does not fit."""
        return self._take(self.connection.provide(request, answer)) if self.is_awaited(request) else []

    def go_without(self, request: Request, error: object) -> list[Request]:
        """Go on without an answer that failed: an open connection does, and a handshake is given up."""
        if not self.is_awaited(request):
            return []
        if self.status.established:
            logger.error("%s: %s", _without(request), logged(repr(error)))
            return self._take(self.connection.provide(request, None))
        self.status.failure = UsageError(f"the handshake waited for an answer of ours that failed: {error!r}")
        self.connection.close()
        return []

    # -- what has become of it ---------------------------------------------------------------------------

    @property
    def confirmation(self) -> Confirmation:
        """Whether the peer has accepted us, as far as is known."""
        if self.connection.confirmed:
            return "accepted"
        return "refused" if self.status.refused else "unknown"

    def may_be_refused(self) -> bool:
        """Whether the peer may yet refuse us."""
        return not self.connection.confirmed and self.status.failure is None and not self.status.peer_closed

    @property
    def must_linger(self) -> bool:
        """Whether our alert is on its way, so that the peer's end is waited for before all is closed."""
        return self.status.failure is not None and not self.status.ended_by_peer

    def heed(self, events: Iterable[Event]) -> list[Request]:
        """Enter what a skin had the connection take itself, as one does that hands data on by the shortest way."""
        return self._take(events)

    def _take(self, events: Iterable[Event]) -> list[Request]:
        status = self.status
        was_open, known = status.established, len(status.warnings)
        requests = status.take(events)
        if was_open and len(status.warnings) > known:
            for warning in status.warnings[known:]:
                logger.warning("connection with %s: %s", self._address(), logged(warning))
        return requests

    @property
    def _turn(self) -> int:
        """How many bytes are taken in one turn."""
        if not self.status.established:
            return SLICE
        return ANONYMOUS_SLICE if self.connection.peer is None else sys.maxsize

    def _next_slice(self, size: int) -> bytes:
        data = bytes(self._unfed[:size])
        del self._unfed[:size]
        return data


def _without(request: Request) -> str:
    """Say what an open connection goes on without, when nobody could answer."""
    if isinstance(request, SignatureWanted):
        return "the signer failed, so that our certificate is not sent"
    return "the evidence finder failed, so that nothing was found"
