"""Our identity: the certificate and the key that options name."""

from __future__ import annotations

from pathlib import Path

from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds
from bothways.cli.output.terminal import passphrase, refuse
from bothways.errors import UnusableFile
from bothways.trust.decoding.parsing import PassphraseNeeded
from bothways.trust.own_identity.credentials import Credentials


def load_identity(
    cert: str | None, key: str | None, password_file: str | None, *, watched: bool = False
) -> Credentials | None:
    """Read our certificate and key; exit with status 2 if they cannot be used."""
    if cert is None:
        if key is not None:
            refuse("--key requires --cert: a key cannot be used without its certificate")
        return None
    if key is not None and key.startswith("pkcs11:"):
        from bothways.cli.options.token_key import token_identity  # only where a key is in a token

        with explaining_file_kinds((cert, Wanted.IDENTITY)):
            return token_identity(cert, key, password_file)
    with explaining_file_kinds((cert, Wanted.IDENTITY), (key, Wanted.PRIVATE_KEY)):
        return _identity(cert, key, password_file, watched=watched)


def _identity(cert: str, key: str | None, password_file: str | None, *, watched: bool) -> Credentials:
    password = passphrase(password_file, cert) if password_file is not None else None
    follow = watched and are_files(cert, key)
    read = Credentials.watched if follow else Credentials.from_files
    try:
        return read(cert, key, password)
    except PassphraseNeeded as needed:
        password = passphrase(None, needed.place)
        if password is None:
            raise UnusableFile(f"{needed.place}: {LOCKED}") from None
        return read(cert, key, password)


LOCKED = (
    "it is encrypted, and no password was given\nHint: --password-file FILE, whose first line is the password"
)


def are_files(*paths: str | None) -> bool:
    """Whether all of them are files that can be read again, which pipes cannot."""
    return all(Path(path).is_file() for path in paths if path is not None)
