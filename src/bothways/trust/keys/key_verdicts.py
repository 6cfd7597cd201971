"""Verdicts about peers that have a key and no certificate: what cannot be checked of a key, and why."""

from __future__ import annotations

from dataclasses import dataclass

from bothways.faults import Reason
from bothways.trust.certificate.raw_public_key import NO_END
from bothways.trust.verdict import Finding, Names, Outcome, PinnedKey, Refused, SharedKey, Trusted


@dataclass(frozen=True, slots=True)
class KeyVerdicts:
    """Makes the verdicts about one kind of keys. kind: such as "a raw public key".  until: when its trust ends."""

    kind: str
    until: str

    def trusted(self, by_key: PinnedKey | SharedKey, passed: str) -> Trusted:
        """Return the verdict that trusts a key. passed: why."""
        found = Finding("a", Outcome.PASSED, passed)
        return Trusted((), Names(""), (found, *self._not_checked), NO_END, NO_END, by_key=by_key)

    def refused(self, reason: Reason) -> Refused:
        """Return the verdict that refuses a key."""
        return Refused((reason,), None, (Finding("a", Outcome.FAILED, str(reason)), *self._not_checked))

    @property
    def _not_checked(self) -> tuple[Finding, Finding]:
        revocation = f"{self.kind} cannot be revoked: it is trusted until {self.until}"
        return (
            Finding("b", Outcome.NOT_CHECKED, f"{self.kind} has no period of validity"),
            Finding("c", Outcome.NOT_CHECKED, revocation),
        )
