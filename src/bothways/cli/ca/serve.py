"""`bothways ca serve`: serves OCSP responses, CRLs and CA certificates over HTTP."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bothways.addresses import TCPAddress
from bothways.ca.issuer import Issuer
from bothways.cli.ca.key_access import KeyAccess, key_access_options
from bothways.cli.ca.options import directory_argument
from bothways.cli.options.addresses import ADDRESS
from bothways.cli.output.terminal import DONE, refuse, say
from bothways.cli.servers.workers import Ready, Sockets, listening_sockets, serve_in_workers, workers_option
from bothways.servers.listening import tcp_socket

START_SECONDS = 600.0  # for a worker that signs large CRLs before it serves
GRACE_SECONDS = 15.0
LAST_PORT = 65535


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
@workers_option
@key_access_options
def command(
    path: Path,
    listen: TCPAddress,
    metrics: TCPAddress | None,
    exempt_loopback: bool,
    workers: int | None,
    key_access: KeyAccess,
) -> int:
    """Serve OCSP responses, CRLs and CA certificates over HTTP.

    The paths are those that `ca init --url` writes into certificates: /ocsp, /crl/..., /ca/...; also /health, and
    /metrics on a separate address. Prints `listening on HOST:PORT` on standard error when it is ready, and then
    `metrics on HOST:PORT`. SIGINT or SIGTERM end it. With --workers each process signs OCSP responses by a certificate
    of its own, and has its metrics on a port of its own: that of --metrics and the following ones. SIGHUP replaces the
    processes one after the other.
    """
    if workers is None:
        with key_access.open(path) as issuer, _listening(listen, metrics, None) as (places, lines):
            _serve(issuer, places[0], exempt_loopback, lambda: say("\n".join(lines)))
        return DONE
    opened = key_access.for_workers(path)

    def work(sockets: Sockets, ready: Ready) -> None:
        with opened() as issuer:
            _serve(issuer, sockets, exempt_loopback, ready)

    with _listening(listen, metrics, workers) as (places, lines):
        return serve_in_workers(
            places,
            work,
            ready=lambda: say("\n".join(lines)),
            start_seconds=START_SECONDS,
            grace_seconds=GRACE_SECONDS,
        )


@contextlib.contextmanager
def _listening(
    listen: TCPAddress, metrics: TCPAddress | None, workers: int | None
) -> Iterator[tuple[list[list[socket.socket]], list[str]]]:
    """Yield the listening sockets of each process, that of the metrics last, and the lines that say where they are."""
    with contextlib.ExitStack() as opened:
        places = [[opened.enter_context(each)] for each in listening_sockets(listen, workers)]
        lines = [f"listening on {_bound(listen, places[0][0])}"]
        if metrics is not None:
            for number, place in enumerate(places, 1):
                place.append(opened.enter_context(_metrics_socket(metrics, number)))
                of_whom = "" if workers is None else f" of worker {number}"
                lines.append(f"metrics{of_whom} on {_bound(metrics, place[1])}")
        yield places, lines


def _metrics_socket(address: TCPAddress, number: int) -> socket.socket:
    port = address.port + number - 1 if address.port else 0
    if port > LAST_PORT:
        refuse(f"--metrics: there is no port {port} for the metrics of worker {number}")
    return tcp_socket(TCPAddress(address.host, port))


def _serve(issuer: Issuer, sockets: Sockets, exempt_loopback: bool, ready: Ready) -> None:
    """Serve a CA on a listening socket, and its metrics on the second if there is one, until a signal."""
    from bothways.ca_server.app import applications
    from bothways.ca_server.server import serve

    public, operator = applications(issuer, say)
    # uvicorn ends at a signal, and then raises it again.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    serve(
        public,
        sockets[0],
        operator=(operator, sockets[1]) if len(sockets) > 1 else None,
        exempt_loopback=exempt_loopback,
        ready=ready,
        tell=say,
    )


def _bound(address: TCPAddress, listening: socket.socket) -> TCPAddress:
    return TCPAddress(address.host, listening.getsockname()[1])
