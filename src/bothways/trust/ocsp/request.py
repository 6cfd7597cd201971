"""The request to an OCSP responder: the CertID of a certificate, and the request for its status (RFC 6960 4.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.der import BIT_STRING, SEQUENCE, expect_element

NONCE_SIZE = 32
MAX_NONCE_SIZE = 128

# A CertID identifies and proves nothing; most clients and responders still use SHA-1 (RFC 5019 2.1.1).
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
    """The identifier of a certificate in OCSP: serial number, hashes of the issuer's name and key (RFC 6960 4.1.1)."""

    hash_name: str
    name_hash: bytes
    key_hash: bytes
    serial: int

    def digest(self, data: bytes) -> bytes:
        """Return the hash of data, by the algorithm of this CertID."""
        return hashed(self.hash_name, data)


def request(
    certificate: ParsedCertificate,
    issuer: ParsedCertificate,
    nonce: bytes | None = None,
    hash_name: str = "sha1",
) -> bytes:
    """Return the DER of a request for the status of a certificate (RFC 6960 4.1).

    nonce: random, of 1 to 128 bytes, preferably 32 (RFC 9654 2.1).  hash_name: one of `REQUEST_HASHES`. Raises
    ValueError for a nonce of another length.
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
    """Return the serial number of a certificate as an integer."""
    return int.from_bytes(certificate.serial, "big", signed=True)


def cert_ids_of(
    certificate: ParsedCertificate, issuer: ParsedCertificate, hash_names: Iterable[str]
) -> frozenset[CertID]:
    """Return the CertIDs of a certificate of an issuer, for each of some hash algorithms.

    The issuer's name may be encoded differently in the two certificates, so there may be two for each.
    """
    serial, key = serial_number(certificate), key_bits(issuer)
    return frozenset(
        CertID(each, hashed(each, name), hashed(each, key), serial)
        for each in hash_names
        for name in {certificate.issuer, issuer.subject}
    )


def hashed(hash_name: str, data: bytes) -> bytes:
    """Return the hash of data by one of `HASHES`."""
    return HASHES[hash_name](data).digest()


def key_bits(certificate: ParsedCertificate) -> bytes:
    """Return the part of the public key that OCSP hashes: the BIT STRING without the number of unused bits."""
    spki = certificate.spki
    at, end = expect_element(spki, 0, len(spki), SEQUENCE, "subjectPublicKeyInfo")
    _, at = expect_element(spki, at, end, SEQUENCE, "algorithm")
    start, stop = expect_element(spki, at, end, BIT_STRING, "subjectPublicKey")
    return spki[start + 1 : stop]
