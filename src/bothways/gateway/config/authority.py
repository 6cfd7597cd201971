"""The identity of a route that our own CA issues: `authority`, the directory of a CA that `bothways ca init` made."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode

from bothways.errors import ConfigError
from bothways.gateway.config.strict_toml import Table
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.path.name_matching import server_name

if TYPE_CHECKING:
    from bothways.ca.profiles import Holder

CERTIFICATE, LISTS = "authority:", "authority-crl:"
LIFETIME_HOURS, MOST_HOURS = 24, 90 * 24
_KEPT = "/:*@"  # in what is shown of a source


class AuthorityIdentity(NamedTuple):
    """What our own CA issues for a route.

    directory: of the CA.  password: the file with the passphrase of its key; None for a key that is not encrypted.
    hours: how long the certificate is valid.  names: in the certificate; by default those of the route.
    """

    directory: str
    password: str | None = None
    hours: int = LIFETIME_HOURS
    names: tuple[str, ...] = ()

    @classmethod
    def of_source(cls, source: str) -> AuthorityIdentity:
        """Return what a source names."""
        directory, _, query = source.partition(":")[2].partition("?")
        given = parse_qsl(query)
        one = dict(given)
        names = tuple(value for key, value in given if key == "name")
        hours = int(one.get("hours", LIFETIME_HOURS))
        return cls(os.fsdecode(unquote_to_bytes(directory)), one.get("password_file"), hours, names)

    @property
    def source(self) -> str:
        """What is read to have the certificate and its key."""
        return self.spelled(
            CERTIFICATE, [("hours", str(self.hours)), *(("name", each) for each in self.names)]
        )

    @property
    def lists(self) -> str:
        """What is read to have the CRLs of this CA."""
        return self.spelled(LISTS, [])

    def spelled(self, kind: str, more: list[tuple[str, str]]) -> str:
        """Return the name of a source."""
        own = [] if self.password is None else [("password_file", self.password)]
        query = urlencode([*more, *own], safe=_KEPT, quote_via=quote)
        return f"{kind}{quote(self.directory, _KEPT)}" + (f"?{query}" if query else "")

    @property
    def root(self) -> str:
        """The file with the trust anchor of those who have a certificate of this CA."""
        return os.path.join(self.directory, "root.pem")

    @property
    def paths(self) -> tuple[str, ...]:
        """What identifies it."""
        return (self.source,)

    @property
    def read_files(self) -> tuple[str, ...]:
        """Where its content comes from."""
        return (self.source,)

    def load(self, read: Callable[[str], bytes], before: Credentials | None) -> Credentials:
        """Return our credentials; those from before if they are the same. Raises ConfigError."""
        made = Credentials.from_contents(read(self.source), self.source)
        return before if before is not None and before.chain == made.chain else made


def holder_of(names: tuple[str, ...]) -> Holder:
    """Return the names of a certificate by their kinds. Raises ConfigError for those that no certificate can have."""
    from bothways.ca.errors import AuthorityError
    from bothways.ca.profiles import Holder, Profile, check_holder

    kinds: dict[str, list[str]] = {"dns": [], "ip": [], "uri": []}
    for each in names:
        kinds["dns" if each.startswith("*.") else server_name(each).kind].append(each)
    holder = Holder(None, tuple(kinds["dns"]), tuple(kinds["ip"]), tuple(kinds["uri"]))
    try:
        check_holder(Profile.SERVER, holder)
    except AuthorityError as error:
        raise ConfigError(str(error)) from None
    return holder


def authority_identity_in(table: Table, folder: Path) -> AuthorityIdentity | None:
    """Read from which CA our certificate comes; None where a table names none. Raises ConfigError.

    folder: that of the file.
    """
    if not table.has("authority"):
        for name in ("names", "lifetime_hours"):
            if table.has(name):
                table.refuse_slip("authority")
                table.refuse(f"`{name}` without `authority`, the directory of a CA", name)
        return None
    directory = table.text("authority") or ""
    password, names = table.text("password_file"), table.texts("names") or ()
    if names:
        table.made("names", lambda: holder_of(names))
    return AuthorityIdentity(
        os.path.normpath(folder / directory),
        None if password is None else os.path.normpath(folder / password),
        table.whole("lifetime_hours", LIFETIME_HOURS, 1, MOST_HOURS),
        names,
    )
