"""OCSP answers: what the register says about one certificate, signed by a delegate (RFC 6960).

The delegate's certificate lives a week and is replaced before half of it is over, so the authority's own key
signs no answers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from bothways.ca.authority import Issued, Now
from bothways.ca.crl import REASONS
from bothways.ca.keys import PrivateKey, signature_hash
from bothways.ca.register import Entry
from bothways.errors import ConfigError

REQUEST_LIMIT = 4096
NONCE_SIZES = range(1, 129)  # RFC 9654 2.1
ANSWER_LIFETIME = timedelta(hours=12)
HASHES = {
    "sha1": hashlib.sha1,  # a name for the issuer here, and no proof: RFC 5019 2.1.1 asks for it
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}

Find = Callable[[int], Entry | None]
NewSigner = Callable[[], Issued]


@dataclass(frozen=True, slots=True)
class Answer:
    """One response in DER, and until when others may keep it; None for what must not be kept."""

    response: bytes
    this_update: datetime | None = None
    next_update: datetime | None = None


class Responder:
    """Answers for the certificates of one authority."""

    def __init__(self, issuer: x509.Certificate, find: Find, new_signer: NewSigner, now: Now) -> None:
        self._issuer = issuer
        self._find = find
        self._new_signer = new_signer
        self._now = now
        self._signer: Issued | None = None
        name = issuer.subject.public_bytes()
        key = _key_bits(issuer)
        self._issuer_ids = {
            algorithm: (new(name).digest(), new(key).digest()) for algorithm, new in HASHES.items()
        }

    def answer(self, data: bytes) -> Answer:
        """Answer a request in DER; whatever is wrong with it has a response of its own (RFC 6960 2.3)."""
        if len(data) > REQUEST_LIMIT:
            return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        try:
            request = ocsp.load_der_ocsp_request(data)
            algorithm = request.hash_algorithm
            asked = (request.issuer_name_hash, request.issuer_key_hash)
            serial = request.serial_number
            nonce = _nonce(request)
        except (ValueError, UnsupportedAlgorithm, NotImplementedError, x509.DuplicateExtension):
            return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if serial < 0:  # no certificate has one that a response could name (RFC 5280 4.1.2.2)
            return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
        if self._issuer_ids.get(algorithm.name) != asked:
            return _refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED)
        return self._signed(serial, asked, algorithm, nonce)

    def _signed(
        self,
        serial: int,
        issuer: tuple[bytes, bytes],
        algorithm: hashes.HashAlgorithm,
        nonce: bytes | None,
    ) -> Answer:
        now = self._now().replace(microsecond=0)
        until = now + ANSWER_LIFETIME
        entry = self._find(serial)
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            *issuer, serial, algorithm, _status(entry), now, until, *_revocation(entry)
        )
        signer, key = self._current_signer(now)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer).certificates([signer])
        if nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
        response = builder.sign(key, signature_hash(key)).public_bytes(Encoding.DER)
        # An answer to a nonce is for who asked; an unknown certificate may be known in a moment.
        kept = nonce is None and entry is not None
        return Answer(response, now if kept else None, until if kept else None)

    def _current_signer(self, now: datetime) -> tuple[x509.Certificate, PrivateKey]:
        signer = self._signer
        if signer is None or now > _half_time(signer.certificate):
            signer = self._signer = self._new_signer()
        if signer.key is None:
            raise ConfigError("an OCSP signer was given without its key")
        return signer.certificate, signer.key


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
    try:
        nonce = request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
    except x509.ExtensionNotFound:
        return None
    if len(nonce) not in NONCE_SIZES:
        raise ValueError("the nonce's size")
    return nonce


def _refusal(status: ocsp.OCSPResponseStatus) -> Answer:
    return Answer(ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER))


def _half_time(certificate: x509.Certificate) -> datetime:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) / 2


def _key_bits(certificate: x509.Certificate) -> bytes:
    """The bits of the public key alone, as a CertID hashes them: what its key identifier is made of too."""
    whole = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    _, inner, _ = _element(whole, 0)
    _, _, after = _element(whole, inner)
    tag, content, end = _element(whole, after)
    if tag != 0x03:
        raise ConfigError("the authority's public key is of a form that is not known")
    return whole[content + 1 : end]


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, begin of the content and end of one DER element."""
    size, begin = data[at + 1], at + 2
    if size & 0x80:
        octets = size & 0x7F
        size, begin = int.from_bytes(data[begin : begin + octets]), begin + octets
    return data[at], begin, begin + size
