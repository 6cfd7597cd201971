"""What handshakes go by: the codes that are made of a configuration, in groups, checked when they are made.

Names of suites, groups and schemes are those of the IANA registries. Every impossible combination is a
`ConfigError` here, so that a handshake can only fail for what the peer does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from hashlib import sha256
from typing import Literal

from bothways.errors import ConfigError
from bothways.iana import (
    CipherSuite,
    ECPointFormat,
    NamedGroup,
    ProtocolVersion,
    PskKeyExchangeMode,
    SignatureScheme,
)
from bothways.iana import name as spelled
from bothways.roles import Version
from bothways.tls.clock import Clock
from bothways.tls.crypto.groups import CLASSIC_GROUPS, GROUPS
from bothways.tls.crypto.randomness import Randomness
from bothways.tls.crypto.signing import SCHEMES, SCHEMES12, schemes_for
from bothways.tls.crypto.suites import SUITES12, SUITES13
from bothways.tls.handshake.access import Decide
from bothways.tls.resumption.session_store import SessionStore
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.tls.wire import extensions as ext
from bothways.trust.anchors import TrustStore, WatchedTrustStore
from bothways.trust.credentials import Credentials, WatchedCredentials
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation

JudgeAgain = Literal["never", "lapse", "change"]

VERSIONS = {each.text: each for each in (Version.TLS13, Version.TLS12)}
_BY_VERSION = {"1.3": SUITES13, "1.2": SUITES12}
SUITES = tuple(
    suite.name for table in _BY_VERSION.values() for suite in table.values() if not suite.is_key_transport
)
KEY_TRANSPORT_SUITES = tuple(suite.name for suite in SUITES12.values() if suite.is_key_transport)
PREFERRED_GROUPS = ("X25519MLKEM768", "x25519", "secp256r1", "secp384r1", "secp521r1")
PREFERRED_SCHEMES = tuple(SignatureScheme(code).name for code in SCHEMES)
AUTHORITIES_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True, eq=False)
class Negotiation:
    """What is offered, or accepted: codes of the registries, the preferred first.

    shares: groups for which a first ClientHello has a share.  hello: what every ClientHello says, the name asked for
    and the shares apart.
    """

    versions: tuple[Version, ...]
    suites: tuple[int, ...]
    suites_13: tuple[int, ...]
    groups: tuple[int, ...]
    schemes: tuple[int, ...]
    certificate_schemes: tuple[int, ...] | None
    protocols: tuple[bytes, ...]
    needs_extended_main_secret: bool
    shares: tuple[int, ...] = ()
    hello: tuple[ext.Extension, ...] = ()
    retry_cookie: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """Who we are: several credentials among which the peer's wishes choose, and the OCSP responses for them.

    refuses_unknown_name: of a server, for a client that asks for somebody else.  is_shown_later: of a client, also
    after the handshake.
    """

    configured: tuple[Credentials, ...]
    staples: OCSPStore | None = None
    refuses_unknown_name: bool = False
    is_shown_later: bool = False

    @property
    def own(self) -> tuple[Credentials, ...]:
        """The credentials of this moment."""
        return tuple([each.current for each in self.configured])


@dataclass(frozen=True, slots=True, eq=False)
class PeerTrust:
    """By whom the peer is judged, by which evidence, and when again.

    requires_certificate: an anonymous client is refused.  names_authorities: clients are told the anchors.
    decide: says which of the clients that are trusted may come in.
    """

    anchors: TrustStore
    revocation: Revocation | None = None
    judge_again: JudgeAgain = "never"
    requires_certificate: bool = True
    names_authorities: bool = False
    decide: Decide | None = None

    @property
    def generation(self) -> int:
        """Rises whenever anchors or evidence at hand change."""
        return self.anchors.generation + (0 if self.revocation is None else self.revocation.generation)

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """The anchors as they are named to clients, unless they are so many that no client would read them."""
        anchors = self.anchors.current
        names_them = self.names_authorities and anchors.subjects_octets <= AUTHORITIES_LIMIT
        return anchors.subjects if names_them else ()


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """How long a handshake may take, in seconds, how much is read, and how records end and are padded."""

    handshake_timeout: float
    max_certificate_bytes: int
    record_padding: int
    ignores_truncation: bool


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """All that the connections of one configuration share. `trust` is None where no client is judged.

    tickets: under which keys a server seals what it resumes by; None issues no tickets.  policy: a digest of how the
    peer is judged, the anchors apart, which is the same in every process.
    """

    negotiation: Negotiation
    identity: Identity
    trust: PeerTrust | None
    limits: Limits
    clock: Clock
    randomness: Randomness
    keylog: Callable[[str], None] | None = field(default=None, repr=False)
    tickets: TicketKeys | None = None
    policy: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", _policy_digest(self.negotiation, self.trust))

    @property
    def asks_status(self) -> bool:
        """Whether the peer is to send the revocation status of its certificates along with them."""
        return self.trust is not None and _asks_status(self.trust.revocation)

    @property
    def fetch(self) -> Fetch | None:
        """What may be fetched to judge peers, if anything."""
        revocation = None if self.trust is None else self.trust.revocation
        return None if revocation is None else revocation.fetch

    @property
    def judges_again(self) -> bool:
        """Whether the peer of an open connection is judged by itself, when something of it has lapsed or changed."""
        return self.trust is not None and self.trust.judge_again != "never"


@dataclass(frozen=True, slots=True, eq=False)
class ClientSettings(Settings):
    """Those of a client, which always judges the server. sessions: what it may resume; None for nothing."""

    trust: PeerTrust
    sessions: SessionStore | None = None


# -- from what a user gives ------------------------------------------------------------------------------


def negotiation(
    *,
    versions: Iterable[str],
    suites: Iterable[str],
    groups: Iterable[str],
    schemes: Iterable[str],
    certificate_schemes: Iterable[str] | None,
    alpn: Iterable[str],
    rsa_key_transport: bool,
    without_extended_main_secret: bool,
) -> Negotiation:
    """Return what is offered or accepted; a version for which no suite is left is not spoken."""
    names = _texts("versions", versions)
    for version in names:
        if version not in VERSIONS:
            raise ConfigError(f"versions: {version!r} is not spoken here; expected {', '.join(VERSIONS)}")
    allowed = _allowed_suites(suites, rsa_key_transport)
    spoken = [version for version in names if not _BY_VERSION[version].keys().isdisjoint(allowed)]
    if not spoken:
        raise ConfigError("suites: none of them is for a version in `versions`")
    usable = {code for version in spoken for code in _BY_VERSION[version]}
    codes = tuple(code for code in allowed if code in usable)
    chosen = certificate_schemes
    versions_spoken = tuple(VERSIONS[version] for version in spoken)
    groups_allowed = _codes("groups", groups, NamedGroup, GROUPS)
    schemes_allowed = _codes("schemes", schemes, SignatureScheme, SCHEMES)
    return Negotiation(
        versions=versions_spoken,
        suites=codes,
        suites_13=tuple(code for code in codes if code in SUITES13),
        groups=_usable("groups", groups_allowed, CLASSIC_GROUPS, versions_spoken),
        schemes=_usable("schemes", schemes_allowed, SCHEMES12, versions_spoken),
        certificate_schemes=(
            None if chosen is None else _codes("certificate_schemes", chosen, SignatureScheme, None)
        ),
        protocols=_protocols(alpn),
        needs_extended_main_secret=not without_extended_main_secret,
    )


def _usable(
    what: str, codes: tuple[int, ...], in_12: Sequence[int], versions: Sequence[Version]
) -> tuple[int, ...]:
    """Return those of `codes` that a version can use: hybrids (RFC 10024) and ML-DSA are for TLS 1.3 alone."""
    if Version.TLS13 in versions:
        return codes
    usable = tuple(code for code in codes if code in in_12)
    if not usable:
        raise ConfigError(f"{what}: none of them is for TLS 1.2, which is the only version here")
    return usable


def shares_for(offer: Negotiation, key_shares: Iterable[str] | None) -> tuple[int, ...]:
    """Return the groups for which the first ClientHello has a share, in the order of the groups.

    By default the first, and the first that is no post-quantum hybrid, so that few servers ask again. TLS 1.2 has no
    shares there.
    """
    groups = offer.groups
    if Version.TLS13 not in offer.versions:
        _codes("key_shares", key_shares or (), NamedGroup, GROUPS, empty=True)
        return ()
    if key_shares is None:
        classic = [code for code in groups if "MLKEM" not in NamedGroup(code).name]
        return tuple(dict.fromkeys((groups[0], *classic[:1])))
    shares = _codes("key_shares", key_shares, NamedGroup, groups, empty=True)
    return tuple(code for code in groups if code in shares)


def hello_extensions(
    offer: Negotiation, *, asks_status: bool, shown_later: bool, resumes: bool
) -> Iterator[ext.Extension]:
    """Yield what every ClientHello says, the name asked for and the shares apart (RFC 9846 4.2.2)."""
    yield ext.SupportedGroups(offer.groups)
    yield ext.SignatureAlgorithms(offer.schemes)
    if offer.certificate_schemes is not None:
        yield ext.SignatureAlgorithmsCert(offer.certificate_schemes)
    if offer.protocols:
        yield ext.ApplicationProtocols(offer.protocols)
    if asks_status:
        yield ext.StatusRequest()
    if Version.TLS12 in offer.versions:
        yield ext.EcPointFormats((ECPointFormat.uncompressed,))
        yield ext.ExtendedMainSecret()
        yield ext.RenegotiationInfo(b"")
    if Version.TLS13 in offer.versions:
        yield ext.SupportedVersions(offer.versions)
        if shown_later:
            yield ext.PostHandshakeAuth()
        if resumes:
            yield ext.PskKeyExchangeModes((PskKeyExchangeMode.psk_dhe_ke,))


def own_credentials(
    credentials: Credentials | Sequence[Credentials] | None, offer: Negotiation
) -> tuple[Credentials, ...]:
    """Return one or several credentials, each of which can sign by some scheme in some version."""
    several = (credentials,) if isinstance(credentials, Credentials) else tuple(credentials or ())
    for each in several:
        if not isinstance(each, Credentials):
            raise ConfigError(f"credentials: expected Credentials, not {type(each).__name__}")
        if isinstance(each, WatchedCredentials):
            each.accept_only(partial(_check_schemes, offer=offer))
        else:
            _check_schemes(each, offer)
    return several


def _check_schemes(credentials: Credentials, offer: Negotiation) -> None:
    fitting = {
        scheme for version in offer.versions for scheme in schemes_for(credentials.certificate, version)
    }
    if not fitting & set(offer.schemes):
        raise ConfigError(
            f"credentials: no scheme in `schemes` fits the key of {credentials.names.subject}"
            f" in {' and '.join(spelled(ProtocolVersion, version) for version in offer.versions)}"
        )


def checked_staples(staples: object) -> OCSPStore | None:
    """Return the responses for our own certificates."""
    if not isinstance(staples, OCSPStore | None):
        raise ConfigError("staples: expected an OCSPStore")
    return staples


def checked_anchors(what: str, anchors: object) -> TrustStore:
    """Return anchors, without which every peer would be refused."""
    if not isinstance(anchors, TrustStore):
        raise ConfigError(f"{what}: expected a TrustStore, since without anchors every peer would be refused")
    return anchors


def check_judging(anchors: object, revocation: object, judge_again: str) -> None:
    """Check by whom and by which evidence the peer is judged, and when again."""
    if revocation is not None and not isinstance(revocation, Revocation):
        raise ConfigError("revocation: expected a Revocation")
    if judge_again not in ("never", "lapse", "change"):
        raise ConfigError(f"judge_again: {judge_again!r} is none of never, lapse, change")
    if judge_again == "change" and revocation is None and not isinstance(anchors, WatchedTrustStore):
        raise ConfigError(
            "judge_again: without revocation there is no evidence that could change, nor are anchors watched"
        )


def limits(
    *, handshake_timeout: float, max_certificate_bytes: int, record_padding: int, ignore_truncation: bool
) -> Limits:
    """Return the limits of each connection."""
    if not handshake_timeout > 0:
        raise ConfigError("handshake_timeout: expected seconds above zero")
    if not 0 <= record_padding <= 2**14:
        raise ConfigError("record_padding: expected 0 to 16384 bytes")
    if not 1024 <= max_certificate_bytes < 2**24:
        raise ConfigError("max_certificate_bytes: expected 1024 to 16777215 bytes")
    return Limits(handshake_timeout, max_certificate_bytes, record_padding, ignore_truncation)


def checked_tickets(tickets: object) -> TicketKeys | None:
    """Return the keys of a server's tickets."""
    if not isinstance(tickets, TicketKeys | None):
        raise ConfigError("tickets: expected TicketKeys, or None to issue none and resume nothing")
    return tickets


