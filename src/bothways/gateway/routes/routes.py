"""The routes of one file with all that its files hold: whom each takes, by what it verifies, and where it leads.

Made whole or not at all; a reload makes another one beside it.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from itertools import islice

from bothways.addresses import TCPAddress
from bothways.aio.answers import Finder, own_finder
from bothways.aio.watch import Watch
from bothways.describe.escape import visible
from bothways.diagnosis.own_doubts import doubts_and_renewal
from bothways.errors import ConfigError
from bothways.gateway.config.gateway import GatewayConfig, RouteConfig
from bothways.gateway.config.http import HTTP2, PROTOCOLS, check_installed
from bothways.gateway.config.identity import BackendTLS, IdentityConfig, Own
from bothways.gateway.config.listener import STATUS
from bothways.gateway.config.server_names import ByServerName, wildcard
from bothways.gateway.config.spiffe import SpiffeIdentity
from bothways.gateway.config.tunnel import TunnelConfig
from bothways.gateway.files.held import FileReader, Held, Making
from bothways.gateway.files.sources import ContentSources
from bothways.gateway.observe.refusals import load_ladders
from bothways.gateway.routes.trust_warnings import STRICT, trust_warnings
from bothways.roles import Role
from bothways.servers.addresses import ListenerAddress
from bothways.starttls import Accepted
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.handshake.server.start import ServiceRequest
from bothways.tls.handshake.settings import JudgeAgain
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.trust.anchors import NO_ANCHORS, TrustStore
from bothways.trust.crl_files import expired_in, expiry
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.names.general import lower_ascii
from bothways.trust.own_identity.credentials import Credentials
from bothways.trust.own_identity.renewal import overdue
from bothways.trust.revocation import Revocation

LOOK_SECONDS = 0.25  # how often fetched evidence is looked at: a revocation counts within a second
WARNINGS = 8  # about the trust anchors of one route


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One route. server: how its clients are verified.  client: how its backend is, None for one without TLS.

    watch: tells its clients that evidence has changed.  finder: fetches evidence, where that is configured.  ends: when
    our credentials end, and with them the route until there are others; None where that is the matter of clients.
    service_ends: the same of those that are shown to the service.
    """

    config: RouteConfig
    server: ServerConfig
    client: ClientConfig | None
    watch: Watch
    finder: Finder | None
    ends: datetime | None = None
    service_ends: datetime | None = None

    @property
    def shows_status(self) -> bool:
        """Whether it leads to no service, and shows the status of the gateway."""
        return self.config.backend is None

    def leads_like(self, other: Route) -> bool:
        """Whether clients of both reach the same service, which is verified and told of them alike."""
        one, two = self.config, other.config
        return (one.backend, one.backend_tls, one.proxy_protocol, one.http) == (
            two.backend, two.backend_tls, two.proxy_protocol, two.http
        )  # fmt: skip

    def judges_like(self, other: Route) -> bool:
        """Whether clients of both are verified by the same anchors and evidence, and admitted by the same rules."""
        return self.config.access == other.config.access and is_same_trust(self.server, other.server)

    def takes(self, listener: str, asked: ServiceRequest) -> bool:
        """Whether a client that came in there is for this route."""
        alpn = self.config.alpn
        is_offered = not alpn or any(each.encode() in (asked.protocols or ()) for each in alpn)
        return is_offered and self.is_named(listener, asked)

    def is_named(self, listener: str, asked: ServiceRequest) -> bool:
        """Whether it is for clients that come in there, and for the server name that one asks for."""
        config = self.config
        if config.listeners is not None and listener not in config.listeners:
            return False
        if config.server_names is None:
            return True
        name = _name_in(asked)
        is_name = bool(name) and "*" not in name
        return is_name and (name in config.server_names or wildcard(name) in config.server_names)


