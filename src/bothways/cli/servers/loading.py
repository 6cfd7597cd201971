"""What the commands are that serve clients: the options of all of them, and the configuration that comes of these."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bothways.cli.options.anchors import Clients, clients_options
from bothways.cli.options.ech import load_ech_keys
from bothways.cli.options.gathering import Command, gathered
from bothways.cli.options.peer_keys import PeerKeys, keys_options
from bothways.cli.options.side import Side, side_options
from bothways.cli.options.spiffe import Workload, allowing, workload_options
from bothways.cli.options.staples import Staples, Supply
from bothways.cli.options.tickets import Tickets, follow_tickets, tickets_options
from bothways.cli.output.watching import RegularCheck, checking_regularly
from bothways.cli.servers.revocation_news import ServerNews, news_option
from bothways.cli.servers.server_files import ServerFiles, file_names
from bothways.diagnosis.situation import Files
from bothways.tls.config import ServerConfig
from bothways.tls.resumption.ticket_keys import TicketKeys


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What of a configuration no file of certificates says.

    tickets: the keys of session tickets; None for no tickets.  alpn, handshake_timeout, resume_tls12: as in
    `ServerConfig`.  staples: OCSP responses for our certificate.  ech_key: files of keys that decrypt ClientHellos.
    log_keys: gets the lines of a key log.
    """

    tickets: TicketKeys | None
    alpn: tuple[str, ...] = ()
    handshake_timeout: float = 30.0
    resume_tls12: bool = False
    staples: Staples = field(default_factory=Staples)
    ech_key: tuple[str, ...] = ()
    log_keys: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class LoadedServer:
    """The configuration by what files say, and what keeps it up to date.

    supply: of staples, None for none.  news: of revocations, None for none.  may_serve: whether our certificate may be
    shown now; None where it always may.  files: their names, for what is said of a failure.
    """

    config: ServerConfig
    checks: list[RegularCheck]
    supply: Supply | None
    news: ServerNews | None
    may_serve: Callable[[], bool] | None
    files: Files

    @contextlib.contextmanager
    def kept_up_to_date(self) -> Iterator[None]:
        """Follow files, ticket keys and OCSP responses while the body runs."""
        fresh = contextlib.nullcontext() if self.supply is None else self.supply.renewing()
        with fresh, checking_regularly(self.checks):
            follow_tickets(self.config.tickets)
            yield


@dataclass(frozen=True, slots=True)
class ServerSide:
    """The options that every server has: who it is, whom it accepts, and what it shares with others."""

    side: Side
    workload: Workload
    clients: Clients
    keys: PeerKeys
    tickets: Tickets
    revocation_news: bool

    def load(self, engine: EngineOptions) -> LoadedServer:
        """Read all files, or call the agent. Raises ConfigError; exits with status 2 for wrong options."""
        followed = self.workload.load()
        read = ServerFiles(self.side, self.clients, self.keys, followed)
        own, keys = read.own, read.loaded_keys
        news = ServerNews.of(self.revocation_news, self.tickets, read)
        decide = allowing(self.clients, followed)
        supply = engine.staples.supply(own.credentials, read.anchors)
        config = ServerConfig(
            client_anchors=read.anchors,
            client_auth=self.clients.client_auth,
            allow=decide if news is None else news.noting(decide),
            credentials=own.credentials or (),
            client_pins=keys.pins,
            psk_peers=keys.psks,
            raw_key=keys.raw_key,
            alpn=own.alpn or engine.alpn,
            revocation=own.revocation if news is None else news.policy(own.revocation),
            judge_again=read.judge_again,
            insecure_rsa_key_transport=own.classic,
            staples=None if supply is None else supply.store,
            tickets=engine.tickets,
            resume_tls12=engine.resume_tls12,
            ech_keys=load_ech_keys(engine.ech_key),
            handshake_timeout=engine.handshake_timeout,
            insecure_keylog=engine.log_keys,
        )
        checks = read.checks()
        if supply is not None and engine.staples.staple_file:
            checks.append(supply.read_changed)
        may_serve = None if followed is None else lambda: not followed.has_expired
        return LoadedServer(config, checks, supply, news, may_serve, file_names(self.side, self.clients))


def server_options(*, alpn_help: str | None) -> Callable[[Command], Command]:
    """Add the options of `ServerSide` to a command. alpn_help: the help of --alpn; None for no such option."""
    return gathered(
        "server",
        ServerSide,
        side_options(cert_required=False, alpn_help=alpn_help),
        workload_options,
        clients_options,
        keys_options("--client-pin", "clients"),
        tickets_options,
        news_option,
    )
