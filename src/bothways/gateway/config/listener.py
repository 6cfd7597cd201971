"""One `[[listener]]` of the file of a gateway: where clients come in, and which proxies are in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bothways.addresses import TCPAddress, UnixAddress, checked_host, is_loopback, unix_address
from bothways.errors import UsageError
from bothways.faults import shown
from bothways.gateway.config.proxies import Proxies, parsed_proxies
from bothways.gateway.config.strict_toml import Table
from bothways.servers.addresses import ListenerAddress, PassedAddress
from bothways.starttls import Accepted, accepted_named

LOOPBACK = "127.0.0.1"
Kind = Literal["clients", "metrics", "status", "tunnel"]
METRICS: Kind = "metrics"
STATUS: Kind = "status"
TUNNEL: Kind = "tunnel"


@dataclass(frozen=True, slots=True)
class ListenerConfig:
    """Where clients come in.

    mode: the permissions of a Unix socket.  proxies: who announces the clients; or nobody.  starttls: the protocol in
    which clients request TLS; None where it begins with the first byte.  kind: who comes in there: "clients"; the
    operator, who asks for "metrics" or the "status"; or the programs of a "tunnel".  insecure_tcp: whether these may
    come in over TCP.
    """

    name: str
    address: ListenerAddress
    mode: int = 0o600
    proxies: Proxies | None = None
    starttls: Accepted | None = None
    kind: Kind = "clients"
    insecure_tcp: bool = False

    @property
    def is_for_operator(self) -> bool:
        """Whether few come in there, to whom any process may answer for all."""
        return self.kind in (METRICS, STATUS)


def listener_in(table: Table, folder: Path) -> ListenerConfig:
    """Read one. folder: that of the file, to which paths are relative. Raises ConfigError."""
    for key in ("port", "host"):
        table.one_of("systemd", "unix", key)
    name, unix, passed = table.text("name"), table.text("unix"), table.text("systemd")
    mode = 0o600
    if passed is not None:
        address: ListenerAddress = PassedAddress(passed)
    elif unix is not None:
        address = table.made("unix", lambda: unix_address(unix, folder))
        mode = mode_in(table)
    elif table.has("port"):
        host = table.text("host", LOOPBACK) or LOOPBACK
        port = table.whole("port", 0, 0, 65535)
        address = TCPAddress(table.made("host", lambda: checked_host(host)), port)
    else:
        table.refuse(
            "expected `port`, with `host` where it is not 127.0.0.1; `unix`, the path of a socket; "
            "or `systemd`, the name of a socket that is passed to us"
        )
    listener = ListenerConfig(name or str(address), address, mode, _proxies(table, address), _starttls(table))
    table.end()
    return listener


def metrics_in(table: Table, folder: Path) -> ListenerConfig:
    """Read where metrics and health are served. Raises ConfigError, as `listener_in`."""
    listener = local_listener_in(table, folder, METRICS, f"[{METRICS}]")
    address, allows = listener.address, table.flag("insecure_remote")
    if isinstance(address, TCPAddress) and not allows and not is_loopback(address.host):
        table.refuse(
            f"{shown(address.host)} is not this machine, and whoever connects could read who our clients are; name "
            "a loopback address, or a Unix socket by `unix`; or allow it by `insecure_remote = true`",
            "host",
        )
    table.end()
    return listener


def local_listener_in(table: Table, folder: Path, kind: Kind, name: str) -> ListenerConfig:
    """Read where the operator or programs come in; other keys are left. Raises ConfigError, as `listener_in`."""
    for key in ("port", "host"):
        table.one_of("unix", key)
    unix = table.text("unix")
    if unix is not None:
        address: ListenerAddress = table.made("unix", lambda: unix_address(unix, folder))
        return ListenerConfig(name, address, mode_in(table), kind=kind)
    if not table.has("port"):
        table.refuse(
            "expected `port`, with `host` where it is not 127.0.0.1, or `unix`, the path of a socket"
        )
    host, port = table.text("host", LOOPBACK) or LOOPBACK, table.whole("port", 0, 0, 65535)
    return ListenerConfig(name, TCPAddress(table.made("host", lambda: checked_host(host)), port), kind=kind)


def mode_in(table: Table) -> int:
    """Read the permissions of a Unix socket. Raises ConfigError."""
    mode = table.text("mode", "0600") or ""
    if not (len(mode) in (3, 4) and set(mode) <= set("01234567") and int(mode, 8) <= 0o777):
        table.refuse(f"{shown(mode)} are no permissions; expected octal digits such as 0660", "mode")
    return int(mode, 8)


def _starttls(table: Table) -> Accepted | None:
    name = table.text("starttls")
    if name is None:
        return None
    try:
        return accepted_named(name)
    except UsageError as error:
        table.refuse(str(error), "starttls")


def _proxies(table: Table, address: ListenerAddress) -> Proxies | None:
    texts = table.texts("proxy_from")
    if texts is None:
        return None
    unix = None if isinstance(address, PassedAddress) else isinstance(address, UnixAddress)
    return table.made("proxy_from", lambda: parsed_proxies(texts, unix=unix))
