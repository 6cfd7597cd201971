"""Whom a client or a server trusts: CA certificates, the rules for them, and rules about clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds
from bothways.cli.options.gathering import gathered
from bothways.cli.options.identity import are_files
from bothways.cli.options.types import FILE, ParsedType
from bothways.trust.access.peer_rules import Rule, parsed_rule
from bothways.trust.anchors import TrustStore
from bothways.trust.verdict import PROFILES, Profile

if TYPE_CHECKING:  # not imported at run time, so that commands without TLS start faster
    from bothways.tls.config import ClientAuth

PEER_RULE = ParsedType("KIND=VALUE", Rule, parsed_rule)


def load_anchors(path: str | None, profile: Profile = "private", *, watched: bool = False) -> TrustStore:
    """Read the trusted CA certificates; without a path those of this system.

    profile: the rules for server certificates.  watched: read the file again when it changes.
    """
    if path is None:
        return TrustStore.system(profile=profile)
    with explaining_file_kinds((path, Wanted.ANCHORS)):
        read = TrustStore.watched if watched and are_files(path) else TrustStore.from_file
        return read(path, profile=profile)


profile_option = click.option(
    "--profile",
    type=click.Choice(PROFILES),
    default="private",
    show_default=True,
    help="private: verify certificates by RFC 5280; web: also by the rules for public web certificates.",
)


def profile_words(profile: Profile) -> tuple[tuple[str, ...], ...]:
    """Return the option by which a command of a remedy has the same profile."""
    return () if profile == "private" else (("--profile", profile),)


@dataclass(frozen=True, slots=True)
class Clients:
    """What a server requires of its clients: trust anchors, whether a certificate is required, and rules."""

    client_ca: str | None
    client_auth: ClientAuth | None
    allow: tuple[Rule, ...]
    client_cert: str | None = None

    @property
    def trusted(self) -> str | None:
        """The file that says whom to trust, for messages; None where nobody is verified."""
        return self.client_ca or self.client_cert

    def load_anchors(self) -> TrustStore | None:
        """Read whom to trust, again when it changes; None where nobody is verified. Raises ConfigError."""
        ca, exact = self.client_ca, self.client_cert
        if ca is None and exact is None:
            return None
        with explaining_file_kinds((ca, Wanted.ANCHORS), (exact, Wanted.PEERS)):
            read = TrustStore.watched if are_files(ca, exact) else TrustStore.from_file
            return read(ca, exact=exact)


clients_options = gathered(
    "clients",
    Clients,
    click.option(
        "--client-ca", type=FILE, metavar="FILE", help="The CA certificates trusted for clients (PEM)."
    ),
    click.option(
        "--client-cert",
        type=FILE,
        metavar="FILE",
        help="Certificates of clients that are trusted as they are, whoever issued them (PEM).",
    ),
    click.option(
        "--client-auth",
        type=click.Choice(["none", "request", "require", "later"]),
        help="Request a client certificate; by default `require` with --client-ca or --client-cert, else `none`. "
        "`later`: only after the handshake, for a service that requests it then.",
    ),
    click.option(
        "--allow",
        multiple=True,
        type=PEER_RULE,
        help="Accept only trusted clients that match this, such as dns=alice.example, "
        "uri=spiffe://example.org/api/* or cel=EXPRESSION; repeatable: one of several has to match.",
    ),
)
