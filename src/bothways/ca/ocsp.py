"""OCSP: what is asked about one certificate, and the answer that a delegate signs (RFC 6960).

The delegate's certificate lives a week and is replaced before half of it is over, so the authority's own key
signs no answers. What the register says is the caller's to know.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from bothways.ca.authority import Issued, Now
from bothways.ca.crl import REASONS
from bothways.ca.errors import AuthorityError
from bothways.ca.keys import PrivateKey, signature_hash
from bothways.ca.register.values import Entry
from bothways.trust import parsing
from bothways.trust.der import BIT_STRING, SEQUENCE, expect_element
from bothways.trust.extensions import extensions_of

REQUEST_LIMIT = 4096
NONCE_SIZES = range(1, 129)  # RFC 9654 2.1
SERIALS = range(2**160)
RESPONSE_LIFETIME = timedelta(hours=12)
HASHES = {
    "sha1": hashlib.sha1,  # a name for the issuer here, and no proof: RFC 5019 2.1.1 asks for it
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
DEFAULT_HASH = hashes.SHA1()  # noqa: S303 - as above

NewSigner = Callable[[], Issued]


@dataclass(frozen=True, slots=True)
class OCSPRequest:
    """About which certificate is asked, under which hash of its issuer's name and key, and with which nonce."""

    serial: int
    algorithm: hashes.HashAlgorithm
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """One response in DER, its status in a word, and until when others may keep it; None: not at all."""

    der: bytes
    status: str
    this_update: datetime | None = None
    next_update: datetime | None = None


class OCSPError(Exception):
    """A request that is answered without a word about any certificate (RFC 6960 2.3)."""

    def __init__(self, status: ocsp.OCSPResponseStatus) -> None:
        super().__init__(status.name)
        self.response = error_response(status)


class Responder:
    """Reads what is asked of one authority, and signs what is to be answered. Not for threads at once."""

    def __init__(self, issuer: x509.Certificate, new_signer: NewSigner, now: Now) -> None:
        self._new_signer = new_signer
        self._now = now
        self._signer: tuple[x509.Certificate, PrivateKey] | None = None
        name = issuer.subject.public_bytes()
        key = _key_bits(issuer)
        self._issuer_ids = {
            algorithm: (new(name).digest(), new(key).digest()) for algorithm, new in HASHES.items()
        }

    def read(self, data: bytes) -> OCSPRequest:
        """Read a request in DER; raise Unanswerable for whatever is wrong with it."""
        if len(data) > REQUEST_LIMIT:
            raise OCSPError(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        try:
            request = parsing.ocsp_request(data)
            algorithm = request.hash_algorithm
            asked = (request.issuer_name_hash, request.issuer_key_hash)
            question = OCSPRequest(request.serial_number, algorithm, _nonce(request))
        except ValueError:
            raise OCSPError(ocsp.OCSPResponseStatus.MALFORMED_REQUEST) from None
        if (
            question.serial not in SERIALS
        ):  # no certificate has one that a response could name (RFC 5280 4.1.2.2)
            raise OCSPError(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if self._issuer_ids.get(algorithm.name) != asked:
            raise OCSPError(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        return question

    def sign(self, question: OCSPRequest, entry: Entry | None) -> EncodedResponse:
        """Sign what the register says about the certificate; None: that it knows nothing of it."""
        now = self._now().replace(microsecond=0)
        signer, key = self._current_signer(now)
        until = min(now + RESPONSE_LIFETIME, signer.not_valid_after_utc)
        issuer = self._issuer_ids[question.algorithm.name]
        status = _status(entry)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                *issuer, question.serial, question.algorithm, status, now, until, *_revocation(entry)
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
            .certificates([signer])
        )
        if question.nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(question.nonce), critical=False)
        response = builder.sign(key, signature_hash(key)).public_bytes(Encoding.DER)
        # An answer to a nonce is for who asked; an unknown certificate may be known in a moment.
        kept = question.nonce is None and entry is not None
        return EncodedResponse(response, status.name.lower(), now if kept else None, until if kept else None)

    def rotate(self) -> None:
        """Have a delegate that will live for a while, so that no request has to wait for one."""
        self._current_signer(self._now())

    @property
    def signer_not_after(self) -> datetime | None:
        """Until when the delegate's certificate is valid; None before there is one."""
        return None if self._signer is None else self._signer[0].not_valid_after_utc

    def _current_signer(self, now: datetime) -> tuple[x509.Certificate, PrivateKey]:
        """The delegate, or a new one from the half of its life on; while none is to be had the old one goes on."""
        signer = self._signer
        if signer is not None and now <= _half_time(signer[0]):
            return signer
        try:
            issued = self._new_signer()
        except AuthorityError:
            if signer is None or now + RESPONSE_LIFETIME > signer[0].not_valid_after_utc:
                raise
            return signer
        if issued.key is None:
            raise AuthorityError("an OCSP signer was given without its key")
        self._signer = issued.certificate, issued.key
        return self._signer


def error_response(status: ocsp.OCSPResponseStatus) -> EncodedResponse:
    """A response that says no more than why there is none; it is not signed and never kept."""
    response = ocsp.OCSPResponseBuilder.build_unsuccessful(status)
    return EncodedResponse(response.public_bytes(Encoding.DER), status.name.lower())


def _status(entry: Entry | None) -> ocsp.OCSPCertStatus:
    if entry is None:
        return ocsp.OCSPCertStatus.UNKNOWN
    return ocsp.OCSPCertStatus.GOOD if entry.revoked_at is None else ocsp.OCSPCertStatus.REVOKED


def _revocation(entry: Entry | None) -> tuple[datetime | None, x509.ReasonFlags | None]:
    if entry is None or entry.revoked_at is None or entry.reason is None:
        return None, None
    reason = REASONS[entry.reason]
    return entry.revoked_at, None if reason is x509.ReasonFlags.unspecified else reason


def _nonce(request: ocsp.OCSPRequest) -> bytes | None:
    """The nonce, if there is one; a critical extension beside it must not be passed over (RFC 6960 4.1.2)."""
    nonce = None
    for extension in extensions_of(request):
        if isinstance(extension.value, x509.OCSPNonce):
            nonce = extension.value.nonce
        elif extension.critical:
            raise ValueError("a critical extension that is not known")
    if nonce is not None and len(nonce) not in NONCE_SIZES:
        raise ValueError("the nonce's size")
    return nonce


def _half_time(certificate: x509.Certificate) -> datetime:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) / 2


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The bits of the public key alone, as a CertID hashes them: what its key identifier is made of too."""
    whole = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    at, end = expect_element(whole, 0, len(whole), SEQUENCE, "SubjectPublicKeyInfo")
    _, at = expect_element(whole, at, end, SEQUENCE, "algorithm")
    first, last = expect_element(whole, at, end, BIT_STRING, "public key")
    return whole[first + 1 : last]
