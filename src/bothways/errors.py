"""The exceptions that callers catch.

`TLSError` is the base of all: we refused the peer (`PeerFault`), the peer refused us (`PeerAlert`), the connection
ended without close_notify (`Truncated`), a client cannot be asked for its certificate (`AuthenticationUnavailable`), a
method was called wrongly (`UsageError`), a configuration cannot be used (`ConfigError`), bothways has a defect
(`InternalError`). The texts are for people; programs match on attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Any, TypeVar

from bothways.faults import Fault, Reason, alert_of, hint_of, rule_of, sentence_of, shown
from bothways.iana import Alert, name
from bothways.roles import Progress, StepId, Version

E = TypeVar("E", bound=BaseException)

LOG_LIMIT = 2000  # characters of an error in a log


_PLAIN = (str, bytes, int, float, datetime, Enum, type(None))


class Portable(BaseException):
    """An error that can be copied and pickled, as for another process. Its copies have the same text, type and values.

    They have no `situation`, and values of types that another process may not have are text in them.
    """

    situation: object = None

    def __reduce__(self) -> tuple[Any, ...]:
        values = {name: _portable(value) for name, value in vars(self).items() if name != "situation"}
        return _made_again, (type(self), self.args, values)


def _portable(value: object) -> object:
    match value:
        case Reason():
            return replace(value, facts=_portable_facts(value.facts))
        case Mapping():
            return _portable_facts(value)
        case list():
            return [_portable(each) for each in value]
        case tuple() | set() | frozenset():
            return tuple(map(_portable, value))
    return value if isinstance(value, _PLAIN) else str(value)


def _portable_facts(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: _portable(each) for name, each in facts.items()}


def _made_again(kind: type[Portable], arguments: tuple[object, ...], values: dict[str, Any]) -> Portable:
    error = kind.__new__(kind, *arguments)
    error.args = arguments  # an OSError has them from its constructor alone
    facts = {name: MappingProxyType(value) for name, value in values.items() if isinstance(value, dict)}
    vars(error).update(values | facts)
    return error


class TLSError(Portable, Exception):
    """Base of every error that bothways raises on purpose.

    `situation` is what was observed of the connection, for `bothways.explain_failure`; None if nothing was observed.
    """


class PeerFault(TLSError):
    """The peer broke a rule of the protocol or is not acceptable; we refused it and sent the alert.

    Attributes: `fault` (the row, to match on), `alert` (that we sent), `rule`, `hint`, `step` (the id of the
    check that failed, such as "2.3b"), `state` (the name of the step in the handshake at which it happened),
    `progress` (how far the connection had come), `peer` ("client" or "server": who is at fault), `facts` (values
    by name), `reasons` (if a certificate was refused: all of them, or some of each kind if there are very many; the
    first is `fault`), `left_out` (how many reasons are not in `reasons`).
    """

    def __init__(
        self,
        fault: Fault,
        *,
        step: StepId | None,
        peer: str,
        state: str = "",
        facts: Mapping[str, object] | None = None,
        reasons: tuple[Reason, ...] = (),
        left_out: int = 0,
        version: Version | None = None,
        progress: Progress = Progress.HELLO,
    ) -> None:
        self.fault = fault
        self.facts: Mapping[str, object] = MappingProxyType(dict(facts or {}))
        self.alert = alert_of(fault, version)
        self.rule = rule_of(fault, self.facts, version)
        self.hint = hint_of(fault, self.facts)
        self.step = step
        self.state = state
        self.progress = progress
        self.peer = peer
        self.reasons = reasons
        self.left_out = left_out
        super().__init__(fault, step)

    @property
    def sentence(self) -> str:
        """What the peer did, as a sentence without its full stop."""
        return f"the {self.peer} {sentence_of(self.fault, self.facts)}"

    def __str__(self) -> str:
        where = f"step {self.step}; " if self.step else ""
        lines = [f"{self.sentence} ({where}{self.rule}; alert {self.alert.name.lower()})."]
        lines += [f"Also: {reason}." for reason in self.reasons[1:]]
        if self.left_out:
            lines.append(f"Also: {self.left_out} more reasons.")
        if self.hint:
            lines.append(f"Hint: {self.hint}.")
        return "\n".join(lines)


class PeerAlert(TLSError):
    """The peer refused us with a fatal alert (RFC 9846 6.2).

    Attributes: `alert` (its code), `step` (the id of the check by which the peer refused us), `state` (the name of
    the step in the handshake at which the alert arrived), `progress` (how far the connection had come), `peer`
    ("client" or "server": who sent it), `meaning` and `hint` (what it usually means here, and what to do).
    """

    def __init__(
        self,
        alert: int,
        *,
        step: StepId | None,
        peer: str,
        state: str = "",
        progress: Progress = Progress.HELLO,
        meaning: str = "",
        hint: str = "",
    ) -> None:
        self.alert = alert
        self.step = step
        self.state = state
        self.progress = progress
        self.peer = peer
        self.meaning = meaning
        self.hint = hint
        super().__init__(alert, step)

    @property
    def name(self) -> str:
        """The alert's name in the IANA registry, or its number."""
        return name(Alert, self.alert).lower().removeprefix("alert ")

    def __str__(self) -> str:
        where = f" at step {self.step}" if self.step else ""
        lines = [f"the {self.peer} refused the connection{where} with alert {self.name}."]
        if self.meaning:
            lines.append(f"That means: {shown(self.meaning)}.")
        if self.hint:
            lines.append(f"Hint: {shown(self.hint)}.")
        return "\n".join(lines)


