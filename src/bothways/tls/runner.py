"""One script under way: what it waits for, until when, and what its answer is worth.

A connection may have several at once: the handshake, a judgement of its open peer, answers to a server that asks
for our certificate later. Each is driven by what it waits for, and none knows of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bothways.errors import UsageError
from bothways.tls.clock import Clock
from bothways.tls.crypto.signing import is_signature
from bothways.tls.events import Event, EvidenceWanted, Request, SignatureWanted
from bothways.tls.handshake.script import Agreed, Enter, Script, Wait
from bothways.tls.handshake.verification import evidence_found
from bothways.trust.crl import CRL
from bothways.trust.evidence.http_exchange import EvidenceReply, Missing
from bothways.trust.ocsp import OCSPResponse

T = TypeVar("T")


def _unheeded(said: Wait | Enter | Agreed) -> None:
    """Pass over where a script stands: an open connection stays where it is."""


class ScriptRunner(Generic[T]):
    """Drives one script. `request` is what it waits for an answer to, None while it waits for a message.

    finished: is called with what the script returns, and says which events follow.  heed: is told of each step
    that the script takes and of what is agreed.  patience: seconds after which an answer is taken for missing
    where its request does not say; None for whoever ends the script by a deadline of its own.
    Whoever is blamed in the script is blamed out of `resume` and `go_on_without`.
    """

    def __init__(
        self,
        script: Script[T],
        clock: Clock,
        finished: Callable[[T], Sequence[Event]],
        *,
        heed: Callable[[Wait | Enter | Agreed], None] = _unheeded,
        patience: float | None = None,
    ) -> None:
        self._script = script
        self._clock = clock
        self._finished = finished
        self._heed = heed
        self._patience = patience
        self.is_done = False
        self.request: Request | None = None
        self.answer_by: float | None = None

    def resume(self, value: object = None) -> Sequence[Event]:
        """Let the script go on to its next wait with what it waited for; None begins it."""
        self.request = self.answer_by = None
        try:
            said = self._script.send(value)
            while not isinstance(said, Wait):
                self._heed(said)
                said = self._script.send(None)
        except StopIteration as done:
            self.is_done = True
            return self._finished(done.value)
        self._heed(said)
        if said.request is None:
            return ()
        self._await(said.request)
        return (said.request,)

    def read(self, answer: bytes | Sequence[EvidenceReply] | None) -> object:
        """Return what an answer to `request` is for the script, to be resumed with.

        Raises `UsageError` for one that does not fit; the script then waits on.
        """
        match self.request:
            case SignatureWanted() as request:
                return self._signature(request, answer)
            case EvidenceWanted() as request:
                return evidence_found(request, _fitting(request, answer))
        return None

    @property
    def is_late(self) -> bool:
        """Whether an answer did not come in time."""
        return self.answer_by is not None and self._clock.monotonic() >= self.answer_by

    def go_on_without(self) -> Sequence[Event]:
        """Go on without an answer that is late: evidence is missing, nothing was checked, and nothing signed."""
        if not isinstance(self.request, EvidenceWanted):
            return self.resume()
        late = f"no answer within {self.request.seconds:g} seconds"
        return self.resume(evidence_found(self.request, None, late))

    def close(self) -> None:
        """Let go of the script and of what it waits for."""
        self.request = self.answer_by = None
        self._script.close()

    def _await(self, request: Request) -> None:
        self.request = request
        seconds = request.seconds if isinstance(request, EvidenceWanted) else self._patience
        if seconds is not None:
            self.answer_by = self._clock.monotonic() + seconds

    def _signature(self, request: SignatureWanted, answer: object) -> bytes | None:
        """Return a signature that verifies; none at all is an answer where the script can do without."""
        if answer is None and self._patience is not None:
            return None
        if not isinstance(answer, bytes) or not is_signature(
            request.scheme, request.certificate, request.data, answer
        ):
            raise UsageError("provide: the signature was not made by the private key of our certificate")
        return answer


def _fitting(
    wanted: EvidenceWanted, answers: bytes | Sequence[EvidenceReply] | None
) -> Sequence[EvidenceReply] | None:
    if answers is None:
        return None
    if isinstance(answers, bytes) or len(answers) != len(wanted.wants):
        raise UsageError(f"provide: expected {len(wanted.wants)} answers, one for each request, or None")
    for each in answers:
        if not isinstance(each, bytes | CRL | OCSPResponse | Missing | None):
            raise UsageError(
                f"provide: {type(each).__name__} is no evidence; expected bytes, or None without it"
            )
    return answers