@dataclass(frozen=True, slots=True, eq=False)
class TunnelRoute:
    """A tunnel. client: how its server is verified.  ends: when our credentials end, as in `Route`."""

    config: TunnelConfig
    client: ClientConfig
    ends: datetime | None = None

    def leads_like(self, other: TunnelRoute) -> bool:
        """Whether programs of both reach the same server, to which we show and of which we verify the same names."""
        one, two = self.config, other.config
        return (one.server, one.tls, one.alpn, one.starttls) == (two.server, two.tls, two.alpn, two.starttls)


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """All routes of a file. held: what is made of the files that they name.  secret: that of shared limits."""

    config: GatewayConfig
    all: tuple[Route, ...]
    held: Held
    secret: bytes | None = field(default=None, repr=False)
    tunnels: tuple[TunnelRoute, ...] = ()
    _by_name: dict[bool, ByServerName[Route]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        by_name = {shows_status: ByServerName[Route]() for shows_status in (False, True)}
        for each in self.all:
            by_name[each.shows_status].add(each.config.server_names, each)
        object.__setattr__(self, "_by_name", by_name)

    def tunnel_at(self, listener: ListenerAddress) -> TunnelRoute | None:
        """Return the tunnel of the programs that came in there; None where there is none."""
        return next((each for each in self.tunnels if each.config.listener.address == listener), None)

    def find(self, listener: ListenerAddress, asked: ServiceRequest) -> Route | None:
        """Return the first route that takes a client; None refuses it. listener: where it came in."""
        name, routes = self._of(listener, asked)
        return next((each for each in routes if each.takes(name, asked)), None)

    def protocols_for(self, listener: ListenerAddress, asked: ServiceRequest) -> tuple[bytes, ...]:
        """Return the application protocols of routes that would take a client, if it offered one of them."""
        name, routes = self._of(listener, asked)
        named = [each for each in routes if each.is_named(name, asked)]
        return tuple(dict.fromkeys(each.encode() for route in named for each in route.config.alpn))

    def _of(self, listener: ListenerAddress, asked: ServiceRequest) -> tuple[str, list[Route]]:
        """Return the name of a listener, and the routes of its kind for the server name that a client asks for.

        None for a listener that the file does not have.
        """
        found = next((each for each in self.config.all_listeners if each.address == listener), None)
        if found is None:
            return "", []
        return found.name, self._by_name[found.kind == STATUS].candidates(_name_in(asked))

    def expired(self, at: datetime) -> dict[bytes, str]:
        """Return which CRLs have expired, by their digests, each with a sentence that says so."""
        return {
            digest: f"{path}: {expiry(crl)}"
            for lists in self.held.lists.values()
            for path, several in lists.each.items()
            for digest, crl in expired_in(several, at).items()
        }

    def _trust_warnings(self, identity: IdentityConfig, anchors: TrustStore) -> list[str]:
        return list(islice(trust_warnings(identity, anchors, self.held), WARNINGS))

    def warnings(self) -> Iterator[str]:
        """Yield what will not work as the file says, though nothing is wrong with it by itself."""
        now = datetime.now(UTC)
        problems = cache(partial(_problems, now=now))  # many routes may have the same certificate
        trusted = cache(self._trust_warnings)
        yield from self.expired(now).values()
        for route in self.all:
            name = _titled(route.config)
            anchors = route.server.client_anchors
            if anchors is not None:
                yield from (f"{name}: {each}" for each in trusted(route.config.identity, anchors))
            own = route.server.settings.identity.own[0]
            yield from (f"{name}: {each}" for each in problems(own, Role.SERVER))
            to_service = () if route.client is None else route.client.settings.identity.own
            for mine in to_service:
                yield from (f"{name}, backend_tls: {each}" for each in problems(mine, Role.CLIENT))
            for asked in route.config.server_names or ():
                if not own.matches(asked.replace("*", "any-name", 1)):
                    yield f"{name}: our certificate does not stand for {asked}"
        for tunnel in self.tunnels:
            listener = tunnel.config.listener
            if listener.mode & stat.S_IRWXO and not isinstance(listener.address, TCPAddress):
                yield (
                    f"{_called(tunnel.config)}: every user of this machine may use our certificate by its socket (mode "
                    f"{listener.mode:04o}); 0660 leaves that to this user and a group"
                )
            for own in tunnel.client.settings.identity.own:
                yield from (f"{_called(tunnel.config)}: {each}" for each in problems(own, Role.CLIENT))


def _name_in(asked: ServiceRequest) -> str:
    return lower_ascii(asked.server_name or "").rstrip(".")


def _problems(own: Credentials, role: Role, now: datetime) -> list[str]:
    """Return what is wrong with a certificate of ours, and that it should have been renewed."""
    late = overdue(own, now)
    return doubts_and_renewal(own, role, now, () if late is None else (late,))


def svid_problem(end: datetime | None) -> str | None:
    """Return why our SVID is not shown to anybody; None where it may be. end: when it ends, None for no SVID."""
    if end is None or datetime.now(UTC) < end:
        return None
    return f"our SVID expired on {end:%Y-%m-%d %H:%M}, and the Workload API has sent no other"


def is_same_trust(one: ServerConfig | ClientConfig, other: ServerConfig | ClientConfig) -> bool:
    """Whether peers are verified by the same anchors, CRLs and OCSP responses, in the same way."""
    mine, theirs = one.settings, other.settings
    if mine.trust is None or theirs.trust is None or mine.trust.anchors is not theirs.trust.anchors:
        return False
    if mine.trust.pins is not theirs.trust.pins or mine.trust.psks is not theirs.trust.psks:
        return False
    ours, its = mine.trust.revocation, theirs.trust.revocation
    if ours is None or its is None:
        return ours is its
    is_same = ours.crls is its.crls and ours.ocsp is its.ocsp and ours.news is its.news
    return is_same and mine.policy == theirs.policy


def load_routes(config: GatewayConfig, tickets: TicketKeys | None = None) -> Routes:
    """Read every file that a configuration names. Raises ConfigError, which names the route.

    tickets: the ticket keys; None issues none. Our own CA issues nothing for it.
    """
    sources = ContentSources(issues=False)
    try:
        making = Making(FileReader(sources), Held(), (), datetime.now(UTC), keeps=False)
        return made_routes(config, tickets, making)
    finally:
        sources.close()


def made_routes(config: GatewayConfig, tickets: TicketKeys | None, making: Making) -> Routes:
    """Return the routes of a configuration, with what is made of its files. Raises ConfigError, as `load_routes`."""
    return _Loading(config, tickets, making).routes()


class _Loading:
    """Loads one configuration."""

    def __init__(self, config: GatewayConfig, tickets: TicketKeys | None, making: Making) -> None:
        self._config = config
        self._tickets = tickets
        self._making = making

    def routes(self) -> Routes:
        """Return all of them."""
        if self._config.metrics is not None:
            check_installed("[metrics]", ("prometheus_client", "h11"))
        if self._config.status is not None:
            load_ladders()
        if self._config.spans:
            check_installed("[traces]", ("opentelemetry",), "pip install 'bothways[traces]'")
        made = tuple(self._named(each) for each in self._config.routes)
        tunnels = tuple(self._tunnel(each) for each in self._config.tunnels)
        return Routes(self._config, made, self._making.held, self._secret(), tunnels)

    def _tunnel(self, config: TunnelConfig) -> TunnelRoute:
        try:
            return TunnelRoute(config, self._client(config.tls, config.alpn), self._end(config.tls.own))
        except ConfigError as error:
            raise ConfigError(f"{self._config.path}: {_called(config)}: {error}") from None

    def _named(self, config: RouteConfig) -> Route:
        self._making.progress()
        try:
            return self._route(config)
        except ConfigError as error:
            raise ConfigError(f"{self._config.path}: {_titled(config)}: {error}") from None

    def _secret(self) -> bytes | None:
        path = self._config.limits.shared_secret
        try:
            return None if path is None else self._making.secret(path)
        except ConfigError as error:
            raise ConfigError(f"{self._config.path}: limits.shared_secret: {error}") from None

    def _route(self, config: RouteConfig) -> Route:
        identity = config.identity
        revocation = self._revocation(identity)
        if config.http is not None:
            check_installed()
        credentials, anchors = self._making.credentials(identity.own), None
        if identity.client_ca is not None or identity.client_cert is not None:
            anchors = self._making.client_anchors(identity.client_ca, identity.client_cert)
        elif isinstance(identity.own, SpiffeIdentity):
            anchors, domains = self._making.domain_anchors(identity.own)
            config = replace(config, access=replace(config.access, domains=domains))
        server = ServerConfig(
            credentials=credentials,
            client_anchors=anchors,
            client_auth="require",
            allow=config.access.refusal,
            alpn=config.alpn or (PROTOCOLS if config.http is not None else _own_protocols(config.starttls)),
            revocation=revocation,
            judge_again=_judge_again(revocation),
            tickets=self._tickets,
            handshake_timeout=self._config.times.handshake,
        )
        tls = config.backend_tls
        client = None if tls is None else self._client(tls, _offered_to_service(config))
        watch = Watch(server.settings, LOOK_SECONDS)
        ends, service_ends = self._end(identity.own), None if tls is None else self._end(tls.own)
        return Route(config, server, client, watch, own_finder(server.settings), ends, service_ends)

    def _end(self, own: Own | None) -> datetime | None:
        """Return from when on credentials are not shown to anybody; None where a peer has to see to it."""
        return self._making.credentials(own).not_after if isinstance(own, SpiffeIdentity) else None

    def _client(self, tls: BackendTLS, alpn: tuple[str, ...]) -> ClientConfig:
        """Return how a service or the server of a tunnel is verified. Raises ConfigError, in the words of the file."""
        try:
            return self._client_config(tls, alpn)
        except ConfigError as error:
            raise ConfigError(re.sub("^psk_peers: ", "psk: ", str(error))) from None

    def _client_config(self, tls: BackendTLS, alpn: tuple[str, ...]) -> ClientConfig:
        making = self._making
        own = None if tls.own is None else making.credentials(tls.own)
        revocation = self._revocation(tls)
        client = ClientConfig(
            anchors=self._anchors_of_service(tls),
            credentials=own,
            pins=None if tls.pin is None else making.pins(tls.pin),
            psk_peers=None if tls.psk is None else making.psks(tls.psk),
            raw_key=None if tls.raw_key is None else making.raw_key(tls.raw_key),
            alpn=alpn,
            revocation=revocation,
            judge_again=_judge_again(revocation),
            handshake_timeout=self._config.times.connect,
        )
        if tls.psk is None or making.has_new_psks(
            tls.psk
        ):  # a key that is removed later is no reason to keep it
            client.target(tls.server_name)
        return client

    def _anchors_of_service(self, tls: BackendTLS) -> TrustStore:
        if not tls.trusts_cas:
            return NO_ANCHORS
        if tls.trust_domain is None or not isinstance(tls.own, SpiffeIdentity):
            return self._making.anchors(tls.ca)
        return self._making.domain_anchors(tls.own, tls.trust_domain)[0]

    def _revocation(self, identity: IdentityConfig | BackendTLS) -> Revocation | None:
        """Return how revocation is checked; None where no source is named and no preset asked for."""
        fetch = self._fetch(identity.fetch_allow) if identity.fetch else None
        if not identity.crl and not identity.ocsp and fetch is None and identity.revocation is None:
            return None
        lists = self._making.lists(identity.crl) if identity.crl else None
        responses = self._making.responses(identity.ocsp) if identity.ocsp else None
        return self._with_news(
            Revocation.preset(identity.revocation or STRICT, lists, responses, fetch=fetch)
        )

    def _with_news(self, revocation: Revocation) -> Revocation:
        """Return how revocation is checked with what other gateways have found out."""
        return (
            replace(revocation, news=self._making.held.news)
            if self._config.limits.shared_news
            else revocation
        )

    def _fetch(self, allow: Sequence[str]) -> Fetch:
        from bothways.fetch import fetcher  # HTTP is loaded only where something is to be fetched

        policy = Fetch(
            allow=allow, learned=self._making.held.news.learned if self._config.limits.shared_news else None
        )
        fetcher.check(policy)
        return policy


def _titled(route: RouteConfig) -> str:
    """Return what a message begins with that is about a route; one without a name is called "route 1" and so on."""
    name = visible(route.name)
    return name if name.startswith(("route ", "[")) else f"route {name}"


def _called(tunnel: TunnelConfig) -> str:
    name = visible(tunnel.name)
    return name if name.startswith("tunnel ") else f"tunnel {name}"


def _offered_to_service(route: RouteConfig) -> tuple[str, ...]:
    by_http = (HTTP2,) if route.http is not None and route.http.version == "2" else ()
    return by_http or _own_protocols(route.starttls)


def _own_protocols(starttls: Accepted | None) -> tuple[str, ...]:
    return () if starttls is None or starttls.alpn is None else (starttls.alpn,)


def _judge_again(revocation: Revocation | None) -> JudgeAgain:
    """Return when a peer is verified again by the same routes; others, with other anchors, have it verified anyhow."""
    return "lapse" if revocation is None else "change"
