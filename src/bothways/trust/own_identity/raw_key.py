"""Our own key without a certificate, for peers that know its public key (RFC 7250)."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bothways.errors import UnusableFile
from bothways.trust import files
from bothways.trust.certificate.raw_public_key import NO_END, RawPublicKey, read_raw_key
from bothways.trust.decoding import pem
from bothways.trust.own_identity.private_keys import Password, PrivateKey, read_private_key, usable_key
from bothways.trust.path.constraints import key_weakness


class RawKeyCredentials:
    """A private key whose public key is shown instead of a certificate. Immutable. Raises ConfigError.

    private_key: an object of `cryptography`.  source: its name in errors.
    Attributes: `key`, and `public`, the `RawPublicKey`, whose `fingerprint` the peer has to pin.
    """

    __slots__ = ("_verifier", "key", "public")

    def __init__(self, private_key: PrivateKey, source: str = "private_key") -> None:
        """Take a private key of `cryptography`; `source` names it in a ConfigError for one that is not usable."""
        self.key: PrivateKey = usable_key(private_key, source)
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.public: RawPublicKey = read_raw_key(der)
        self._verifier: PublicKeyTypes = self.public.key
        weak = key_weakness(self._verifier)
        if weak is not None:
            raise UnusableFile(
                f"{source}: the key is too weak ({weak}); use P-256, Ed25519 or RSA of 2048 bits"
            )

    def __repr__(self) -> str:
        return f"<RawKeyCredentials {self.public.fingerprint}>"

    @classmethod
    def from_file(cls, path: files.FilePath, password: Password = None) -> RawKeyCredentials:
        """Read a private key from a file. Raises ConfigError. path: of PEM or DER.  password: of an encrypted key."""
        return cls(read_private_key(files.content(path), str(path), password), str(path))

    @classmethod
    def from_pem(cls, data: bytes, password: Password = None) -> RawKeyCredentials:
        """Take a private key from bytes. Raises ConfigError. data: PEM or DER.  password: of an encrypted key."""
        return cls(read_private_key(pem.require_bytes(data, "raw key"), "raw key", password), "raw key")

    @property
    def entries(self) -> tuple[bytes, ...]:
        """What a Certificate message contains: the public key (RFC 9846 4.5.1)."""
        return (self.public.spki,)

    @property
    def verifier(self) -> PublicKeyTypes:
        """What our signatures verify with, which determines the signature schemes."""
        return self._verifier

    not_after = NO_END
