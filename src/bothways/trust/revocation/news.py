"""Revocation news: evidence that somebody else has found and brought, such as another gateway.

Of it only permanent revocations count (`by_news`): it proves no certificate good, and neither replaces nor hides any
other evidence. So whoever brings it, or withholds it, can do no more than he who brings nothing.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from bothways.trust.crl.revocation_list import CRL
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.http_exchange import Evidence
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.ocsp_store import OCSPStore

MOST_NEWS = 16384
MOST_NEWS_OCTETS = 64 * 1024 * 1024


class Taken(Enum):
    """What became of news: they are used, they are not newer than what there is, or there is no room for them."""

    TAKEN = "taken"
    KNOWN = "known"
    NO_ROOM = "no room"


class RevocationNews:
    """The CRLs and OCSP responses that were brought. For `Revocation(news=)`; used from the next verification on.

    One thread at a time may add to them, while handshakes continue. What is there stays until there is something newer
    by the same signer: a limit on their number and size keeps others out, and never drops any.
    """

    def __init__(self, *, most: int = MOST_NEWS, most_octets: int = MOST_NEWS_OCTETS) -> None:
        self._most, self._most_octets = most, most_octets
        self.crls = CRLStore()
        self.ocsp = OCSPStore()

    @property
    def generation(self) -> int:
        """Rises with every change."""
        return self.crls.generation + self.ocsp.generation

    def take(self, evidence: Evidence, at: datetime) -> Taken:
        """Add evidence whose signature has been verified. at: the time."""
        before = self.generation
        if self._has_no_room(evidence):
            return Taken.NO_ROOM
        if isinstance(evidence, CRL):
            self.crls.add(evidence, at)
        elif not self._says_it_already(evidence):
            self.ocsp.add(evidence, at)
        return Taken.KNOWN if self.generation == before else Taken.TAKEN

    def _says_it_already(self, response: OCSPResponse) -> bool:
        """Whether all that a response revokes is revoked by others of the same CA: that is for ever."""
        revoked = {named for named in response.named if response.revokes(named)}
        return revoked <= {
            named
            for each in self.ocsp
            if each.authorised_by is not None
            and response.authorised_by is not None
            and each.authorised_by.key_digest == response.authorised_by.key_digest
            for named in each.named & revoked
            if each.revokes(named)
        }

    def _has_no_room(self, evidence: Evidence) -> bool:
        series = evidence.series if isinstance(evidence, CRL) else None
        present = [*(each for each in self.crls if each.series != series), *self.ocsp]
        octets = len(evidence.der) + sum(len(each.der) for each in present)
        return len(present) >= self._most or octets > self._most_octets

    def __len__(self) -> int:
        return len(self.crls) + len(self.ocsp)

    def __repr__(self) -> str:
        return f"<RevocationNews of {len(self.crls)} CRLs and {len(self.ocsp)} OCSP responses>"


def revokes(evidence: Evidence) -> bool:
    """Whether evidence revokes anybody: a CRL with entries, or an OCSP response that revokes permanently.

    Reads the entries of a CRL, so its signature has to be verified.
    """
    if not isinstance(evidence, CRL):
        return any(each.revokes_permanently for each in evidence.responses)
    try:
        return len(evidence) > 0
    except ValueError:
        return False
