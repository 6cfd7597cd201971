"""The interface for everything random that the engine uses.

A recorded connection is replayed by returning the recorded results: `cryptography` takes no seed for encapsulation and
signatures, so the interface has whole operations and not only random bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM1024PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bothways.iana import NamedGroup
from bothways.tls.crypto.signing import PrivateKey, sign


class Randomness(Protocol):
    """The source of everything that must be unpredictable."""

    def random(self, size: int, /) -> bytes:
        """Return `size` random bytes."""
        ...

    def private_key(self, group: int, /) -> Any:
        """Return a new private key for a group, or for one part of a hybrid."""
        ...

    def encapsulate(self, public_key: Any, /) -> tuple[bytes, bytes]:
        """Return a new shared secret and its ciphertext for the holder of the private key."""
        ...

    def encrypt(self, public_key: RSAPublicKey, secret: bytes, /) -> bytes:
        """Return `secret` encrypted with an RSA key, with the random padding of PKCS #1 v1.5."""
        ...

    def sign(self, scheme: int, private_key: PrivateKey, data: bytes, /) -> bytes:
        """Return a signature of `data`; most schemes are randomized."""
        ...


class SystemRandomness:
    """The random generator of this machine, by `random` and by `cryptography`."""

    def __init__(self, random: Callable[[int], bytes]) -> None:
        self._random = random

    def random(self, size: int, /) -> bytes:
        """Return `size` random bytes."""
        return self._random(size)

    def private_key(self, group: int, /) -> Any:
        """Return a new private key for a group, or for one part of a hybrid."""
        return _GENERATE[group]()

    def encapsulate(self, public_key: Any, /) -> tuple[bytes, bytes]:
        """Return a new shared secret and its ciphertext for the holder of the private key."""
        secret, ciphertext = public_key.encapsulate()
        return secret, ciphertext

    def encrypt(self, public_key: RSAPublicKey, secret: bytes, /) -> bytes:
        """Return `secret` encrypted with an RSA key, with the random padding of PKCS #1 v1.5."""
        return public_key.encrypt(secret, PKCS1v15())

    def sign(self, scheme: int, private_key: PrivateKey, data: bytes, /) -> bytes:
        """Return a signature of `data`; most schemes are randomized."""
        return sign(scheme, private_key, data)


_GENERATE: dict[int, Callable[[], Any]] = {
    NamedGroup.x25519: X25519PrivateKey.generate,
    NamedGroup.secp256r1: lambda: ec.generate_private_key(ec.SECP256R1()),
    NamedGroup.secp384r1: lambda: ec.generate_private_key(ec.SECP384R1()),
    NamedGroup.secp521r1: lambda: ec.generate_private_key(ec.SECP521R1()),
    NamedGroup.MLKEM768: MLKEM768PrivateKey.generate,
    NamedGroup.MLKEM1024: MLKEM1024PrivateKey.generate,
}
