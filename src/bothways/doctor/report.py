"""The result of an examination as plain values: the schema of its JSON form (docs/doctor.md).

Every text may come from a peer or a file, and is escaped already. `sections` contain the same for people, with what
is good, what is not, and what to do.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from bothways.counts import counted
from bothways.ladder.model import Card
from bothways.trust.verdict import Profile

Level = Literal["good", "note", "warning", "problem", "unknown"]
VersionStatus = Literal["spoken", "refused", "not known"]
Outcome = Literal["succeeded", "failed", "not tried"]
Asked = Literal["in the handshake", "after the handshake"]
Confirmed = Literal["accepted", "refused", "unknown"]


@dataclass(frozen=True, slots=True)
class VersionSupport:
    """A version of TLS, and whether the server supports it."""

    name: str
    standing: VersionStatus


@dataclass(frozen=True, slots=True)
class Choices:
    """What a server chooses among everything offered, in its order; `complete` if these are all."""

    names: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class ServerBehaviour:
    """What a server shows without a completed handshake.

    speaks: "TLS", or another protocol, of which `start` is the beginning.  through: the protocol by which TLS is
    requested, such as "PostgreSQL", or "".  milliseconds: for the first connection.  dated: the outdated kinds of
    suites that it accepts.  cut_short: why not everything was tried.
    refused_with: the alert by which it refused every ClientHello, or "".
    """

    address: str
    milliseconds: float
    speaks: str
    start: str
    through: str
    versions: tuple[VersionSupport, ...]
    suites_13: Choices
    suites_12: Choices
    dated: tuple[str, ...]
    groups: Choices
    session_ids: bool
    tickets_12: bool
    cut_short: str
    refused_with: str = ""


@dataclass(frozen=True, slots=True)
class RequestedCertificate:
    """A server's request for our certificate. Without authorities it accepts those of any CA."""

    when: Asked
    authorities: tuple[str, ...]
    more_authorities: int
    schemes: tuple[str, ...]
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReplyReport:
    """The response of the service. `status`: of HTTP. `skew`: by how many seconds its clock is ahead of ours.

    explanation: why it may refuse us, as in `connect --json`; None where it does not.
    """

    status: int | None
    line: str
    skew: float | None
    explanation: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class HandshakeReport:
    """One handshake with our engine. `failure` is as in `connect --json`, with the probable causes."""

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
    request: RequestedCertificate | None
    sent_certificate: bool
    confirmed: Confirmed
    reply: ReplyReport | None
    failure: dict[str, Any] | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One finding: its subject, its level, its text, and what to do, by a command if one helps.

    cause: the code of a cause of failures, or "".
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
    """Findings with one subject."""

    id: str
    title: str
    rows: tuple[ReportRow, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """An examination of a server, of files, or of both. `server` and `handshakes` are empty without a server."""

    format: Literal["bothways-doctor"]
    version: Literal[1]
    examined: str | None
    at: str
    profile: Profile
    outcome: Outcome
    connections: int
    connection_limit: int
    server: ServerBehaviour | None
    handshakes: tuple[HandshakeReport, ...]
    certificates: tuple[Card, ...]
    sections: tuple[Section, ...]

    def row(self, id_: str) -> ReportRow | None:
        """Return the finding with an id, or None."""
        return next((row for section in self.sections for row in section.rows if row.id == id_), None)

    def count(self, level: Level) -> int:
        """Return the number of findings of a level."""
        return sum(row.level == level for section in self.sections for row in section.rows)


def as_json(report: Report) -> str:
    """Return a report in its documented form, as ASCII."""
    return json.dumps(asdict(report), indent=1, allow_nan=False)


def summary(report: Report) -> str:
    """Return the result of an examination in one line."""
    if report.examined is None:
        problems = report.count("problem")
        found = f"{counted(problems, 'problem')} in these files"
        return found if problems else "No problem was found in these files"
    if report.outcome == "succeeded":
        return f"A handshake with {report.examined} succeeds"
    if report.handshakes and report.handshakes[-1].outcome == "succeeded":
        return f"A handshake with {report.examined} succeeds, and the service behind it does not serve us"
    return f"No handshake with {report.examined} succeeds"


def moment(at: str) -> str:
    """Return a time for display, without the T and the Z of its form in JSON."""
    return f"{datetime.fromisoformat(at).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
