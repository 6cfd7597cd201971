"""The algorithm of a public key and its parameters, in the DER of a certificate.

`cryptography` does not tell explicit curves from named ones (RFC 5480 2.1.1), nor a key that is restricted to
RSASSA-PSS from another RSA key (RFC 4055 1.2).
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from bothways.trust.der import BIT_STRING, OBJECT_IDENTIFIER, SEQUENCE, element, elements, expect_element

_INTEGER = 0x02
_RSA = bytes.fromhex("2a864886f70d010101")
_PSS = bytes.fromhex("2a864886f70d01010a")
_MGF1 = bytes.fromhex("2a864886f70d010108")
_EC = bytes.fromhex("2a8648ce3d0201")
# Algorithms whose keys are decoded; DSA is then refused as weak. A Diffie-Hellman key takes milliseconds to decode.
_ALGORITHMS = frozenset(
    {
        _RSA,
        _PSS,
        _EC,
        bytes.fromhex("2a8648ce380401"),  # id-dsa
        bytes.fromhex("2b6570"),  # id-Ed25519
        bytes.fromhex("2b6571"),  # id-Ed448
        bytes.fromhex("608648016503040311"),  # id-ml-dsa-44
        bytes.fromhex("608648016503040312"),  # id-ml-dsa-65
        bytes.fromhex("608648016503040313"),  # id-ml-dsa-87
    }
)
_SHA1 = bytes.fromhex("2b0e03021a")
_HASHES = {
    "sha1": _SHA1,
    "sha256": bytes.fromhex("608648016503040201"),
    "sha384": bytes.fromhex("608648016503040202"),
    "sha512": bytes.fromhex("608648016503040203"),
    "sha224": bytes.fromhex("608648016503040204"),
}
_POINT_FORMS = (b"\x04", b"\x02", b"\x03")
_SALT, _TRAILER = 20, 1


class PSSRestriction(NamedTuple):
    """The signatures that a key restricted to RSASSA-PSS may make: hash and mask as the content of their identifiers.

    All fields are None for a key that is restricted to the padding only.
    """

    digest: bytes | None = None
    mask: bytes | None = None
    least_salt: int | None = None

    def allows(self, chosen: padding.PSS, digest: hashes.HashAlgorithm) -> bool:
        """Whether the key may sign with these parameters; the salt may be longer than that of the restriction."""
        if self.least_salt is None:
            return True
        mask, salt = mask_hash(chosen), chosen._salt_length
        return (
            _HASHES.get(digest.name) == self.digest
            and _HASHES.get(mask.name) == self.mask
            and isinstance(salt, int)
            and salt >= self.least_salt
        )

    def is_for(self, digest: hashes.HashAlgorithm) -> bool:
        """Whether a TLS signature scheme with this hash has these parameters (RFC 9846 4.3.3)."""
        wanted = _HASHES.get(digest.name)
        return self.least_salt is None or self == PSSRestriction(wanted, wanted, digest.digest_size)


def check_key_algorithm(spki: bytes) -> None:
    """Check that a key has a supported algorithm, and that its curve is a named one. Raises ValueError.

    spki: the DER of a SubjectPublicKeyInfo.
    """
    start, end = expect_element(spki, 0, len(spki), SEQUENCE, "subjectPublicKeyInfo")
    at, stop = expect_element(spki, start, end, SEQUENCE, "algorithm")
    first, last = expect_element(spki, at, stop, OBJECT_IDENTIFIER, "algorithm")
    algorithm = spki[first:last]
    if algorithm not in _ALGORITHMS:
        raise ValueError("a type of key that we do not support")
    if algorithm == _EC:
        if last == stop or spki[last] != OBJECT_IDENTIFIER:
            raise ValueError("an elliptic curve that is not given by its name")
        _check_point(spki, stop, end)


def _check_point(spki: bytes, at: int, end: int) -> None:
    """Raise ValueError for a point that is neither uncompressed nor compressed; RFC 5480 2.2 has no hybrid form."""
    first, last = expect_element(spki, at, end, BIT_STRING, "subjectPublicKey")
    if spki[first : first + 1] != b"\0" or spki[first + 1 : min(first + 2, last)] not in _POINT_FORMS:
        raise ValueError("an elliptic curve point in a form that is not allowed for keys")


def pss_restriction(spki: bytes) -> PSSRestriction | None:
    """Return the restriction of a key to RSASSA-PSS, or None. Raises ValueError.

    spki: the DER of a SubjectPublicKeyInfo.
    """
    algorithm, parameters = _algorithm(spki)
    if algorithm != _PSS:
        return None
    return _pss_parameters(parameters) if parameters else PSSRestriction()


def mask_hash(chosen: padding.PSS) -> hashes.HashAlgorithm:
    """Return the hash of the mask generation function of an RSASSA-PSS signature."""
    return chosen.mgf._algorithm


def has_known_parameters(algorithm: bytes) -> bool:
    """Whether an algorithm is RSASSA-PSS with MGF1 and the only defined trailer (RFC 4055 3.1).

    algorithm: the DER of an AlgorithmIdentifier.  Raises ValueError for other data.
    """
    kind, parameters = _identifier(algorithm, 0, len(algorithm))
    _pss_parameters(parameters)
    return kind == _PSS


def _algorithm(spki: bytes) -> tuple[bytes, bytes]:
    """Return the object identifier of a key's algorithm, and the DER of its parameters (RFC 5280 4.1.2.7)."""
    start, end = expect_element(spki, 0, len(spki), SEQUENCE, "subjectPublicKeyInfo")
    return _identifier(spki, start, end)


def _identifier(data: bytes, at: int, end: int) -> tuple[bytes, bytes]:
    start, stop = expect_element(data, at, end, SEQUENCE, "algorithm")
    first, last = expect_element(data, start, stop, OBJECT_IDENTIFIER, "algorithm")
    return data[first:last], data[last:stop]


def _pss_parameters(der: bytes) -> PSSRestriction:
    """Decode RSASSA-PSS-params (RFC 4055 3.1)."""
    at, end = expect_element(der, 0, len(der), SEQUENCE, "parameters of RSASSA-PSS")
    parts = {tag: der[start:stop] for tag, _, start, stop in elements(der, at, end)}
    digest, mask = parts.get(0xA0), parts.get(0xA1)
    if _number(parts.get(0xA3), _TRAILER) != _TRAILER:
        raise ValueError("an RSASSA-PSS trailerField that is not 1")
    return PSSRestriction(
        _SHA1 if digest is None else _identifier(digest, 0, len(digest))[0],
        _SHA1 if mask is None else _mask_hash(mask),
        _number(parts.get(0xA2), _SALT),
    )


def _mask_hash(mask: bytes) -> bytes:
    kind, digest = _identifier(mask, 0, len(mask))
    if kind != _MGF1:
        raise ValueError("an RSASSA-PSS mask generation function that is not MGF1")
    return _identifier(digest, 0, len(digest))[0]


def _number(value: bytes | None, default: int) -> int:
    if value is None:
        return default
    tag, start, stop = element(value, 0, len(value))
    if tag != _INTEGER or stop != len(value) or not 1 <= stop - start <= 4:
        raise ValueError("an RSASSA-PSS parameter that is not a number")
    return int.from_bytes(value[start:stop], "big", signed=True)
