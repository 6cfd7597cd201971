"""What serves by the file of a gateway: clients by its routes, local programs by its tunnels."""

from __future__ import annotations

import contextlib

from bothways.cli.output.log_output import LogOutput
from bothways.cli.output.terminal import refuse, say
from bothways.cli.output.watching import reporting_reloads, reporting_warnings
from bothways.faults import shown
from bothways.gateway.config.gateway import GatewayConfig
from bothways.gateway.listeners.systemd import READY, notify, passed_names
from bothways.gateway.log.log import Log
from bothways.gateway.processes.process import serve
from bothways.gateway.processes.workers import Workers
from bothways.gateway.reload.current import Current
from bothways.gateway.routes.routes import Routes
from bothways.servers.addresses import PassedAddress
from bothways.servers.listening import allow_descriptors
from bothways.tls.resumption.ticket_keys import TicketKeys


def serve_file(
    path: str, workers: int | None = None, keys: TicketKeys | None = None, *, for_tunnels: bool = False
) -> int:
    """Serve until told to stop, and return the exit status. workers: the number of processes; None for this one.

    keys: the ticket keys.  for_tunnels: refuse a file that is not of tunnels alone.  Raises ConfigError.
    """
    log = Log(LogOutput().say)
    current = Current(path, log, keys)
    config = current.routes.config
    if for_tunnels and config.listeners:
        current.close()
        refuse(
            f"{path}: it has [[listener]], for clients with certificates",
            f"`bothways gateway -c {path}` serves its routes and its tunnels",
        )
    log.form = config.log_format
    _warn(current.routes, log)
    allow_descriptors(_descriptors(config))

    def ready(addresses: list[str]) -> None:
        for each in addresses:
            (say if log.form == "text" else log.event)(f"listening on {each}")
        notify(READY)

    with reporting_reloads(log.event), reporting_warnings(log.event), contextlib.closing(current):
        if workers is not None:
            return Workers(path, log, current, keys, workers, ready).run()
        return serve(log, current, keys, ready)


def _descriptors(config: GatewayConfig) -> int:
    """Return how many sockets the connections of one process may need: each has one to its service."""
    clients = config.limits.connections + config.limits.handshakes if config.listeners else 0
    return 2 * (clients + sum(each.connections for each in config.tunnels))


def _warn(routes: Routes, log: Log) -> None:
    for each in routes.warnings():
        log.event(f"warning: {each}")
    taken = {each.address for each in routes.config.all_listeners}
    for name in passed_names():
        if PassedAddress(name) not in taken:
            log.event(
                f"warning: systemd has passed the socket {shown(name)}, which no [[listener]] or [[tunnel]] names, so "
                "that nothing accepts its clients; add one with this name in `systemd`, or disable the .socket"
            )
