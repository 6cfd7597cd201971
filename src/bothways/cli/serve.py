"""`bothways serve`: let in the clients that are trusted, and echo, greet or forward."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from datetime import UTC, datetime

import click

from bothways.cli.keylog import keylog_option, load_keylog
from bothways.cli.listening import converse, listen, until_stopped
from bothways.cli.options import (
    ADDRESS,
    FILE,
    Address,
    Side,
    load_anchors,
    side_options,
)
from bothways.cli.page import greet
from bothways.cli.pictures import LadderFile, ladder_option
from bothways.cli.relay import relay
from bothways.cli.staples import Staples, staples_options
from bothways.cli.terminal import headline, refuse, say
from bothways.cli.watching import looking_after
from bothways.errors import TLSError
from bothways.explain.causes import Explanation, Files, Witness, explain
from bothways.explain.escape import visible
from bothways.explain.names import peer_name
from bothways.explain.recorder import Recorder
from bothways.net.channel import Channel, wrap
from bothways.tls.connection import ServerConfig
from bothways.trust.crl_files import CRLFiles
from bothways.trust.verdict import Outcome

Service = Callable[[Channel], None]

MODES = click.Choice(["none", "request", "require"])


@click.command("serve")
@click.argument("address", type=ADDRESS, metavar="HOST:PORT")
@side_options(cert_required=True, alpn_help="An application protocol that is spoken here.")
@click.option("--client-ca", type=FILE, metavar="FILE", help="Authorities that vouch for clients (PEM).")
@click.option(
    "--client-auth",
    type=MODES,
    help="Ask clients for a certificate? `require` with --client-ca, else `none`.",
)
@click.option(
    "--connections", default=256, show_default=True, type=click.IntRange(1, 4096), help="How many at once."
)
@click.option(
    "--handshake-timeout", default=30.0, show_default=True, metavar="SECONDS", help="For each handshake."
)
@click.option(
    "--idle-timeout", default=None, type=float, metavar="SECONDS", help="End connections that stay silent."
)
@staples_options
@keylog_option
@ladder_option("The newest handshake, whether it succeeded or not,")
@click.option("--echo", "service", flag_value="echo", type=str, help="Send back what comes.")
@click.option(
    "--page", "service", flag_value="page", type=str, help="Answer HTTP with a page that greets the client."
)
@click.option(
    "--forward", type=ADDRESS, metavar="HOST:PORT", help="Pass on to a plain TCP service, and back."
)
def command(
    address: Address,
    side: Side,
    client_ca: str | None,
    client_auth: str | None,
    connections: int,
    handshake_timeout: float,
    idle_timeout: float | None,
    service: str | None,
    forward: Address | None,
    staples: Staples,
    keylog: bool,
    picture: LadderFile | None,
) -> None:
    """Accept TLS on HOST:PORT (port 0: any that is free) from clients that are trusted.

    Prints `listening on HOST:PORT` on standard error when it is ready, then one line for each connection.
    Files of --crl are read again when they change, and connections of clients that no longer pass are ended.
    Staples are kept fresh.
    SIGINT or SIGTERM end it.
    """
    if (service is None) == (forward is None):
        refuse("say what to serve: exactly one of --echo, --page, --forward HOST:PORT")
    lists = CRLFiles(side.sources.crl)
    settings = side.settings(lists.store)
    if client_auth is not None:
        settings["client_auth"] = client_auth
    if settings["revocation"] is not None:
        settings["judge_again"] = "change"
    anchors = load_anchors(client_ca) if client_ca is not None else None
    supply = staples.supply(settings["credentials"], anchors)
    config = ServerConfig(
        client_anchors=anchors,
        staples=None if supply is None else supply.store,
        handshake_timeout=handshake_timeout,
        insecure_keylog=load_keylog(keylog),
        **settings,
    )
    talk = _service(service, forward)
    files = Files(side.cert or "CERT", side.key or side.cert or "KEY", client_ca or "CA")
    if picture is not None:
        picture.check()
    looks = [lambda: lists.look(datetime.now(UTC))] if side.sources.crl else []
    if supply is not None and staples.staple_file:
        looks.append(supply.look)
    with (
        listen(address) as listener,
        until_stopped(),
        contextlib.nullcontext() if supply is None else supply.kept_fresh(),
        looking_after(looks),
    ):
        say(f"listening on {Address(address.host, listener.getsockname()[1])}")
        converse(
            listener,
            lambda sock, client: _serve_one(sock, client, config, idle_timeout, talk, picture, files),
            connections,
        )


def _service(service: str | None, forward: Address | None) -> Service:
    if forward is not None:
        return lambda channel: relay(channel, forward)
    return echo if service == "echo" else greet


def _serve_one(
    sock: socket.socket,
    client: Address,
    config: ServerConfig,
    idle_timeout: float | None,
    talk: Service,
    picture: LadderFile | None,
    files: Files,
) -> None:
    recorder = Recorder() if picture is not None else None
    witness = Witness(config, address=str(client), files=files, also=recorder)
    try:
        channel = _shake_hands(sock, config, witness, recorder, picture)
        agreed = f"TLS {channel.version}, {channel.suite}, {channel.group}"
        say("\n".join([f"{client} is {peer_name(channel.peer)} ({agreed})", *_warnings(channel)]))
        channel.stop_observing()  # what ends it from here on is no handshake
        channel.settimeout(idle_timeout)
        with channel:
            talk(channel)
    except (TLSError, OSError) as error:
        lines = explain(error, witness.situation()).lines()
        say("\n".join([f"{client} ended: {headline(error)}", *(f"    {line}" for line in lines)]))


def _warnings(channel: Channel) -> list[str]:
    """Say what should be known although the client was let in, and what kept us from knowing more."""
    lines = [f"    warning: {each}" for each in channel.warnings]
    findings = () if channel.peer is None else channel.peer.verdict.findings
    unknown = [each.text for each in findings if each.outcome is Outcome.UNKNOWN]
    return lines + [f"    3.3c {visible(text, 600)}" for text in unknown]


def _shake_hands(
    sock: socket.socket,
    config: ServerConfig,
    witness: Witness,
    recorder: Recorder | None,
    picture: LadderFile | None,
) -> Channel:
    """Make the handshake, and draw its ladder where one is wanted, whatever became of it."""
    failure: Exception | None = None
    why: Explanation | None = None
    try:
        return wrap(sock, config, observer=witness)
    except (TLSError, OSError) as error:
        failure, why = error, explain(error, witness.situation())
        raise
    finally:
        if recorder is not None and picture is not None:
            recorder.stop()
            picture.write(server=recorder, server_error=failure, server_causes=why)


def echo(channel: Channel) -> None:
    """Send back what comes until the client is done, then say so (RFC 9846 6.1)."""
    while data := channel.recv(64 * 1024):
        channel.sendall(data)
    with contextlib.suppress(OSError):
        channel.shutdown()
