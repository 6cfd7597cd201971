"""OCSP: reads requests about one certificate, and signs responses as a delegated responder (RFC 6960).

The responder's certificate is valid for a week and replaced after half of it, so that the key of the CA signs no
responses. The caller looks up the status in the register.
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
from bothways.ca.register.values import RegisterEntry
from bothways.trust.decoding import parsing
from bothways.trust.decoding.extensions import extensions_of
from bothways.trust.der import BIT_STRING, SEQUENCE, expect_element

REQUEST_LIMIT = 4096
NONCE_SIZES = range(1, 129)  # RFC 9654 2.1
SERIALS = range(2**160)
RESPONSE_LIFETIME = timedelta(hours=12)
HASHES = {
    "sha1": hashlib.sha1,  # only identifies the issuer: required by RFC 5019 2.1.1
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
DEFAULT_HASH = hashes.SHA1()  # noqa: S303 - as above

NewSigner = Callable[[], Issued]


@dataclass(frozen=True, slots=True)
class OCSPRequest:
    """The CertID of a request: serial number and hash algorithm; and its nonce, if any."""

    serial: int
    algorithm: hashes.HashAlgorithm
    nonce: bytes | None = None


@dataclass(frozen=True, slots=True)
class EncodedResponse:
    """A response in DER, its status, and its thisUpdate and nextUpdate; None if caches must not store it."""

    der: bytes
    status: str
    this_update: datetime | None = None
    next_update: datetime | None = None


class OCSPError(Exception):
    """A request that gets an unsigned error response (RFC 6960 2.3)."""

    def __init__(self, status: ocsp.OCSPResponseStatus) -> None:
        super().__init__(status.name)
        self.response = error_response(status)


class Responder:
    """The OCSP responder of one CA. Not safe for several threads at once."""

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
        """Read a request in DER; raises OCSPError for one that is malformed or about another CA."""
        if len(data) > REQUEST_LIMIT:
            raise OCSPError(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        try:
            parsed = parsing.ocsp_request(data)
            algorithm = parsed.hash_algorithm
            issuer = (parsed.issuer_name_hash, parsed.issuer_key_hash)
            request = OCSPRequest(parsed.serial_number, algorithm, _nonce(parsed))
        except ValueError:
            raise OCSPError(ocsp.OCSPResponseStatus.MALFORMED_REQUEST) from None
        if request.serial not in SERIALS:  # no certificate has such a number (RFC 5280 4.1.2.2)
            raise OCSPError(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if self._issuer_ids.get(algorithm.name) != issuer:
            raise OCSPError(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        return request

    def sign(self, request: OCSPRequest, entry: RegisterEntry | None) -> EncodedResponse:
        """Sign a response with the status of a register's entry; None: the certificate is unknown."""
        now = self._now().replace(microsecond=0)
        signer, key = self._current_signer(now)
        until = min(now + RESPONSE_LIFETIME, signer.not_valid_after_utc)
        issuer = self._issuer_ids[request.algorithm.name]
        status = _status(entry)
        builder = (
            ocsp.OCSPResponseBuilder()
            .add_response_by_hash(
                *issuer, request.serial, request.algorithm, status, now, until, *_revocation(entry)
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, signer)
            .certificates([signer])
        )
        if request.nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(request.nonce), critical=False)
        response = builder.sign(key, signature_hash(key)).public_bytes(Encoding.DER)
        # A response with a nonce is for one client; an unknown certificate may be issued in a moment.
        cacheable = request.nonce is None and entry is not None
        times = (now, until) if cacheable else (None, None)
        return EncodedResponse(response, status.name.lower(), *times)

    def rotate(self) -> None:
        """Replace the responder's certificate if it is due, so that no request waits for it."""
        self._current_signer(self._now())

    @property
    def signer_not_after(self) -> datetime | None:
        """The notAfter of the responder's certificate; None before there is one."""
        return None if self._signer is None else self._signer[0].not_valid_after_utc

    def _current_signer(self, now: datetime) -> tuple[x509.Certificate, PrivateKey]:
        """The responder's certificate and key, replaced after half of its validity if one can be issued."""
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
            raise AuthorityError("the OCSP responder's certificate came without its key")
        self._signer = issued.certificate, issued.key
        return self._signer


def error_response(status: ocsp.OCSPResponseStatus) -> EncodedResponse:
    """An unsigned error response, which caches must not store."""
    response = ocsp.OCSPResponseBuilder.build_unsuccessful(status)
    return EncodedResponse(response.public_bytes(Encoding.DER), status.name.lower())


def _status(entry: RegisterEntry | None) -> ocsp.OCSPCertStatus:
    if entry is None:
        return ocsp.OCSPCertStatus.UNKNOWN
    return ocsp.OCSPCertStatus.GOOD if entry.revoked_at is None else ocsp.OCSPCertStatus.REVOKED


def _revocation(entry: RegisterEntry | None) -> tuple[datetime | None, x509.ReasonFlags | None]:
    if entry is None or entry.revoked_at is None or entry.reason is None:
        return None, None
    reason = REASONS[entry.reason]
    return entry.revoked_at, None if reason is x509.ReasonFlags.unspecified else reason


def _nonce(request: ocsp.OCSPRequest) -> bytes | None:
    """The nonce, if there is one; an unknown critical extension is refused (RFC 6960 4.1.2)."""
    nonce = None
    for extension in extensions_of(request):
        if isinstance(extension.value, x509.OCSPNonce):
            nonce = extension.value.nonce
        elif extension.critical:
            raise ValueError("an unknown critical extension")
    if nonce is not None and len(nonce) not in NONCE_SIZES:
        raise ValueError("the nonce's size")
    return nonce


def _half_time(certificate: x509.Certificate) -> datetime:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) / 2


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The value of the subjectPublicKey BIT STRING, which a CertID hashes (RFC 6960 4.1.1)."""
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    at, end = expect_element(spki, 0, len(spki), SEQUENCE, "SubjectPublicKeyInfo")
    _, at = expect_element(spki, at, end, SEQUENCE, "algorithm")
    first, last = expect_element(spki, at, end, BIT_STRING, "public key")
    return spki[first + 1 : last]
