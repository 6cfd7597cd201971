"""What is asked of trust about a chain: one value, which can be asked again with other evidence and at another time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bothways.trust.anchors import TrustStore
from bothways.trust.certificate import ParsedCertificate
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.names import ServerName
from bothways.trust.path import LIMITS, Limits, PathRequest, judge_path
from bothways.trust.policies import NO_POLICY, Policies
from bothways.trust.revocation.available import Available
from bothways.trust.revocation.check import status_check
from bothways.trust.revocation.policy import Revocation
from bothways.trust.verdict import Purpose, Verdict

Staples = Sequence[bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VerificationRequest:
    """May this chain speak for that name and that purpose, by those whom we trust?

    chain: DER as it was sent, the leaf first, the rest in any order.  purpose, name, key_usage: what the leaf is
    shown for, whom it must stand for, what its key does; None where that is not asked.  revocation: which evidence
    counts; None checks nothing.  staples: the OCSP responses that came with the certificates of `chain`, in their
    order; None where none did.  leaf: the first of `chain`, if `read_leaf` read it.  may_fetch: whether evidence
    may be fetched for it; not on the word of a peer that has not proved its key.  proved_at: when whoever showed it
    proved that key, where that was in an earlier conversation.
    """

    chain: Sequence[bytes]
    anchors: TrustStore
    purpose: Purpose | None
    name: str | ServerName | None = None
    revocation: Revocation | None = None
    key_usage: str | None = "digitalSignature"
    policies: Policies = NO_POLICY
    limits: Limits = LIMITS
    staples: Staples = ()
    leaf: ParsedCertificate | None = None
    may_fetch: bool = True
    proved_at: datetime | None = None

    @property
    def generation(self) -> int:
        """Rises whenever there is new evidence that the answer may depend on."""
        return self.anchors.generation + (0 if self.revocation is None else self.revocation.generation)

    def verify(self, at: datetime, fetched: FetchedEvidence | None = None, *, defer: bool = False) -> Verdict:
        """Answer it by the evidence at hand, with what was fetched for it so far, at the time `at`.

        fetched: None where nothing is to be fetched: then the verdict wants nothing.  defer: leave checks that take
        long to the caller: the verdict then has them, and is none before they are made and it is asked again.
        """
        anchors = self.anchors.current
        pairs = zip(self.chain, self.staples, strict=False)
        stapled = {bytes(der): staple for der, staple in pairs if staple is not None}
        asked = PathRequest(
            self.chain,
            anchors,
            at,
            self.purpose,
            self.name,
            self.key_usage,
            self.policies,
            self.limits,
            self.leaf,
            0 if self.revocation is None else self.revocation.listed,
            sum(map(len, stapled.values())),
        )
        if self.revocation is None:
            return judge_path(asked)
        profile = anchors.profile_for(self.purpose)
        available = Available(self.revocation, anchors, at, stapled, fetched, profile, defer)
        return judge_path(asked, status_check(available))
