"""What each side wants of a handshake: frozen, checked when made, shared by any number of connections.

Names of suites, groups and schemes are those of the IANA registries. Every impossible combination is a
`ConfigError` here, so that a handshake can only fail for what the peer does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Literal, Protocol

from bothways.errors import ConfigError
from bothways.iana import CipherSuite, ECPointFormat, NamedGroup, ProtocolVersion, SignatureScheme
from bothways.iana import name as spelled
from bothways.roles import Version
from bothways.tls.crypto.draws import Draws
from bothways.tls.crypto.groups import GROUPS
from bothways.tls.crypto.signing import SCHEMES, schemes_for
from bothways.tls.crypto.suites import SUITES12, SUITES13
from bothways.tls.defaults import CLOCK, DRAWS
from bothways.tls.wire import extensions as ext
from bothways.trust.anchors import TrustStore
from bothways.trust.credentials import Credentials
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.names import ServerName
from bothways.trust.names import server_name as parse_server_name
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation

ClientAuth = Literal["none", "request", "require"]
JudgeAgain = Literal["never", "lapse", "change"]

VERSIONS = {each.text: each for each in (Version.TLS13, Version.TLS12)}
_BY_VERSION = {"1.3": SUITES13, "1.2": SUITES12}
SUITES = tuple(
    suite.name for table in _BY_VERSION.values() for suite in table.values() if not suite.is_key_transport
)
KEY_TRANSPORT_SUITES = tuple(suite.name for suite in SUITES12.values() if suite.is_key_transport)
AUTHORITIES_LIMIT = 16 * 1024
PREFERRED_GROUPS = ("X25519MLKEM768", "x25519", "secp256r1", "secp384r1", "secp521r1")


class Clock(Protocol):
    """Where the engine reads the time."""

    def now(self) -> datetime:
        """Return the time of day, with its time zone."""

    def monotonic(self) -> float:
        """Return seconds on a scale that never runs backwards."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """What clients and servers alike decide.

    versions: TLS versions, "1.3" and "1.2"; one for which no suite is left is not spoken.
    suites, groups, schemes: IANA names, the preferred one first.
    certificate_schemes: what signatures in the peer's certificates may be made with, where that differs.
    alpn: application protocols (RFC 7301), the preferred one first.
    handshake_timeout: seconds.
    max_certificate_bytes: the longest Certificate message that is read.
    record_padding: pads every protected record to a multiple of so many bytes (RFC 9846 5.4).
    revocation: how the peer's certificates are checked for revocation; None leaves it unchecked, and the
    verdict says so.
    judge_again: whether the peer of an open connection is judged anew, and the connection ended when it no
    longer passes: "never"; "lapse", when the verdict has come to its end; "change", also when the lists or
    responses in `revocation` change.
    staples: OCSP responses about our own certificates, which a peer that asks gets along with them.
    insecure_ignore_truncation: take an end of file without close_notify for an end of data.
    insecure_without_extended_main_secret: speak TLS 1.2 with peers that do not bind keys to their
    handshake (RFC 7627).
    insecure_rsa_key_transport: allow, after all others, the suites of TLS 1.2 without forward secrecy.
    insecure_keylog: called with each line of a key log (RFC 9850, without line ends). Who has these lines
    reads and alters all that is said; nothing here keeps or writes them.
    """

    versions: tuple[str, ...] = ("1.3", "1.2")
    suites: tuple[str, ...] = SUITES
    groups: tuple[str, ...] = PREFERRED_GROUPS
    schemes: tuple[str, ...] = tuple(SignatureScheme(code).name for code in SCHEMES)
    certificate_schemes: tuple[str, ...] | None = None
    alpn: tuple[str, ...] = ()
    handshake_timeout: float = 30.0
    max_certificate_bytes: int = 64 * 1024
    record_padding: int = 0
    revocation: Revocation | None = None
    judge_again: JudgeAgain = "never"
    staples: OCSPStore | None = None
    insecure_ignore_truncation: bool = False
    insecure_without_extended_main_secret: bool = False
    insecure_rsa_key_transport: bool = False
    insecure_keylog: Callable[[str], None] | None = field(default=None, repr=False)
    clock: Clock = field(default=CLOCK, repr=False)
    draws: Draws = field(default=DRAWS, repr=False)

    version_codes: tuple[Version, ...] = field(init=False, repr=False)
    suite_codes: tuple[int, ...] = field(init=False, repr=False)
    suite_codes_13: tuple[int, ...] = field(init=False, repr=False)
    group_codes: tuple[int, ...] = field(init=False, repr=False)
    scheme_codes: tuple[int, ...] = field(init=False, repr=False)
    certificate_scheme_codes: tuple[int, ...] | None = field(init=False, repr=False)
    protocols: tuple[bytes, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        versions = _texts("versions", self.versions)
        for version in versions:
            if version not in VERSIONS:
                raise ConfigError(f"versions: {version!r} is not spoken here; expected {', '.join(VERSIONS)}")
        allowed = self._allowed_suites()
        spoken = [version for version in versions if not _BY_VERSION[version].keys().isdisjoint(allowed)]
        if not spoken:
            raise ConfigError("suites: none of them is for a version in `versions`")
        self._set("version_codes", tuple(VERSIONS[version] for version in spoken))
        usable = {code for version in spoken for code in _BY_VERSION[version]}
        self._set("suite_codes", tuple(code for code in allowed if code in usable))
        self._set("suite_codes_13", tuple(code for code in self.suite_codes if code in SUITES13))
        self._set("group_codes", _codes("groups", self.groups, NamedGroup, GROUPS))
        self._set("scheme_codes", _codes("schemes", self.schemes, SignatureScheme, SCHEMES))
        chosen = self.certificate_schemes
        codes = None if chosen is None else _codes("certificate_schemes", chosen, SignatureScheme, None)
        self._set("certificate_scheme_codes", codes)
        self._set("protocols", _protocols(self.alpn))
        if self.revocation is not None and not isinstance(self.revocation, Revocation):
            raise ConfigError("revocation: expected a Revocation")
        if self.judge_again not in ("never", "lapse", "change"):
            raise ConfigError(f"judge_again: {self.judge_again!r} is none of never, lapse, change")
        if self.judge_again == "change" and self.revocation is None:
            raise ConfigError("judge_again: without revocation there is no evidence that could change")
        if not isinstance(self.staples, OCSPStore | None):
            raise ConfigError("staples: expected an OCSPStore")
        if self.insecure_keylog is not None and not callable(self.insecure_keylog):
            raise ConfigError("insecure_keylog: expected a function that takes a line")
        if not self.handshake_timeout > 0:
            raise ConfigError("handshake_timeout: expected seconds above zero")
        if not 0 <= self.record_padding <= 2**14:
            raise ConfigError("record_padding: expected 0 to 16384 bytes")
        if not 1024 <= self.max_certificate_bytes < 2**24:
            raise ConfigError("max_certificate_bytes: expected 1024 to 16777215 bytes")

    @property
    def asks_status(self) -> bool:
        """Whether the peer is to send the revocation status of its certificates along with them."""
        return self.revocation is not None and self.revocation.staples != "ignore"

    @property
    def fetch(self) -> Fetch | None:
        """What may be fetched to judge peers, if anything."""
        return None if self.revocation is None else self.revocation.fetch

    def _allowed_suites(self) -> tuple[int, ...]:
        names = _texts("suites", self.suites)
        transport = tuple(name for name in KEY_TRANSPORT_SUITES if name not in names)
        if self.insecure_rsa_key_transport:
            names += transport
        elif len(transport) < len(KEY_TRANSPORT_SUITES):
            raise ConfigError("suites: RSA key transport has to be allowed by insecure_rsa_key_transport")
        return _codes("suites", names, CipherSuite, SUITES13.keys() | SUITES12.keys())

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


@dataclass(frozen=True, kw_only=True, eq=False)
class ClientTerms(Terms):
    """What a client decides.

    anchors: whom it trusts to vouch for servers.  credentials: one or several, of which the one that suits
    the server's request is sent; None for an anonymous client.  key_shares: groups for which the
    first ClientHello carries a share; by default the first group, and the first one that is
    not a post-quantum hybrid, so that few servers need a HelloRetryRequest.  post_handshake_auth: tell
    servers of TLS 1.3 that they may ask for our certificate after the handshake too, as some do for some
    requests alone (RFC 9846 4.3.6); they are answered by the same choice.
    """

    anchors: TrustStore
    credentials: Credentials | Sequence[Credentials] | None = None
    key_shares: tuple[str, ...] | None = None
    post_handshake_auth: bool = False

    own: tuple[Credentials, ...] = field(init=False, repr=False)
    share_codes: tuple[int, ...] = field(init=False, repr=False)
    hello_extensions: tuple[ext.Extension, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_anchors("anchors", self.anchors)
        self._set("own", _several(self.credentials))
        _check_usable(self.own, self.scheme_codes, self.version_codes)
        if self.key_shares is None:
            self._set("share_codes", _predicted_shares(self.group_codes))
        else:
            shares = _codes("key_shares", self.key_shares, NamedGroup, self.group_codes, empty=True)
            self._set("share_codes", tuple(code for code in self.group_codes if code in shares))
        self._set("hello_extensions", tuple(self._standing_extensions()))

    def _standing_extensions(self) -> Iterator[ext.Extension]:
        """Yield what every ClientHello says, the name asked for and the shares apart (RFC 9846 4.2.2)."""
        yield ext.SupportedGroups(self.group_codes)
        yield ext.SignatureAlgorithms(self.scheme_codes)
        if self.certificate_scheme_codes is not None:
            yield ext.SignatureAlgorithmsCert(self.certificate_scheme_codes)
        if self.protocols:
            yield ext.ApplicationProtocols(self.protocols)
        if self.asks_status:
            yield ext.StatusRequest()
        if Version.TLS12 in self.version_codes:
            yield ext.EcPointFormats((ECPointFormat.uncompressed,))
            yield ext.ExtendedMainSecret()
            yield ext.RenegotiationInfo(b"")
        if Version.TLS13 in self.version_codes:
            yield ext.SupportedVersions(self.version_codes)
            if self.post_handshake_auth:
                yield ext.PostHandshakeAuth()

    def target(self, server_name: str | None) -> ServerName:
        """Return whom a connection wants to reach; `ConfigError` if that cannot be a server's name."""
        if server_name is None:
            raise ConfigError(
                "server_name: missing; a client must say whom it wants to reach: a DNS name or an IP address"
            )
        return parse_server_name(server_name)


