"""Whether revocation news are to be used: they are current, revoke somebody, and a CA that counts here has signed them.

CAs that count are the trust anchors, and those on the paths of clients that were verified. This only keeps out what
nobody needs; what a CRL or an OCSP response means for a certificate is decided in each verification, as of any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from bothways.faults import shown
from bothways.gateway.files.held import Held
from bothways.gateway.store.news_index import BadNews
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.crl.revocation_list import CRL
from bothways.trust.evidence.http_exchange import TOLERANCE, Evidence
from bothways.trust.ocsp.request import hashed, key_bits
from bothways.trust.ocsp.response import MAX_AGE, OCSPResponse
from bothways.trust.revocation.news import revokes
from bothways.trust.work import OutOfWork

MOST_ISSUERS = 256  # of those on paths of clients
MOST_SIGNERS = 8  # with which the signature of one CRL is compared


class NewsCheck:
    """What a process knows for this: `issuers` are the CAs, and `count` rises with them."""

    def __init__(self) -> None:
        self._anchors: dict[bytes, ParsedCertificate] = {}
        self._seen: dict[bytes, ParsedCertificate] = {}
        self._held: Held | None = None
        self.count = 0

    def use(self, held: Held) -> None:
        """Use the trust anchors and the evidence of these files from here on."""
        self._held = held
        ders = {
            each.public_bytes(Encoding.DER) for store in held.anchors.values() for each in store.certificates
        }
        new = {der: self._anchors.get(der) or ParsedCertificate(der) for der in ders}
        self.count += new.keys() != self._anchors.keys()
        self._anchors = new

    def saw(self, issuers: Sequence[bytes]) -> None:
        """Note the CAs on the path of a client that was verified, in DER."""
        for der in issuers:
            if der not in self._anchors and der not in self._seen:
                self._seen[der] = ParsedCertificate(der)
                self.count += 1
                if len(self._seen) > MOST_ISSUERS:
                    del self._seen[next(iter(self._seen))]

    def is_signed(self, evidence: Evidence, at: datetime) -> bool:
        """Return whether a CA that counts has signed it; False where none in whose name it is has. Raises BadNews.

        May read a whole CRL, so this is for a thread, one at a time.
        """
        return (
            self._is_signed_crl(evidence, at)
            if isinstance(evidence, CRL)
            else self._is_signed_response(evidence, at)
        )

    def is_known(self, evidence: Evidence) -> bool:
        """Whether a file has the same CRL, or one by the same signer that is not older."""
        if not isinstance(evidence, CRL) or self._held is None:
            return False
        return any(
            each.digest == evidence.digest
            or (
                each.series == evidence.series
                and each.age >= evidence.age
                and evidence.signer is not None
                and each.is_signed_by(evidence.signer)
            )
            for lists in self._held.lists.values()
            for each in lists.store.of(evidence.normal_issuer)
        )

    def _issuers(self, are: Callable[[ParsedCertificate], bool]) -> Iterable[ParsedCertificate]:
        known = [*self._anchors.values(), *self._seen.values()]
        return [each for each in known if are(each)][:MOST_SIGNERS]

    def _is_signed_crl(self, crl: CRL, at: datetime) -> bool:
        whose = f"a CRL of {shown(crl.issuer_text)}"
        if crl.this_update - at > TOLERANCE:
            raise BadNews(f"{whose} is not valid before {crl.this_update:%Y-%m-%d %H:%M}")
        if crl.next_update is None or at - crl.next_update > TOLERANCE:
            raise BadNews(f"{whose} is out of date")
        signers = self._issuers(lambda each: each.normal_subject == crl.normal_issuer)
        if not any(crl.prepare(each) for each in signers):
            return False
        if not revokes(crl):
            raise BadNews(f"{whose} revokes nobody")
        return True

    def _is_signed_response(self, response: OCSPResponse, at: datetime) -> bool:
        if response.problem is not None:
            raise BadNews(f"an OCSP response cannot be used: {shown(response.problem)}")
        if not revokes(response):
            raise BadNews("an OCSP response revokes nobody")
        for each in response.responses:
            problem = each.untimeliness(at, TOLERANCE, MAX_AGE)
            if problem is not None:
                raise BadNews(f"an OCSP response is not current: {problem}")
        wanted = {(each.hash_name, each.name_hash, each.key_hash) for each in response.named}
        hash_names = {each.hash_name for each in response.named}

        def is_asked(issuer: ParsedCertificate) -> bool:
            key = key_bits(issuer)
            return any((h, hashed(h, issuer.subject), hashed(h, key)) in wanted for h in hash_names)

        try:
            return any(
                isinstance(response.signer(each, at), ParsedCertificate) for each in self._issuers(is_asked)
            )
        except OutOfWork:
            return False
