"""Public keys that no library writes: bound to RSASSA-PSS, with any exponent, on curves without a name."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pki import DIGESTS, der, parts
from raw_certificates import Sign, sequence

NULL = b"\x05\x00"
RSA, PSS, MGF1 = (der(0x06, bytes.fromhex(f"2a864886f70d0101{last}")) for last in ("01", "0a", "08"))
EC = der(0x06, bytes.fromhex("2a8648ce3d0201"))
PRIME_FIELD = der(0x06, bytes.fromhex("2a8648ce3d0101"))
HASHES = {
    "SHA1": "2b0e03021a",
    "SHA256": "608648016503040201",
    "SHA384": "608648016503040202",
    "SHA512": "608648016503040203",
    "nobody's": "60864801650304027f",
}


def public_key(key: PrivateKeyTypes) -> bytes:
    """The DER of a SubjectPublicKeyInfo."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def of_algorithm(key: PrivateKeyTypes, *algorithm: bytes) -> bytes:
    """The same key with another algorithm and parameters."""
    spki = public_key(key)
    return sequence(sequence(*algorithm), spki[slice(*parts(spki)[1])])


def integer(number: int) -> bytes:
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def rsa_key(modulus: int, exponent: int) -> bytes:
    """An RSA key of any numbers."""
    return sequence(sequence(RSA, NULL), der(0x03, b"\0" + sequence(integer(modulus), integer(exponent))))


def hash_algorithm(name: str) -> bytes:
    return sequence(der(0x06, bytes.fromhex(HASHES[name])), NULL)


def pss_parameters(digest: str, salt: int, *, mask: str | None = None, trailer: int | None = None) -> bytes:
    """RSASSA-PSS-params (RFC 4055 3.1)."""
    generator = sequence(MGF1, hash_algorithm(mask or digest))
    parts = (
        b"" if digest == "SHA1" else der(0xA0, hash_algorithm(digest)),  # DER leaves defaults out
        b"" if (mask or digest) == "SHA1" else der(0xA1, generator),
        b"" if salt == 20 else der(0xA2, integer(salt)),
        b"" if trailer is None else der(0xA3, integer(trailer)),
    )
    return sequence(*parts)


def signing_by_pss(digest: str, salt: int) -> Sign:
    """How a key signs by RSASSA-PSS."""
    algorithm: hashes.HashAlgorithm = DIGESTS[digest]

    def sign(key: PrivateKeyTypes, data: bytes) -> bytes:
        return key.sign(data, padding.PSS(padding.MGF1(algorithm), salt), algorithm)

    return sign


P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"
_BASE = (
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def explicit_p256(base: bytes | None = None) -> bytes:
    """The parameters of P-256 written out (RFC 3279 2.3.5), or with another base point."""
    curve = sequence(der(0x04, (P256 - 3).to_bytes(32, "big")), der(0x04, bytes.fromhex(_B)))
    point = der(0x04, base or bytes.fromhex(_BASE))
    return sequence(
        integer(1), sequence(PRIME_FIELD, integer(P256)), curve, point, integer(_ORDER), integer(1)
    )
