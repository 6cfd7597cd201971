"""The current step of one handshake, and the errors that end it at this step.

Each step must follow from the one before by the table in `steps`; errors name the step and the check that failed.
"""

from __future__ import annotations

from bothways.errors import PeerAlert, PeerFault, Truncated
from bothways.faults import Blame
from bothways.roles import Progress, Role, StepId, Version
from bothways.tls.events import Progressed
from bothways.tls.handshake.alert_meanings import meaning_of, refused_step
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.outcome import Negotiated
from bothways.tls.handshake.script import Agreed, Enter, Wait
from bothways.tls.handshake.steps import Step, failed_check, progress_of, rules_of


class Position:
    """The current step, what is agreed so far, and whether the peer is known to have accepted us.

    rule: what is allowed at this step and which steps may follow.  version: the one chosen, None until then.
    """

    __slots__ = (
        "_observer",
        "_reported",
        "_rules",
        "confirmed",
        "negotiated",
        "role",
        "rule",
        "step",
        "version",
    )

    def __init__(self, hs: HandshakeContext) -> None:
        self._observer = hs.observer
        hs.history.position = self
        self._reported = Progress.HELLO
        self.role = hs.role
        self.negotiated: Negotiated | None = None
        self.version: Version | None = None
        self.confirmed = False
        self._rules = rules_of(self.role, None)
        self.step = Step.START
        self.rule = self._rules[self.step]

    @property
    def progress(self) -> Progress:
        """How far the connection has come: what of ours the peer has received and can refuse."""
        return progress_of(self.role, self.step, confirmed=self.confirmed)

    def apply(self, yielded: Wait | Enter | Agreed) -> None:
        """Apply what a script yielded; each step must follow from the one before."""
        if isinstance(yielded, Agreed):
            self._agree(yielded.negotiated)
        elif isinstance(yielded, Enter) or yielded.request is None or yielded.step is not self.step:
            self.enter(yielded.step)

    def complete(self, negotiated: Negotiated, *, resumed: bool = False) -> None:
        """Enter the last step. A client that sends the last Finished does not know yet whether it is accepted."""
        self._agree(negotiated)
        self.confirmed = self.role is Role.SERVER or (self.version is Version.TLS12 and not resumed)
        self.enter(Step.CONNECTED)

    def confirm(self) -> None:
        """Record that the peer has accepted us."""
        self.confirmed = True
        self._tell_progress()

    def fault(self, blame: Blame) -> PeerFault:
        """Return the error for what the peer is blamed for at this step."""
        role = self.role
        return PeerFault(
            blame.fault,
            step=failed_check(role, self.step, blame.fault, self.version),
            peer=role.peer,
            state=self.step.name,
            facts=dict(blame.facts),
            reasons=blame.reasons,
            left_out=blame.left_out,
            version=self.version,
            progress=self.progress,
        )

    def refusal(self, alert: int, *, asked_later: bool) -> PeerAlert:
        """Return the error for an alert of the peer.

        asked_later: the peer requested our certificate after the handshake.
        """
        role, progress = self.role, self.progress
        refused = refused_step(
            role, self.step, alert, unconfirmed=not self.confirmed, asked_later=asked_later
        )
        meaning, hint = meaning_of(alert, role, progress)
        return PeerAlert(
            alert,
            step=refused or self.rule.id,
            peer=role.peer,
            state=self.step.name,
            progress=progress,
            meaning=meaning,
            hint=hint,
        )

    def truncation(self, *, in_record: bool = False) -> Truncated:
        """Return the error for an end of file without close_notify. in_record: in the middle of a record."""
        step = self.rule.id
        if self.rule.is_open:
            step = StepId.APPLICATION_DATA if self.confirmed else StepId.CLIENT_AUTHENTICATION
        return Truncated(self.role.peer, step=step, progress=self.progress, in_record=in_record)

    def enter(self, step: Step) -> None:
        """Enter a step, which must follow from the one before."""
        if step not in self.rule.follow:
            raise TypeError(f"{step.name} may not follow {self.step.name}")
        self.step = step
        self.rule = self._rules[step]
        if self._observer is not None:
            self._tell_progress()

    def stop_observing(self) -> None:
        """Send no more notes to the observer."""
        self._observer = None

    def _agree(self, negotiated: Negotiated) -> None:
        self.negotiated = negotiated
        if negotiated.version is not self.version:
            self.version = negotiated.version
            self._rules = rules_of(self.role, negotiated.version)
            self.rule = self._rules[self.step]

    def _tell_progress(self) -> None:
        if self._observer is not None and self.progress is not self._reported:
            self._reported = self.progress
            self._observer(Progressed(self._reported))
