"""The options for authentication without certificates: external pre-shared keys and raw public keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click

from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds
from bothways.cli.options.gathering import Command, gathered
from bothways.cli.options.identity import are_files
from bothways.cli.options.types import FILE
from bothways.trust import files
from bothways.trust.keys.external_psks import ExternalPSKs, WatchedExternalPSKs
from bothways.trust.keys.pins import PinnedKeys, WatchedPinnedKeys
from bothways.trust.own_identity.raw_key import RawKeyCredentials


@dataclass(frozen=True, slots=True)
class LoadedKeys:
    """Values for ClientConfig and ServerConfig; None for what was not given."""

    psks: ExternalPSKs | None = None
    pins: PinnedKeys | None = None
    raw_key: RawKeyCredentials | None = None

    @property
    def may_change(self) -> bool:
        """Whether keys of peers are in files that are read again when they change."""
        return isinstance(self.psks, WatchedExternalPSKs) or isinstance(self.pins, WatchedPinnedKeys)

    def look(self) -> None:
        """Read the files about peers again if they have changed; changes are reported in the log."""
        _ = None if self.psks is None else self.psks.current, None if self.pins is None else self.pins.current


@dataclass(frozen=True, slots=True)
class PeerKeys:
    """The files with keys: external pre-shared keys, our raw public key, and pins of the peer's."""

    psk: str | None = None
    raw_key: str | None = None
    pin: str | None = None

    @property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """The options of a client that the commands of a remedy keep."""
        given = (("--psk", self.psk), ("--raw-key", self.raw_key), ("--pin", self.pin))
        return tuple((option, value) for option, value in given if value is not None)

    @property
    def are_own(self) -> bool:
        """Whether we can authenticate ourselves by one of them."""
        return self.psk is not None or self.raw_key is not None

    @property
    def verifies_peers(self) -> bool:
        """Whether a peer without a certificate can be verified."""
        return self.psk is not None or self.pin is not None

    def load(self, *, watched: bool = False) -> LoadedKeys:
        """Read the files. Raises ConfigError. watched: read those about peers again when they change."""
        raw_key = None
        if self.raw_key is not None:
            with explaining_file_kinds((self.raw_key, Wanted.PRIVATE_KEY)):
                raw_key = RawKeyCredentials.from_file(self.raw_key)
        return LoadedKeys(_psks(self.psk, watched), _pins(self.pin, watched), raw_key)


def _psks(path: str | None, watched: bool) -> ExternalPSKs | None:
    if path is None:
        return None
    files.check_private(path)
    return (ExternalPSKs.watched if watched and are_files(path) else ExternalPSKs.from_file)(path)


def _pins(path: str | None, watched: bool) -> PinnedKeys | None:
    if path is None:
        return None
    return (PinnedKeys.watched if watched and are_files(path) else PinnedKeys.from_file)(path)


def keys_options(pin: str, whose: str) -> Callable[[Command], Command]:
    """Add the options of `PeerKeys` to a command. pin: the option for pins. whose: the peer, "servers" or "clients"."""
    return gathered(
        "keys",
        PeerKeys,
        click.option(
            "--psk",
            type=FILE,
            metavar="FILE",
            help=f"Pre-shared keys of {whose} (TOML), for TLS 1.3.",
        ),
        click.option(
            "--raw-key",
            type=FILE,
            metavar="FILE",
            help="Our private key for peers that pin its public key, in place of a certificate (TLS 1.3).",
        ),
        click.option(
            pin,
            "pin",
            type=FILE,
            metavar="FILE",
            help=f"Public keys of {whose} that are trusted without a certificate: PEM, or lines with SHA-256 digests.",
        ),
    )


resume_tls12_option = click.option(
    "--resume-tls12",
    is_flag=True,
    help="Resume sessions of TLS 1.2 too, which have no forward secrecy against the ticket key.",
)
