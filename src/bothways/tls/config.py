"""The configuration of connections: one immutable object for each side, shared by any number of connections.

Every field is documented on these classes. The values that the engine computes from them are in `settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

from bothways.arguments import check_flags, function, methods
from bothways.errors import ConfigError
from bothways.roles import Role, Version
from bothways.tls.clock import Clock
from bothways.tls.connection import Connection
from bothways.tls.crypto.randomness import Randomness
from bothways.tls.defaults import CLOCK, RANDOMNESS
from bothways.tls.ech.configs import ECHConfigList, checked_ech, versions_with_ech
from bothways.tls.ech.keys import ECHKeys, checked_ech_keys
from bothways.tls.events import Observer
from bothways.tls.handshake.access import Allow, checked_allow
from bothways.tls.handshake.certificate_compression import CompressedChains
from bothways.tls.handshake.certificate_types import client_offer
from bothways.tls.handshake.client.offer import hello_extensions, shares_for
from bothways.tls.handshake.client.start import client_handshake
from bothways.tls.handshake.context import new_context
from bothways.tls.handshake.identity_fields import (
    check_client_auth,
    check_judging,
    check_key_for,
    check_nobody_is_judged,
    checked_anchors,
    checked_pins,
    checked_psks,
    checked_raw_key,
    checked_server_psks,
    checked_staples,
    only_tls13,
    own_credentials,
    refuses_unknown_name,
    resumes_12,
)
from bothways.tls.handshake.server.start import ProtocolRequired, ServiceRequest, server_handshake
from bothways.tls.handshake.settings import (
    PREFERRED_GROUPS,
    PREFERRED_SCHEMES,
    SUITES,
    ClientSettings,
    ConnectionLimits,
    JudgeAgain,
    Negotiation,
    OwnIdentity,
    PeerTrust,
    Settings,
    checked_keylog,
    checked_sessions,
    checked_tickets,
    compression_algorithms,
    limits,
    negotiation,
)
from bothways.tls.record.protection import LARGEST_RECORD
from bothways.tls.resumption.session_ids import SessionIds
from bothways.tls.resumption.session_store import SessionStore
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.trust.anchors import NO_ANCHORS, TrustStore
from bothways.trust.keys.external_psks import ExternalPSKs
from bothways.trust.keys.pins import PinnedKeys
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.raw_key import RawKeyCredentials
from bothways.trust.path.name_matching import ServerName
from bothways.trust.path.name_matching import server_name as parse_server_name
from bothways.trust.revocation import Revocation

ClientAuth = Literal["none", "request", "require", "later"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClientConfig:
    """The configuration of a client; immutable, for any number of connections. Raises `ConfigError`.

    anchors: the trust anchors for the certificates of servers; may be left out where `pins` or `psk_peers` are given.
    pins: the raw public keys (RFC 7250) of servers that are trusted, without certificate, name or revocation. Every
    pinned key may be the server of any connection. With `pins` or `raw_key` only TLS 1.3 is offered.
    psk_peers: external pre-shared keys (RFC 9258); those whose `peer` is the server of the connection are offered. A
    server that chooses one is authenticated by it, and gets no certificate of ours. Only TLS 1.3 is offered.
    credentials: one or several, of which the one that fits the server's request is sent; None for an anonymous
    client.
    raw_key: our key without a certificate, for peers that pin its public key (RFC 7250); in TLS 1.3 only.
    versions: TLS versions, "1.3" and "1.2"; a version without a remaining cipher suite is not offered.
    suites, groups, schemes: IANA names, the preferred one first.
    certificate_schemes: the schemes that are accepted for signatures in the peer's certificates, if different.
    key_shares: groups for which the first ClientHello has a key share; by default the first group, and the first one
    that is not a post-quantum hybrid, so that few servers need a HelloRetryRequest.
    alpn: application protocols (RFC 7301), the preferred one first.
    post_handshake_auth: offer TLS 1.3 servers to request our certificate after the handshake too, as some do for
    certain requests only (RFC 9846 4.3.6); the credentials are chosen in the same way.
    accept_compressed: algorithms with which the peer may compress its certificates in TLS 1.3: "zlib", "brotli" and
    "zstd" (RFC 8879). None by default: chains become shorter by a few hundred bytes, and bytes of unauthenticated
    peers reach a decompressor.
    compress_with: algorithms with which we compress our certificates for peers that accept it, once for each chain;
    None for all that are installed.
    revocation: how the peer's certificates are checked for revocation; None leaves it unchecked, and the verdict says
    so.
    judge_again: when the peer of an open connection is verified again, and the connection closed if the peer is no
    longer accepted: "never"; "lapse", when the verdict expires; "change", also when the CRLs or OCSP responses in
    `revocation` change, or watched anchors or pins.
    staples: OCSP responses about our own certificates, sent to peers that request them (RFC 6066 8).
    sessions: the store of sessions of TLS 1.3 to resume, each once; by default a store of its own, in memory. A
    server is verified again before its session is offered. None stores and resumes no session.
    resume_tls12: resume sessions of TLS 1.2 too, by tickets (RFC 5077) and session IDs, which a server keeps in
    memory for clients without tickets. Somebody who has a ticket key can then decrypt recorded connections, and an
    observer of the network can link connections by their session.
    ech: how the ClientHello is encrypted, so that the name of the server is not seen on the network (RFC 9849): the
    configurations that the server publishes; TLS 1.2 is not offered then. "grease" sends an extension of the same
    form that encrypts nothing (RFC 9849 6.2). A server that cannot decrypt it is refused, with its new configurations
    in the error.
    handshake_timeout: seconds.
    max_certificate_bytes: the largest Certificate message that is accepted, in bytes.
    record_padding: pads every protected record to a multiple of this number of bytes (RFC 9846 5.4).
    record_size_limit: the largest content of a record that we accept, 64 to 16385 bytes with content type and
    padding, for peers that support the limit (RFC 8449); the limit of the peer is observed, too. None does not
    negotiate limits.
    insecure_ignore_truncation: accept an end of file without close_notify as the end of data.
    insecure_without_extended_main_secret: allow TLS 1.2 with peers that do not support the extended main secret,
    which binds the keys to the handshake (RFC 7627).
    insecure_rsa_key_transport: allow, with the lowest preference, the TLS 1.2 suites without forward secrecy.
    insecure_keylog: called with each line of a key log (RFC 9850, without line ends). Somebody who has these lines
    can read and alter all data; bothways stores them nowhere.
    clock, randomness: the sources of time and randomness; for tests and recordings.
    """

    anchors: TrustStore = NO_ANCHORS
    credentials: Credentials | Sequence[Credentials] | None = None
    pins: PinnedKeys | None = None
    psk_peers: ExternalPSKs | None = field(default=None, repr=False)
    raw_key: RawKeyCredentials | None = None
    versions: tuple[str, ...] = ("1.3", "1.2")
    suites: tuple[str, ...] = SUITES
    groups: tuple[str, ...] = PREFERRED_GROUPS
    schemes: tuple[str, ...] = PREFERRED_SCHEMES
    certificate_schemes: tuple[str, ...] | None = None
    key_shares: tuple[str, ...] | None = None
    alpn: tuple[str, ...] = ()
    post_handshake_auth: bool = False
    accept_compressed: tuple[str, ...] = ()
    compress_with: tuple[str, ...] | None = None
    revocation: Revocation | None = None
    judge_again: JudgeAgain = "never"
    staples: OCSPStore | None = None
    sessions: SessionStore | None = field(default_factory=SessionStore)
    resume_tls12: bool = False
    ech: ECHConfigList | Literal["grease"] | None = None
    handshake_timeout: float = 30.0
    max_certificate_bytes: int = 64 * 1024
    record_padding: int = 0
    record_size_limit: int | None = LARGEST_RECORD[Version.TLS13]
    insecure_ignore_truncation: bool = False
    insecure_without_extended_main_secret: bool = False
    insecure_rsa_key_transport: bool = False
    insecure_keylog: Callable[[str], None] | None = field(default=None, repr=False)
    clock: Clock = field(default=CLOCK, repr=False)
    randomness: Randomness = field(default=RANDOMNESS, repr=False)

    settings: ClientSettings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_kinds(self)
        ech = checked_ech(self.ech)
        offer, bounds = _offer(self, versions_with_ech(self.versions) if ech else None), _limits(self)
        pins, raw_key = checked_pins("pins", self.pins), checked_raw_key(self.raw_key, offer)
        psks = checked_server_psks(self.psk_peers, offer)
        check_judging(self.anchors, self.revocation, self.judge_again, pins, psks)
        anchors = checked_anchors("anchors", self.anchors, pins, psks)
        trust = PeerTrust(anchors, self.revocation, self.judge_again, pins=pins, psks=psks)
        for what, value in (("raw_key", raw_key), ("pins", pins), ("psk_peers", psks)):
            offer = offer if value is None else only_tls13(offer, what)
        staples, keylog = checked_staples(self.staples), checked_keylog(self.insecure_keylog)
        own = own_credentials(self.credentials, offer)
        offer = replace(offer, shares=shares_for(offer, self.key_shares))
        compressed = _compressed(self.compress_with, own)
        identity = OwnIdentity(
            own, staples, compressed, is_shown_later=self.post_handshake_auth, raw_key=raw_key
        )
        settings = ClientSettings(
            offer, identity, trust, bounds, self.clock, self.randomness, keylog,
            sessions=checked_sessions(self.sessions),
            resumes_12=resumes_12(self.resume_tls12, offer, "sessions", self.sessions),
            ech=ech,
            greases_ech=self.ech == "grease" and Version.TLS13 in offer.versions,
        )  # fmt: skip
        hello = hello_extensions(
            offer,
            asks_status=trust.asks_status,
            shown_later=self.post_handshake_auth,
            uses_psks=self.sessions is not None or psks is not None,
            record_size_limit=bounds.record_size_limit,
        )
        types = client_offer(identity.types, trust.types)
        settings = replace(settings, negotiation=replace(offer, hello=(*hello, *types)))
        object.__setattr__(self, "settings", settings)

    def target(self, server_name: str | None) -> ServerName:
        """Return the server that a connection wants to reach.

        Raises `ConfigError` if that cannot be a server's name, and if this configuration cannot verify such a server.
        """
        if server_name is None:
            raise ConfigError(
                "server_name: missing; a client needs the name of its server: a DNS name or an IP address"
            )
        target = parse_server_name(server_name)
        check_key_for(self.settings.trust, target)
        return target

    def connection(self, server_name: str | None = None, *, observer: Observer | None = None) -> Connection:
        """Start a connection; its ClientHello is ready to be sent.

        server_name: the DNS name or IP address that the server's certificate must contain.
        observer: called with a note for each event of the handshake (`bothways.tls.events`).
        Raises `ConfigError` without a usable server name, and if this configuration cannot verify such a server.
        """
        target, observer = self.target(server_name), function("observer", observer)
        hs = new_context(Role.CLIENT, self.settings, observer)
        hs.history.server_name = target.text
        return Connection(self.settings, hs, client_handshake(hs, self.settings, target))


@dataclass(frozen=True, kw_only=True, eq=False)
class ServerConfig:
    """The configuration of a server; immutable, for any number of connections. Raises `ConfigError`.

    credentials: one, or several of which one is chosen by the server name that the client sends; none where `raw_key`
    or `psk_peers` is given.
    client_anchors: the trust anchors for the certificates of clients.
    client_pins: the raw public keys (RFC 7250) of clients that are trusted, without certificate or revocation, in
    TLS 1.3 only. Clients with a certificate are accepted too where there are `client_anchors`.
    psk_peers: external pre-shared keys (RFC 9258), each with the name of a client as its `peer`. A client that
    has one is authenticated by it, and no certificate is used on either side; the others need `credentials` or a
    `raw_key`, and are refused where a client must be verified and there are neither `client_anchors` nor `client_pins`.
    client_auth: "none", "request" (anonymous clients are accepted, a bad certificate is not), "require" or "later" (no
    certificate is requested in the handshake, and `Connection.authenticate_client` requests it); with anchors, pins or
    external PSKs the default is "require".
    unknown_server_name: for a client that sends a server name of no credentials: "first" uses the first ones, "refuse"
    sends an alert.
    allow: which of the trusted clients are allowed to connect; None for all. A `PeerRule` or a `CelRule`, several of
    which one has to match, or a function of a `Peer` that returns None or a `Refusal`. It is called during the
    handshake, and whenever the client is verified again, so it must return at once. For an anonymous client it gets
    None, but with "later" it is called for clients with a certificate only. Any other result and any exception refuse
    the client, and are logged.
    name_authorities: send the names of the trust anchors to clients, so that they can choose a certificate.
    raw_key: our key without a certificate, for peers that pin its public key (RFC 7250); in TLS 1.3 only.
    versions: TLS versions, "1.3" and "1.2"; a version without a remaining cipher suite is not offered.
    suites, groups, schemes: IANA names, the preferred one first.
    certificate_schemes: the schemes that are accepted for signatures in the peer's certificates, if different.
    alpn: application protocols (RFC 7301), the preferred one first.
    retry_cookie: send a cookie with a HelloRetryRequest.
    accept_compressed: algorithms with which the peer may compress its certificates in TLS 1.3: "zlib", "brotli" and
    "zstd" (RFC 8879). None by default: chains become shorter by a few hundred bytes, and bytes of unauthenticated
    peers reach a decompressor.
    compress_with: algorithms with which we compress our certificates for peers that accept it, once for each chain;
    None for all that are installed.
    revocation: how the peer's certificates are checked for revocation; None leaves it unchecked, and the
    verdict says so.
    judge_again: when the peer of an open connection is verified again, and the connection closed if the peer is no
    longer accepted: "never"; "lapse", when the verdict expires; "change", also when the CRLs or OCSP responses in
    `revocation` change, or watched anchors or pins.
    staples: OCSP responses about our own certificates, sent to peers that request them (RFC 6066 8).
    tickets: the keys that encrypt the session ticket, one for each client of TLS 1.3; by default keys of its own, in
    memory. A client is verified again, and `allow` asked, before its session is resumed. None issues no tickets and
    resumes no session.
    resume_tls12: resume sessions of TLS 1.2 too, by tickets (RFC 5077) and session IDs, which a server keeps in memory
    for clients without tickets. Somebody who has a ticket key can then decrypt recorded connections, and an observer of
    the network can link connections by their session.
    ech_keys: decrypt ClientHellos with these keys, so that the names that clients request are not seen on the network
    (RFC 9849). The credentials need one for the public name of the configuration.
    handshake_timeout: seconds.
    max_certificate_bytes: the largest Certificate message that is accepted, in bytes.
    record_padding: pads every protected record to a multiple of this number of bytes (RFC 9846 5.4).
    record_size_limit: the largest content of a record that we accept, 64 to 16385 bytes with content type and padding,
    for peers that support the limit (RFC 8449); the limit of the peer is observed, too. None does not negotiate limits.
    insecure_ignore_truncation: accept an end of file without close_notify as the end of data.
    insecure_without_extended_main_secret: allow TLS 1.2 with peers that do not support the extended main secret,
    which binds the keys to the handshake (RFC 7627).
    insecure_rsa_key_transport: allow, with the lowest preference, the TLS 1.2 suites without forward secrecy.
    insecure_keylog: called with each line of a key log (RFC 9850, without line ends). Somebody who has these lines
    can read and alter all data; bothways stores them nowhere.
    clock, randomness: the sources of time and randomness; for tests and recordings.
    """

    credentials: Credentials | Sequence[Credentials] = ()
    client_anchors: TrustStore | None = None
    client_pins: PinnedKeys | None = None
    psk_peers: ExternalPSKs | None = field(default=None, repr=False)
    raw_key: RawKeyCredentials | None = None
    client_auth: ClientAuth | None = None
    allow: Allow | None = None
    unknown_server_name: Literal["first", "refuse"] = "first"
    name_authorities: bool = True
    versions: tuple[str, ...] = ("1.3", "1.2")
    suites: tuple[str, ...] = SUITES
    groups: tuple[str, ...] = PREFERRED_GROUPS
    schemes: tuple[str, ...] = PREFERRED_SCHEMES
    certificate_schemes: tuple[str, ...] | None = None
    alpn: tuple[str, ...] = ()
    retry_cookie: bool = True
    accept_compressed: tuple[str, ...] = ()
    compress_with: tuple[str, ...] | None = None
    revocation: Revocation | None = None
    judge_again: JudgeAgain = "never"
    staples: OCSPStore | None = None
    tickets: TicketKeys | None = field(default_factory=TicketKeys, repr=False)
    resume_tls12: bool = False
    ech_keys: ECHKeys | None = None
    handshake_timeout: float = 30.0
    max_certificate_bytes: int = 64 * 1024
    record_padding: int = 0
    record_size_limit: int | None = LARGEST_RECORD[Version.TLS13]
    insecure_ignore_truncation: bool = False
    insecure_without_extended_main_secret: bool = False
    insecure_rsa_key_transport: bool = False
    insecure_keylog: Callable[[str], None] | None = field(default=None, repr=False)
    clock: Clock = field(default=CLOCK, repr=False)
    randomness: Randomness = field(default=RANDOMNESS, repr=False)

    settings: Settings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        _check_kinds(self)
        offer, bounds = replace(_offer(self), retry_cookie=self.retry_cookie), _limits(self)
        pins, raw_key = checked_pins("client_pins", self.client_pins), checked_raw_key(self.raw_key, offer)
        psks = checked_psks(self.psk_peers, offer)
        check_judging(self.client_anchors, self.revocation, self.judge_again, pins, psks)
        staples, keylog = checked_staples(self.staples), checked_keylog(self.insecure_keylog)
        own = own_credentials(self.credentials, offer)
        if not own and raw_key is None and psks is None:
            raise ConfigError(
                "credentials: a server needs a certificate and its key, a raw_key, or psk_peers"
            )
        if self.client_auth is None:
            trusts_nobody = self.client_anchors is None and pins is None and psks is None
            object.__setattr__(self, "client_auth", "none" if trusts_nobody else "require")
        trust, on_request = self._trust(offer)
        if not own or (trust is not None and trust.anchors is NO_ANCHORS):
            offer = only_tls13(offer, "client_pins" if pins else "psk_peers" if psks else "raw_key")
        refuses = refuses_unknown_name(self.unknown_server_name, own)
        compressed = _compressed(self.compress_with, own)
        identity = OwnIdentity(own, staples, compressed, refuses_unknown_name=refuses, raw_key=raw_key)
        tickets = checked_tickets(self.tickets)
        ids = SessionIds() if resumes_12(self.resume_tls12, offer, "tickets", tickets) else None
        settings = Settings(offer, identity, trust, bounds, self.clock, self.randomness, keylog, tickets, ids,
            checked_ech_keys(self.ech_keys, offer.versions), on_request,
        )  # fmt: skip
        object.__setattr__(self, "settings", settings)

    def _trust(self, offer: Negotiation) -> tuple[PeerTrust | None, PeerTrust | None]:
        """Return how clients are verified in the handshake and on request after it; None where they are not."""
        mode = self.client_auth
        check_client_auth(mode, offer, self.client_anchors, self.client_pins, self.psk_peers)
        if mode == "none":
            check_nobody_is_judged(
                client_anchors=self.client_anchors,
                client_pins=self.client_pins,
                psk_peers=self.psk_peers,
                allow=self.allow,
                revocation=self.revocation,
                judge_again=self.judge_again,
            )
            return None, None
        given = NO_ANCHORS if self.client_anchors is None else self.client_anchors
        anchors = checked_anchors("client_anchors", given, self.client_pins, self.psk_peers)
        if anchors.profile != "private":
            raise ConfigError(
                f"client_anchors: the {anchors.profile} profile applies to servers only; make this "
                'TrustStore with profile="private", which is the default'
            )
        trust = PeerTrust(
            anchors,
            self.revocation,
            self.judge_again,
            mode == "require",
            self.name_authorities,
            checked_allow(self.allow),
            self.client_pins,
            self.psk_peers,
        )
        return (None if mode == "later" else trust), trust

    def connection(
        self,
        *,
        observer: Observer | None = None,
        select: Callable[[ServiceRequest], ServerConfig | ProtocolRequired | None] | None = None,
    ) -> Connection:
        """Start the server's side of one connection; `observer` as for a client.

        select: called at the ClientHello with what the client requests; returns the configuration for this client,
        None to refuse it with the alert unrecognized_name, or the application protocols of which it has to offer one,
        to refuse it with no_application_protocol. All fields of that configuration apply except
        `handshake_timeout`, `max_certificate_bytes`, `record_padding`, `insecure_ignore_truncation`,
        `insecure_keylog`, `ech_keys`, `clock` and `randomness`, which are those of this one.
        """
        hs = new_context(Role.SERVER, self.settings, function("observer", observer))
        function("select", select)
        chosen = None if select is None else partial(_selected_settings, select)
        return Connection(self.settings, hs, server_handshake(hs, self.settings, chosen))


def _selected_settings(
    select: Callable[[ServiceRequest], ServerConfig | ProtocolRequired | None], asked: ServiceRequest
) -> Settings | ProtocolRequired | None:
    config = select(asked)
    return config.settings if isinstance(config, ServerConfig) else config


def _check_kinds(config: ClientConfig | ServerConfig) -> None:
    check_flags(config)
    methods("clock", config.clock, "now", "monotonic")
    methods("randomness", config.randomness, "random")


def _offer(config: ClientConfig | ServerConfig, versions: Sequence[str] | None = None) -> Negotiation:
    return negotiation(
        versions=versions or config.versions,
        suites=config.suites,
        groups=config.groups,
        schemes=config.schemes,
        certificate_schemes=config.certificate_schemes,
        alpn=config.alpn,
        compressions=config.accept_compressed,
        rsa_key_transport=config.insecure_rsa_key_transport,
        without_extended_main_secret=config.insecure_without_extended_main_secret,
    )


def _compressed(names: Sequence[str] | None, own: Sequence[Credentials]) -> CompressedChains:
    return CompressedChains(compression_algorithms("compress_with", names), len(own))


def _limits(config: ClientConfig | ServerConfig) -> ConnectionLimits:
    return limits(
        handshake_timeout=config.handshake_timeout,
        max_certificate_bytes=config.max_certificate_bytes,
        record_padding=config.record_padding,
        ignore_truncation=config.insecure_ignore_truncation,
        record_size_limit=config.record_size_limit,
    )
