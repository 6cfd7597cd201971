"""Options of several commands: addresses, identities, trust anchors, revocation."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from bothways.cli.options.file_kinds import Wanted, explaining_file_kinds
from bothways.cli.options.parsed_type import ParsedType
from bothways.cli.options.types import FileName, Text
from bothways.cli.output.terminal import passphrase, refuse
from bothways.errors import ConfigError, UnusableFile
from bothways.trust.anchors import TrustStore
from bothways.trust.credentials import Credentials
from bothways.trust.crl_store import CRLStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.parsing import PassphraseNeeded
from bothways.trust.peer_rules import Rule, parsed_rule
from bothways.trust.revocation import PRESETS, Revocation
from bothways.trust.verdict import PROFILES, Profile

if TYPE_CHECKING:  # not imported at run time, so that commands without TLS start faster
    from bothways.diagnosis.situation import Files
    from bothways.tls.config import ClientAuth


class Address(NamedTuple):
    """A host and a port; written [HOST]:PORT where the host is an IPv6 address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class AddressType(click.ParamType[Address]):
    """HOST:PORT or [IPv6]:PORT. least: the smallest port; 0 stands for any free one, and nobody listens there."""

    name = "HOST:PORT"

    def __init__(self, least: int) -> None:
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Parse an address; raises `click.BadParameter`."""
        if isinstance(value, Address):
            return value
        host, colon, port = str(value).rpartition(":")
        if colon and not host:
            self.fail(f"{value!r} has no host; use 127.0.0.1{value} for this machine only", param, ctx)
        bracketed = host.startswith("[") and host.endswith("]")
        if ":" in host and not bracketed:
            self.fail(f"{value!r}: an IPv6 address has to be in brackets, such as [::1]:8443", param, ctx)
        is_number = colon and re.fullmatch(r"0*[0-9]{1,5}", port, re.ASCII)
        if not is_number or not self._least <= int(port) <= 65535:
            wanted = f"HOST:PORT with a port of {self._least} to 65535"
            self.fail(f"{value!a} is not an address; expected {wanted}", param, ctx)
        try:
            host.encode("idna")  # the length limit of a host name in Python's resolver
        except UnicodeError:
            self.fail(f"{value!a}: this host is neither a valid name nor an IP address", param, ctx)
        return Address(host[1:-1] if bracketed else host, int(port))


SPOKEN = ("1.3", "1.2")  # the versions used by default
TIMEOUT = 30.0  # seconds, of clients


class ServerType(AddressType):
    """HOST:PORT, [IPv6]:PORT, or an https URL, of which host and port are used."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        """Parse an address or a URL; raises `click.BadParameter`."""
        if isinstance(value, str) and (match := _URL.fullmatch(value)) is not None:
            if match[1].lower() not in SCHEMES:
                self.fail(f"{value!a}: expected an address HOST:PORT, or an https URL", param, ctx)
            authority = match[2].rpartition("@")[2]
            bare = authority.endswith("]") or ":" not in authority
            value = f"{authority}:{SCHEMES[match[1].lower()]}" if bare else authority
        return super().convert(value, param, ctx)


_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{0,20})://([^/?#\s]*)(?:[/?#].*)?")
SCHEMES = {"https": 443, "wss": 443, "ldaps": 636, "imaps": 993, "smtps": 465, "mqtts": 8883, "rediss": 6379}


PEER_RULE = ParsedType("KIND=VALUE", Rule, parsed_rule)
ADDRESS = AddressType(least=0)
DIALLED = AddressType(least=1)
SERVER = ServerType(least=1)
FILE = FileName(dir_okay=False)

Command = Callable[..., Any]


def gathered(
    into: str, make: Callable[..., object], *options: Callable[[Command], Command]
) -> Callable[[Command], Command]:
    """Add options to a command; the command gets the result of `make` as the argument `into`.

    make: has a parameter for each option, with its name. A result may be used in another `gathered`.
    """
    names = tuple(inspect.signature(make).parameters)

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def gathering(**given: Any) -> Any:
            own = {name: given.pop(name) for name in names}
            return command(**given, **{into: make(**own)})

        added: Command = gathering
        for option in reversed(options):
            added = option(added)
        return added

    return add


def load_identity(
    cert: str | None, key: str | None, password_file: str | None, *, watched: bool = False
) -> Credentials | None:
    """Read our certificate and key; exit with status 2 if they cannot be used."""
    if cert is None:
        if key is not None:
            refuse("--key requires --cert: a key cannot be used without its certificate")
        return None
    if key is not None and key.startswith("pkcs11:"):
        from bothways.cli.options.token_key import token_identity  # only where a key is in a token

        with explaining_file_kinds((cert, Wanted.IDENTITY)):
            return token_identity(cert, key, password_file)
    with explaining_file_kinds((cert, Wanted.IDENTITY), (key, Wanted.PRIVATE_KEY)):
        return _identity(cert, key, password_file, watched=watched)


def _identity(cert: str, key: str | None, password_file: str | None, *, watched: bool) -> Credentials:
    password = passphrase(password_file, cert) if password_file is not None else None
    follow = watched and are_files(cert, key)
    read = Credentials.watched if follow else Credentials.from_files
    try:
        return read(cert, key, password)
    except PassphraseNeeded as needed:
        password = passphrase(None, needed.place)
        if password is None:
            raise UnusableFile(f"{needed.place}: {LOCKED}") from None
        return read(cert, key, password)


LOCKED = (
    "it is encrypted, and no password was given\nHint: --password-file FILE, whose first line is the password"
)


def are_files(*paths: str | None) -> bool:
    """Whether all of them are files that can be read again, which pipes cannot."""
    return all(Path(path).is_file() for path in paths if path is not None)


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


def hello_words(
    tls: str | None,
    *,
    timeout: float,
    groups: tuple[str, ...] | None = None,
    suites: tuple[str, ...] | None = None,
    post_handshake: bool = False,
) -> tuple[tuple[str, ...], ...]:
    """Return the options about our hello and about time that a command of a remedy keeps."""
    given = [
        ("--tls", tls),
        ("--groups", groups and ",".join(groups)),
        ("--suites", suites and ",".join(suites)),
    ]
    given += [("--timeout", None if timeout == TIMEOUT else f"{timeout:g}")]
    flags = [("--post-handshake",)] if post_handshake else []
    return (*((option, value) for option, value in given if value), *flags)


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
        return Revocation.preset(preset, lists, responses, fetch)

    def _fetch(self) -> Fetch | None:
        if self.fetch:
            policy = Fetch(allow=self.fetch_allow, directory=self.fetch_cache)
            from bothways.fetch import fetcher  # the HTTP client is imported only if something may be fetched

            fetcher.check(policy)
            return policy
        if self.fetch_allow or self.fetch_cache is not None:
            refuse("--fetch-allow and --fetch-cache have an effect only with --fetch")
        return None


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
        "`later`: only after the handshake, for a service that asks then.",
    ),
    click.option(
        "--allow",
        multiple=True,
        type=PEER_RULE,
        help="Accept only trusted clients that match this, such as dns=alice.example, "
        "uri=spiffe://example.org/api/* or cel=EXPRESSION; repeatable: one of several has to match.",
    ),
)


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
