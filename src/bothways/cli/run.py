"""`bothways run`: an ASGI application for authenticated clients, in one process or in several workers."""

from __future__ import annotations

import importlib
import logging
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

from bothways.cli.options.addresses import ADDRESS, Address
from bothways.cli.options.anchors import Clients, clients_options
from bothways.cli.options.gathering import gathered
from bothways.cli.options.peer_keys import PeerKeys, keys_options
from bothways.cli.options.side import Side, side_options
from bothways.cli.options.spiffe import Workload, allowing, workload_options
from bothways.cli.options.tickets import Tickets, follow_tickets, tickets_options
from bothways.cli.options.types import Seconds
from bothways.cli.output.terminal import DONE, MISUSED, bounded, refuse, report_error, say
from bothways.cli.output.watching import checking_regularly
from bothways.cli.servers.revocation_news import ServerNews, news_option, sharing
from bothways.cli.servers.server_files import RegularCheck, ServerFiles, file_names
from bothways.cli.servers.workers import Reloadable, workers_option
from bothways.diagnosis.failure import explain_failure
from bothways.diagnosis.situation import UNNAMED, Files
from bothways.errors import ConfigError
from bothways.gateway.addresses import TCPAddress
from bothways.gateway.listening import allow_descriptors, tcp_socket
from bothways.gateway.report_limits import AT_ONCE, EVERY_SECONDS, Allowance
from bothways.tls.clock import Clock
from bothways.tls.config import ServerConfig
from bothways.tls.defaults import CLOCK
from bothways.workers.supervisor import Supervisor

INSTALL = "pip install 'bothways[asgi]'"
ADDRESS_BY_DEFAULT = Address("127.0.0.1", 8443)
IDLE_SECONDS = 600.0
GRACE_SECONDS = 30
ALPN = ("http/1.1",)


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """The configuration of one process, and how it follows its files.

    may_serve: whether our certificate may be shown now; None where it always may.  news: of revocations, None for none.
    """

    config: ServerConfig
    checks: list[RegularCheck]
    may_serve: Callable[[], bool] | None = None
    news: ServerNews | None = None
    files: Files = UNNAMED


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
@side_options(cert_required=False, alpn_help=None)
@workload_options
@clients_options
@keys_options("--client-pin", "clients")
@tickets_options
@news_option
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
        help="The most connections at once, in each process.",
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
    address: Address,
    side: Side,
    workload: Workload,
    clients: Clients,
    keys: PeerKeys,
    tickets: Tickets,
    revocation_news: bool,
    workers: int | None,
    hosting: Hosting,
) -> int:
    """Serve an ASGI application over HTTP/1.1 and WebSocket to clients with a trusted certificate.

    MODULE is imported from the current directory. `bothways.http.asgi.identity(scope)` returns the verified client.
    Prints `listening on HOST:PORT` on standard error when it is ready. The files of --cert, --key, --client-ca,
    --client-cert, --client-pin, --psk and --crl are read again when they change, and connections of clients whose
    certificates or keys are no longer accepted are closed. SIGINT or SIGTERM ends it; with --workers, SIGHUP reads
    all files again and replaces the workers one after the other.
    """
    _check_name(app)
    workload.check_required(side, keys)
    _check_installed()
    sys.path.insert(0, os.getcwd())
    loaded = Reloadable(lambda: _load(side, workload, clients, keys, tickets, revocation_news))
    with tcp_socket(TCPAddress(*address)) as listener:
        allow_descriptors(hosting.connections)
        where = Address(address.host, listener.getsockname()[1])

        def work(ready: Callable[[], None]) -> int:
            return serve(loaded.current, listener, app, hosting, ready)

        return _run(work, workers, lambda: say(f"listening on {where}"), loaded.read_again)


def _run(
    work: Callable[[Callable[[], None]], int],
    workers: int | None,
    ready: Callable[[], None],
    may_replace: Callable[[], bool],
) -> int:
    """Do the work in this process or in workers; return the exit status. ready: called when all of them serve."""
    if workers is None:
        return work(ready)

    def work_apart(ready: Callable[[], None]) -> int:
        try:
            return work(ready)
        except ConfigError as error:
            report_error(str(error))
            return MISUSED

    return Supervisor(
        work_apart,
        workers,
        tell=say,
        on_ready=ready,
        may_replace=may_replace,
        grace_seconds=GRACE_SECONDS + 5,
    ).run()


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


def _load(
    side: Side, workload: Workload, clients: Clients, keys: PeerKeys, tickets: Tickets, wants_news: bool
) -> ProcessConfig:
    """Read all files. Raises ConfigError."""
    if clients.client_auth == "later":
        raise ConfigError("--client-auth later: an ASGI application has no way to ask for a certificate")
    followed = workload.load()
    read = ServerFiles(side, clients, keys, followed)
    own, news = read.own, ServerNews.of(wants_news, tickets, read)
    decide = allowing(clients, followed)
    config = ServerConfig(
        client_anchors=read.anchors,
        client_auth=clients.client_auth,
        allow=decide if news is None else news.noting(decide),
        credentials=own.credentials or (),
        client_pins=read.loaded_keys.pins,
        psk_peers=read.loaded_keys.psks,
        raw_key=read.loaded_keys.raw_key,
        alpn=ALPN,
        revocation=own.revocation if news is None else news.policy(own.revocation),
        judge_again=read.judge_again,
        tickets=tickets.load(),
        insecure_rsa_key_transport=own.classic,
    )
    return ProcessConfig(
        config,
        read.checks(),
        None if followed is None else lambda: not followed.has_expired,
        news,
        file_names(side, clients),
    )


