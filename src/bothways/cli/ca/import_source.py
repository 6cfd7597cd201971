"""The options of `ca init` that import an existing CA."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from bothways.ca.authority import Authority, utc_now
from bothways.ca.home.init import InitOptions
from bothways.ca.import_existing import (
    ExistingAuthority,
    import_authority,
    import_crl,
    read_earlier_crl,
    read_existing,
)
from bothways.ca.issuer import Issuer, local_actor
from bothways.ca.keys import SigningKey
from bothways.ca.token_key import TokenKey, find_key
from bothways.cli.ca.key_access import KeyAccess
from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import FILE
from bothways.cli.output.terminal import passphrase, refuse, say
from bothways.counts import counted
from bothways.tokens.key_uri import KeyURI
from bothways.trust.decoding.parsing import PassphraseNeeded
from bothways.trust.files import content


@dataclass(frozen=True, slots=True)
class ImportSource:
    """The files of the CA, and its last CRL or CRL number."""

    cert: str | None
    from_key: str | None
    from_password_file: str | None
    crl: str | None
    crl_number: int

    def import_ca(self, path: Path, options: InitOptions, key_access: KeyAccess) -> Issuer:
        """Import the CA into a directory, and open it."""
        key = find_key(KeyURI.parse(options.key_uri), key_access.pin()) if options.key_uri else None
        existing = self._read(key)
        authority = Authority(existing.certificate, existing.key, existing.parents)
        earlier = self.crl and read_earlier_crl(content(self.crl), self.crl, authority)
        secret = key_access.new_passphrase() if key is None else None
        import_authority(path, existing, options, secret, crl_number=self.crl_number, actor=local_actor())
        if isinstance(key, TokenKey):
            key.close()
        issuer = Issuer.open(path, secret, pin=key_access.pin(), actor=local_actor())
        if earlier:
            new = import_crl(issuer, earlier)
            say(
                f"{self.crl}: imported {counted(new, 'revocation')}; CRL numbers continue after {earlier.number}"
            )
        elif not self.crl_number:
            say("no earlier CRL was given, so CRL numbers start at 1; --crl or --crl-number continues them")
        return issuer

    def _read(self, key: SigningKey | None) -> ExistingAuthority:
        """Read the CA; prompt for a password only if one is needed and there is a terminal."""
        file = self.from_password_file
        password = passphrase(file, "") if file is not None else None
        cert = self.cert or ""
        try:
            return self._with(cert, password, key)
        except PassphraseNeeded as error:
            asked = passphrase(None, self.from_key or cert)
            if asked is None:
                refuse(str(error), "give --from-password-file")
            return self._with(cert, asked, key)

    def _with(self, cert: str, password: str | None, key: SigningKey | None) -> ExistingAuthority:
        secret = None if password is None else password.encode()
        return read_existing(cert, self.from_key, secret, token_key=key, now=utc_now)


def _source(
    from_: str | None,
    from_key: str | None,
    from_password_file: str | None,
    crl: str | None,
    crl_number: int | None,
) -> ImportSource | None:
    if from_ is None:
        if from_key or from_password_file or crl or crl_number is not None:
            refuse(
                "--from-key, --from-password-file, --crl and --crl-number are for a CA that is imported with --from"
            )
        return None
    return ImportSource(from_, from_key, from_password_file, crl, crl_number or 0)


import_source_options = gathered(
    "source",
    _source,
    click.option(
        "--from",
        "from_",
        type=FILE,
        metavar="FILE",
        help="Import this existing CA: its chain up to the root in PEM, or PKCS#12.",
    ),
    click.option(
        "--from-key", type=FILE, metavar="FILE", help="Its private key, if --from does not contain it."
    ),
    click.option(
        "--from-password-file",
        type=FILE,
        metavar="FILE",
        help="A file; its first line is the password of that key or PKCS#12 file.",
    ),
    click.option(
        "--crl",
        type=FILE,
        metavar="FILE",
        help="Its latest CRL: revocations and numbers continue from there.",
    ),
    click.option(
        "--crl-number",
        type=click.IntRange(0),
        metavar="N",
        help="The number of its latest CRL, if the CRL itself is not available.",
    ),
)
