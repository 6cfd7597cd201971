"""Key exchange: create a share, answer one, compute the secret (RFC 9846 4.3.8, 7.4; hybrids: RFC 10024).

A hybrid group consists of two key exchanges: shares and secrets are concatenated, in the order of the group's row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PublicKey, MLKEM1024PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.faults import Fault, blame
from bothways.iana import NamedGroup, name
from bothways.tls.crypto.randomness import Randomness


@dataclass(frozen=True, slots=True)
class Part:
    """One key exchange: the size of each side's share, and functions for shares and secrets.

    `read` raises ValueError for an invalid public key; `finish` for an answer that gives no secret. In a KEM the answer
    is a ciphertext.
    """

    code: int
    share_size: int
    answer_size: int
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    finish: Callable[[Any, bytes], bytes]
    is_kem: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A named group: one part, or two for a hybrid, in the order of their shares."""

    code: int
    name: str
    parts: tuple[Part, ...]

    @property
    def share_size(self) -> int:
        """The size of a client's share in bytes."""
        return sum(part.share_size for part in self.parts)

    @property
    def answer_size(self) -> int:
        """The size of a server's share in bytes."""
        return sum(part.answer_size for part in self.parts)


@dataclass(frozen=True, slots=True)
class KeyOffer:
    """A key share that we send, and its private keys."""

    group: int
    public: bytes
    keys: tuple[Any, ...] = field(repr=False)


def offer(group: int, randomness: Randomness) -> KeyOffer:
    """Create private keys and a key share for `group` (RFC 9846 4.3.8)."""
    parts = GROUPS[group].parts
    keys = tuple([randomness.private_key(part.code) for part in parts])
    public = b"".join([part.write(key.public_key()) for part, key in zip(parts, keys, strict=True)])
    return KeyOffer(group, public, keys)


def answer(group: int, peer_share: bytes, randomness: Randomness) -> tuple[bytes, bytes]:
    """Return our share and the shared secret, for a client's share. Blames the client for an invalid one."""
    row = GROUPS[group]
    shares = bytearray()
    secrets = bytearray()
    for part, public in _split(row, peer_share, [part.share_size for part in row.parts]):
        share, secret = _answer_part(row, part, public, randomness)
        shares += share
        secrets += secret
    return bytes(shares), bytes(secrets)


def finish(offer: KeyOffer, peer_share: bytes) -> bytes:
    """Return the shared secret, for the peer's share. Blames the peer for an invalid one."""
    row = GROUPS[offer.group]
    secret = bytearray()
    halves = _split(row, peer_share, [part.answer_size for part in row.parts])
    for key, (part, public) in zip(offer.keys, halves, strict=True):
        secret += _finish_part(row, part, key, public)
    return bytes(secret)


def _split(group: Group, share: bytes, sizes: Iterable[int]) -> list[tuple[Part, bytes]]:
    halves = []
    at = 0
    for part, size in zip(group.parts, sizes, strict=True):
        halves.append((part, share[at : at + size]))
        at += size
    if at != len(share):
        blame(Fault.BAD_SHARE, group=group.name)
    return halves


def _answer_part(group: Group, part: Part, public: bytes, randomness: Randomness) -> tuple[bytes, bytes]:
    if part.is_kem:
        secret, ciphertext = randomness.encapsulate(_read(group, part, public))
        return ciphertext, secret
    key = randomness.private_key(part.code)
    return part.write(key.public_key()), _finish_part(group, part, key, public)


def _finish_part(group: Group, part: Part, key: Any, public: bytes) -> bytes:
    try:
        return part.finish(key, public)
    except ValueError:
        blame(Fault.BAD_SHARE, group=group.name)


def _read(group: Group, part: Part, public: bytes) -> Any:
    try:
        return part.read(public)
    except ValueError:
        blame(Fault.BAD_SHARE, group=group.name)


def _curve(code: NamedGroup, curve: ec.EllipticCurve) -> Part:
    size = 1 + 2 * ((curve.key_size + 7) // 8)

    def read(data: bytes) -> ec.EllipticCurvePublicKey:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, data)

    def write(key: ec.EllipticCurvePublicKey) -> bytes:
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def finish(key: ec.EllipticCurvePrivateKey, public: bytes) -> bytes:
        return key.exchange(ec.ECDH(), read(public))

    return Part(code, size, size, read, write, finish)


def _kem(code: NamedGroup, public_key: type[Any], share_size: int, answer_size: int) -> Part:
    def finish(key: Any, ciphertext: bytes) -> bytes:
        secret: bytes = key.decapsulate(ciphertext)
        return secret

    return Part(code, share_size, answer_size, public_key.from_public_bytes, _raw, finish, is_kem=True)


def _finish_x25519(key: X25519PrivateKey, public: bytes) -> bytes:
    return key.exchange(X25519PublicKey.from_public_bytes(public))


def _raw(key: Any) -> bytes:
    data: bytes = key.public_bytes_raw()
    return data


X25519 = Part(NamedGroup.x25519, 32, 32, X25519PublicKey.from_public_bytes, _raw, _finish_x25519)
SECP256R1 = _curve(NamedGroup.secp256r1, ec.SECP256R1())
SECP384R1 = _curve(NamedGroup.secp384r1, ec.SECP384R1())
SECP521R1 = _curve(NamedGroup.secp521r1, ec.SECP521R1())
MLKEM768 = _kem(NamedGroup.MLKEM768, MLKEM768PublicKey, 1184, 1088)
MLKEM1024 = _kem(NamedGroup.MLKEM1024, MLKEM1024PublicKey, 1568, 1568)

GROUPS: dict[int, Group] = {
    int(code): Group(int(code), name(NamedGroup, code), parts)
    for code, parts in {
        NamedGroup.X25519MLKEM768: (MLKEM768, X25519),
        NamedGroup.SecP256r1MLKEM768: (SECP256R1, MLKEM768),
        NamedGroup.SecP384r1MLKEM1024: (SECP384R1, MLKEM1024),
        NamedGroup.x25519: (X25519,),
        NamedGroup.secp256r1: (SECP256R1,),
        NamedGroup.secp384r1: (SECP384R1,),
        NamedGroup.secp521r1: (SECP521R1,),
    }.items()
}

# The groups of TLS 1.2, where the server sends its share first (RFC 8422 5.1.1).
CLASSIC_GROUPS: tuple[int, ...] = tuple(
    code for code, group in GROUPS.items() if not any(part.is_kem for part in group.parts)
)
