"""The routes of one file with all that its files hold: whom each takes, by what it verifies, and where it leads.

Made whole or not at all; a reload makes another one beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from bothways.aio.answers import Finder, own_finder
from bothways.aio.watch import Watch
from bothways.errors import ConfigError
from bothways.gateway.addresses import ListenerAddress
from bothways.gateway.config import BackendTLS, GatewayConfig, IdentityConfig, RouteConfig, Times, wildcard
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.handshake.server import ServiceRequest
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.trust.anchors import TrustStore
from bothways.trust.credentials import Credentials
from bothways.trust.crl_files import CRLFiles
from bothways.trust.evidence.fetch_policy import Fetch
from bothways.trust.general_names import lower_ascii
from bothways.trust.parsing import PassphraseNeeded
from bothways.trust.revocation import Revocation

K = TypeVar("K")
V = TypeVar("V")

SOON_DAYS = 7
LOOK_SECONDS = 0.25  # how often files and evidence are looked at: a revocation counts within a second
STRICT = "require"


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """One route. server: how its clients are verified.  client: how its backend is, None for one without TLS.

    watch: tells its clients that evidence has changed.  finder: fetches evidence, where that is configured.
    """

    config: RouteConfig
    server: ServerConfig
    client: ClientConfig | None
    watch: Watch
    finder: Finder | None

    def look(self) -> None:
        """Take certificates, keys and anchors that have changed, though nobody connects."""
        sides = (self.server.settings, None if self.client is None else self.client.settings)
        for settings in sides:
            if settings is not None:
                _ = settings.identity.own
                _ = None if settings.trust is None else settings.trust.anchors.current

    def leads_like(self, other: Route) -> bool:
        """Whether clients of both reach the same service, which is verified and told of them alike."""
        one, two = self.config, other.config
        return (one.backend, one.backend_tls, one.proxy_protocol) == (
            two.backend, two.backend_tls, two.proxy_protocol
        )  # fmt: skip

    def takes(self, listener: str, asked: ServiceRequest) -> bool:
        """Whether a client that came in there is for this route."""
        config = self.config
        if config.listeners is not None and listener not in config.listeners:
            return False
        if config.alpn and not any(each.encode() in (asked.protocols or ()) for each in config.alpn):
            return False
        if config.server_names is None:
            return True
        name = lower_ascii(asked.server_name or "").rstrip(".")
        is_name = bool(name) and "*" not in name
        return is_name and (name in config.server_names or wildcard(name) in config.server_names)


@dataclass(frozen=True, slots=True, eq=False)
class Routes:
    """All routes of a file. crls: the files that are followed, by which clients and backends are verified."""

    config: GatewayConfig
    all: tuple[Route, ...]
    crls: tuple[CRLFiles, ...]

    def find(self, listener: ListenerAddress, asked: ServiceRequest) -> Route | None:
        """Return the first route that takes a client; None refuses it. listener: where it came in."""
        name = next((each.name for each in self.config.listeners if each.address == listener), None)
        if name is None:
            return None
        return next((each for each in self.all if each.takes(name, asked)), None)

    def look(self) -> list[str]:
        """Read files again that have changed, and return what there is to say of CRLs; the log has the rest.

        For a thread: files may be large.
        """
        for each in self.all:
            each.look()
        return [line for each in self.crls for line in each.look(datetime.now(UTC))]

    def warnings(self) -> Iterator[str]:
        """Yield what will not work as the file says, though nothing is wrong with it by itself."""
        yield from self.look()
        now = datetime.now(UTC)
        for route in self.all:
            own = route.server.settings.identity.own[0]
            end = own.certificate.not_valid_after_utc
            if end < now:
                yield f"route {route.config.name}: our certificate expired on {end:%Y-%m-%d %H:%M}; renew it"
            elif (end - now).days < SOON_DAYS:
                yield f"route {route.config.name}: our certificate expires on {end:%Y-%m-%d %H:%M}; renew it"
            for name in route.config.server_names or ():
                if not own.matches(name.replace("*", "any-name", 1)):
                    yield f"route {route.config.name}: our certificate does not stand for {name}"


def load_routes(config: GatewayConfig, tickets: TicketKeys | None = None) -> Routes:
    """Read every file that a configuration names. Raises ConfigError, which names the route.

    tickets: the keys of session tickets; None issues none.
    """
    return _Loading(config, tickets).routes()


class _Loading:
    """Loads one configuration; what several routes name is read once."""

    def __init__(self, config: GatewayConfig, tickets: TicketKeys | None) -> None:
        self._config = config
        self._tickets = tickets
        self._crls: dict[tuple[str, ...], CRLFiles] = {}
        self._anchors: dict[str, TrustStore] = {}
        self._credentials: dict[tuple[str, str | None], Credentials] = {}

    def routes(self) -> Routes:
        """Return all of them."""
        made = tuple(self._named(each) for each in self._config.routes)
        return Routes(self._config, made, tuple(self._crls.values()))

    def _named(self, config: RouteConfig) -> Route:
        try:
            return self._route(config)
        except ConfigError as error:
            raise ConfigError(f"{self._config.path}: route {config.name}: {error}") from None

    def _route(self, config: RouteConfig) -> Route:
        identity = config.identity
        server = ServerConfig(
            credentials=self._identity(identity.certificate, identity.key),
            client_anchors=self._trusted(identity.client_ca),
            client_auth="require",
            allow=config.access.refusal,
            alpn=config.alpn,
            revocation=self._revocation(identity),
            judge_again="change",
            tickets=self._tickets,
            handshake_timeout=self._config.times.handshake,
        )
        tls = config.backend_tls
        client = None if tls is None else self._client(tls, self._config.times)
        watch = Watch(server.settings, LOOK_SECONDS)
        return Route(config, server, client, watch, own_finder(server.settings))

    def _client(self, tls: BackendTLS, times: Times) -> ClientConfig:
        own = None if tls.certificate is None else self._identity(tls.certificate, tls.key)
        anchors = TrustStore.system() if tls.ca is None else self._trusted(tls.ca)
        revocation = Revocation.preset(STRICT, self._lists(tls.crl).store) if tls.crl else None
        followed = revocation is not None or tls.ca is not None
        client = ClientConfig(
            anchors=anchors,
            credentials=own,
            revocation=revocation,
            judge_again="change" if followed else "lapse",
            handshake_timeout=times.connect,
        )
        client.target(tls.server_name)
        return client

    def _revocation(self, identity: IdentityConfig) -> Revocation | None:
        """Return how revocation is checked; None where no source is named and no preset asked for."""
        fetch = _fetch(identity.fetch_allow) if identity.fetch else None
        if not identity.crl and fetch is None and identity.revocation is None:
            return None
        lists = self._lists(identity.crl).store if identity.crl else None
        return Revocation.preset(identity.revocation or STRICT, lists, fetch=fetch)

    def _lists(self, paths: tuple[str, ...]) -> CRLFiles:
        return _once(self._crls, paths, lambda: CRLFiles(paths))

    def _trusted(self, path: str) -> TrustStore:
        return _once(self._anchors, path, lambda: TrustStore.watched(path))

    def _identity(self, certificate: str, key: str | None) -> Credentials:
        return _once(self._credentials, (certificate, key), lambda: _credentials(certificate, key))


def _credentials(certificate: str, key: str | None) -> Credentials:
    try:
        return Credentials.watched(certificate, key)
    except PassphraseNeeded:
        locked = key or certificate
        raise ConfigError(
            f"{locked}: it is encrypted, and a gateway asks nobody for a password; decrypt it "
            f"(openssl pkey -in {locked} -out KEY) and protect the file by its permissions"
        ) from None


def _fetch(allow: Sequence[str]) -> Fetch:
    from bothways.fetch import fetcher  # HTTP is loaded only where something is to be fetched

    policy = Fetch(allow=allow)
    fetcher.check(policy)
    return policy


def _once(known: dict[K, V], key: K, make: Callable[[], V]) -> V:
    if key not in known:
        known[key] = make()
    return known[key]
