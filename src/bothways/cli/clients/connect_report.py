"""What `bothways connect` says of a connection on standard error: lines at once, or one JSON object at the end."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from bothways.addresses import TCPAddress
from bothways.cli.output.terminal import bounded, headline, report_error, say, say_json, waiting
from bothways.describe.recorder import Recorder
from bothways.diagnosis import Explanation, ServiceRefusal, facts_of
from bothways.ladder.report import error_facts, report_facts, report_lines
from bothways.net.channel import Channel
from bothways.no_op import do_nothing
from bothways.starttls import Protocol
from bothways.trust.verdict import Profile

MAY_BE_ONE_WAY = "if this service is one that answers nothing, such as syslog, give --one-way"
UNANSWERED = (
    "the service answered nothing, and closed after we did: this does not show whether it took what was sent"
)
UNASKED = "the service was asked nothing and said nothing: this does not show whether one answers behind TLS"


@dataclass
class ConnectionEnd:
    """How a connection ended.

    head: the first bytes of the server, which may be a refusal by its service.  unasked: whether it sent nothing, and
    we had asked nothing.  unanswered: whether it was asked something, and closed only after we did.  may_be_one_way:
    whether it was asked something, sent nothing, and closed first.
    """

    head: bytes = b""
    error: Exception | None = None
    why: Explanation | None = None
    refusal: ServiceRefusal | None = None
    reply: Explanation | None = None
    unasked: bool = False
    unanswered: bool = False
    may_be_one_way: bool = False

    @property
    def failure(self) -> Exception | None:
        """Why the command fails: a refusal by the service takes precedence over the error of the connection."""
        return self.refusal or self.error

    @property
    def explanation(self) -> Explanation | None:
        """Its explanation."""
        return self.why if self.error is not None else self.reply


class ConnectionReport:
    """The report about one connection on standard error: lines at once, or one JSON object at the end."""

    def __init__(
        self, address: TCPAddress, profile: Profile, as_json: bool, starttls: Protocol | None = None
    ) -> None:
        self._address = address
        self._through = "" if starttls is None else f" through {starttls.title} (STARTTLS)"
        self._as_json = as_json
        self._facts: dict[str, object] = {
            "address": str(address),
            "starttls": None if starttls is None else starttls.name,
            "profile": profile,
        }

    def say(self, text: str) -> None:
        """Print a line; with --json nothing, since standard error has one JSON object."""
        if not self._as_json:
            say(text)

    def waiting(self, what: str) -> contextlib.AbstractContextManager[Callable[[], None]]:
        """Report what is waited for, as `terminal.waiting`; with --json do nothing."""
        return contextlib.nullcontext(do_nothing) if self._as_json else waiting(what)

    def connected(self, channel: Channel, recorder: Recorder) -> None:
        """Report the handshake."""
        if self._as_json:
            self._facts |= report_facts(channel, recorder.notes)
        else:
            say("\n".join(bounded(report_lines(f"{self._address}{self._through}", channel, recorder.notes))))

    def end(self, end: ConnectionEnd) -> None:
        """Report how the connection ended."""
        if self._as_json:
            if end.failure is not None:
                self._facts["error"] = error_facts(end.failure, end.explanation)
            if end.reply is not None and end.refusal is None:
                self._facts["reply"] = facts_of(end.reply)
            say_json(self._facts)
            return
        if end.unasked:
            say(UNASKED)
        if end.unanswered:
            say(UNANSWERED)
        if end.error is None and end.reply is not None:
            say("\n".join(bounded(str(end.reply).splitlines())))
            if end.may_be_one_way:
                say(MAY_BE_ONE_WAY)
        elif end.error is not None and end.why is not None:
            text = end.why.happened if end.reply is not None else headline(end.error)
            report_error("\n".join(bounded([f"{self._address}: {text}", *end.why.lines()])))
