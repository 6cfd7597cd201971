"""A public key without a certificate, as a peer shows it in TLS (RFC 7250): the DER of its SubjectPublicKeyInfo."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from bothways.trust.certificate.public_keys import check_key_algorithm, pss_restriction
from bothways.trust.decoding.parsing import attempt, public_key

# A raw public key has no end; this time is what a certificate without one says (RFC 5280 4.1.2.5).
NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


@dataclass(frozen=True, slots=True, repr=False)
class RawPublicKey:
    """A public key that was decoded. Two are equal if their encodings are. Made by `read_raw_key`.

    spki: the DER of the SubjectPublicKeyInfo, which an open connection keeps alone.
    """

    spki: bytes

    @property
    def key(self) -> PublicKeyTypes:
        """The key, decoded whenever this is asked for."""
        return public_key(self.spki)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the SubjectPublicKeyInfo, by which it is pinned."""
        return sha256(self.spki).digest()

    @property
    def fingerprint(self) -> str:
        """The same in hexadecimal."""
        return self.digest.hex()

    def __repr__(self) -> str:
        return f"<RawPublicKey {self.fingerprint}>"


def read_raw_key(spki: bytes) -> RawPublicKey:
    """Decode a SubjectPublicKeyInfo. Raises EncodingError for what is not one, and for an unsupported algorithm."""
    attempt("subjectPublicKeyInfo", check_key_algorithm, spki)
    attempt("subjectPublicKeyInfo", pss_restriction, spki)
    public_key(spki)
    return RawPublicKey(spki)
