"""The evidence that was fetched to verify one peer. It grows with each round, and nothing is requested twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bothways.counts import counted
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.http_exchange import Found
from bothways.trust.ocsp.response import OCSPResponse
from bothways.trust.verdict import EvidenceRequest

# The rounds of fetching for one verification: the status of a signer of evidence may need further evidence.
ROUNDS = 3

_Key = tuple[str, bytes | tuple[str, ...]]


class FetchedEvidence:
    """The evidence that was fetched for one peer, and the failures to fetch."""

    def __init__(self) -> None:
        self._found: dict[_Key, Found] = {}

    def take(self, requests: Sequence[EvidenceRequest], found: Iterable[Found]) -> None:
        """Add what was found for requests, in their order."""
        self._found |= zip(map(_key, requests), found, strict=True)

    def answer(self, request: EvidenceRequest) -> Found | None:
        """Return what was found for a request; None where it was not made yet."""
        return self._found.get(_key(request))

    def missing(self, requests: Iterable[EvidenceRequest]) -> list[EvidenceRequest]:
        """Return the requests that were not made yet, each once."""
        new = {_key(each): each for each in requests}
        return [request for key, request in new.items() if key not in self._found]

    def responses(self, certificate: ParsedCertificate) -> list[OCSPResponse]:
        """Return the OCSP responses that were fetched for a certificate: at most one."""
        found = self._found.get(("ocsp", certificate.digest))
        return [found] if isinstance(found, OCSPResponse) else []

    def crls(self, normal_issuer: bytes) -> list[CRL]:
        """Return the CRLs of an issuer, by its name in the form of RFC 5280 7.1."""
        found = self._found.values()
        return [each for each in found if isinstance(each, CRL) and each.normal_issuer == normal_issuer]

    def __str__(self) -> str:
        """The number of responses and CRLs, as text; empty where there are none."""
        found = list(self._found.values())
        responses = sum(isinstance(each, OCSPResponse) for each in found)
        crls = sum(isinstance(each, CRL) for each in found)
        kinds = ((responses, "OCSP response"), (crls, "CRL"))
        return " and ".join(counted(count, what) for count, what in kinds if count)

    def __len__(self) -> int:
        return len(self._found)


def _key(request: EvidenceRequest) -> _Key:
    return (request.kind, request.certificate.digest if request.kind == "ocsp" else request.locations)
