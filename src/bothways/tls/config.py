"""What a user asks of connections: one object for each side, frozen, shared by any number of them.

Every field stands on the class that the user holds. What the engine makes of them is in `settings`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from bothways.errors import ConfigError
from bothways.roles import Role
from bothways.tls.clock import Clock
from bothways.tls.connection import Connection
from bothways.tls.crypto.randomness import Randomness
from bothways.tls.defaults import CLOCK, RANDOMNESS
from bothways.tls.events import Observer
from bothways.tls.guards import guarded_keylog, guarded_observer
from bothways.tls.handshake.access import Allow, checked_allow
from bothways.tls.handshake.client import client_handshake
from bothways.tls.handshake.context import HandshakeContext
from bothways.tls.handshake.history import History
from bothways.tls.handshake.message_io import Inbox, Outbox
from bothways.tls.handshake.server import server_handshake
from bothways.tls.handshake.settings import (
    PREFERRED_GROUPS,
    PREFERRED_SCHEMES,
    SUITES,
    ClientSettings,
    Identity,
    JudgeAgain,
    Limits,
    Negotiation,
    PeerTrust,
    Settings,
    check_judging,
    checked_anchors,
    checked_keylog,
    checked_sessions,
    checked_staples,
    checked_tickets,
    hello_extensions,
    limits,
    negotiation,
    own_credentials,
    shares_for,
)
from bothways.tls.keys.transcript import Transcript
from bothways.tls.resumption.session_store import SessionStore
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.trust.anchors import TrustStore
from bothways.trust.credentials import Credentials
from bothways.trust.names import ServerName
from bothways.trust.names import server_name as parse_server_name
from bothways.trust.ocsp_store import OCSPStore
from bothways.trust.revocation import Revocation

ClientAuth = Literal["none", "request", "require"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClientConfig:
    """What a client wants of every connection. Share it freely.

    anchors: whom it trusts to vouch for servers.
    credentials: one or several, of which the one that suits the server's request is sent; None for an anonymous
    client.
    versions: TLS versions, "1.3" and "1.2"; one for which no suite is left is not spoken.
    suites, groups, schemes: IANA names, the preferred one first.
    certificate_schemes: what signatures in the peer's certificates may be made with, where that differs.
    key_shares: groups for which the first ClientHello carries a share; by default the first group, and the first
    one that is not a post-quantum hybrid, so that few servers need a HelloRetryRequest.
    alpn: application protocols (RFC 7301), the preferred one first.
    post_handshake_auth: tell servers of TLS 1.3 that they may ask for our certificate after the handshake too, as
    some do for some requests alone (RFC 9846 4.3.6); they are answered by the same choice.
    revocation: how the peer's certificates are checked for revocation; None leaves it unchecked, and the
    verdict says so.
    judge_again: whether the peer of an open connection is judged anew, and the connection ended when it no
    longer passes: "never"; "lapse", when the verdict has come to its end; "change", also when the lists or
    responses in `revocation` change, or anchors that are watched.
    staples: OCSP responses about our own certificates, which a peer that asks gets along with them.
    sessions: what it remembers of servers to resume sessions of TLS 1.3, each once; by default a store of its own, in
    memory. A server is judged again before its session is offered. None remembers nothing.
    handshake_timeout: seconds.
    max_certificate_bytes: the longest Certificate message that is read.
    record_padding: pads every protected record to a multiple of so many bytes (RFC 9846 5.4).
    insecure_ignore_truncation: take an end of file without close_notify for an end of data.
    insecure_without_extended_main_secret: speak TLS 1.2 with peers that do not bind keys to their
    handshake (RFC 7627).
    insecure_rsa_key_transport: allow, after all others, the suites of TLS 1.2 without forward secrecy.
    insecure_keylog: called with each line of a key log (RFC 9850, without line ends). Who has these lines
    reads and alters all that is said; nothing here keeps or writes them.
    clock, randomness: where time and all that is random come from; for tests and recordings.
    """

    anchors: TrustStore
    credentials: Credentials | Sequence[Credentials] | None = None
    versions: tuple[str, ...] = ("1.3", "1.2")
    suites: tuple[str, ...] = SUITES
    groups: tuple[str, ...] = PREFERRED_GROUPS
    schemes: tuple[str, ...] = PREFERRED_SCHEMES
    certificate_schemes: tuple[str, ...] | None = None
    key_shares: tuple[str, ...] | None = None
    alpn: tuple[str, ...] = ()
    post_handshake_auth: bool = False
    revocation: Revocation | None = None
    judge_again: JudgeAgain = "never"
    staples: OCSPStore | None = None
    sessions: SessionStore | None = field(default_factory=SessionStore)
    handshake_timeout: float = 30.0
    max_certificate_bytes: int = 64 * 1024
    record_padding: int = 0
    insecure_ignore_truncation: bool = False
    insecure_without_extended_main_secret: bool = False
    insecure_rsa_key_transport: bool = False
    insecure_keylog: Callable[[str], None] | None = field(default=None, repr=False)
    clock: Clock = field(default=CLOCK, repr=False)
    randomness: Randomness = field(default=RANDOMNESS, repr=False)

    settings: ClientSettings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        offer, bounds = _offer(self), _limits(self)
        check_judging(self.anchors, self.revocation, self.judge_again)
        trust = PeerTrust(checked_anchors("anchors", self.anchors), self.revocation, self.judge_again)
        staples, keylog = checked_staples(self.staples), checked_keylog(self.insecure_keylog)
        own = own_credentials(self.credentials, offer)
        offer = replace(offer, shares=shares_for(offer.groups, self.key_shares))
        identity = Identity(own, staples, is_shown_later=self.post_handshake_auth)
        settings = ClientSettings(
            offer, identity, trust, bounds, self.clock, self.randomness, keylog,
            sessions=checked_sessions(self.sessions),
        )  # fmt: skip
        hello = hello_extensions(
            offer,
            asks_status=settings.asks_status,
            shown_later=self.post_handshake_auth,
            resumes=self.sessions is not None,
        )
        settings = replace(settings, negotiation=replace(offer, hello=tuple(hello)))
        object.__setattr__(self, "settings", settings)

    def target(self, server_name: str | None) -> ServerName:
        """Return whom a connection wants to reach; `ConfigError` if that cannot be a server's name."""
        if server_name is None:
            raise ConfigError(
                "server_name: missing; a client must say whom it wants to reach: a DNS name or an IP address"
            )
        return parse_server_name(server_name)

    def connection(self, server_name: str | None = None, *, observer: Observer | None = None) -> Connection:
        """Start a connection; its ClientHello is ready to send at once.

        server_name: the DNS name or IP address that the server's certificate must have.
        observer: called with a note for each thing that happens (`bothways.tls.events`).
        Raises `ConfigError` without a usable server name.
        """
        target = self.target(server_name)
        hs = _context(Role.CLIENT, self.settings, observer)
        hs.history.server_name = target.text
        return Connection(self.settings, hs, client_handshake(hs, self.settings, target))