def serve(
    serving: ProcessConfig, listener: socket.socket, app: str, hosting: Hosting, ready: Callable[[], None]
) -> int:
    """Serve an application on a socket until a signal; return the exit status.

    ready: called when it accepts connections.
    """
    _check_application(app)
    with checking_regularly(serving.checks):
        follow_tickets(serving.config.tickets)
        _uvicorn_server(_uvicorn_config(serving, app, hosting), serving.news, ready).run(sockets=[listener])
    return DONE


def _uvicorn_config(serving: ProcessConfig, app: str, hosting: Hosting) -> Any:
    uvicorn, ours = import_module("uvicorn"), import_module("bothways.http.uvicorn")
    httptools = import_module("uvicorn.protocols.http.httptools_impl")
    websockets = import_module("uvicorn.protocols.websockets.websockets_sansio_impl")
    return uvicorn.Config(
        app,
        factory=hosting.factory,
        http=ours.over(
            httptools.HttpToolsProtocol,
            serving.config,
            idle_timeout=hosting.idle_timeout or None,
            may_serve=serving.may_serve,
        ),
        ws=ours.with_caller(websockets.WebSocketsSansIOProtocol),
        log_config=_logging_to(serving.files),
        proxy_headers=False,
        server_header=False,
        limit_concurrency=hosting.connections,
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
            await super().startup(sockets)
            if self.started:
                ready()

        def handle_exit(self, sig: int, frame: object) -> None:  # noqa: ARG002
            """Stop; a second SIGINT stops without waiting. The signal is not raised again afterwards."""
            self.force_exit = self.should_exit and sig == signal.SIGINT
            self.should_exit = True

    return Server(config)


def _check_application(app: str) -> None:
    """Import the application. Raises ConfigError if it does not exist, or where its own code fails."""
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


def _own_trace(error: BaseException) -> str:
    """Return the traceback of an application that is imported, without the lines of who imports it."""
    importers = {__file__, import_module("uvicorn.importer").__file__, importlib.__file__}
    lines = [each for each in traceback.extract_tb(error.__traceback__) if not each.filename.startswith("<")]
    own = list(dropwhile(lambda each: each.filename in importers, lines))
    return "".join(traceback.format_list(own) + traceback.format_exception_only(error)).rstrip()


class RateLimitFilter(logging.Filter):
    """Limits the number of log lines, with one more after each interval, so that failing clients cannot fill a disk."""

    def __init__(self, clock: Clock = CLOCK) -> None:
        super().__init__()
        self._clock = clock
        self._allowance = Allowance(AT_ONCE, EVERY_SECONDS / AT_ONCE)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is logged; warnings always are."""
        return record.levelno >= logging.WARNING or self._allowance.take(self._clock.monotonic())


class ExplainingFormatter(logging.Formatter):
    """Adds the explanation of a failed handshake to its log record, as `serve` prints it. files: the names of ours."""

    def __init__(self, fmt: str, files: Files) -> None:
        super().__init__(fmt)
        self._files = files

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record and those of its explanation."""
        text = super().format(record)
        failure = getattr(record, "failure", None)
        if not isinstance(failure, Exception):
            return text
        causes = (f"    {line}" for line in explain_failure(failure, files=self._files).lines())
        said = (line for line in text.splitlines() if not line.startswith(SAID_BY_CAUSES))
        return "\n".join(bounded([*said, *causes]))


SAID_BY_CAUSES = ("That means: ", "Hint: ")


def _logging_to(files: Files) -> dict[str, object]:
    """Return the configuration: all logs go to standard error; standard output belongs to the application."""
    explained = {"()": ExplainingFormatter, "fmt": "%(message)s", "files": files}
    return LOGGING | {"formatters": {**FORMATTERS, "explained": explained}}


FORMATTERS: dict[str, object] = {
    "plain": {"format": "%(message)s"},
    "access": {
        "()": "uvicorn.logging.AccessFormatter",
        "fmt": '%(client_addr)s "%(request_line)s" %(status_code)s',
        "use_colors": False,
    },
}
LOGGING: dict[str, object] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"seldom": {"()": RateLimitFilter}},
    "handlers": {
        "plain": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"},
        "explained": {
            "class": "logging.StreamHandler",
            "formatter": "explained",
            "stream": "ext://sys.stderr",
        },
        "access": {"class": "logging.StreamHandler", "formatter": "access", "stream": "ext://sys.stderr"},
    },
    "loggers": {
        "bothways": {"handlers": ["explained"], "level": "INFO", "propagate": False, "filters": ["seldom"]},
        "uvicorn": {"handlers": ["plain"], "level": "WARNING", "propagate": False},
        "uvicorn.error": {"level": "WARNING"},
        "uvicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}
