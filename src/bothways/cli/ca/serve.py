"""`bothways ca serve`: serves OCSP responses, CRLs and CA certificates over HTTP."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from pathlib import Path

import click

from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import directory_argument
from bothways.cli.options import ADDRESS, Address
from bothways.cli.terminal import say
from bothways.gateway.addresses import TCPAddress
from bothways.gateway.listening import tcp_socket


@click.command("serve")
@directory_argument
@click.option(
    "--listen", type=ADDRESS, default="127.0.0.1:8080", show_default=True, help="The address to listen on."
)
@click.option(
    "--metrics", type=ADDRESS, help="The address of /metrics for Prometheus; by default there is none."
)
@click.option(
    "--exempt-loopback",
    is_flag=True,
    help="Allow 127.0.0.1 and ::1 more than a quarter of the connections, for a proxy on this machine.",
)
@key_access_options
def command(
    path: Path, listen: Address, metrics: Address | None, exempt_loopback: bool, key_access: KeyAccess
) -> None:
    """Serve OCSP responses, CRLs and CA certificates over HTTP.

    The paths are those that `ca init --url` writes into certificates: /ocsp, /crl/..., /ca/...; also /health, and
    /metrics on a separate address. Prints `listening on HOST:PORT` on standard error when it is ready, and then
    `metrics on HOST:PORT`. SIGINT or SIGTERM end it.
    """
    from bothways.ca_server.app import applications
    from bothways.ca_server.server import serve

    with key_access.open(path) as issuer:
        public, operator = applications(issuer, say)
        with contextlib.ExitStack() as sockets:
            main = sockets.enter_context(tcp_socket(TCPAddress(*listen)))
            second = sockets.enter_context(tcp_socket(TCPAddress(*metrics))) if metrics is not None else None
            # uvicorn ends at a signal, and then raises it again.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: sys.exit(0))
            lines = [f"listening on {_bound(listen, main)}"]
            if metrics is not None and second is not None:
                lines.append(f"metrics on {_bound(metrics, second)}")
            serve(
                public,
                main,
                operator=(operator, second) if second is not None else None,
                exempt_loopback=exempt_loopback,
                ready=lambda: say("\n".join(lines)),
            )


def _bound(address: Address, listening: socket.socket) -> Address:
    return Address(address.host, listening.getsockname()[1])