class Truncated(TLSError):
    """The connection ended without close_notify: data may be missing at its end (RFC 9846 6.1).

    Attributes: `peer` ("client" or "server": who ended it), `step` and `progress` (how far the connection had come),
    `in_record` (whether it ended in the middle of a record), `loss` (the error of the transport if the peer did not end
    it, but it was reset or lost; else None).
    """

    def __init__(
        self,
        peer: str,
        *,
        step: StepId | None = None,
        progress: Progress = Progress.HELLO,
        in_record: bool = False,
    ) -> None:
        self.peer = peer
        self.step = step
        self.progress = progress
        self.in_record = in_record
        self.loss: OSError | None = None
        super().__init__(peer, step)

    def __str__(self) -> str:
        during = f" at step {self.step}" if self.step else ""
        if self.loss is not None:
            how = "reset" if isinstance(self.loss, ConnectionResetError) else "lost"
            what = f"the connection to the {self.peer} was {how}{during},"
        else:
            what = f"the {self.peer} ended the connection{during}"
        return f"{what} without close_notify: data may be missing at its end."


class StartTLSProblem(Enum):
    """Why a peer did not change to TLS; the text completes "the server ..." or "the client ..."."""

    NOT_OFFERED = "does not offer TLS in {protocol}"
    REFUSED = "refused to begin TLS in {protocol}"
    TURNED_AWAY = "refused the connection in {protocol}, before TLS was requested"
    OTHER_PROTOCOL = "does not speak {protocol}"
    SPOKE_AHEAD = "sent more than it was asked for, before TLS began"
    MALFORMED = "sent what is no {protocol}: {detail}"
    TOO_MUCH = "sent more than we accept before TLS: {detail}"
    ENDED = "closed the connection before TLS began"
    LATE = "did not begin TLS in time"


class StartTLSFailed(TLSError):
    """TLS was requested in the protocol of the server (STARTTLS) and did not start.

    Nothing that a peer sends before TLS is authenticated. Attributes: `problem` (to match on), `protocol` ("SMTP"),
    `said` (the last text of a server, escaped and shortened; of a client its first command that needs TLS, without
    arguments; or ""),
    `start` (its first bytes, which may show another protocol), `detail`, `peer` ("client" or "server": who is at
    fault).
    """

    def __init__(
        self,
        problem: StartTLSProblem,
        protocol: str,
        *,
        said: str = "",
        start: bytes = b"",
        detail: str = "",
        peer: str = "server",
    ) -> None:
        self.problem = problem
        self.peer = peer
        self.protocol = protocol
        self.said = said
        self.start = start
        self.detail = detail
        super().__init__(problem, protocol)

    @property
    def sentence(self) -> str:
        """What happened, as a sentence without its full stop."""
        return f"the {self.peer} {self.problem.value.format(protocol=self.protocol, detail=self.detail)}"

    def __str__(self) -> str:
        said = f"; it said (unauthenticated): {self.said}" if self.said else ""
        return f"{(self.sentence + said).removesuffix('.')}."


class UsageError(TLSError):
    """A method was called wrongly, such as `send` on a closed connection. Never caused by what a peer sends."""


class AuthenticationUnavailable(TLSError):
    """A client cannot be asked for its certificate after the handshake (RFC 9846 4.3.6).

    It has TLS 1.2 or HTTP/2, or did not offer post_handshake_auth.

    The connection is not affected: a server may refuse the request that needed the client's identity, and continue.
    """


class ConfigError(TLSError, ValueError):
    """A configuration, a file or credentials cannot be used; raised when they are loaded, never in a handshake.

    Attribute: `code`, stable, for programs: "UNREADABLE" for a file that is not what it should be, "KEY_MISMATCH" for a
    private key of another certificate, "MISUSE" for all others.
    """

    code = "MISUSE"


class UnusableFile(ConfigError):
    """A file, or what was given in the place of its content, is missing or not what it should be."""

    code = "UNREADABLE"


class IncompleteChain(UnusableFile):
    """A chain lacks the certificate of an issuer, or has another one in its place. issuer: its name."""

    code = "INTERMEDIATE_MISSING"

    def __init__(self, text: str, issuer: str) -> None:
        super().__init__(text)
        self.issuer = issuer


class AlteredCertificate(UnusableFile):
    """A certificate is damaged: the key that it names did not sign it. subject: its name."""

    code = "SIGNATURE_WRONG"

    def __init__(self, text: str, subject: str) -> None:
        super().__init__(text)
        self.subject = subject


class TimedOut(Portable, TimeoutError):
    """A time limit of a call has passed; the text says which, in seconds. It is an `OSError`, as with sockets.

    received: how many bytes of an incomplete record had been received.
    """

    def __init__(self, text: str = "", *, received: int = 0) -> None:
        super().__init__(text)
        self.received = received


class InternalError(TLSError):
    """A defect of bothways: it ended the connection, and the log has the traceback. The peer is not at fault."""

    def __str__(self) -> str:
        return "something failed inside bothways that is not the peer's fault; see the log."


def without_frames(error: E) -> E:
    """Return an error, to be kept, without the frames in which it was raised and handled: they keep their objects."""
    error.__context__ = None
    return error.with_traceback(None)


def logged(error: object) -> str:
    """Return an error, or a warning, as a log may hold it: no longer than `LOG_LIMIT`, whatever a peer sent."""
    text = str(error)
    return text if len(text) <= LOG_LIMIT else text[: LOG_LIMIT - 3] + "..."
