"""The credentials that the file of a gateway names: PEM or PKCS#12, encrypted or not, or a key in a PKCS#11 token."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bothways.errors import ConfigError
from bothways.trust.decoding.parsing import PassphraseNeeded
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.passphrase import passphrase_in

TOKEN_URI = "pkcs11:"


class CredentialFiles(NamedTuple):
    """Our certificate and chain, its key and the file with the passphrase of the key, or the PIN of its token.

    key: a file, or the URI of a key in a token; None where it is in the file of the certificate.
    """

    certificate: str
    key: str | None = None
    password: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The files, and the URI of a key if there is one."""
        return tuple(each for each in self if each is not None)

    @property
    def is_in_token(self) -> bool:
        """Whether the key is in a token."""
        return self.key is not None and is_token_uri(self.key)

    @property
    def read_files(self) -> tuple[str, ...]:
        """The files alone."""
        return tuple(each for each in self.paths if not is_token_uri(each))

    def load(self, read: Callable[[str], bytes], before: Credentials | None) -> Credentials:
        """Return the credentials. Raises ConfigError.

        read: returns the content of a file.  before: those that were loaded earlier; a session with the same key in the
        same token is used again.
        """
        password = None if self.password is None else passphrase_in(read(self.password), self.password)
        if self.is_in_token:
            return self._in_token(read(self.certificate), password, before)
        key = None if self.key is None else read(self.key)
        try:
            return Credentials.from_contents(
                read(self.certificate), self.certificate, key, self.key or "", password
            )
        except PassphraseNeeded:
            raise ConfigError(
                f"{self.key or self.certificate}: it is encrypted, and a gateway asks nobody for a password; name a "
                "file with it in `password_file`, which only the gateway can read"
            ) from None

    def _in_token(self, chain: bytes, pin: str | None, before: Credentials | None) -> Credentials:
        # only where a key is in a token
        from bothways.signers import PinNeeded, TokenUnavailable, token_credentials

        try:
            return token_credentials(chain, self.key or "", pin, before=before)
        except PinNeeded as error:
            raise ConfigError(
                f"{error}: name a file with it in `password_file`, or by pin-source=FILE in the URI"
            ) from None
        except TokenUnavailable as error:
            raise ConfigError(str(error)) from None


def is_token_uri(key: str) -> bool:
    """Whether a key is named by the URI of one in a token."""
    return key.startswith(TOKEN_URI)
