"""The pseudorandom function of TLS 1.2 (RFC 5246 5)."""

from __future__ import annotations

from cryptography.hazmat.primitives.hashes import HashAlgorithm
from cryptography.hazmat.primitives.hmac import HMAC


def prf(algorithm: HashAlgorithm, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """Return `length` bytes of PRF(secret, label, seed), with P_hash over `algorithm`."""
    return Prf(algorithm, secret).expand(label, seed, length)


class Prf:
    """The PRF with one secret, for several labels: the HMAC key is set only once."""

    __slots__ = ("_keyed",)

    def __init__(self, algorithm: HashAlgorithm, secret: bytes) -> None:
        self._keyed = HMAC(secret, algorithm)

    def expand(self, label: bytes, seed: bytes, length: int) -> bytes:
        """Return `length` bytes for a label and a seed."""
        keyed = self._keyed
        seed = label + seed
        chained = _mac(keyed, seed)
        out = _mac(keyed, chained + seed)
        while len(out) < length:
            chained = _mac(keyed, chained)
            out += _mac(keyed, chained + seed)
        return out[:length]


def _mac(keyed: HMAC, data: bytes) -> bytes:
    mac = keyed.copy()
    mac.update(data)
    return mac.finalize()
