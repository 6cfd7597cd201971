"""The status of a certificate by revocation news: revoked permanently, or nothing.

A CRL or an OCSP response is verified here as it is from anywhere else. But it says nothing good: whoever brings an
older one, which is validly signed too, could hide by it that a certificate was revoked since. And it puts nobody on
hold (certificateHold): an older one could say so of a certificate that is valid again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.entries import HOLD
from bothways.trust.path.validation import Path
from bothways.trust.revocation.available import Available, StatusChecker
from bothways.trust.revocation.by_crl import CRLSource
from bothways.trust.revocation.by_ocsp import ResponseSource
from bothways.trust.revocation.status import Revoked
from bothways.trust.work import WorkBudget


class NewsSource:
    """The revocation news, for one path."""

    def __init__(
        self,
        available: Available,
        path: Path,
        others: Sequence[ParsedCertificate],
        checker: StatusChecker,
        work: WorkBudget,
    ) -> None:
        self._sources: tuple[ResponseSource, CRLSource] | None = None
        news = available.policy.news
        if news is None or not news.generation:
            return
        policy = replace(available.policy, crls=news.crls, ocsp=news.ocsp, staples="ignore", fetch=None)
        only_news = replace(available, policy=policy, fetched=None)
        self._sources = (
            ResponseSource(only_news, checker, work),
            CRLSource(only_news, path, others, checker, work),
        )

    def revocations(self, certificate: ParsedCertificate, issuer: ParsedCertificate) -> list[Revoked]:
        """Return by which news a certificate is revoked permanently."""
        if self._sources is None:
            return []
        return [
            found
            for source in self._sources
            for found in source.statements(certificate, issuer)
            if isinstance(found, Revoked) and found.reason != HOLD
        ]
