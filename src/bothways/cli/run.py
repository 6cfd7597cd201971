"""`bothways run`: an ASGI application for authenticated clients, in one process or in several workers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import inspect
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import dropwhile
from typing import Any

import click

from bothways.addresses import TCPAddress
from bothways.cli.options.addresses import ADDRESS
from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import Seconds
from bothways.cli.output.terminal import DONE, FAILED, refuse, say
from bothways.cli.servers.loading import EngineOptions, LoadedServer, ServerSide, server_options
from bothways.cli.servers.revocation_news import ServerNews, sharing
from bothways.cli.servers.run_log import logging_to
from bothways.cli.servers.workers import (
    Ready,
    Reloadable,
    Sockets,
    listening_sockets,
    serve_in_workers,
    workers_option,
)
from bothways.errors import ConfigError
from bothways.servers.listening import ACCEPTED_AT_ONCE, BACKLOG, allow_descriptors
from bothways.servers.shortage import report_shortages

INSTALL = "pip install 'bothways[asgi]'"
ADDRESS_BY_DEFAULT = TCPAddress("127.0.0.1", 8443)
IDLE_SECONDS = 600.0
GRACE_SECONDS = 30
ALPN = ("http/1.1",)


@dataclass(frozen=True, slots=True)
class Hosting:
    """How an application is hosted in each process.

    factory: whether APP returns it.  connections: the most at once.  idle_timeout: in seconds, 0 for no limit.
    """

    factory: bool
    connections: int
    idle_timeout: float


@click.command("run")
@click.argument("app", metavar="MODULE:APP")
@click.option(
    "--listen",
    "address",
    type=ADDRESS,
    default=str(ADDRESS_BY_DEFAULT),
    show_default=True,
    metavar="HOST:PORT",
    help="The address to listen on; port 0: any free port.",
)
@server_options(alpn_help=None)
@workers_option
@gathered(
    "hosting",
    Hosting,
    click.option("--factory", is_flag=True, help="APP is a function that returns the application."),
    click.option(
        "--connections",
        default=1000,
        show_default=True,
        type=click.IntRange(1, 65536),
        help="The largest number of connections at once, in each process.",
    ),
    click.option(
        "--idle-timeout",
        default=IDLE_SECONDS,
        show_default=True,
        type=Seconds(),
        metavar="SECONDS",
        help="Close connections without data for this time; 0: never.",
    ),
)
def command(
    app: str,
    address: TCPAddress,
    server: ServerSide,
    workers: int | None,
    hosting: Hosting,
) -> int:
    """Serve an ASGI application over HTTP/1.1 and WebSocket to clients with a trusted certificate.

    MODULE is imported from the current directory. `bothways.http.asgi.identity(scope)` returns the verified client.
    Prints `listening on HOST:PORT` on standard error when it is ready. The files of --cert, --key, --client-ca,
    --client-cert, --client-pin, --psk and --crl are read again when they change, and connections of clients whose
    certificates or keys are no longer accepted are closed. SIGINT or SIGTERM ends it. SIGHUP reads
    changed files at once; with --workers it reads all files again and replaces the workers one after the other.
    """
    _check_name(app)
    server.workload.check_required(server.side, server.keys)
    _check_installed()
    if server.clients.client_auth == "later":
        refuse("--client-auth later: an ASGI application has no way to request a certificate")
    sys.path.insert(0, os.getcwd())
    engine = EngineOptions(server.tickets.load(), alpn=ALPN)
    loaded = Reloadable(lambda: server.load(engine))
    with contextlib.ExitStack() as opened:
        sockets = listening_sockets(address, workers, one_queue=True)
        places = [[opened.enter_context(each)] for each in sockets]
        allow_descriptors(hosting.connections)
        where = TCPAddress(address.host, sockets[0].getsockname()[1])
        ready = functools.partial(say, f"listening on {where}")

        def work(sockets: Sockets, ready: Ready) -> int:
            return serve(loaded.current, sockets[0], app, hosting, ready)

        if workers is None:
            return work(places[0], ready)
        return serve_in_workers(
            places,
            work,
            ready=ready,
            may_replace=loaded.read_again,
            grace_seconds=GRACE_SECONDS + 5,
        )


def _check_name(app: str) -> None:
    module, colon, attribute = app.partition(":")
    if not (colon and module and attribute):
        refuse(f"{app!a} does not name an application; expected MODULE:APP, such as app:app")


def _check_installed() -> None:
    for name in ("uvicorn", "httptools", "websockets"):
        try:
            import_module(name)
        except ModuleNotFoundError:
            refuse(f"run requires the package {name}, which is not installed", INSTALL)


def serve(
    loaded: LoadedServer, listener: socket.socket, app: str, hosting: Hosting, ready: Callable[[], None]
) -> int:
    """Serve an application on a socket until a signal; return the exit status. Raises ConfigError.

    ready: called when it accepts connections.
    """
    _check_application(app, hosting)
    server = _uvicorn_server(_uvicorn_config(loaded, app, hosting), loaded.news, ready)
    with loaded.kept_up_to_date():
        try:
            server.run(sockets=[listener])
        except SystemExit:
            if server.started:
                raise
    return DONE if server.started else FAILED  # of an application that does not start uvicorn has said why


def _uvicorn_config(loaded: LoadedServer, app: str, hosting: Hosting) -> Any:
    uvicorn, ours = import_module("uvicorn"), import_module("bothways.http.uvicorn")
    httptools = import_module("uvicorn.protocols.http.httptools_impl")
    websockets = import_module("uvicorn.protocols.websockets.websockets_sansio_impl")
    return uvicorn.Config(
        app,
        factory=hosting.factory,
        http=ours.over(
            httptools.HttpToolsProtocol,
            loaded.config,
            idle_timeout=hosting.idle_timeout or None,
            may_serve=loaded.may_serve,
        ),
        ws=ours.with_caller(websockets.WebSocketsSansIOProtocol),
        log_config=logging_to(loaded.files),
        proxy_headers=False,
        server_header=False,
        limit_concurrency=hosting.connections,
        backlog=ACCEPTED_AT_ONCE,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _uvicorn_server(config: Any, news: ServerNews | None, ready: Callable[[], None]) -> Any:
    """Return a server of uvicorn that calls `ready` when it listens, and ends by a signal without raising it again.

    news: shared while it serves.
    """

    class Server(import_module("uvicorn").Server):  # type: ignore[misc]
        should_exit: bool
        force_exit: bool

        async def main_loop(self) -> None:
            """Serve until a signal, and share news of revocations meanwhile."""
            async with sharing(news):
                await super().main_loop()

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            """Listen, and report it."""
            report_shortages(asyncio.get_running_loop(), say)
            await super().startup(sockets)
            for each in sockets or ():
                each.listen(BACKLOG)
            if self.started:
                ready()

        def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002
            """Stop; a second SIGINT stops without waiting. The signal is not raised again afterwards."""
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    return Server(config)


def _check_application(app: str, hosting: Hosting) -> None:
    """Import the application. Raises ConfigError if it does not exist, is none, or where its own code fails."""
    importer = import_module("uvicorn.importer")
    try:
        application = importer.import_from_string(app)
    except importer.ImportFromStringError as error:
        raise ConfigError(f"{app}: {str(error).strip().rstrip('.')}") from None
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever its code raises
        raise ConfigError(f"{app}: its module fails when it is imported:\n{_own_trace(error)}") from None
    if not callable(application):
        kind = type(application).__name__
        raise ConfigError(f"{app}: of the type {kind}, which cannot be called; expected an ASGI application")
    if not hosting.factory and not any(_takes(application, count) for count in (3, 1, 0)):
        raise ConfigError(
            f"{app}: it does not take scope, receive and send, as ASGI applications do; one of WSGI is served by "
            "gunicorn (docs/serving.md)"
        )


def _takes(application: Callable[..., object], count: int) -> bool:
    """Whether it can be called with so many arguments, as far as is known: 3, 1 by version 2 of ASGI, 0 to make one."""
    try:
        inspect.signature(application).bind(*range(count))
    except TypeError:
        return False
    except ValueError:  # it is not written in Python
        return True
    return True


def _own_trace(error: BaseException) -> str:
    """Return the traceback of an application that is imported, without the lines of who imports it."""
    importers = {__file__, import_module("uvicorn.importer").__file__, importlib.__file__}
    lines = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    own = list(dropwhile(lambda each: each.filename in importers, lines))
    return "".join(traceback.format_list(own) + traceback.format_exception_only(error)).rstrip()
