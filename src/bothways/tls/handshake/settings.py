"""The settings of handshakes: codes computed from a configuration, in groups, checked on construction.

Names of cipher suites, groups and schemes are those of the IANA registries. Every impossible combination is a
`ConfigError` here, so that a handshake can fail only because of the peer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from hashlib import sha256
from typing import Literal

from bothways.arguments import number, several, whole
from bothways.errors import ConfigError
from bothways.iana import (
    CertificateCompressionAlgorithm,
    CertificateType,
    CipherSuite,
    NamedGroup,
    SignatureScheme,
)
from bothways.iana import name as spelled
from bothways.roles import Version
from bothways.tls.clock import Clock
from bothways.tls.crypto.groups import CLASSIC_GROUPS, GROUPS
from bothways.tls.crypto.randomness import Randomness
from bothways.tls.crypto.signing import SCHEMES, SCHEMES12
from bothways.tls.crypto.suites import SUITES12, SUITES13
from bothways.tls.ech.configs import ECHConfigList
from bothways.tls.ech.keys import ECHKeys
from bothways.tls.handshake.access import Decide
from bothways.tls.handshake.certificate_compression import CompressedChains
from bothways.tls.handshake.own_credentials import CurrentCredentials, OwnCredentials
from bothways.tls.record.protection import LARGEST_RECORD, SMALLEST_RECORD
from bothways.tls.resumption.session_ids import SessionIds
from bothways.tls.resumption.session_store import SessionStore
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.tls.wire import extensions as ext
from bothways.tls.wire.compression import DISTRIBUTIONS, installed
from bothways.trust.anchors import NO_ANCHORS, TrustStore
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.keys.external_psks import ExternalPSKs
from bothways.trust.keys.pins import PinnedKeys
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.raw_key import RawKeyCredentials
from bothways.trust.revocation import Revocation
from bothways.trust.revoked_together import RevokedTogether

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
    """What is offered or accepted: codes of the IANA registries, the preferred one first.

    compressions: the algorithms with which the peer may compress its Certificate.  shares: the groups with a key share
    in the first ClientHello.  hello: the extensions of every ClientHello, without
    server_name and key_share.
    """

    versions: tuple[Version, ...]
    suites: tuple[int, ...]
    suites_13: tuple[int, ...]
    groups: tuple[int, ...]
    schemes: tuple[int, ...]
    certificate_schemes: tuple[int, ...] | None
    protocols: tuple[bytes, ...]
    needs_extended_main_secret: bool
    compressions: tuple[int, ...] = ()
    shares: tuple[int, ...] = ()
    hello: tuple[ext.Extension, ...] = ()
    retry_cookie: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class OwnIdentity:
    """Our credentials, one of which is chosen for each peer, and the OCSP responses for them.

    compressed: the compressed forms of their chains.  refuses_unknown_name: a server refuses a client that requests
    another name.  is_shown_later: a client offers post-handshake authentication.  raw_key: our key without a
    certificate, for peers that accept its public key.
    """

    configured: tuple[Credentials, ...]
    staples: OCSPStore | None = None
    compressed: CompressedChains = field(default_factory=lambda: CompressedChains((), 0))
    refuses_unknown_name: bool = False
    is_shown_later: bool = False
    raw_key: RawKeyCredentials | None = None
    _current: CurrentCredentials = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_current", CurrentCredentials(self.configured))

    @property
    def types(self) -> tuple[int, ...]:
        """What we can authenticate ourselves with: certificate types, the preferred first (RFC 7250 3)."""
        return _types(self.raw_key is not None, bool(self.configured))

    def shown_as(self, kind: int | None) -> tuple[Credentials | RawKeyCredentials, ...]:
        """Return what we have of a certificate type."""
        if kind == CertificateType.RawPublicKey:
            return () if self.raw_key is None else (self.raw_key,)
        return self.own

    @property
    def own(self) -> tuple[Credentials, ...]:
        """The current credentials."""
        return self._current.value.all

    @property
    def indexed(self) -> OwnCredentials:
        """The same, to be found by their names."""
        return self._current.value


@dataclass(frozen=True, slots=True, eq=False)
class PeerTrust:
    """How the peer is verified: by which trust anchors and evidence, by which pins, and when again.

    pins, psks: the raw public keys and external PSKs that are trusted; None for none.  requires_certificate: refuse an
    anonymous client.  names_authorities: clients get the names of the anchors.  decide: which trusted clients may
    connect.  types: certificate types of the peer, the preferred first (RFC 7250 3).  together: who is revoked at once.
    """

    anchors: TrustStore
    revocation: Revocation | None = None
    judge_again: JudgeAgain = "never"
    requires_certificate: bool = True
    names_authorities: bool = False
    decide: Decide | None = None
    pins: PinnedKeys | None = None
    psks: ExternalPSKs | None = None
    types: tuple[int, ...] = field(init=False)
    together: RevokedTogether = field(init=False, repr=False, default_factory=RevokedTogether)

    def __post_init__(self) -> None:
        object.__setattr__(self, "types", _types(self.pins is not None, self.anchors is not NO_ANCHORS))

    @property
    def generation(self) -> int:
        """A number that increases whenever anchors, stored evidence, pins or external PSKs change."""
        parts = (self.anchors, self.revocation, self.pins, self.psks)
        return sum(0 if each is None else each.generation for each in parts)

    @property
    def asks_status(self) -> bool:
        """Whether the peer is asked to send OCSP responses with its certificates."""
        return self.revocation is not None and self.revocation.staples != "ignore"

    @property
    def authorities(self) -> tuple[bytes, ...]:
        """The names of the trust anchors for clients; empty if there are too many to be useful."""
        anchors = self.anchors.current
        names_them = self.names_authorities and anchors.subjects_octets <= AUTHORITIES_LIMIT
        return anchors.subjects if names_them else ()


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionLimits:
    """Limits of a connection: handshake time in seconds, message size, padding and treatment of truncation.

    record_size_limit: the largest record that we accept; None leaves it to the version.
    """

    handshake_timeout: float
    max_certificate_bytes: int
    record_padding: int
    ignores_truncation: bool
    record_size_limit: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Settings:
    """What all connections of one configuration share. trust: None where no client is verified in the handshake.

    tickets, session_ids: for resumption, None for none.  ech_keys: they decrypt ClientHellos.  on_request: for clients
    that are asked after the handshake.  policy: a digest of how the peer is verified, the same in every process.
    """

    negotiation: Negotiation
    identity: OwnIdentity
    trust: PeerTrust | None
    limits: ConnectionLimits
    clock: Clock
    randomness: Randomness
    keylog: Callable[[str], None] | None = field(default=None, repr=False)
    tickets: TicketKeys | None = None
    session_ids: SessionIds | None = None
    ech_keys: ECHKeys | None = None
    on_request: PeerTrust | None = None
    policy: bytes = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "policy", _policy_digest(self.negotiation, self.trust))

    @property
    def trust_when_open(self) -> PeerTrust | None:
        """How the peer of an open connection is verified: as in the handshake, or on request after it."""
        return self.on_request if self.trust is None else self.trust

    @property
    def needs_psk(self) -> bool:
        """Whether a server can do no handshake without an external PSK: it has no other key, or accepts no other."""
        trust = self.trust
        if trust is None or trust.psks is None:
            return False
        return not self.identity.types or (trust.requires_certificate and not trust.types)

    @property
    def fetch(self) -> Fetch | None:
        """What may be fetched to verify peers; None for nothing."""
        trust = self.trust_when_open
        return None if trust is None or trust.revocation is None else trust.revocation.fetch

    @property
    def judges_again(self) -> bool:
        """Whether the peer of an open connection is verified again when the verdict expires or the evidence changes."""
        trust = self.trust_when_open
        return trust is not None and trust.judge_again != "never"


@dataclass(frozen=True, slots=True, eq=False)
class ClientSettings(Settings):
    """The settings of a client, which always verifies the server. sessions: those to resume; None for none.

    resumes_12: whether sessions of TLS 1.2 are resumed too.  ech: by which the ClientHello is encrypted.
    greases_ech: whether a ClientHello looks as if a part of it were encrypted.
    """

    trust: PeerTrust
    sessions: SessionStore | None = None
    resumes_12: bool = False
    ech: ECHConfigList | None = None
    greases_ech: bool = False


# -- from the fields of a configuration -------------------------------------------------------------------


def negotiation(
    *,
    versions: Iterable[str],
    suites: Iterable[str],
    groups: Iterable[str],
    schemes: Iterable[str],
    certificate_schemes: Iterable[str] | None,
    alpn: Iterable[str],
    compressions: Iterable[str] = (),
    rsa_key_transport: bool,
    without_extended_main_secret: bool,
) -> Negotiation:
    """Return what is offered or accepted; a version without a remaining cipher suite is left out."""
    names = _texts("versions", versions)
    for version in names:
        if version not in VERSIONS:
            raise ConfigError(f"versions: {version!r} is not supported; expected {', '.join(VERSIONS)}")
    allowed = _allowed_suites(suites, rsa_key_transport)
    spoken = [version for version in names if not _BY_VERSION[version].keys().isdisjoint(allowed)]
    if not spoken:
        raise ConfigError("suites: none of them is for a version in `versions`")
    usable = {code for version in spoken for code in _BY_VERSION[version]}
    codes = tuple(code for code in allowed if code in usable)
    chosen = certificate_schemes
    versions_spoken = tuple(VERSIONS[version] for version in spoken)
    groups_allowed = registry_codes("groups", groups, NamedGroup, GROUPS)
    schemes_allowed = registry_codes("schemes", schemes, SignatureScheme, SCHEMES)
    return Negotiation(
        versions=versions_spoken,
        suites=codes,
        suites_13=tuple(code for code in codes if code in SUITES13),
        groups=_usable("groups", groups_allowed, CLASSIC_GROUPS, versions_spoken),
        schemes=_usable("schemes", schemes_allowed, SCHEMES12, versions_spoken),
        certificate_schemes=(
            None if chosen is None else registry_codes("certificate_schemes", chosen, SignatureScheme, None)
        ),
        protocols=_protocols(alpn),
        needs_extended_main_secret=not without_extended_main_secret,
        compressions=compression_algorithms("accept_compressed", compressions),
    )


def _usable(
    what: str, codes: tuple[int, ...], in_12: Sequence[int], versions: Sequence[Version]
) -> tuple[int, ...]:
    """Return those of `codes` that one of the versions supports: hybrids (RFC 10024) and ML-DSA need TLS 1.3."""
    if Version.TLS13 in versions:
        return codes
    usable = tuple(code for code in codes if code in in_12)
    if not usable:
        raise ConfigError(f"{what}: none of them is for TLS 1.2, which is the only version here")
    return usable


def compression_algorithms(what: str, names: Iterable[str] | None) -> tuple[int, ...]:
    """Return the algorithms of these names; of None those that are installed. Raises ConfigError."""
    if names is None:
        return installed()
    codes = registry_codes(what, names, CertificateCompressionAlgorithm, None, empty=True)
    for code in codes:
        if code not in installed():
            name = spelled(CertificateCompressionAlgorithm, code)
            raise ConfigError(
                f"{what}: {name} needs the package {DISTRIBUTIONS[code]}, which bothways[compression] installs"
            )
    return codes


def limits(
    *,
    handshake_timeout: float,
    max_certificate_bytes: int,
    record_padding: int,
    ignore_truncation: bool,
    record_size_limit: int | None,
) -> ConnectionLimits:
    """Return the limits of each connection. Raises ConfigError."""
    if not (handshake_timeout := number("handshake_timeout", handshake_timeout)) > 0:
        raise ConfigError("handshake_timeout: expected seconds above zero")
    record_padding = whole("record_padding", record_padding)
    if not 0 <= record_padding <= 2**14:
        raise ConfigError("record_padding: expected 0 to 16384 bytes")
    max_certificate_bytes = whole("max_certificate_bytes", max_certificate_bytes)
    if not 1024 <= max_certificate_bytes < 2**24:
        raise ConfigError("max_certificate_bytes: expected 1024 to 16777215 bytes")
    largest = LARGEST_RECORD[Version.TLS13]
    if record_size_limit is not None:
        record_size_limit = whole("record_size_limit", record_size_limit)
        if not SMALLEST_RECORD <= record_size_limit <= largest:
            raise ConfigError(f"record_size_limit: expected {SMALLEST_RECORD} to {largest} bytes, or None")
    return ConnectionLimits(
        handshake_timeout, max_certificate_bytes, record_padding, ignore_truncation, record_size_limit
    )


def checked_tickets(tickets: object) -> TicketKeys | None:
    """Return the keys for a server's tickets. Raises ConfigError."""
    if not isinstance(tickets, TicketKeys | None):
        raise ConfigError("tickets: expected TicketKeys, or None to issue none and resume nothing")
    return tickets


