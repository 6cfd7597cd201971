"""The answer of trust: who was trusted, by which path, and what was checked; or every reason why not.

A verdict is a value. Checks that were not made say so (`Outcome.NOT_CHECKED`), they are never a tick.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Literal

from cryptography import x509

from bothways.faults import Reason
from bothways.trust.certificate import ParsedCertificate

Profile = Literal["private", "web"]
PROFILES: tuple[Profile, ...] = ("private", "web")


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

    @property
    def count(self) -> int:
        """How many alternative names there are."""
        return len(self.dns) + len(self.ip) + len(self.uri) + len(self.email)


@dataclass(frozen=True, slots=True)
class EvidenceRequest:
    """Evidence that a judgement lacks, and where it may be asked for.

    kind: "ocsp" for the response about `certificate`, "crl" for a CRL of `issuer`'s.  locations: addresses,
    any one of which has it; they come from certificates whose signatures lead to an anchor.  nonce: what an
    OCSP response has to return, drawn by whoever asks (RFC 9654); None to ask without.
    """

    kind: Literal["ocsp", "crl"]
    certificate: ParsedCertificate
    issuer: ParsedCertificate
    locations: tuple[str, ...]
    nonce: bytes | None = None


SlowCheck = Callable[[], object]  # may run in any thread, and keeps its result with the evidence


@dataclass(frozen=True, slots=True)
class Trusted:
    """The chain leads to an anchor and passed every check that was asked for.

    `path` runs from the leaf to the anchor. `valid_until` is the last moment at which it holds: the
    first end among the certificates of the path and the evidence, with what tolerance clocks are given there.
    `wants` is what may yet be fetched, to judge again with more than was known: nothing, unless unknown was
    accepted. `profile` says by which rules it was judged.
    """

    path: tuple[x509.Certificate, ...] = field(repr=False)  # to tell one reads names that may not be readable
    names: Names
    findings: tuple[Finding, ...]
    valid_until: datetime
    wants: tuple[EvidenceRequest, ...] = ()
    profile: Profile = "private"

    @property
    def checks(self) -> tuple[SlowCheck, ...]:
        """Checks that were deferred: none, since they come before trust."""
        return ()

    @property
    def accepts_unknown(self) -> bool:
        """Whether revocation was to be checked, could not be known, and was accepted as configured."""
        return any(each.outcome is Outcome.UNKNOWN for each in self.findings)


@dataclass(frozen=True, slots=True)
class Refused:
    """The chain was refused. `reasons` has why, the one that takes precedence first.

    Of very many reasons there is one of each kind, and `left_out` counts those that are not told.  `wants` is
    what may be fetched to judge again, where an unknown status is the only reason.  `checks` are those that take
    long and were deferred, as was asked for: this is no answer before they are made and it is judged again.
    `profile` says by which rules it was judged.
    """

    reasons: tuple[Reason, ...]
    names: Names | None
    findings: tuple[Finding, ...]
    wants: tuple[EvidenceRequest, ...] = ()
    left_out: int = 0
    profile: Profile = "private"
    checks: tuple[SlowCheck, ...] = ()


Verdict = Trusted | Refused


def judged_by(verdict: Verdict, profile: Profile) -> Verdict:
    """Return a verdict that says by which profile it was found; of the private one no finding speaks."""
    if profile == "private":
        return verdict
    findings = tuple(
        replace(each, text=f"{each.text} (by the {profile} profile)") if each.letter == "a" else each
        for each in verdict.findings
    )
    return replace(verdict, findings=findings, profile=profile)
