"""`bothways serve`: accepts authenticated clients, and echoes, answers HTTP or forwards."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Coroutine
from dataclasses import dataclass

import click

from bothways.addresses import TCPAddress
from bothways.cli.options.addresses import ADDRESS, DIALLED
from bothways.cli.options.anchors import Clients
from bothways.cli.options.ech import ech_key_option
from bothways.cli.options.gathering import gathered
from bothways.cli.options.keylog import keylog_option, load_keylog
from bothways.cli.options.peer_keys import resume_tls12_option
from bothways.cli.options.pictures import LadderFile, ladder_option
from bothways.cli.options.staples import Staples, staples_options
from bothways.cli.options.starttls import accepted_option
from bothways.cli.options.types import Seconds
from bothways.cli.output.terminal import DONE, refuse, say
from bothways.cli.servers.admission import ServeAdmission
from bothways.cli.servers.loading import EngineOptions, ServerSide, server_options
from bothways.cli.servers.reports import Reports
from bothways.cli.servers.revocation_news import ServerNews, sharing
from bothways.cli.servers.services import Echo, Forward, Page, Service
from bothways.cli.servers.serving import Serving
from bothways.cli.servers.workers import (
    Ready,
    Reloadable,
    Sockets,
    listening_sockets,
    serve_in_workers,
    workers_option,
)
from bothways.servers.event_loops import loop_factory
from bothways.servers.listening import allow_descriptors
from bothways.starttls import Accepted
from bothways.tls.resumption.ticket_keys import TicketKeys

IDLE_SECONDS = 600.0
FORWARD_IDLE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """How many clients are served at once, and for how long, in seconds. idle_timeout: None for the default."""

    connections: int
    exempt_loopback: bool
    handshake_timeout: float
    idle_timeout: float | None

    def admission(self) -> ServeAdmission:
        """Return what admits clients, and let this process open that many sockets."""
        admission = ServeAdmission(
            self.connections, exempt_loopback=self.exempt_loopback, on_wait=_report_wait
        )
        allow_descriptors(admission.limit + self.connections)  # one more for each, since it may be forwarded
        return admission


@dataclass(frozen=True, slots=True)
class ServiceChoice:
    """What is done for a client: one of these. forward: the service to which its data is forwarded."""

    echo: bool
    page: bool
    forward: TCPAddress | None

    def check(self, clients: Clients, starttls: Accepted | None) -> None:
        """Refuse a choice that is none, and options that do not go with it."""
        if (self.echo, self.page, self.forward is not None).count(True) != 1:
            refuse("choose what to serve: exactly one of --echo, --page, --forward HOST:PORT")
        if starttls is not None and self.forward is None:
            refuse(
                f"--starttls {starttls.name} needs --forward HOST:PORT, to a service that speaks {starttls.title}"
            )
        if clients.client_auth == "later" and not self.page:
            refuse("--client-auth later: only --page requests a certificate after the handshake")

    def maker(
        self, idle_timeout: float | None, clients: Clients, starttls: Accepted | None
    ) -> Callable[[], Service]:
        """Return a function that makes the service of one client. idle_timeout: as it was given."""
        limit = idle_limit(idle_timeout, self.forward)
        if self.forward is not None:
            return functools.partial(Forward, self.forward, limit, starttls)
        if self.echo:
            return functools.partial(Echo, limit)
        return functools.partial(Page, limit, asks=clients.client_auth == "later")


@dataclass(frozen=True, slots=True)
class TLSOptions:
    """How the engine serves: sessions of TLS 1.2, keys that decrypt ClientHellos, staples, a key log."""

    resume_tls12: bool
    ech_key: tuple[str, ...]
    staples: Staples
    keylog: bool

    def engine(
        self, tickets: TicketKeys | None, starttls: Accepted | None, handshake_timeout: float
    ) -> EngineOptions:
        """Return what stays as it is when the files are read again.

        starttls: clients of its protocol offer its application protocol, which is accepted unless others are named.
        """
        return EngineOptions(
            tickets,
            (starttls.alpn,) if starttls is not None and starttls.alpn is not None else (),
            handshake_timeout,
            self.resume_tls12,
            self.staples,
            self.ech_key,
            load_keylog(self.keylog),
        )


@click.command("serve")
@click.argument("address", type=ADDRESS, metavar="HOST:PORT")
@server_options(alpn_help="An application protocol (ALPN) to accept; repeatable.")
@gathered(
    "limits",
    ClientLimits,
    click.option(
        "--connections",
        default=256,
        show_default=True,
        type=click.IntRange(1, 4096),
        help="The largest number of connections at once; one address (IPv6: one /64) may have a quarter of them.",
    ),
    click.option(
        "--exempt-loopback",
        is_flag=True,
        help="Allow 127.0.0.1 and ::1 more than a quarter of the connections, for a proxy on this machine.",
    ),
    click.option(
        "--handshake-timeout",
        default=30.0,
        show_default=True,
        type=Seconds(above=True),
        metavar="SECONDS",
        help="Time limit for each handshake.",
    ),
    click.option(
        "--idle-timeout",
        type=Seconds(),
        metavar="SECONDS",
        help="Close connections without data for this time; by default 600, with --forward 3600; 0: never.",
    ),
)
@accepted_option
@workers_option
@gathered("options", TLSOptions, resume_tls12_option, ech_key_option, staples_options, keylog_option)
@ladder_option("The newest handshake, whether it succeeded or not,")
@gathered(
    "choice",
    ServiceChoice,
    click.option("--echo", is_flag=True, help="Send received data back."),
    click.option("--page", is_flag=True, help="Answer HTTP requests with a page about the client."),
    click.option(
        "--forward",
        type=DIALLED,
        metavar="HOST:PORT",
        help="Forward data to and from a TCP service without TLS.",
    ),
)
def command(
    address: TCPAddress,
    server: ServerSide,
    limits: ClientLimits,
    starttls: Accepted | None,
    workers: int | None,
    options: TLSOptions,
    picture: LadderFile | None,
    choice: ServiceChoice,
) -> int:
    """Accept TLS connections on HOST:PORT from trusted clients. Port 0: any free port.

    Prints `listening on HOST:PORT` on standard error when it is ready, then one line for each connection. The files
    of --cert, --key, --client-ca, --client-cert, --client-pin, --psk and --crl are read again when they change, and
    connections of clients whose certificates or keys are no longer accepted are closed. OCSP responses for our own
    certificate are renewed in time. SIGINT or SIGTERM end it. SIGHUP reads changed files at once; with --workers it
    reads all files again and replaces the workers one after the other.
    """
    choice.check(server.clients, starttls)
    if server.side.key is None:  # which says what is missing by itself
        server.workload.check_required(server.side, server.keys)
    server.workload.check(server.side)
    engine = options.engine(server.tickets.load(), starttls, limits.handshake_timeout)
    if picture is not None:
        picture.check()
    make_service = choice.maker(limits.idle_timeout, server.clients, starttls)
    admission = limits.admission()
    loaded = Reloadable(lambda: server.load(engine))

    def work(sockets: Sockets, ready: Ready) -> None:
        now = loaded.current
        with now.kept_up_to_date(), asyncio.Runner(loop_factory=loop_factory()) as runner:
            serving = Serving(
                now.config, now.files, make_service, picture, Reports(), admission, starttls, now.may_serve
            )
            runner.run(_with_news(now.news, serving.run(sockets[0], ready)))

    return _serve(address, workers, work, loaded.read_again)


def _serve(
    address: TCPAddress,
    workers: int | None,
    work: Callable[[Sockets, Ready], None],
    may_replace: Callable[[], bool],
) -> int:
    """Listen, and serve in this process or in workers; return the exit status. The rest: see `serve_in_workers`."""
    with contextlib.ExitStack() as opened:
        places = [[opened.enter_context(each)] for each in listening_sockets(address, workers)]
        where = TCPAddress(address.host, places[0][0].getsockname()[1])
        ready = functools.partial(say, f"listening on {where}")
        if workers is not None:
            return serve_in_workers(places, work, ready=ready, may_replace=may_replace)
        work(places[0], ready)
    return DONE


async def _with_news(news: ServerNews | None, serving: Coroutine[object, object, None]) -> None:
    """Serve, and share news of revocations meanwhile."""
    async with sharing(news):
        await serving


def _report_wait(why: str) -> None:
    say(f"{why}; see --connections, and --exempt-loopback for a proxy on this machine")


def idle_limit(seconds: float | None, forward: TCPAddress | None) -> float | None:
    """Return the idle time in seconds after which a connection ends; None for no limit."""
    if seconds is None:
        return IDLE_SECONDS if forward is None else FORWARD_IDLE_SECONDS
    return seconds if seconds > 0 else None
