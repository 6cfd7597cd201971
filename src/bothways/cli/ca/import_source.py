"""What `ca init` is told of an authority that exists already and is to go on here."""

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
from bothways.ca.issuer import Issuer
from bothways.ca.keys import SigningKey
from bothways.ca.pkcs11 import KeyURI, TokenKey, find_key
from bothways.cli.ca.key_access import KeyAccess, actor
from bothways.cli.options import FILE, gathered
from bothways.cli.terminal import counted, passphrase, refuse, say
from bothways.trust.files import content
from bothways.trust.parsing import PassphraseNeeded


@dataclass(frozen=True, slots=True)
class ImportSource:
    """Where the authority is."""

    cert: str | None
    from_key: str | None
    from_password_file: str | None
    crl: str | None
    crl_number: int

    def import_ca(self, path: Path, options: InitOptions, key_access: KeyAccess) -> Issuer:
        """Let the authority go on in a directory here."""
        key = find_key(KeyURI.parse(options.key_uri), key_access.pin()) if options.key_uri else None
        existing = self._read(key)
        authority = Authority(existing.certificate, existing.key, existing.parents)
        earlier = self.crl and read_earlier_crl(content(self.crl), self.crl, authority)
        secret = key_access.new_passphrase() if key is None else None
        import_authority(path, existing, options, secret, after=self.crl_number, actor=actor())
        if isinstance(key, TokenKey):
            key.close()
        issuer = Issuer.open(path, secret, pin=key_access.pin(), actor=actor())
        if earlier:
            news = import_crl(issuer, earlier)
            say(f"{self.crl}: {counted(news, 'revocation')} kept; lists go on after number {earlier.number}")
        elif not self.crl_number:
            say("no list of before was given: numbers of lists begin at 1 (--crl FILE, or --crl-number N)")
        return issuer

    def _read(self, key: SigningKey | None) -> ExistingAuthority:
        """Read it; ask for a password only where one is needed and a person is there."""
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
        return read_existing(cert, self.from_key, secret, held=key, now=utc_now)


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
                "--from-key, --from-password-file, --crl and --crl-number are about an authority that --from names"
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
