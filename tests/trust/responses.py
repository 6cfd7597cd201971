"""OCSP responses that no builder makes: several answers in one, signed with RSASSA-PSS, several certificates along."""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256, HashAlgorithm

from bothways.trust.der import elements, encoded, expect_element
from pki import Issued

SEQUENCE, OCTETS, BITS = 0x30, 0x04, 0x03
_BASIC = bytes.fromhex("06092b0601050507300101")
_ECDSA = bytes.fromhex("300a06082a8648ce3d040302")
_HASHES = {"sha1": "2b0e03021a", "sha256": "608648016503040201", "sha384": "608648016503040202"}


def parts_of(data: bytes) -> list[bytes]:
    """The elements of the one that `data` is, each whole."""
    start, stop = expect_element(data, 0, len(data), data[0], "element")
    return [data[begin:last] for _, begin, _, last in elements(data, start, stop)]


def basic_of(response: bytes) -> list[bytes]:
    """The parts of a basic response: what is signed, the algorithm, the signature, the certificates."""
    body = parts_of(parts_of(parts_of(response)[1])[0])[1]
    start, stop = expect_element(body, 0, len(body), OCTETS, "response")
    return parts_of(body[start:stop])


def wrapped(basic: Sequence[bytes]) -> bytes:
    body = encoded(SEQUENCE, _BASIC, encoded(OCTETS, encoded(SEQUENCE, *basic)))
    return encoded(SEQUENCE, b"\x0a\x01\x00", encoded(0xA0, body))


def together(responses: Sequence[bytes], signer: Issued, along: Sequence[Issued] = ()) -> bytes:
    """One response with the single responses of several, signed again."""
    parts = [parts_of(basic_of(each)[0]) for each in responses]
    answers = [answer for each in parts for answer in parts_of(each[2])]
    return signed([*parts[0][:2], encoded(SEQUENCE, *answers), *parts[0][3:]], signer, along)


def signed(data: Sequence[bytes], signer: Issued, along: Sequence[Issued] = ()) -> bytes:
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    what = encoded(SEQUENCE, *data)
    signature = signer.key.sign(what, ec.ECDSA(SHA256()))
    certificates = encoded(0xA0, encoded(SEQUENCE, *(each.der for each in along)))
    bits = encoded(BITS, b"\x00", signature)
    return wrapped([what, _ECDSA, bits, *([certificates] if along else [])])


def by_pss(
    response: bytes, signer: Issued, digest: HashAlgorithm, mask: HashAlgorithm, trailer: int | None = None
) -> bytes:
    """The same response signed with RSASSA-PSS (RFC 4055 3.1)."""
    assert isinstance(signer.key, rsa.RSAPrivateKey)
    what, _, _, *certificates = basic_of(response)
    signature = signer.key.sign(what, padding.PSS(padding.MGF1(mask), digest.digest_size), digest)
    parts = [
        encoded(0xA0, _hash(digest)),
        encoded(0xA1, encoded(SEQUENCE, _identifier("2a864886f70d010108"), _hash(mask))),
        encoded(0xA2, encoded(0x02, bytes([digest.digest_size]))),
        *([] if trailer is None else [encoded(0xA3, encoded(0x02, bytes([trailer])))]),
    ]
    if digest.name == "sha1":
        parts = []  # all of them are the defaults
    algorithm = encoded(SEQUENCE, _identifier("2a864886f70d01010a"), encoded(SEQUENCE, *parts))
    return wrapped([what, algorithm, encoded(BITS, b"\x00", signature), *certificates])


def _hash(digest: HashAlgorithm) -> bytes:
    return encoded(SEQUENCE, _identifier(_HASHES[digest.name]))


def _identifier(digits: str) -> bytes:
    return encoded(0x06, bytes.fromhex(digits))
