"""One `[[tunnel]]` of the file of a gateway: a local socket without TLS, and the server that it leads to over TLS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bothways.addresses import Address, TCPAddress, is_loopback, parsed_address
from bothways.errors import UsageError
from bothways.faults import shown
from bothways.gateway.config.http import alpn_in
from bothways.gateway.config.identity import BackendTLS, backend_tls_in
from bothways.gateway.config.listener import TUNNEL, ListenerConfig, local_listener_in, mode_in
from bothways.gateway.config.strict_toml import Table
from bothways.servers.addresses import PassedAddress
from bothways.starttls import CLIENT_SPEAKS_FIRST, Protocol, protocol_named

CONNECTIONS = 256  # of one tunnel and process


@dataclass(frozen=True, slots=True)
class TunnelConfig:
    """A tunnel.

    listener: where local programs connect.  server: where it leads to.  tls: who we are there, and how the server is
    verified.  alpn: the application protocols that are offered.  starttls: the protocol in which TLS is requested; None
    where it begins with the first byte.  connections: the most of one process.
    """

    listener: ListenerConfig
    server: Address
    tls: BackendTLS
    alpn: tuple[str, ...] = ()
    starttls: Protocol | None = None
    connections: int = CONNECTIONS

    @property
    def name(self) -> str:
        """What it is called in log lines and metrics."""
        return self.listener.name


def tunnel_in(table: Table, folder: Path, place: int) -> TunnelConfig:
    """Read one. folder: that of the file.  place: of the table among those of its kind. Raises ConfigError."""
    name = table.text("name", f"tunnel {place}") or ""
    listener = _local(table, folder, name)
    text = table.required("server", "where the tunnel leads to, HOST:PORT or unix:PATH")
    server = table.made("server", lambda: parsed_address(text, folder))
    starttls, alpn = _starttls(table), alpn_in(table)
    connections = table.whole("connections", CONNECTIONS, 1, 65536)
    if not any(table.has(each) for each in ("certificate", "spiffe", "raw_key", "psk")):
        table.missing(
            "certificate",
            ": a file with our certificate and chain, which the server asks for; or `spiffe`, the address of a "
            "Workload API; or `raw_key` or `psk`, a file with a key",
        )
    tls = backend_tls_in(table, folder, server, "server")
    return TunnelConfig(listener, server, tls, alpn, starttls, connections)


def _local(table: Table, folder: Path, name: str) -> ListenerConfig:
    """Read where local programs connect: a Unix socket, or TCP on this machine where that is asked for in words."""
    insecure_tcp = table.flag("insecure_tcp")
    passed = table.text("systemd")
    if passed is not None:
        other = next((each for each in ("unix", "port") if table.has(each)), None)
        if other is not None:
            table.refuse("beside `systemd`: name one of them, where local programs connect", other)
        return ListenerConfig(
            name, PassedAddress(passed), mode_in(table), kind=TUNNEL, insecure_tcp=insecure_tcp
        )
    if not table.has("unix") and not table.has("port"):
        table.refuse(
            "expected `unix`, the path of a socket; `systemd`, the name of a socket that is passed to us; or `port` "
            "and `insecure_tcp`"
        )
    listener = local_listener_in(table, folder, TUNNEL, name)
    address = listener.address
    if not isinstance(address, TCPAddress):
        if insecure_tcp:
            table.refuse("has an effect only with `port` or `systemd`", "insecure_tcp")
        return listener
    if not insecure_tcp:
        table.refuse(
            "every user and every browser of this machine could use our certificate by TCP; name a Unix socket by "
            "`unix`, or set `insecure_tcp = true` if that is meant",
            "port",
        )
    if not is_loopback(address.host):
        table.refuse(
            f"{shown(address.host)} is not this machine, and a tunnel lends our certificate to whoever connects; use "
            "127.0.0.1, or a [[listener]] and a [[route]] that verify clients",
            "host",
        )
    return listener


def _starttls(table: Table) -> Protocol | None:
    name = table.text("starttls")
    if name is None:
        return None
    try:
        found = protocol_named(name)
    except UsageError as error:
        table.refuse(str(error), "starttls")
    if found.name not in CLIENT_SPEAKS_FIRST:
        table.refuse(
            f"in {shown(name)} the server speaks first, and the program would wait for it; possible are "
            f"{', '.join(CLIENT_SPEAKS_FIRST)}",
            "starttls",
        )
    return found
