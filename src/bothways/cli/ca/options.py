"""What several commands of `bothways ca` take from the command line: lengths of time, names, types of keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from bothways.ca.keys import KeyType
from bothways.ca.profiles import Holder, Profile
from bothways.cli.options import Command, gathered

UNITS = {"m": "minutes", "h": "hours", "d": "days"}
KEYS = click.Choice([key_type.value for key_type in KeyType])
LEAVES = click.Choice([profile.value for profile in Profile if profile is not Profile.SUB_CA])


class Duration(click.ParamType[timedelta]):
    """A length of time: 90d, 12h, 30m."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read a length of time, or say how one is written."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,6})([mhd])", str(value))
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is no length of time; write 90d, 12h or 30m", param, ctx)
        return timedelta(**{UNITS[found[2]]: int(found[1])})


DURATION = Duration()
directory_argument = click.argument("path", type=click.Path(path_type=Path), metavar="DIR")
profile_option = click.option("--profile", type=LEAVES, required=True, help="What the certificate is for.")
lifetime_option = click.option(
    "--lifetime", type=DURATION, help="Such as 90d or 12h.  [default: 90d; ocsp 7d]"
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")


def key_option(whose: str) -> Callable[[Command], Command]:
    """Add --key to a command, the type of the key that it makes."""
    return click.option("--key", type=KEYS, default="p256", show_default=True, help=f"The type of {whose}.")


def _holder(
    name: str | None, dns: tuple[str, ...], ip: tuple[str, ...], uri: tuple[str, ...], email: tuple[str, ...]
) -> Holder:
    return Holder(name, dns, ip, uri, email)


names_options = gathered(
    "holder",
    _holder,
    click.option("--name", metavar="NAME", help="What people call the holder."),
    click.option("--dns", multiple=True, metavar="NAME", help="A host name; may be repeated."),
    click.option("--ip", multiple=True, metavar="ADDRESS", help="An address; may be repeated."),
    click.option(
        "--uri", multiple=True, metavar="URI", help="Such as spiffe://example/alice; may be repeated."
    ),
    click.option("--email", multiple=True, metavar="ADDRESS", help="A mail address; may be repeated."),
)