@dataclass(frozen=True, kw_only=True, eq=False)
class ServerTerms(Terms):
    """What a server decides.

    credentials: one, or several among which the client's server name chooses.  client_anchors: whom it
    trusts to vouch for clients.  client_auth: "none", "request" (anonymous clients pass, a bad certificate
    does not) or "require"; with anchors the default is "require".  unknown_server_name: what becomes of
    a client that asks for a name that no credentials have: "first" gives it the first ones, "refuse" an
    alert.  retry_cookie: send a cookie with a HelloRetryRequest.  name_authorities: tell clients
    which anchors there are, so that they can choose among their certificates.
    """

    credentials: Credentials | Sequence[Credentials]
    client_anchors: TrustStore | None = None
    client_auth: ClientAuth | None = None
    unknown_server_name: Literal["first", "refuse"] = "first"
    retry_cookie: bool = True
    name_authorities: bool = True

    own: tuple[Credentials, ...] = field(init=False, repr=False)
    refuses_unknown_name: bool = field(init=False, repr=False)
    requires_client: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("own", _several(self.credentials))
        if not self.own:
            raise ConfigError("credentials: a server needs a certificate and its key")
        _check_usable(self.own, self.scheme_codes, self.version_codes)
        mode = self.client_auth
        if mode is None:
            mode = "none" if self.client_anchors is None else "require"
            self._set("client_auth", mode)
        if mode not in ("none", "request", "require"):
            raise ConfigError(f"client_auth: {mode!r} is no mode; expected none, request or require")
        if mode == "none":
            if self.client_anchors is not None:
                raise ConfigError("client_anchors: they would never be used, since client_auth is none")
            if self.revocation is not None:
                raise ConfigError("revocation: it would never be checked, since client_auth is none")
            if self.judge_again != "never":
                raise ConfigError("judge_again: nobody is ever judged, since client_auth is none")
        elif self.client_anchors is None:
            raise ConfigError(
                f"client_anchors: missing, and client_auth={mode!r} has to judge clients by them"
            )
        else:
            _check_anchors("client_anchors", self.client_anchors)
            if self.client_anchors.profile != "private":
                raise ConfigError(
                    f"client_anchors: the {self.client_anchors.profile} profile judges servers alone; make this "
                    'TrustStore with profile="private", which is the default'
                )
        if self.unknown_server_name not in ("first", "refuse"):
            raise ConfigError("unknown_server_name: expected first or refuse")
        self._set("refuses_unknown_name", self.unknown_server_name == "refuse")
        self._set("requires_client", mode == "require")

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """The anchors as they are named to clients, unless they are so many that no client would read them."""
        if self.client_anchors is None or not self.name_authorities:
            return ()
        names = self.client_anchors.subjects
        return names if sum(map(len, names)) <= AUTHORITIES_LIMIT else ()


