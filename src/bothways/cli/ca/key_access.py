"""The passphrase of a CA's keys, or the PIN of their token: from a file, the environment or a prompt."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from bothways.ca.home.files import read_settings
from bothways.ca.issuer import Issuer, local_actor
from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import FILE, WithFormerName
from bothways.cli.output.terminal import passphrase, refuse
from bothways.trust.decoding.parsing import PassphraseNeeded

PASSPHRASE = "BOTHWAYS_CA_PASSPHRASE"
PIN = "BOTHWAYS_CA_PIN"


@dataclass(frozen=True, slots=True)
class KeyAccess:
    """Where passphrase and PIN come from: a file, else the environment, else a prompt; or there is none."""

    passphrase_file: str | None
    insecure_no_passphrase: bool
    pin_file: str | None = None

    def open(self, path: Path) -> Issuer:
        """Open the CA of a directory; prompt for the passphrase only if it is needed and there is a terminal."""
        given = None if self.insecure_no_passphrase else self._given()
        try:
            return Issuer.open(path, given, pin=self.pin(), actor=local_actor())
        except PassphraseNeeded as error:
            return Issuer.open(path, _typed(path, error), actor=local_actor())

    def for_workers(self, path: Path) -> Callable[[], Issuer]:
        """Return what opens the CA of a directory in each of several processes; only here a prompt may ask.

        A CA whose key is in a file is opened once, so that mistakes are reported before there are processes. A token is
        not: what its driver knows does not survive a fork.
        """
        given, pin = None if self.insecure_no_passphrase else self._given(), self.pin()
        if not read_settings(path).key_uri:
            try:
                Issuer.open(path, given, actor=local_actor()).close()
            except PassphraseNeeded as error:
                given = _typed(path, error)
        return lambda: Issuer.open(path, given, pin=pin, actor=local_actor())

    def new_passphrase(self) -> bytes | None:
        """The passphrase for the keys of a new CA; a prompt asks for it twice."""
        if self.insecure_no_passphrase:
            return None
        given = self._given()
        if given is not None:
            return given
        first = passphrase(None, "the new CA")
        if first is None:
            refuse(
                "the keys of the CA need a passphrase",
                f"set {PASSPHRASE}, or give --password-file; --insecure-no-passphrase is for tests",
            )
        if passphrase(None, "the new CA, once more") != first:
            refuse("the two passphrases differ; nothing was created")
        return first.encode()

    def pin(self) -> str | None:
        """The PIN of the token, if one is given."""
        return passphrase(self.pin_file, "") if self.pin_file is not None else os.environ.get(PIN)

    def _given(self) -> bytes | None:
        file = self.passphrase_file
        text = passphrase(file, "") if file is not None else os.environ.get(PASSPHRASE)
        return text.encode() if text else None


def _typed(path: Path, error: PassphraseNeeded) -> bytes:
    typed = passphrase(None, str(path))
    if typed is None:
        refuse(str(error), f"set {PASSPHRASE}, or give --password-file")
    return typed.encode()


key_access_options = gathered(
    "key_access",
    KeyAccess,
    click.option(
        "--password-file",
        "--passphrase-file",
        "passphrase_file",
        cls=WithFormerName,
        type=FILE,
        metavar="FILE",
        help="A file; its first line is the passphrase of the CA's keys.",
    ),
    click.option("--insecure-no-passphrase", is_flag=True, help="Do not encrypt the keys; for tests."),
    click.option(
        "--pin-file",
        type=FILE,
        metavar="FILE",
        help=f"A file; its first line is the token's PIN; by default from ${PIN}.",
    ),
)
