"""Whether a key signed a certificate, with which algorithm, and which algorithms are accepted (RFC 5280 6.1.3 a 1).

The only module that calls the signature checks of `cryptography`; every exception of theirs means "not signed".
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import partial

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509 import Certificate, CertificateRevocationList, ObjectIdentifier
from cryptography.x509.ocsp import OCSPResponse
from cryptography.x509.oid import SignatureAlgorithmOID as Algorithm

from bothways.faults import Fault
from bothways.trust.certificate.parsed import ParsedCertificate
from bothways.trust.certificate.public_keys import (
    PSSRestriction,
    has_known_parameters,
    mask_hash,
    pss_restriction,
)
from bothways.trust.decoding.parsing import der_of, open_crl, pss_padding, readable, signature_hash
from bothways.trust.der import SEQUENCE, element, encoded, expect_element

Signed = Certificate | CertificateRevocationList | OCSPResponse

STRONG_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

_PKCS1 = {Algorithm.RSA_WITH_SHA256, Algorithm.RSA_WITH_SHA384, Algorithm.RSA_WITH_SHA512}
_ECDSA = {
    Algorithm.ECDSA_WITH_SHA256: ec.ECDSA(hashes.SHA256()),
    Algorithm.ECDSA_WITH_SHA384: ec.ECDSA(hashes.SHA384()),
    Algorithm.ECDSA_WITH_SHA512: ec.ECDSA(hashes.SHA512()),
}
_ECDSA_OF_DIGEST = {
    Algorithm.ECDSA_WITH_SHA256: ec.ECDSA(Prehashed(hashes.SHA256())),
    Algorithm.ECDSA_WITH_SHA384: ec.ECDSA(Prehashed(hashes.SHA384())),
    Algorithm.ECDSA_WITH_SHA512: ec.ECDSA(Prehashed(hashes.SHA512())),
}
_PlainKey = (
    ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | mldsa.MLDSA44PublicKey
    | mldsa.MLDSA65PublicKey
    | mldsa.MLDSA87PublicKey
)
_PLAIN: dict[ObjectIdentifier, type[_PlainKey]] = {
    Algorithm.ED25519: ed25519.Ed25519PublicKey,
    Algorithm.ED448: ed448.Ed448PublicKey,
    Algorithm.ML_DSA_44: mldsa.MLDSA44PublicKey,
    Algorithm.ML_DSA_65: mldsa.MLDSA65PublicKey,
    Algorithm.ML_DSA_87: mldsa.MLDSA87PublicKey,
}
_WEAK = {
    Algorithm.RSA_WITH_MD5: "MD5",
    Algorithm.RSA_WITH_SHA1: "SHA-1",
    Algorithm._RSA_WITH_SHA1: "SHA-1",
    Algorithm.ECDSA_WITH_SHA1: "SHA-1",
    Algorithm.DSA_WITH_SHA1: "SHA-1",
}
_EMPTY_NAME, _ANY_TIME = bytes.fromhex("3000"), bytes.fromhex("170d3236303130313030303030305a")
_ACCEPTED = _PKCS1 | _ECDSA.keys() | _PLAIN.keys()


def weakness(certificate: ParsedCertificate) -> tuple[Fault, str] | None:
    """Return the fault of the algorithm that signed a certificate, and the algorithm's name; None if it is accepted."""
    return algorithm_weakness(certificate.x509)


def algorithm_weakness(signed: Signed) -> tuple[Fault, str] | None:
    """Return the fault of a signature's algorithm, and the algorithm's name; None if it is accepted."""
    algorithm = signed.signature_algorithm_oid
    if algorithm in _ACCEPTED:
        return None
    weak = _WEAK.get(algorithm)
    if weak is not None:
        return Fault.WEAK_HASH, weak
    if algorithm == Algorithm.RSASSA_PSS:
        return _pss_weakness(signed)
    name = algorithm._name
    return Fault.UNSUPPORTED_SIGNATURE, name if name != "Unknown OID" else algorithm.dotted_string


def _pss_weakness(signed: Signed) -> tuple[Fault, str] | None:
    hash_algorithm, chosen = signature_hash(signed), pss_padding(signed)
    if isinstance(hash_algorithm, hashes.SHA1):
        return Fault.WEAK_HASH, "SHA-1"
    if (
        not isinstance(hash_algorithm, STRONG_HASHES)
        or chosen is None
        or not _has_known_pss_parameters(signed)
    ):
        return Fault.UNSUPPORTED_SIGNATURE, "RSASSA-PSS with unknown parameters"
    if not isinstance(mask_hash(chosen), STRONG_HASHES):
        return Fault.WEAK_HASH, f"RSASSA-PSS with the mask hash {mask_hash(chosen).name}"
    return None


