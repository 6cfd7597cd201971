"""The file of a gateway as values: what it says is checked here, and the files that it names are not yet read.

Paths are relative to the file's own folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from bothways.addresses import Address, parsed_address
from bothways.errors import ConfigError
from bothways.faults import shown
from bothways.gateway.access import Access
from bothways.gateway.config.access import access_in
from bothways.gateway.config.http import HTTPConfig, alpn_in, http_in
from bothways.gateway.config.identity import (
    BackendTLS,
    IdentityConfig,
    backend_tls_in,
    file_in,
    identity_in,
    named_for,
)
from bothways.gateway.config.listener import (
    STATUS,
    ListenerConfig,
    listener_in,
    local_listener_in,
    metrics_in,
)
from bothways.gateway.config.server_names import ByServerName, wildcard
from bothways.gateway.config.strict_toml import Table, parsed_toml, toml_text
from bothways.gateway.config.tunnel import TunnelConfig, tunnel_in
from bothways.gateway.proxy_protocol.writing import CHOICES, ProxyProtocol
from bothways.gateway.store.store_client import check_usable
from bothways.no_op import do_nothing
from bothways.servers.addresses import ListenerAddress
from bothways.starttls import Accepted
from bothways.trust.files import FilePath
from bothways.trust.names.general import is_dns_name, lower_ascii

MOST_LISTENERS = 64
TABLES = (
    "audit",
    "identity",
    "limits",
    "listener",
    "log",
    "metrics",
    "route",
    "status",
    "times",
    "traces",
    "tunnel",
)


@dataclass(frozen=True, slots=True)
class GatewayLimits:
    """How much a gateway takes on. Each is for one worker process.

    connections: established ones.  handshakes: at the same time; one address may hold a quarter of them.
    per_address: connections of one address, or IPv6 /64.  per_identity: of clients with the same names.
    bytes_before_verdict: what a client may send before it is verified.  shared: the URL where `per_identity` is counted
    for all gateways; None for this process alone.  shared_secret: a file, with what is the same for all of them.
    shared_news: whether revocation news are published and followed there.
    """

    connections: int = 4096
    handshakes: int = 512
    per_address: int = 1024
    per_identity: int = 1024
    bytes_before_verdict: int = 128 * 1024
    shared: str | None = None
    shared_secret: str | None = None
    shared_news: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """How long each phase may take, in seconds.

    hello: for the ClientHello.  handshake: for all of the handshake.  connect: to the backend, its handshake included.
    idle: without a byte either way.  half_closed: the same, when one way has ended.  drain: for open connections to
    end by themselves after SIGTERM.
    Of HTTP: request_head: for the head of a request.  request_body: for the next piece of its body.  response: for the
    head of the response.  keep_alive: from a response to the next request.
    """

    hello: float = 10.0
    handshake: float = 30.0
    connect: float = 5.0
    idle: float = 3600.0
    half_closed: float = 600.0
    drain: float = 30.0
    request_head: float = 10.0
    request_body: float = 60.0
    response: float = 60.0
    keep_alive: float = 75.0


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """From what clients ask for to a backend.

    server_names: lower case, `*.example.com` for one label; None for every name, and for clients that send none.
    alpn: the application protocols, of which a client has to offer one; none where that is not asked.
    listeners: names of those that it is for; None for all.  proxy_protocol: how the service is told who the client is.
    http: for requests; None passes on bytes.  starttls: the protocol in which its clients request TLS, if they do.
    backend: None for the one that shows the status of the gateway.
    """

    name: str
    server_names: tuple[str, ...] | None
    alpn: tuple[str, ...]
    listeners: tuple[str, ...] | None
    identity: IdentityConfig
    access: Access
    backend: Address | None
    backend_tls: BackendTLS | None
    proxy_protocol: ProxyProtocol | None = None
    http: HTTPConfig | None = None
    starttls: Accepted | None = None


@dataclass(frozen=True, slots=True)
class GatewayConfig:
    """A whole file. log_format: "text" or "json".  metrics: where metrics and health are served, if anywhere.

    audit: the file in which decisions are recorded, if any.  status: where the status is shown, if anywhere; then a
    route is for it.  spans: whether OpenTelemetry gets spans.  tunnels: for local programs; a file may have them alone.
    """

    path: str
    listeners: tuple[ListenerConfig, ...]
    routes: tuple[RouteConfig, ...]
    limits: GatewayLimits
    times: Times
    log_format: str
    metrics: ListenerConfig | None = None
    audit: str | None = None
    status: ListenerConfig | None = None
    spans: bool = False
    tunnels: tuple[TunnelConfig, ...] = ()

    @property
    def all_listeners(self) -> tuple[ListenerConfig, ...]:
        """Where clients come in, then local programs, then the operator."""
        operators = (each for each in (self.metrics, self.status) if each is not None)
        return (*self.listeners, *(each.listener for each in self.tunnels), *operators)

    @property
    def tls_to_services(self) -> tuple[BackendTLS, ...]:
        """How the services of routes and the servers of tunnels are verified that are reached by TLS."""
        routes = tuple(each.backend_tls for each in self.routes if each.backend_tls is not None)
        return (*routes, *(each.tls for each in self.tunnels))


def read_config(path: FilePath) -> GatewayConfig:
    """Read a file. Raises ConfigError, which names the line, the key, what was expected and what to do."""
    return parsed_config(path, config_text(path))


def config_text(path: FilePath) -> str:
    """Return the text of a file. Raises ConfigError."""
    return toml_text(path)


def parsed_config(path: FilePath, text: str, progress: Callable[[], None] = do_nothing) -> GatewayConfig:
    """Read the text of the file at `path`. Raises ConfigError as `read_config` does.

    progress: is called after each part of it.
    """
    return _Reading(parsed_toml(path, text), progress).config()


class _Reading:
    """Reads one file, in the order in which its parts are needed."""

    def __init__(self, table: Table, progress: Callable[[], None]) -> None:
        self._table = table
        self._progress = progress
        self._folder = Path(table.file).parent
        self._defaults: Table | None = None
        self._addresses: set[ListenerAddress] = set()

    def config(self) -> GatewayConfig:
        """Return all that the file says."""
        table = self._table
        table.only(TABLES)  # first: what is missing may be there, with a slip in its name
        log = table.table("log")
        log_format = "text" if log is None else log.choice("format", "text", ("text", "json"))
        limits, times = _limits(table.table("limits"), self._folder), _times(table.table("times"))
        tunnels = self._tunnels(table.tables("tunnel"))
        listeners = self._listeners(table.tables("listener"), bool(tunnels) and not table.has("route"))
        metrics = self._metrics(table.table("metrics"))
        audit = self._audit(table.table("audit"))
        common = table.table("identity")
        identity = None if common is None else identity_in(common, self._folder, None)
        routes = self._routes(table.tables("route"), identity, listeners) if listeners else ()
        for listener in listeners:
            if not any(route.listeners is None or listener.name in route.listeners for route in routes):
                table.refuse(
                    f"no route is for the listener {shown(listener.name)}: all its clients would be refused"
                )
        spans = _spans(table.table("traces"))
        status = self._status(table.table("status"), identity)
        if status is not None:
            routes = (*routes, status[1])
        for each in (log, common):
            if each is not None:
                each.end()
        return GatewayConfig(
            table.file, listeners, routes, limits, times, log_format, metrics, audit,
            None if status is None else status[0],
            spans, tunnels,
        )  # fmt: skip

    # -- listeners -------------------------------------------------------------------------------------

    def _tunnels(self, tables: Sequence[Table]) -> tuple[TunnelConfig, ...]:
        tunnels: list[TunnelConfig] = []
        for place, table in enumerate(tables, 1):
            made = tunnel_in(table, self._folder, place)
            if any(made.name == each.name for each in tunnels):
                table.refuse(f"another tunnel is called {shown(made.name)}; give each its own `name`")
            self._take_address(table, made.listener)
            tunnels.append(made)
        if len(tunnels) > MOST_LISTENERS:
            self._table.refuse(f"{len(tunnels)} tunnels; at most {MOST_LISTENERS} are possible")
        return tuple(tunnels)

    def _listeners(self, tables: Sequence[Table], may_be_none: bool) -> tuple[ListenerConfig, ...]:
        if not tables and not may_be_none:
            self._table.refuse("no [[listener]]: nobody could connect; add one with `port` or `unix`")
        if len(tables) > MOST_LISTENERS:
            self._table.refuse(f"{len(tables)} listeners; at most {MOST_LISTENERS} are possible")
        listeners: list[ListenerConfig] = []
        for table in tables:
            made = listener_in(table, self._folder)
            self._take_address(table, made)
            if any(made.name == each.name for each in listeners):
                table.refuse(f"another listener is called {shown(made.name)}; give each its own `name`")
            listeners.append(made)
        return tuple(listeners)

    def _metrics(self, table: Table | None) -> ListenerConfig | None:
        if table is None:
            return None
        listener = metrics_in(table, self._folder)
        self._take_address(table, listener)
        return listener

    def _take_address(self, table: Table, listener: ListenerConfig) -> None:
        """Refuse a listener of any kind at the address of another one."""
        address = listener.address
        if address in self._addresses:
            table.refuse(
                f"two listeners have the address {address}; give one of them another `port` or `unix`"
            )
        self._addresses.add(address)

    def _status(
        self, table: Table | None, common: IdentityConfig | None
    ) -> tuple[ListenerConfig, RouteConfig] | None:
        """Read where and to whom the status is shown."""
        if table is None:
            return None
        listener = local_listener_in(table, self._folder, STATUS, f"[{STATUS}]")
        identity, access = named_for(table, identity_in(table, self._folder, common), None), access_in(table)
        table.end()
        self._take_address(table, listener)
        name = listener.name
        route = RouteConfig(name, None, (), (name,), identity, access, None, None, http=HTTPConfig())
        return listener, route

    def _audit(self, table: Table | None) -> str | None:
        if table is None:
            return None
        path = table.required("file", "where decisions about clients are recorded")
        table.end()
        return file_in(self._folder, path)

    # -- routes ----------------------------------------------------------------------------------------

    def _routes(
        self, tables: Sequence[Table], common: IdentityConfig | None, listeners: Sequence[ListenerConfig]
    ) -> tuple[RouteConfig, ...]:
        if not tables:
            self._table.refuse(
                "no [[route]]: every client would be refused; add one with `backend` and `allow`"
            )
        routes: list[RouteConfig] = []
        by_name = ByServerName[RouteConfig]()
        names: set[str] = set()
        for place, table in enumerate(tables, 1):
            self._progress()
            made = self._route(table, place, common, listeners)
            if made.name in names:
                table.refuse(f"another route is called {shown(made.name)}; give each its own `name`")
            others = by_name.candidates(made.server_names[0] if made.server_names else "")
            hidden = next((each for each in others if _covers(each, made)), None)
            if hidden is not None:
                table.refuse(
                    f"never used, since the route {shown(hidden.name)} before it takes all of its clients; "
                    "put the more specific one first, or change `server_names`, `alpn` or `listeners`"
                )
            routes.append(made)
            names.add(made.name)
            by_name.add(made.server_names, made)
        return tuple(routes)

    def _route(
        self, table: Table, place: int, common: IdentityConfig | None, listeners: Sequence[ListenerConfig]
    ) -> RouteConfig:
        name = table.text("name", f"route {place}") or ""
        names = table.texts("server_names")
        backend = table.required("backend", "the service behind this route, HOST:PORT or unix:PATH")
        address = table.made("backend", lambda: parsed_address(backend, self._folder))
        tls, alpn = table.table("backend_tls"), alpn_in(table)
        wanted = _known(table, table.texts("listeners"), [each.name for each in listeners])
        route = RouteConfig(
            name,
            None if names is None else tuple(_server_name(table, each) for each in names),
            alpn,
            wanted,
            named_for(table, identity_in(table, self._folder, common), names),
            access_in(table),
            address,
            None if tls is None else backend_tls_in(tls, self._folder, address),
            _proxy_protocol(table),
            http_in(table, alpn),
            _starttls(table, [each for each in listeners if wanted is None or each.name in wanted]),
        )
        if route.starttls is not None and route.http is not None:
            table.refuse(f"requests of HTTP do not come in by STARTTLS of {route.starttls.title}", "mode")
        table.end()
        return route


def _spans(table: Table | None) -> bool:
    if table is None:
        return False
    wanted = table.flag("opentelemetry")
    table.end()
    return wanted


def _limits(table: Table | None, folder: Path) -> GatewayLimits:
    if table is None:
        return GatewayLimits()
    default = GatewayLimits()
    limits = GatewayLimits(
        table.whole("connections", default.connections, 1, 65536),
        table.whole("handshakes", default.handshakes, 4, 65536),
        table.whole("per_address", default.per_address, 1, 65536),
        table.whole("per_identity", default.per_identity, 1, 65536),
        table.whole("bytes_before_verdict", default.bytes_before_verdict, 96 * 1024, 16 * 1024 * 1024),
        *_shared(table, folder),
    )
    table.end()
    return limits


def _shared(table: Table, folder: Path) -> tuple[str | None, str | None, bool]:
    """Read where gateways share what they know, the file with the secret, and whether news are part of it."""
    if table.has("shared_news") and not table.has("shared"):
        table.refuse("has an effect only with `shared`", "shared_news")
    url, secret = table.text("shared"), table.text("shared_secret")
    if url is None or secret is None:
        if url is not secret:
            table.refuse(
                "`shared` and `shared_secret` need each other: the secret keys the digests of clients' names in Redis"
            )
        return None, None, False
    try:
        check_usable(url)
    except ConfigError as error:
        table.refuse(str(error), "shared")
    return url, file_in(folder, secret), table.flag("shared_news", default=True)


def _times(table: Table | None) -> Times:
    default = Times()
    if table is None:
        return default
    times = Times(*(table.seconds(each.name, getattr(default, each.name)) for each in fields(Times)))
    table.end()
    return times


def _proxy_protocol(table: Table) -> ProxyProtocol | None:
    given = table.text("proxy_protocol")
    known: ProxyProtocol | None = next((each for each in CHOICES if each == given), None)
    if given is not None and known is None:
        table.refuse(f"{shown(given)} is none of {', '.join(CHOICES)}", "proxy_protocol")
    return known


def _server_name(table: Table, name: str) -> str:
    lower = lower_ascii(name).rstrip(".")
    if not is_dns_name(lower.removeprefix("*.")) or (lower.startswith("*.") and lower.count(".") < 2):
        table.refuse(
            f"{shown(name)} is not a DNS name, with or without a leading *. (others begin with xn--; clients that "
            "connect to an IP address send no name: they need a route without `server_names`)",
            "server_names",
        )
    return lower


def _known(table: Table, names: tuple[str, ...] | None, known: Sequence[str]) -> tuple[str, ...] | None:
    for each in names or ():
        if each not in known:
            table.refuse(f"no listener is called {shown(each)}; there is {', '.join(known)}", "listeners")
    return names


def _starttls(table: Table, listeners: Sequence[ListenerConfig]) -> Accepted | None:
    """Return the protocol in which clients of a route request TLS; it is the same at all of its listeners."""
    by_name = {"" if each.starttls is None else each.starttls.name: each for each in listeners}
    if len(by_name) > 1:
        one, other, *_ = (shown(each.name) for each in by_name.values())
        table.refuse(
            f"its listeners {one} and {other} differ in `starttls`, and a service speaks one protocol; name in "
            "`listeners` those that have the same"
        )
    return next((each.starttls for each in listeners), None)


def _covers(earlier: RouteConfig, later: RouteConfig) -> bool:
    """Whether every client of the later route is taken by the earlier one."""
    listeners = earlier.listeners is None or (
        set(later.listeners or ()) and set(later.listeners or ()) <= set(earlier.listeners)
    )
    protocols = not earlier.alpn or (later.alpn and set(later.alpn) <= set(earlier.alpn))
    return bool(listeners and protocols and _covers_names(earlier.server_names, later.server_names))


def _covers_names(earlier: tuple[str, ...] | None, later: tuple[str, ...] | None) -> bool:
    if earlier is None:
        return True
    return later is not None and all(each in earlier or wildcard(each) in earlier for each in later)


def suffix(config: GatewayConfig, address: ListenerAddress) -> str:
    """Return what is printed after an address at which other than clients of services come in."""
    kind = next((each.kind for each in config.all_listeners if each.address == address), "clients")
    return "" if kind == "clients" else f" ({kind})"