def checked_sessions(sessions: object) -> SessionStore | None:
    """Return where a client keeps what it may resume."""
    if not isinstance(sessions, SessionStore | None):
        raise ConfigError("sessions: expected a SessionStore, or None to resume nothing")
    return sessions


def checked_keylog(keylog: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Return the function that gets the lines of a key log."""
    if keylog is not None and not callable(keylog):
        raise ConfigError("insecure_keylog: expected a function that takes a line")
    return keylog


def _policy_digest(offer: Negotiation, trust: PeerTrust | None) -> bytes:
    """Return a digest of what decides whether a peer passes: schemes, client authentication, revocation.

    The anchors are not in it, since they may change; nor who may come in, since that is asked each time.
    """
    terms = None if trust is None else (trust.requires_certificate, _revocation_terms(trust.revocation))
    text = repr(("bothways sessions 1", offer.schemes, offer.certificate_schemes, terms))
    return sha256(text.encode()).digest()


def _revocation_terms(revocation: Revocation | None) -> tuple[object, ...] | None:
    if revocation is None:
        return None
    sources = (revocation.crls, revocation.ocsp, revocation.fetch)
    return (
        *(source is not None for source in sources),
        revocation.staples,
        revocation.covers,
        revocation.unknown,
        revocation.tolerance.total_seconds(),
    )


def _asks_status(revocation: Revocation | None) -> bool:
    return revocation is not None and revocation.staples != "ignore"


def _allowed_suites(suites: Iterable[str], key_transport: bool) -> tuple[int, ...]:
    names = _texts("suites", suites)
    transport = tuple(name for name in KEY_TRANSPORT_SUITES if name not in names)
    if key_transport:
        names += transport
    elif len(transport) < len(KEY_TRANSPORT_SUITES):
        raise ConfigError("suites: RSA key transport has to be allowed by insecure_rsa_key_transport")
    return _codes("suites", names, CipherSuite, SUITES13.keys() | SUITES12.keys())


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
