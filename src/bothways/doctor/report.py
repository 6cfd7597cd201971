"""What an examination found, as plain values: the schema of its JSON form (docs/doctor.md).

Every text in it may come from a peer or a file and is escaped already. `sections` say the same for people,
with what is good, what is not, and what to do.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bothways.ladder.model import Card
from bothways.trust.verdict import Profile

Level = Literal["good", "note", "warning", "problem", "unknown"]
Standing = Literal["spoken", "refused", "not known"]
Outcome = Literal["succeeded", "failed", "not tried"]
Asked = Literal["in the handshake", "after the handshake"]
Confirmed = Literal["accepted", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of TLS, and whether the server speaks it."""

    name: str
    standing: Standing


@dataclass(frozen=True, slots=True)
class Choices:
    """What a server chooses of all that is offered, in the order of its choice; `complete` if that is all."""

    names: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class Server:
    """What a server showed without any handshake being finished.

    speaks: "TLS" or what else, of which `start` is the beginning.  through: what TLS is asked of first, such as
    "PostgreSQL", or "".  milliseconds: for the first connection.
    dated: which kinds of outdated suites it still answers to.  cut_short: why not everything was asked.
    """

    address: str
    milliseconds: float
    speaks: str
    start: str
    through: str
    versions: tuple[Version, ...]
    suites_13: Choices
    suites_12: Choices
    dated: tuple[str, ...]
    groups: Choices
    session_ids: bool
    tickets_12: bool
    cut_short: str


@dataclass(frozen=True, slots=True)
class Request:
    """A server's request for our certificate. No authorities: it names none, so any may do."""

    when: Asked
    authorities: tuple[str, ...]
    more_authorities: int
    schemes: tuple[str, ...]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the service said. `status`: of HTTP. `skew`: by how many seconds its clock is ahead of ours.

    explanation: why it may refuse us, as `connect --json` tells it; None where it does not.
    """

    status: int | None
    line: str
    skew: float | None
    explanation: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Handshake:
    """One handshake with our engine. `failure` is as `connect --json` tells it, with the likely causes."""

    offered: tuple[str, ...]
    with_certificate: bool
    outcome: Literal["succeeded", "failed"]
    version: str | None
    suite: str | None
    group: str | None
    protocol: str | None
    scheme: str | None
    staple: bool
    tickets: int
    request: Request | None
    sent_certificate: bool
    confirmed: Confirmed
    reply: Reply | None
    failure: dict[str, Any] | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One finding: what it is about, how good that is, in words, and what to do, by a command where one helps.

    cause: the code of a cause that a failure may have, or "".
    """

    id: str
    level: Level
    subject: str
    text: str
    hint: str = ""
    command: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """Findings that belong together."""

    id: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """An examination of a server, of files, or of both. `server` and `handshakes` are of a server alone."""

    format: Literal["bothways-doctor"]
    version: Literal[1]
    examined: str | None
    at: str
    profile: Profile
    outcome: Outcome
    connections: int
    connection_limit: int
    server: Server | None
    handshakes: tuple[Handshake, ...]
    certificates: tuple[Card, ...]
    sections: tuple[Section, ...]

    def row(self, id_: str) -> Row | None:
        """Return the finding of an id."""
        return next((row for section in self.sections for row in section.rows if row.id == id_), None)

    def count(self, level: Level) -> int:
        """Return how many findings there are of a level."""
        return sum(row.level == level for section in self.sections for row in section.rows)


def as_json(report: Report) -> str:
    """Return a report in its documented form; it is ASCII, whatever peers sent."""
    return json.dumps(asdict(report), indent=1, allow_nan=False)


def summary(report: Report) -> str:
    """Say in one line what came of an examination."""
    if report.examined is None:
        problems = report.count("problem")
        found = f"{counted(problems, 'problem')} in these files"
        return found if problems else "No problem was found in these files"
    if report.outcome == "succeeded":
        return f"A handshake with {report.examined} succeeds"
    if report.handshakes and report.handshakes[-1].outcome == "succeeded":
        return f"A handshake with {report.examined} succeeds, and the service refuses us"
    return f"No handshake with {report.examined} succeeds"


def counted(number: int, word: str) -> str:
    """Return a number of things in words: "1 problem", "2 problems"."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def moment(at: str) -> str:
    """Return a moment as people read it."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
