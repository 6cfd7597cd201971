"""What the events of one connection add up to, and who answers what it waits for: the same for every skin.

Knows no sockets, no threads and no waiting. What the peer sent goes to whoever keeps it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from bothways.errors import PeerAlert, TLSError, Truncated, UsageError
from bothways.roles import Phase
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

S = TypeVar("S")
E = TypeVar("E")


class ConnectionStatus:
    """How one connection stands by its events so far.

    `peer` stays known after the end: what came before the end came from this peer. `failure` is what ended
    the connection. `warnings` has what a user should know although nothing failed.
    """

    def __init__(self, deliver: Callable[[bytes], object]) -> None:
        """Begin; `deliver` is called with each piece of data, in order."""
        self._deliver = deliver
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

    @staticmethod
    def without(request: Request) -> str:
        """Say what an open connection goes on without, when nobody could answer."""
        if isinstance(request, SignatureWanted):
            return "the signer failed, so that no certificate of ours is shown"
        return "the evidence finder failed, so that nothing was found"

    def answer(self, request: Request) -> S | E:
        """Ask whoever answers such a request. Raises `UsageError` where there is nobody."""
        if isinstance(request, SignatureWanted):
            if self.signer is None:
                raise UsageError("the credentials' key is elsewhere: give a signer")
            return self.signer(request)
        if isinstance(request, ChecksWanted):
            raise UsageError("checks are run, not answered")
        if self.evidence is None:
            raise UsageError("revocation evidence is wanted: give an evidence finder")
        return self.evidence(request)
