"""Options of several commands of `bothways ca`: durations, names, name constraints, key types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from bothways.ca.keys import KeyType
from bothways.ca.profiles import UNCONSTRAINED, Constraints, Delegation, Holder, Profile
from bothways.cli.options.gathering import Command, gathered
from bothways.cli.options.types import FileName
from bothways.cli.output.terminal import refuse
from bothways.describe.escape import visible

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
KEYS = click.Choice([key_type.value for key_type in KeyType])
PROFILES = click.Choice([profile.value for profile in Profile])


class Duration(click.ParamType[timedelta]):
    """A duration: 90d, 12h, 30m."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read a duration; raises `click.BadParameter`."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,6})([mhd])", str(value))
        if found is None or not int(found[1]):
            self.fail(f"{value!r} is not a duration; write 90d, 12h or 30m", param, ctx)
        return int(found[1]) * UNITS[found[2]]


DURATION = Duration()
directory_argument = click.argument("path", type=FileName(path_type=Path), metavar="DIR")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON array on standard output.")


def key_option(whose: str) -> Callable[[Command], Command]:
    """Add --key to a command: the type of the new key."""
    return click.option("--key", type=KEYS, default="p256", show_default=True, help=f"The type of {whose}.")


def _holder(
    name: str | None, dns: tuple[str, ...], ip: tuple[str, ...], uri: tuple[str, ...], email: tuple[str, ...]
) -> Holder:
    return Holder(name, dns, ip, uri, email)


names_options = gathered(
    "holder",
    _holder,
    click.option("--name", metavar="NAME", help="The holder's name: the subject's common name."),
    click.option("--dns", multiple=True, metavar="NAME", help="A DNS name; repeatable."),
    click.option("--ip", multiple=True, metavar="ADDRESS", help="An IP address; repeatable."),
    click.option(
        "--uri", multiple=True, metavar="URI", help="A URI such as spiffe://example/alice; repeatable."
    ),
    click.option("--email", multiple=True, metavar="ADDRESS", help="An email address; repeatable."),
)


def _constraints(permit: tuple[str, ...], exclude: tuple[str, ...]) -> Constraints:
    permitted, excluded = _by_kind(permit), _by_kind(exclude)
    return Constraints(
        permitted_dns=permitted["dns"],
        permitted_ip=permitted["ip"],
        permitted_uri=permitted["uri"],
        permitted_email=permitted["email"],
        excluded_dns=excluded["dns"],
        excluded_ip=excluded["ip"],
        excluded_uri=excluded["uri"],
        excluded_email=excluded["email"],
    )


def _by_kind(given: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    names: dict[str, tuple[str, ...]] = {"dns": (), "ip": (), "uri": (), "email": ()}
    for each in given:
        kind, _, name = each.partition(":")
        if kind not in names or not name:
            refuse(
                f"{visible(each)} is not a name constraint; write dns:NAME, ip:10.0.0.0/8, uri:NAME or email:NAME"
            )
        names[kind] += (name,)
    return names


constraints_options = gathered(
    "constraints",
    _constraints,
    click.option(
        "--permit",
        multiple=True,
        metavar="KIND:NAME",
        help="Name constraint: permit only these names; KIND is dns, ip, uri or email.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="KIND:NAME", help="Name constraint: exclude these names."
    ),
)


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """The profile and lifetime of a new certificate and, for a CA, its constraints."""

    profile: str
    lifetime: timedelta | None
    path_length: int | None
    constraints: Constraints

    def checked_profile(self) -> Profile:
        """Return the profile; refuses options that are for CA certificates with any other profile."""
        profile = Profile(self.profile)
        if profile is not Profile.SUB_CA and self._has_ca_options:
            refuse(
                f"--path-length, --permit and --exclude are for the profile sub-ca, not for {self.profile}"
            )
        return profile

    @property
    def _has_ca_options(self) -> bool:
        return self.path_length is not None or self.constraints != UNCONSTRAINED

    @property
    def delegation(self) -> Delegation:
        """The constraints of a CA below this one."""
        return Delegation(self.path_length or 0, self.constraints)


certificate_options = gathered(
    "options",
    CertificateOptions,
    click.option("--profile", type=PROFILES, required=True, help="What the certificate is for."),
    click.option(
        "--lifetime",
        type=DURATION,
        help="How long it is valid, such as 90d or 12h.  [default: 90d; ocsp 7d; sub-ca 5 years]",
    ),
    click.option(
        "--path-length",
        type=click.IntRange(0, 8),
        metavar="N",
        help="The path length constraint of a sub-ca: how many CAs may be below it.  [default: 0]",
    ),
    constraints_options,
)
