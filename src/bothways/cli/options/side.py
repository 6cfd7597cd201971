"""The options of all clients and servers: our identity, ALPN, and revocation checks of the peer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from bothways.cli.options.gathering import Command, gathered
from bothways.cli.options.identity import load_identity
from bothways.cli.options.revocation import Sources, sources_options
from bothways.cli.options.types import FILE
from bothways.trust.crl_store import CRLStore
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.revocation import Revocation

if TYPE_CHECKING:  # not imported at run time, so that commands without TLS start faster
    from bothways.diagnosis.situation import Files


@dataclass(frozen=True, slots=True)
class LoadedSide:
    """Common values for ClientConfig and ServerConfig. classic: allow RSA key transport."""

    credentials: Credentials | None
    alpn: tuple[str, ...]
    revocation: Revocation | None
    classic: bool


@dataclass(frozen=True, slots=True)
class Side:
    """Options of clients and servers: our identity, ALPN, and revocation checks of the peer."""

    cert: str | None
    key: str | None
    password_file: str | None
    alpn: tuple[str, ...]
    classic: bool
    sources: Sources

    @property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """The options that the commands of a remedy keep: otherwise they would verify less, or ask for a password."""
        sources = self.sources
        given = [("--password-file", self.password_file), ("--revocation", sources.revocation)]
        given += [("--crl", each) for each in sources.crl]
        given += [("--fetch-allow", each) for each in sources.fetch_allow]
        given += [("--fetch-cache", sources.fetch_cache)]
        flags = [("--classic", self.classic), ("--fetch", sources.fetch)]
        return (
            *((option, value) for option, value in given if value is not None),
            *((option,) for option, is_given in flags if is_given),
        )

    def files(self, ca: str | None, *more: tuple[str, ...]) -> Files:
        """Return the names of the files of a client, for the commands of a remedy. more: options of its command."""
        from bothways.diagnosis.situation import OF_SYSTEM, Files  # only where a connection is made

        return Files(
            self.cert or "CERT", self.key or self.cert or "KEY", ca or OF_SYSTEM, (*self.words, *more)
        )

    def load(self, lists: CRLStore | None = None, *, watched: bool = False) -> LoadedSide:
        """Read the files; exit with status 2 if they cannot be used.

        lists: the CRLs of `sources`, if they were read before.  watched: read credentials again when their files
        change.
        """
        credentials = load_identity(self.cert, self.key, self.password_file, watched=watched)
        return LoadedSide(credentials, self.alpn, self.sources.load(lists=lists), self.classic)


def _side(
    cert: str | None, key: str | None, password_file: str | None, classic: bool, sources: Sources
) -> Side:
    """Return the side for a command with a fixed application protocol."""
    return Side(cert, key, password_file, (), classic, sources)


def side_options(*, cert_required: bool, alpn_help: str | None) -> Callable[[Command], Command]:
    """Add the options of `Side` to a command. alpn_help: the help of --alpn; None for no such option."""
    alpn = (
        () if alpn_help is None else (click.option("--alpn", multiple=True, metavar="NAME", help=alpn_help),)
    )
    return gathered(
        "side",
        Side if alpn else _side,
        click.option(
            "--cert", type=FILE, metavar="FILE", required=cert_required,
            help="Our certificate and chain: PEM or PKCS#12.",
        ),
        click.option(
            "--key",
            type=FILE,
            metavar="FILE",
            help="Our private key, or the pkcs11: URI of one in a token; by default in the file of --cert.",
        ),
        click.option(
            "--password-file", type=FILE, metavar="FILE", help="A file; its first line is the passphrase of the key."
        ),
        sources_options,
        *alpn,
        click.option(
            "--classic",
            is_flag=True,
            help="Also allow RSA key transport: an old key exchange of TLS 1.2 without forward secrecy.",
        ),
    )  # fmt: skip
