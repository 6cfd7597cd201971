"""A verification as one value, which can be repeated with other evidence and at another time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from bothways.trust.anchors import TrustStore
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.evidence.fetched import FetchedEvidence
from bothways.trust.keys.external_psks import PskRequest
from bothways.trust.keys.pins import PinRequest
from bothways.trust.path.name_matching import ServerName
from bothways.trust.path.policies import NO_POLICY, Policies
from bothways.trust.path.validation import LIMITS, Limits, PathRequest, judge_path
from bothways.trust.revocation.available import Available
from bothways.trust.revocation.check import status_check
from bothways.trust.revocation.policy import Revocation
from bothways.trust.verdict import Purpose, Verdict

Staples = Sequence[bytes | None]


class VerificationRequest(NamedTuple):
    """The chain of a peer, and everything that it is verified by except time and fetched evidence.

    chain: DER as it was sent, the leaf first, the rest in any order.  anchors: the trust anchors.  purpose, name,
    key_usage: the purpose of the leaf, the name for which it must be valid, and the use of its key; None where that
    is not checked.  revocation: the policy; None checks nothing.  policies: the certificate policies that are
    required. limits: the size and work that are allowed.  staples: the OCSP responses that came with the certificates
    of `chain`, in their order; None where none came.  leaf: the first of `chain`, if `read_leaf` decoded it.
    may_fetch: whether evidence may be fetched; False until the peer has proved possession of its key.  proved_at:
    when the peer proved it, where that was in an earlier connection.
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
        """Rises whenever there are new trust anchors or evidence, so that the verdict may change."""
        return self.anchors.generation + (0 if self.revocation is None else self.revocation.generation)

    def verify(self, at: datetime, fetched: FetchedEvidence | None = None, *, defer: bool = False) -> Verdict:
        """Return the verdict at the time `at`, by the available evidence and that which was fetched.

        fetched: None where nothing may be fetched; then the verdict has no `wants`.  defer: leave slow checks to the
        caller; the verdict then contains them, and is not final before they are made and this is called again.
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


PeerRequest = VerificationRequest | PinRequest | PskRequest
