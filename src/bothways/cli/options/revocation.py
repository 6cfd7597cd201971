"""Where information about revoked certificates comes from, and how strictly it is used."""

from __future__ import annotations

from dataclasses import dataclass

import click

from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds
from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import FILE, FileName, Text
from bothways.cli.output.terminal import refuse
from bothways.errors import ConfigError
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import PRESETS, Revocation


@dataclass(frozen=True, slots=True)
class Sources:
    """Where information about revoked certificates comes from."""

    crl: tuple[str, ...] = ()
    revocation: str | None = None
    fetch: bool = False
    fetch_allow: tuple[str, ...] = ()
    fetch_cache: str | None = None

    def load(self, ocsp: tuple[str, ...] = (), lists: CRLStore | None = None) -> Revocation | None:
        """Read CRLs and OCSP responses; None without any, unless the preset requires them.

        lists: the CRLs of the files, if they were read before.
        """
        fetch = self._fetch()
        if not self.crl and not ocsp and fetch is None and self.revocation is None:
            return None
        with explaining_file_kinds(*((path, Wanted.LISTS) for path in self.crl)):
            lists = CRLStore.from_files(*self.crl) if lists is None else lists
        with explaining_file_kinds(*((path, Wanted.RESPONSES) for path in ocsp)):
            responses = OCSPStore.from_files(*ocsp)
        preset = self.revocation or "require"
        if not (lists or responses or fetch or preset.startswith("staple")):
            raise ConfigError(f"--revocation {preset} requires a source: CRLs (--crl FILE), or --fetch")
        return Revocation.preset(preset, lists or None, responses or None, fetch)

    def _fetch(self) -> Fetch | None:
        if self.fetch:
            policy = Fetch(allow=self.fetch_allow, directory=self.fetch_cache)
            from bothways.fetch import fetcher  # the HTTP client is imported only if something may be fetched

            fetcher.check(policy)
            return policy
        if self.fetch_allow or self.fetch_cache is not None:
            refuse("--fetch-allow and --fetch-cache have an effect only with --fetch")
        return None


sources_options = gathered(
    "sources",
    Sources,
    click.option(
        "--crl",
        type=FILE,
        metavar="FILE",
        multiple=True,
        help="A certificate revocation list (CRL), PEM or DER; repeatable.",
    ),
    click.option(
        "--revocation",
        type=click.Choice(list(PRESETS)),
        metavar="PRESET",
        help=f"How strictly revocation is checked: {', '.join(PRESETS)}; by default require, if a source is given.",
    ),
    click.option(
        "--fetch",
        is_flag=True,
        help="Fetch missing OCSP responses and CRLs from the URLs in the certificates.",
    ),
    click.option(
        "--fetch-allow",
        type=Text(),
        metavar="HOST|NETWORK",
        multiple=True,
        help="Allow fetching from this private host or network; repeatable.",
    ),
    click.option(
        "--fetch-cache",
        type=FileName(file_okay=False),
        metavar="DIR",
        help="A directory where fetched responses and CRLs are cached.",
    ),
)