@dataclass(frozen=True, kw_only=True, eq=False)
class ServerConfig:
    """What a server wants of every connection. Share it freely.

    credentials: one, or several among which the client's server name chooses.
    client_anchors: whom it trusts to vouch for clients.
    client_auth: "none", "request" (anonymous clients pass, a bad certificate does not) or "require"; with anchors
    the default is "require".
    unknown_server_name: what becomes of a client that asks for a name that no credentials have: "first" gives it
    the first ones, "refuse" an alert.
    allow: which of the clients that are trusted may come in; None for all of them. A `PeerRule`, several of which one
    has to hold, or a function of a `Peer` that returns None or a `Refusal`: at once, since it is asked within the
    handshake, and again whenever the client is judged. An anonymous client is asked about as None. Whatever else it
    returns or raises refuses, and is logged.
    name_authorities: tell clients which anchors there are, so that they can choose among their certificates.
    versions: TLS versions, "1.3" and "1.2"; one for which no suite is left is not spoken.
    suites, groups, schemes: IANA names, the preferred one first.
    certificate_schemes: what signatures in the peer's certificates may be made with, where that differs.
    alpn: application protocols (RFC 7301), the preferred one first.
    retry_cookie: send a cookie with a HelloRetryRequest.
    revocation: how the peer's certificates are checked for revocation; None leaves it unchecked, and the
    verdict says so.
    judge_again: whether the peer of an open connection is judged anew, and the connection ended when it no
    longer passes: "never"; "lapse", when the verdict has come to its end; "change", also when the lists or
    responses in `revocation` change, or anchors that are watched.
    staples: OCSP responses about our own certificates, which a peer that asks gets along with them.
    tickets: under which keys it seals the one session ticket that each client of TLS 1.3 gets; by default under keys
    of its own, in memory. A client is judged again, and `allow` asked, before its session is resumed. None issues no
    tickets and resumes nothing.
    handshake_timeout: seconds.
    max_certificate_bytes: the longest Certificate message that is read.
    record_padding: pads every protected record to a multiple of so many bytes (RFC 9846 5.4).
    insecure_ignore_truncation: take an end of file without close_notify for an end of data.
    insecure_without_extended_main_secret: speak TLS 1.2 with peers that do not bind keys to their
    handshake (RFC 7627).
    insecure_rsa_key_transport: allow, after all others, the suites of TLS 1.2 without forward secrecy.
    insecure_keylog: called with each line of a key log (RFC 9850, without line ends). Who has these lines
    reads and alters all that is said; nothing here keeps or writes them.
    clock, randomness: where time and all that is random come from; for tests and recordings.
    """

    credentials: Credentials | Sequence[Credentials]
    client_anchors: TrustStore | None = None
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
    revocation: Revocation | None = None
    judge_again: JudgeAgain = "never"
    staples: OCSPStore | None = None
    tickets: TicketKeys | None = field(default_factory=TicketKeys, repr=False)
    handshake_timeout: float = 30.0
    max_certificate_bytes: int = 64 * 1024
    record_padding: int = 0
    insecure_ignore_truncation: bool = False
    insecure_without_extended_main_secret: bool = False
    insecure_rsa_key_transport: bool = False
    insecure_keylog: Callable[[str], None] | None = field(default=None, repr=False)
    clock: Clock = field(default=CLOCK, repr=False)
    randomness: Randomness = field(default=RANDOMNESS, repr=False)

    settings: Settings = field(init=False, repr=False)

    def __post_init__(self) -> None:
        offer, bounds = replace(_offer(self), retry_cookie=self.retry_cookie), _limits(self)
        check_judging(self.client_anchors, self.revocation, self.judge_again)
        staples, keylog = checked_staples(self.staples), checked_keylog(self.insecure_keylog)
        own = own_credentials(self.credentials, offer)
        if not own:
            raise ConfigError("credentials: a server needs a certificate and its key")
        if self.client_auth is None:
            object.__setattr__(self, "client_auth", "none" if self.client_anchors is None else "require")
        trust = self._trust()
        if self.unknown_server_name not in ("first", "refuse"):
            raise ConfigError("unknown_server_name: expected first or refuse")
        identity = Identity(own, staples, refuses_unknown_name=self.unknown_server_name == "refuse")
        tickets = checked_tickets(self.tickets)
        settings = Settings(offer, identity, trust, bounds, self.clock, self.randomness, keylog, tickets)
        object.__setattr__(self, "settings", settings)

    def _trust(self) -> PeerTrust | None:
        """Return by whom clients are judged; None where they are not."""
        mode = self.client_auth
        if mode not in ("none", "request", "require"):
            raise ConfigError(f"client_auth: {mode!r} is no mode; expected none, request or require")
        if mode == "none":
            self._check_that_nobody_is_judged()
            return None
        if self.client_anchors is None:
            raise ConfigError(
                f"client_anchors: missing, and client_auth={mode!r} has to judge clients by them"
            )
        anchors = checked_anchors("client_anchors", self.client_anchors)
        if anchors.profile != "private":
            raise ConfigError(
                f"client_anchors: the {anchors.profile} profile judges servers alone; make this "
                'TrustStore with profile="private", which is the default'
            )
        return PeerTrust(
            anchors,
            self.revocation,
            self.judge_again,
            mode == "require",
            self.name_authorities,
            checked_allow(self.allow),
        )

    def _check_that_nobody_is_judged(self) -> None:
        if self.client_anchors is not None:
            raise ConfigError("client_anchors: they would never be used, since client_auth is none")
        if self.revocation is not None:
            raise ConfigError("revocation: it would never be checked, since client_auth is none")
        if self.allow is not None:
            raise ConfigError("allow: it would never be asked, since client_auth is none")
        if self.judge_again != "never":
            raise ConfigError("judge_again: nobody is ever judged, since client_auth is none")

    def connection(self, *, observer: Observer | None = None) -> Connection:
        """Start the server's side of one connection; `observer` as for a client."""
        hs = _context(Role.SERVER, self.settings, observer)
        return Connection(self.settings, hs, server_handshake(hs, self.settings))