def checked_sessions(sessions: object) -> SessionStore | None:
    """Return the store of a client's sessions. Raises ConfigError."""
    if not isinstance(sessions, SessionStore | None):
        raise ConfigError("sessions: expected a SessionStore, or None to resume nothing")
    return sessions


def checked_keylog(keylog: Callable[[str], None] | None) -> Callable[[str], None] | None:
    """Return the function that gets the lines of a key log. Raises ConfigError."""
    if keylog is not None and not callable(keylog):
        raise ConfigError("insecure_keylog: expected a function that takes a line")
    return keylog


def _policy_digest(offer: Negotiation, trust: PeerTrust | None) -> bytes:
    """Return a digest of what decides whether a peer is accepted: schemes, client authentication, revocation.

    The anchors are not included, since they may change; nor is authorization, which is checked each time.
    """
    terms = None if trust is None else (trust.requires_certificate, _revocation_terms(trust.revocation))
    text = repr(("bothways sessions 1", offer.schemes, offer.certificate_schemes, terms))
    return sha256(text.encode()).digest()


def _types(raw_key: bool, certificate: bool) -> tuple[int, ...]:
    types = ((CertificateType.RawPublicKey, raw_key), (CertificateType.X509, certificate))
    return tuple([int(each) for each, is_there in types if is_there])


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