def _texts(what: str, values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)):
        raise ConfigError(f"{what}: expected a tuple of names, not the single text {values!r}")
    names = tuple(values)
    if len(set(names)) != len(names):
        raise ConfigError(f"{what}: a name stands twice in {', '.join(map(str, names))}")
    return names


def _codes(
    what: str,
    values: Iterable[str],
    registry: type[IntEnum],
    spoken: Iterable[object] | None,
    empty: bool = False,
) -> tuple[int, ...]:
    names = _texts(what, values)
    if not names and not empty:
        raise ConfigError(f"{what}: at least one is needed")
    allowed = None if spoken is None else set(spoken)
    codes = []
    for name in names:
        code = registry.__members__.get(name)
        if code is None or (allowed is not None and code not in allowed):
            known = (
                sorted(registry) if allowed is None else [member for member in registry if member in allowed]
            )
            raise ConfigError(
                f"{what}: {name!r} is not spoken here; expected {', '.join(each.name for each in known)}"
            )
        codes.append(int(code))
    return tuple(codes)


def _protocols(names: Iterable[str]) -> tuple[bytes, ...]:
    protocols = tuple(name.encode("utf-8") for name in _texts("alpn", names))
    if not all(0 < len(protocol) < 256 for protocol in protocols):
        raise ConfigError("alpn: expected names of 1 to 255 bytes")
    return protocols


