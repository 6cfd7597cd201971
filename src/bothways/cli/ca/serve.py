"""`bothways ca serve`: the authority's face to the world over HTTP."""

from __future__ import annotations

import signal
import socket
import sys
from pathlib import Path
from typing import Any

import click

from bothways.cli.ca.options import directory_argument
from bothways.cli.ca.seal import Seal, seal_options
from bothways.cli.listening import listen as listener
from bothways.cli.options import ADDRESS, Address
from bothways.cli.terminal import say

SETTINGS: dict[str, Any] = {
    "log_level": "error",  # what is wrong with a request is its sender's to know, and no line of the log
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "ws": "none",
    "limit_concurrency": 512,
    "timeout_keep_alive": 5,
    "timeout_graceful_shutdown": 10,
}


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
    from bothways.ca.service import service

    with seal.open(path) as office:
        app = service(office, say)
        with listener(listen) as own:
            # What uvicorn does with a signal is to end, and then to raise it again.
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: sys.exit(0))
            _serve(app, own, f"listening on {Address(listen.host, own.getsockname()[1])}")


def _serve(app: Any, own: socket.socket, words: str) -> None:
    """Serve until a signal comes; say so when signals are in uvicorn's hands."""
    import uvicorn

    from bothways.cli.ca.patience import Patience

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            say(words)

    # What is read before a request is whole is bounded by h11, 64 KiB.
    Server(uvicorn.Config(app, http=Patience, **SETTINGS)).run(sockets=[own])
