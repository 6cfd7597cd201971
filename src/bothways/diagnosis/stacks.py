"""Which TLS implementation a peer probably is, by the order in which it lists signature schemes.

A client lists them in its hello, a server in its CertificateRequest. It is no proof, since a configuration may change
the list; but implementations send different alerts for the same fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum


class Stack(Enum):
    """An implementation of TLS, by its name."""

    OPENSSL = "OpenSSL"
    GNUTLS = "GnuTLS"
    BORINGSSL = "BoringSSL"
    GO = "Go"
    JAVA = "Java"


# The first schemes of each by default, without those of ML-DSA and Brainpool, which newer versions add.
BEGINNINGS: Mapping[Stack, tuple[int, ...]] = {
    Stack.OPENSSL: (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0809, 0x080A, 0x080B, 0x0804),
    Stack.JAVA: (0x0403, 0x0503, 0x0603, 0x0807, 0x0808, 0x0804, 0x0805, 0x0806, 0x0809),
    Stack.GNUTLS: (0x0401, 0x0809, 0x0804, 0x0403, 0x0807, 0x0501),
    Stack.BORINGSSL: (0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501),
    Stack.GO: (0x0804, 0x0403, 0x0807, 0x0805, 0x0806),
}
NEWER = frozenset(range(0x0900, 0x0A00)) | frozenset(range(0x081A, 0x081D))
# With RSA and ECDSA; 112 bits: OpenSSL leaves them out from security level 3 on, which requires 128.
SHA_224 = frozenset((0x0301, 0x0303))


def stack_of(schemes: Sequence[int]) -> Stack | None:
    """Return the implementation that lists signature schemes in this order by default, or None."""
    listed = tuple(each for each in schemes if each not in NEWER)
    return next((stack for stack, start in BEGINNINGS.items() if listed[: len(start)] == start), None)


def has_strict_level(schemes: Sequence[int]) -> bool:
    """Whether it seems to be OpenSSL at security level 3 or above, which accepts no RSA key of 2048 bits."""
    return stack_of(schemes) is Stack.OPENSSL and not SHA_224 & set(schemes)
