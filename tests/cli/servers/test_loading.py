"""What all commands have that serve clients."""

from __future__ import annotations

import click

from bothways.cli import run, serve
from bothways.cli.options.anchors import Clients
from bothways.cli.options.peer_keys import PeerKeys
from bothways.cli.options.revocation import Sources
from bothways.cli.options.side import Side
from bothways.cli.options.spiffe import Workload
from bothways.cli.options.tickets import Tickets
from bothways.cli.servers.loading import EngineOptions, ServerSide, server_options
from bothways.testing import MutualTLS
from bothways.tls.resumption.ticket_keys import TicketKeys


def side_of(mtls: MutualTLS, *alpn: str) -> ServerSide:
    side = Side(str(mtls.identity("server").pem), None, None, alpn, False, Sources())
    clients = Clients(str(mtls.ca), None, ())
    return ServerSide(side, Workload(), clients, PeerKeys(), Tickets(None, None, False), False)


def test_the_commands_have_the_same_options_in_the_same_words() -> None:
    """So what is learned with one holds for the other."""
    common = click.command()(server_options(alpn_help=None)(lambda server: None)).params
    assert len(common) > 20
    for command in (serve.command, run.command):
        own = {each.name: each.to_info_dict() for each in command.params}
        assert [own[each.name] for each in common] == [each.to_info_dict() for each in common]


def test_settings_that_are_not_in_files_stay_when_files_are_read_again(mtls: MutualTLS) -> None:
    """Clients resume their sessions after it, since the keys of tickets are the same."""
    engine = EngineOptions(TicketKeys(), alpn=("http/1.1",), handshake_timeout=7.0)
    first, second = (side_of(mtls).load(engine).config for _ in range(2))
    assert first.credentials is not second.credentials
    assert first.tickets is second.tickets is engine.tickets
    assert first.handshake_timeout == second.handshake_timeout == 7.0


def test_protocols_that_are_named_replace_those_of_a_command(mtls: MutualTLS) -> None:
    engine = EngineOptions(None, alpn=("http/1.1",))
    assert side_of(mtls).load(engine).config.alpn == ("http/1.1",)
    assert side_of(mtls, "h2").load(engine).config.alpn == ("h2",)


def test_a_failure_is_explained_by_the_files_that_were_named(mtls: MutualTLS) -> None:
    loaded = side_of(mtls).load(EngineOptions(None))
    assert loaded.files.ca == str(mtls.ca)
    assert loaded.supply is None and loaded.news is None and loaded.may_serve is None
    with loaded.kept_up_to_date():
        pass