def _allowed_suites(suites: Iterable[str], key_transport: bool) -> tuple[int, ...]:
    names = _texts("suites", suites)
    transport = tuple(name for name in KEY_TRANSPORT_SUITES if name not in names)
    if key_transport:
        names += transport
    elif len(transport) < len(KEY_TRANSPORT_SUITES):
        raise ConfigError("suites: RSA key transport has to be allowed by insecure_rsa_key_transport")
    return registry_codes("suites", names, CipherSuite, SUITES13.keys() | SUITES12.keys())


def _texts(what: str, values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, (str, bytes)):
        raise ConfigError(f"{what}: expected a tuple of names, not the single text {values!r}")
    names = several(what, values, "names", str)
    if len(set(names)) != len(names):
        raise ConfigError(f"{what}: a name occurs twice in {', '.join(map(str, names))}")
    return names


def registry_codes(
    what: str,
    values: Iterable[str],
    registry: type[IntEnum],
    spoken: Iterable[object] | None,
    empty: bool = False,
) -> tuple[int, ...]:
    """Return the codes of names of an IANA registry. Raises ConfigError.

    what: the field that has them.  spoken: those that may stand there; None for all of the registry.
    """
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
                f"{what}: {name!r} is not supported; expected {', '.join(each.name for each in known)}"
            )
        codes.append(int(code))
    return tuple(codes)


def _protocols(names: Iterable[str]) -> tuple[bytes, ...]:
    protocols = tuple(name.encode("utf-8") for name in _texts("alpn", names))
    if not all(0 < len(protocol) < 256 for protocol in protocols):
        raise ConfigError("alpn: expected names of 1 to 255 bytes")
    return protocols