def _offer(config: ClientConfig | ServerConfig) -> Negotiation:
    return negotiation(
        versions=config.versions,
        suites=config.suites,
        groups=config.groups,
        schemes=config.schemes,
        certificate_schemes=config.certificate_schemes,
        alpn=config.alpn,
        rsa_key_transport=config.insecure_rsa_key_transport,
        without_extended_main_secret=config.insecure_without_extended_main_secret,
    )


def _limits(config: ClientConfig | ServerConfig) -> Limits:
    return limits(
        handshake_timeout=config.handshake_timeout,
        max_certificate_bytes=config.max_certificate_bytes,
        record_padding=config.record_padding,
        ignore_truncation=config.insecure_ignore_truncation,
    )


def _context(role: Role, settings: Settings, observer: Observer | None) -> HandshakeContext:
    """Return the machinery of one connection."""
    if observer is not None:
        observer = guarded_observer(observer)
    bounds = settings.limits
    return HandshakeContext(
        role,
        settings.randomness,
        settings.clock,
        Transcript(),
        Outbox(role, observer, bounds.record_padding),
        Inbox(observer, bounds.max_certificate_bytes),
        settings.clock.monotonic() + bounds.handshake_timeout,
        observer,
        settings.identity.staples,
        None if settings.keylog is None else guarded_keylog(settings.keylog),
        history=History(settings),
    )