def _several(credentials: Credentials | Sequence[Credentials] | None) -> tuple[Credentials, ...]:
    several = (credentials,) if isinstance(credentials, Credentials) else tuple(credentials or ())
    for each in several:
        if not isinstance(each, Credentials):
            raise ConfigError(f"credentials: expected Credentials, not {type(each).__name__}")
    return several


def _check_anchors(what: str, anchors: object) -> None:
    if not isinstance(anchors, TrustStore):
        raise ConfigError(f"{what}: expected a TrustStore, since without anchors every peer would be refused")


def _check_usable(
    own: tuple[Credentials, ...], schemes: tuple[int, ...], versions: tuple[Version, ...]
) -> None:
    for credentials in own:
        fitting = {scheme for version in versions for scheme in schemes_for(credentials.certificate, version)}
        if not fitting & set(schemes):
            raise ConfigError(
                f"credentials: no scheme in `schemes` fits the key of {credentials.names.subject}"
                f" in {' and '.join(spelled(ProtocolVersion, version) for version in versions)}"
            )


def _predicted_shares(groups: tuple[int, ...]) -> tuple[int, ...]:
    classic = [code for code in groups if "MLKEM" not in NamedGroup(code).name]
    return tuple(dict.fromkeys((groups[0], *classic[:1])))
