"""The options for encrypted ClientHellos: configurations of a client, keys of a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from bothways.cli.options.types import FILE
from bothways.errors import ConfigError
from bothways.tls.ech.configs import ECHConfigList
from bothways.tls.ech.keys import ECHKeys

Ech = ECHConfigList | Literal["grease"] | None


class EchType(click.ParamType[Ech]):
    """A PEM file, the base64 of a DNS record, or `grease`."""

    name = "FILE|BASE64|grease"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Ech:
        """Read the configurations; raises `click.BadParameter`."""
        if isinstance(value, ECHConfigList):
            return value
        text = str(value)
        if text == "grease":
            return "grease"
        if not text:
            self.fail("expected a file, base64, or grease, and it is empty", param, ctx)
        try:
            return ECHConfigList.load(text) if _is_file(text) else ECHConfigList.from_text(text)
        except ConfigError as error:
            self.fail(f"{str(error).removeprefix('ech: ')}; a file, base64, or grease", param, ctx)


def _is_file(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:  # a long text is no path
        return False


def load_ech_keys(paths: tuple[str, ...]) -> ECHKeys | None:
    """Read the keys of a server, the current one first; None without any. Raises ConfigError."""
    return ECHKeys.load(*paths) if paths else None


ech_option = click.option(
    "--ech",
    type=EchType(),
    help="Encrypt the ClientHello (ECH) by this configuration: a PEM file or base64; `grease`: an extension of the "
    "same form that encrypts nothing.",
)
ech_key_option = click.option(
    "--ech-key",
    "ech_key",
    type=FILE,
    metavar="FILE",
    multiple=True,
    help="Decrypt ClientHellos (ECH) with this key (PEM, RFC 9934); repeatable, the published one first.",
)
