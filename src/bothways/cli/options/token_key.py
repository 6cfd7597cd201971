"""Our certificate with its private key in a PKCS#11 token: `--key pkcs11:token=NAME;object=NAME`."""

from __future__ import annotations

from bothways.cli.output.terminal import passphrase
from bothways.errors import ConfigError
from bothways.signers import PinNeeded, TokenUnavailable, token_credentials
from bothways.trust import files
from bothways.trust.own_identity.credentials import Credentials


def token_identity(cert: str, uri: str, pin_file: str | None) -> Credentials:
    """Return credentials whose key is in a token. Raises ConfigError.

    pin_file: its first line is the PIN, unless the URI names a file with it; None asks at a terminal.
    """
    chain = files.content(cert)
    pin = passphrase(pin_file, uri) if pin_file is not None else None
    try:
        try:
            return token_credentials(chain, uri, pin)
        except PinNeeded as needed:
            pin = passphrase(None, "the token")
            if pin is None:
                hint = "Hint: --password-file FILE, or pin-source=FILE in the URI"
                raise ConfigError(f"{needed}\n{hint}") from None
            return token_credentials(chain, uri, pin)
    except TokenUnavailable as error:
        raise ConfigError(str(error)) from None
