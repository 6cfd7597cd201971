"""Requests to an issuer's responder, and its responses read by `cryptography`."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from bothways.ca.issuer import Issuer


def request(
    issuer: Issuer, serial: int, nonce: bytes | None = None, signer: x509.Certificate | None = None,
    algorithm: hashes.HashAlgorithm | None = None,
) -> bytes:  # fmt: skip
    signer = signer or issuer.authority.certificate
    made = issuer.register.find(serial)
    builder = ocsp.OCSPRequestBuilder()
    if made is not None:
        certificate = x509.load_der_x509_certificate(made.certificate)
        builder = builder.add_certificate(certificate, signer, algorithm or hashes.SHA256())
    else:
        builder = builder.add_certificate_by_hash(*issuer_ids(issuer), serial, hashes.SHA1())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def issuer_ids(issuer: Issuer) -> tuple[bytes, bytes]:
    signer = issuer.authority.certificate
    name = hashlib.sha1(signer.subject.public_bytes()).digest()
    return name, x509.SubjectKeyIdentifier.from_public_key(signer.public_key()).digest  # type: ignore[arg-type]


def read(data: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(data)
