"""`bothways ca serve`: the authority's face to the world over HTTP."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path

import click

from bothways.cli.ca.options import directory_argument
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.options import ADDRESS, Address
from bothways.cli.terminal import say


@click.command("serve")
@directory_argument
@click.option("--listen", type=ADDRESS, default="127.0.0.1:8080", show_default=True, help="Where.")
@seal_options
def command(path: Path, listen: Address, seal: Seal) -> None:
    """Answer over HTTP: OCSP, revocation lists, certificates.

    The paths are those that `ca init --url` writes into certificates: /ocsp, /crl/..., /ca/...; beside them
    /health and /metrics. Prints `listening on HOST:PORT` on standard error when it is ready. SIGINT or SIGTERM
    end it.
    """
    import uvicorn

    from bothways.ca.service import service

    with (
        seal.open(path) as office,
        socket.create_server(listen, family=socket.AF_INET6 if ":" in listen.host else socket.AF_INET) as own,
    ):
        say(f"listening on {Address(listen.host, own.getsockname()[1])}")
        # What uvicorn does with a signal is to end, and then to raise it again.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server = uvicorn.Server(uvicorn.Config(service(office), log_level="warning", lifespan="off"))
        server.run(sockets=[own])
