"""The answer of trust: who was trusted, by which path, and what was checked; or every reason why not.

A verdict is a value. Checks that were not made say so (`Outcome.NOT_CHECKED`), they are never a tick.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from cryptography import x509

from bothways.faults import Check, Reason


class Purpose(Enum):
    """What a certificate is judged for: to stand for a server, or for a client."""

    SERVER = "server authentication"
    CLIENT = "client authentication"


class Outcome(Enum):
    """What became of one check."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_CHECKED = "not checked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One of the checks a (chain), b (validity) or c (revocation), and in words what was found."""

    letter: str
    outcome: Outcome
    text: str


@dataclass(frozen=True, slots=True)
class Names:
    """All that a certificate says of its holder: the subject, and the subject alternative names by kind."""

    subject: str
    common_name: str | None = None
    dns: tuple[str, ...] = ()
    ip: tuple[str, ...] = ()
    uri: tuple[str, ...] = ()
    email: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trusted:
    """The chain leads to an anchor and passed every check that was asked for.

    `path` runs from the leaf to the anchor. `valid_until` is the last moment at which it holds: the
    first end among the certificates of the path and the evidence, with what tolerance clocks are given there.
    """

    path: tuple[x509.Certificate, ...]
    names: Names
    findings: tuple[Finding, ...]
    valid_until: datetime

    @property
    def accepts_unknown(self) -> bool:
        """Whether revocation was to be checked, could not be known, and was accepted as configured."""
        return any(each.outcome is Outcome.UNKNOWN for each in self.findings)


@dataclass(frozen=True, slots=True)
class Refused:
    """The chain was refused. `reasons` has all of them, the one that takes precedence first."""

    reasons: tuple[Reason, ...]
    names: Names | None
    findings: tuple[Finding, ...]


Verdict = Trusted | Refused


def by_precedence(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Order reasons: the first decides the alert; equal ones stand from the leaf upwards."""

    def key(reason: Reason) -> tuple[int, int]:
        check = reason.fault.check or Check.ENCODING
        return check.rank, -1 if reason.position is None else reason.position

    return tuple(sorted(reasons, key=key))
