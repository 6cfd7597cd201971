"""What an OCSP responder is asked: how a certificate is named there, and the request for its status (RFC 6960 4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.trust.certificate import ParsedCertificate
from bothways.trust.der import BIT_STRING, SEQUENCE, expect_element

NONCE_SIZE = 32
MAX_NONCE_SIZE = 128

# A CertID is a name, not a proof: SHA-1 is still what most responders are asked by (RFC 5019 2.1.1).
HASHES = {
    "sha1": hashlib.sha1,
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
REQUEST_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class CertID:
    """How OCSP names a certificate: its serial, and hashes of its issuer's name and key (RFC 6960 4.1.1)."""

    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int

    def digest(self, data: bytes) -> bytes:
        """Return the hash of something, as this names it."""
        return hashed(self.hash_name, data)


def request(
    certificate: ParsedCertificate,
    issuer: ParsedCertificate,
    nonce: bytes | None = None,
    hash_name: str = "sha1",
) -> bytes:
    """Ask for the status of a certificate (RFC 6960 4.1).

    nonce: drawn by the caller, 1 to 128 bytes and best 32 (RFC 9654 2.1).  hash_name: of `REQUEST_HASHES`.
    Raises ValueError for a nonce of another length.
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        hashed(hash_name, certificate.issuer),
        hashed(hash_name, key_bits(issuer)),
        serial_number(certificate),
        REQUEST_HASHES[hash_name],
    )
    if nonce is not None:
        if not 1 <= len(nonce) <= MAX_NONCE_SIZE:
            raise ValueError(f"a nonce of {len(nonce)} bytes; 1 to {MAX_NONCE_SIZE} are allowed")
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def serial_number(certificate: ParsedCertificate) -> int:
    """Return the serial number of a certificate as the number that it is."""
    return int.from_bytes(certificate.serial, "big", signed=True)


def names_of_certificate(
    certificate: ParsedCertificate, issuer: ParsedCertificate, hash_names: Iterable[str]
) -> frozenset[CertID]:
    """Return how OCSP names a certificate as that issuer issued it, by each of some hashes.

    Its issuer's name may be written otherwise in the certificate than in the issuer's own.
    """
    serial, key = serial_number(certificate), key_bits(issuer)
    return frozenset(
        CertID(each, hashed(each, name), hashed(each, key), serial)
        for each in hash_names
        for name in {certificate.issuer, issuer.subject}
    )


def hashed(hash_name: str, data: bytes) -> bytes:
    """Return the hash of something by one of `HASHES`."""
    return HASHES[hash_name](data).digest()


def key_bits(certificate: ParsedCertificate) -> bytes:
    """Return the public key as OCSP hashes it: the bit string alone, without its count of unused bits."""
    spki = certificate.spki
    at, end = expect_element(spki, 0, len(spki), SEQUENCE, "subjectPublicKeyInfo")
    _, at = expect_element(spki, at, end, SEQUENCE, "algorithm")
    start, stop = expect_element(spki, at, end, BIT_STRING, "subjectPublicKey")
    return spki[start + 1 : stop]