def _has_known_pss_parameters(signed: Signed) -> bool:
    """Whether the RSASSA-PSS parameters are those of RFC 4055 3.1, whose trailer field the parser ignores."""
    return readable("signatureAlgorithm", _parameters_are_known, der_of(signed)) is True


def _parameters_are_known(der: bytes) -> bool:
    at, end = expect_element(der, 0, len(der), SEQUENCE, "what is signed")
    algorithm = element(der, at, end)[2]
    return has_known_parameters(der[algorithm : element(der, algorithm, end)[2]])


def with_signature_parameters(response: OCSPResponse, der: bytes) -> Signed:
    """Return an object with the algorithm and the signature of a response, and its RSASSA-PSS parameters.

    `cryptography` decodes the parameters of certificates and CRLs only, so that object is an empty CRL. der: the
    response.  Raises ValueError.
    """
    if response.signature_algorithm_oid != Algorithm.RSASSA_PSS:
        return response
    at, end = expect_element(der, 0, len(der), SEQUENCE, "OCSPResponse")
    at = element(der, at, end)[2]
    for tag, what in ((0xA0, "responseBytes"), (SEQUENCE, "ResponseBytes")):
        at, end = expect_element(der, at, end, tag, what)
    at, end = expect_element(der, element(der, at, end)[2], end, 0x04, "response")
    at, end = expect_element(der, at, end, SEQUENCE, "BasicOCSPResponse")
    begin = element(der, at, end)[2]
    middle = element(der, begin, end)[2]
    algorithm, signature = der[begin:middle], der[middle : element(der, middle, end)[2]]
    signed = encoded(SEQUENCE, algorithm, _EMPTY_NAME, _ANY_TIME)
    return open_crl(encoded(SEQUENCE, signed, algorithm, signature))


def is_signed_by(certificate: ParsedCertificate, signer: ParsedCertificate) -> bool:
    """Whether the signer's key signed `certificate`, with an accepted algorithm."""
    return is_signature_of(certificate.x509, certificate.signed, signer)


def digest_of(signed: Signed, pieces: Iterable[bytes | memoryview]) -> bytes | None:
    """Return what the signature in `signed` signs of long data; None for algorithms that need the data itself.

    pieces: of the data. Other threads run meanwhile.
    """
    algorithm = signature_hash(signed)
    if not isinstance(algorithm, STRONG_HASHES) or signed.signature_algorithm_oid in _PLAIN:
        return None
    made = hashlib.new(algorithm.name)
    for piece in pieces:
        made.update(piece)
    return made.digest()


def is_signature_of(
    signed: Signed, data: bytes, signer: ParsedCertificate, *, is_digest: bool = False
) -> bool:
    """Whether the signature in `signed` is one of the signer's key over `data`, with an accepted algorithm.

    is_digest: whether `data` is what `digest_of` returned.
    """
    try:
        check = _check_for(signed, data, signer, is_digest)
        if check is None:
            return False
        check()
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def _check_for(
    signed: Signed, data: bytes, signer: ParsedCertificate, is_digest: bool
) -> Callable[[], None] | None:
    """Return the function that checks the signature; None if the key is of another kind, or restricted to others."""
    algorithm = signed.signature_algorithm_oid
    signature = signed.signature
    key = signer.key
    with_hash = (_ECDSA_OF_DIGEST if is_digest else _ECDSA).get(algorithm)
    if with_hash is not None:
        if not isinstance(key, ec.EllipticCurvePublicKey):
            return None
        return partial(key.verify, signature, data, with_hash)
    if isinstance(key, _PlainKey):
        return partial(key.verify, signature, data) if isinstance(key, _PLAIN.get(algorithm, ())) else None
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    chosen = _rsa_padding(signed, pss_restriction(signer.spki))
    if chosen is None:
        return None
    chosen_padding, chosen_hash = chosen
    return partial(
        key.verify, signature, data, chosen_padding, Prehashed(chosen_hash) if is_digest else chosen_hash
    )


def _rsa_padding(
    signed: Signed, binding: PSSRestriction | None
) -> tuple[padding.PKCS1v15 | padding.PSS, hashes.HashAlgorithm] | None:
    """Return padding and hash of a signature; None where the key is restricted to others (RFC 4055 1.2)."""
    digest = signature_hash(signed)
    if digest is None:
        return None
    if signed.signature_algorithm_oid in _PKCS1:
        return (padding.PKCS1v15(), digest) if binding is None else None
    chosen = pss_padding(signed)
    if chosen is None or (binding is not None and not binding.allows(chosen, digest)):
        return None
    return chosen, digest
