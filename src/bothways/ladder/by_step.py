"""A handshake as both peers saw it, by steps: what was sent, checked and chosen, and which keys took part.

It is made of two recorders' notes alone, so it cannot say what did not happen. A step that was not
checked says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bothways.describe.escape import visible
from bothways.describe.messages import listed, summary, title
from bothways.describe.recorder import Noted
from bothways.describe.steps import STEPS, Flow, StepName, named
from bothways.iana import Alert, ContentType
from bothways.roles import Phase, StepId
from bothways.tls.events import (
    AlertSeen,
    Chosen,
    Epoch,
    Judged,
    KeysChanged,
    MessageSeen,
    Note,
    Proved,
    RecordSeen,
)
from bothways.tls.wire.extensions import SelectedIdentity, find
from bothways.tls.wire.hello import ServerHello
from bothways.trust.verdict import Outcome

Act = Literal["sent", "received", "chose", "passed", "failed", "not checked", "keys"]
StepStatus = Literal["done", "failed", "not checked", "not part of it", "not reached"]
KeyKind = Literal["public", "private", "session"]


@dataclass(frozen=True, slots=True)
class Line:
    """What one side did at a step. `at` is in milliseconds from the first note, `size` in bytes."""

    side: str
    act: Act
    text: str
    at: float
    size: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class KeyFact:
    """A key that plays a part at a step, and of which kind it is."""

    kind: KeyKind
    text: str


@dataclass(frozen=True, slots=True)
class StepView:
    """One step as both peers saw it."""

    name: StepName
    status: StepStatus
    lines: tuple[Line, ...]
    keys: tuple[KeyFact, ...]


KEYS: dict[StepId, tuple[KeyFact, ...]] = {
    StepId.SERVER_CERTIFICATE: (KeyFact("public", "the server's, in its certificate: anybody may have it"),),
    StepId.SERVER_SIGNATURE: (KeyFact("private", "the server's: it signs and never leaves the server"),),
    StepId.KEY_EXCHANGE: (
        KeyFact("public", "one share from each side, made for this connection alone"),
        KeyFact("private", "the other half of each share: kept by its maker and forgotten after use"),
    ),
    StepId.SESSION_KEYS: (
        KeyFact("session", "symmetric, the same on both sides, one for each direction; never sent"),
    ),
    StepId.CLIENT_CERTIFICATE: (KeyFact("public", "the client's, in its certificate: anybody may have it"),),
    StepId.CLIENT_SIGNATURE: (KeyFact("private", "the client's: it signs and never leaves the client"),),
    StepId.CLIENT_SIGNATURE_CHECK: (KeyFact("public", "the client's, out of its certificate"),),
    StepId.APPLICATION_DATA: (KeyFact("session", "the application keys: only these two peers have them"),),
}


TRANSPORT_KEYS: dict[StepId, tuple[KeyFact, ...]] = {
    StepId.SERVER_SIGNATURE: (),
    StepId.KEY_EXCHANGE: (
        KeyFact("public", "the server's, out of its certificate: it locks the secret"),
        KeyFact("session", "the premaster secret, drawn by the client; all session keys come from it"),
    ),
    StepId.SESSION_KEYS: (
        KeyFact("private", "the server's: it alone unlocks the secret"),
        KeyFact("session", "symmetric, the same on both sides, one for each direction; never sent"),
    ),
}


def step_views(client: Sequence[Noted], server: Sequence[Noted]) -> list[StepView]:
    """Tell the steps in the order of their ids, from what the two sides noted."""
    resumed = is_resumed((*client, *server))
    client, server = as_resumed(client, resumed), as_resumed(server, resumed)
    start = min((each.at for each in (*client, *server)), default=0.0)
    lines: dict[StepId, list[Line]] = {step: [] for step in STEPS}
    for side, notes in (("client", client), ("server", server)):
        for step, line in (*_steps_of(side, notes, start), *_application_data(side, notes, start)):
            if step in lines:
                lines[step].append(line)
    left_out = _left_out(_one_way(server), resumed)
    flow = _flow((*client, *server))
    return [
        _view(flow, step, sorted(found, key=lambda line: line.at), step in left_out)
        for step, found in lines.items()
    ]


def is_resumed(notes: Iterable[Noted]) -> bool:
    """Whether the server went on with an earlier session of TLS 1.3."""
    messages = (each.note.message for each in notes if isinstance(each.note, MessageSeen))
    hellos = (each for each in messages if isinstance(each, ServerHello))
    return any(find(each.extensions or (), SelectedIdentity) is not None for each in hellos)


def as_resumed(notes: Sequence[Noted], resumed: bool) -> Sequence[Noted]:
    """Return what was noted without the id of a signature where a Finished came without one."""
    if not resumed:
        return notes
    return [replace(each, note=_unsigned(each.note)) for each in notes]


def _unsigned(note: Note) -> Note:
    if not isinstance(note, MessageSeen):
        return note
    return replace(note, steps=tuple(step for step in note.steps if step is not StepId.SERVER_SIGNATURE))


# What happened when a session began, and not again when it is resumed.
_SIGNED = {
    StepId.SERVER_CERTIFICATE,
    StepId.SERVER_SIGNATURE,
    StepId.CLIENT_CERTIFICATE,
    StepId.CLIENT_SIGNATURE,
    StepId.CLIENT_SIGNATURE_CHECK,
}


def _left_out(one_way: bool, resumed: bool) -> frozenset[StepId]:
    """Return the steps that are no part of a handshake in which they do not occur."""
    clients = {step for step in STEPS if step.phase is Phase.CLIENT_AUTHENTICATION} if one_way else set()
    return frozenset(clients | _SIGNED) if resumed else frozenset(clients)


def _flow(notes: Iterable[Noted]) -> Flow:
    """Tell by the suite which flow this was; a handshake that came to no keys is told as TLS 1.3."""
    suites = [each.note.suite for each in notes if isinstance(each.note, KeysChanged)]
    if any(suite.startswith("TLS_RSA_") for suite in suites):
        return Flow.KEY_TRANSPORT
    return Flow.ECDHE if any(suite.startswith("TLS_ECDHE_") for suite in suites) else Flow.TLS13


def _view(flow: Flow, step: StepId, lines: Sequence[Line], left_out: bool) -> StepView:
    keys = TRANSPORT_KEYS.get(step, KEYS.get(step, ())) if flow is Flow.KEY_TRANSPORT else KEYS.get(step, ())
    return StepView(named(flow, step), _status(lines, left_out), tuple(lines), keys if lines else ())


def _status(lines: Sequence[Line], left_out: bool) -> StepStatus:
    acts = {line.act for line in lines}
    if "failed" in acts:
        return "failed"
    if "not checked" in acts:
        return "not checked"
    if lines:
        return "done"
    return "not part of it" if left_out else "not reached"


def _one_way(server: Iterable[Noted]) -> bool:
    sent = {
        title(each.note.message) for each in server if isinstance(each.note, MessageSeen) and each.note.sent
    }
    return "Finished" in sent and "CertificateRequest" not in sent


def _steps_of(side: str, notes: Iterable[Noted], start: float) -> Iterator[tuple[StepId, Line]]:
    keys: set[Epoch] = set()
    for each in notes:
        at = (each.at - start) * 1000
        match each.note:
            case MessageSeen(sent, message, raw, epoch, steps):
                for step in steps:
                    under = "" if epoch is Epoch.PLAINTEXT else f", under {epoch.value}"
                    act: Act = "sent" if sent else "received"
                    yield step, Line(side, act, title(message) + under, at, len(raw), summary(message, step))
            case Chosen(what, offered, chosen, by) if by == side:
                yield (
                    StepId.SERVER_HELLO,
                    Line(side, "chose", f"{what} {chosen}", at, detail=f"of {listed(offered)}"),
                )
            case Proved(step, text):
                yield step, Line(side, "passed", text, at)
            case Judged(step, verdict):
                for finding in verdict.findings:
                    yield (
                        step.part(finding.letter),
                        Line(side, _act(finding.outcome), visible(finding.text, 600), at),
                    )
            case AlertSeen(sent, _, description) if description == Alert.CLOSE_NOTIFY:
                what = "close_notify: nothing more will come this way"
                yield StepId.APPLICATION_DATA, Line(side, "sent" if sent else "received", what, at)
            case KeysChanged(_, epoch, suite) if epoch not in keys:
                keys.add(epoch)
                yield StepId.SESSION_KEYS, Line(side, "keys", f"{epoch.value} derived for {suite}", at)


def _application_data(side: str, notes: Iterable[Noted], start: float) -> Iterator[tuple[StepId, Line]]:
    """One line for each direction in which application data went, however many records it took."""
    data = [
        each
        for each in notes
        if isinstance(each.note, RecordSeen) and each.note.content_type == ContentType.application_data
    ]
    for sent in (True, False):
        several = [each for each in data if isinstance(each.note, RecordSeen) and each.note.sent is sent]
        if several:
            size = sum(each.note.size for each in several if isinstance(each.note, RecordSeen))
            count = f"{len(several)} record" + ("s" if len(several) != 1 else "")
            at = (several[0].at - start) * 1000
            yield (
                StepId.APPLICATION_DATA,
                Line(side, "sent" if sent else "received", f"application data in {count}", at, size),
            )


def _act(outcome: Outcome) -> Act:
    acts: dict[Outcome, Act] = {
        Outcome.PASSED: "passed",
        Outcome.FAILED: "failed",
        Outcome.NOT_CHECKED: "not checked",
        Outcome.UNKNOWN: "not checked",
    }
    return acts[outcome]
