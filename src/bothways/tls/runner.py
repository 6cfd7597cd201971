"""One running script: what it waits for, until when, and how an answer is checked.

A connection may have several at once: the handshake, a repeated verification of the peer, answers to post-handshake
requests for our certificate. They are independent of each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bothways.errors import UsageError
from bothways.no_op import do_nothing
from bothways.tls.clock import Clock
from bothways.tls.crypto.signing import is_signature
from bothways.tls.events import Event, EvidenceWanted, Request, SignatureWanted
from bothways.tls.handshake.script import Agreed, Enter, Script, Wait
from bothways.tls.handshake.verification import evidence_found
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.http_exchange import EvidenceReply, Missing
from bothways.trust.ocsp.response import OCSPResponse

T = TypeVar("T")


def _no_events(_: object) -> tuple[Event, ...]:
    """Return the events that follow from a script that was ended from outside: none."""
    return ()


class ScriptRunner(Generic[T]):
    """Runs one script. `request` is what it waits for an answer to, None while it waits for a message.

    finished: called with the result of the script, returns the events that follow.  apply_step: called with each step
    and with what is agreed.  patience: seconds after which a missing answer is given up, where its request has no time
    of its own; None if the owner of the script has a deadline.
    `resume` and `continue_without_answer` raise `Blame` if the script blames the peer.
    """

    def __init__(
        self,
        script: Script[T],
        clock: Clock,
        finished: Callable[[T], Sequence[Event]],
        *,
        apply_step: Callable[[Wait | Enter | Agreed], None] = do_nothing,
        patience: float | None = None,
    ) -> None:
        self._script = script
        self._clock = clock
        self._finished = finished
        self._apply_step = apply_step
        self._patience = patience
        self.is_done = False
        self.request: Request | None = None
        self.answer_by: float | None = None

    def resume(self, value: object = None) -> Sequence[Event]:
        """Run the script to its next wait. value: what it waited for; None at the start."""
        self.request = self.answer_by = None
        try:
            yielded = self._script.send(value)
            while not isinstance(yielded, Wait):
                self._apply_step(yielded)
                yielded = self._script.send(None)
        except StopIteration as done:
            self.is_done = True
            return self._finished(done.value)
        self._apply_step(yielded)
        if yielded.request is None:
            return ()
        self._await(yielded.request)
        return (yielded.request,)

    def read(self, answer: bytes | Sequence[EvidenceReply] | None) -> object:
        """Check an answer to `request` and convert it to the value for `resume`.

        Raises `UsageError` for one that does not fit; the script then still waits.
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

    def continue_without_answer(self) -> Sequence[Event]:
        """Continue without the answer: no evidence, no checks, no signature."""
        if not isinstance(self.request, EvidenceWanted):
            return self.resume()
        late = f"no answer within {self.request.seconds:g} seconds"
        return self.resume(evidence_found(self.request, None, late))

    def close(self) -> None:
        """End the script, and delete what it waits for and whom it would call."""
        self.request = self.answer_by = None
        self._script.close()
        self._finished, self._apply_step = _no_events, do_nothing

    def _await(self, request: Request) -> None:
        self.request = request
        seconds = request.seconds if isinstance(request, EvidenceWanted) else self._patience
        if seconds is not None:
            self.answer_by = self._clock.monotonic() + seconds

    def _signature(self, request: SignatureWanted, answer: object) -> bytes | None:
        """Return a signature after it was verified; None if there is none and the script can continue without it."""
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
