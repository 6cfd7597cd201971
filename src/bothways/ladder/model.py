"""A recorded handshake as plain values: what a ladder shows, and what its JSON form holds (docs/ladder.md).

These classes are the schema: `json_form` writes and reads them by their fields. Every text in them may come
from a peer or a file, so it has to be escaped where it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from bothways.roles import Phase, StepId

Side = Literal["client", "server"]
Keys = Literal["plaintext", "handshake keys", "application keys"]
Arrival = Literal["whole", "lost", "altered", "unknown"]
Outcome = Literal["passed", "failed", "not checked", "unknown"]
StepStatus = Literal["done", "failed", "not checked", "not part of it", "not reached", "not seen"]
Hex = Annotated[str, "hex"]
NoStep = Literal[""]
Moment = Annotated[str, "moment"]


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message as text; `items` has its items where it is a list."""

    name: str
    text: str
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """A handshake message that was sent. `at` counts milliseconds from the first note, `size` bytes.

    `bytes` is None where a message holds a ticket. `certificates` are indices of the ladder's list.
    """

    kind: Literal["message"]
    phase: Phase
    at: float
    by: Side
    name: str
    steps: tuple[StepId, ...]
    keys: Keys
    size: int
    arrival: Arrival
    summary: str
    fields: tuple[Field, ...]
    bytes: Hex | None
    certificates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AlertSent:
    """An alert that was sent, by its name in the IANA registry."""

    kind: Literal["alert"]
    phase: Phase
    at: float
    by: Side
    name: str
    keys: Keys
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class DataSent:
    """Application data that was sent: the size of its records in bytes, never the content."""

    kind: Literal["data"]
    phase: Phase
    at: float
    by: Side
    size: int
    keys: Keys
    arrival: Arrival


@dataclass(frozen=True, slots=True)
class CheckMade:
    """A check that one side made, or did not make, with the reason."""

    kind: Literal["check"]
    phase: Phase
    at: float
    by: Side
    step: StepId
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class ChoiceMade:
    """A choice of one side among the offers of the other."""

    kind: Literal["choice"]
    phase: Phase
    at: float
    by: Side
    what: str
    offered: tuple[str, ...]
    chosen: str


@dataclass(frozen=True, slots=True)
class KeysTaken:
    """One side encrypts with these keys from here on, or decrypts with them."""

    kind: Literal["keys"]
    phase: Phase
    at: float
    by: Side
    sends: bool
    keys: Keys
    suite: str


Arrow = Message | AlertSent | DataSent
Event = Message | AlertSent | DataSent | CheckMade | ChoiceMade | KeysTaken


@dataclass(frozen=True, slots=True)
class Card:
    """A certificate as text, as one side sent it; `depth` 0 is the leaf."""

    by: Side
    depth: int
    title: str
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CauseText:
    """A possible cause of a failure: a name for programs, the party that causes it, the evidence, and what to do."""

    code: str
    party: Literal["ours", "the peer's", "between us"]
    certain: bool
    text: str
    evidence: str
    remedy: str
    command: str


@dataclass(frozen=True, slots=True)
class Failure:
    """How a connection failed for one side; parts that do not apply are empty.

    `causes`: by what this side knows, the most likely first.
    """

    side: Side
    kind: str
    step: StepId | NoStep
    text: str
    also: tuple[str, ...]
    rule: str
    alert: str
    meaning: str
    hint: str
    causes: tuple[CauseText, ...] = ()


@dataclass(frozen=True, slots=True)
class StepTaken:
    """A step of the handshake and its status; `name` is that of its id, for programs."""

    id: StepId
    name: str
    actor: Literal["client", "server", "both"]
    title: str
    status: StepStatus


@dataclass(frozen=True, slots=True)
class Ladder:
    """A recorded handshake. `sides`: the sides that recorded it; `recorded`: the time in UTC."""

    format: Literal["bothways-handshake"]
    version: Literal[2]
    recorded: Moment
    sides: tuple[Side, ...]
    outcome: Literal["succeeded", "failed", "unfinished"]
    tls: str | None
    suite: str | None
    group: str | None
    failures: tuple[Failure, ...]
    steps: tuple[StepTaken, ...]
    events: tuple[Event, ...]
    certificates: tuple[Card, ...]


def heading(causes: Sequence[CauseText]) -> str:
    """Return the heading of a list of causes: certain or likely, one or several."""
    word = "Cause" if causes[0].certain else "Likely cause"
    return word if len(causes) == 1 else f"{word}s, the most likely first"


def other(side: Side) -> Side:
    """Return the peer of `side`."""
    return "server" if side == "client" else "client"


def headline(ladder: Ladder) -> str:
    """Return the outcome of a handshake in one line."""
    if ladder.failures:
        first = ladder.failures[0]
        if first.kind == "ServiceRefusal":
            return "A handshake that succeeded, and a service that refused"
        where = f" at step {first.step}" if first.step else ""
        return f"A handshake that failed{where}"
    if ladder.outcome == "unfinished":
        return "A handshake that did not finish"
    shown = (StepId.CLIENT_CERTIFICATE, StepId.CLIENT_VERDICT.part("a"))
    mutual = any(each.id in shown and each.status == "done" for each in ladder.steps)
    return "A mutual handshake" if mutual else "A one-way handshake"


def agreed(ladder: Ladder) -> str:
    """Return the parameters that both sides agreed on, as far as the handshake got."""
    return ", ".join(each for each in (ladder.tls, ladder.suite, ladder.group) if each)
