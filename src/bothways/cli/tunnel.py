"""`bothways tunnel`: a local socket without TLS, whose connections go to a server with our certificate."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace

import click
from click.core import ParameterSource

from bothways.addresses import Address as Endpoint
from bothways.addresses import TCPAddress, UnixAddress, is_loopback, parsed_address, unix_address
from bothways.cli.clients.client_side import (
    OFFERED_ALPN,
    ClientOptions,
    ClientSide,
    client_options,
    name_option,
)
from bothways.cli.options.addresses import SERVER
from bothways.cli.options.starttls import PROTOCOL
from bothways.cli.options.types import FILE, ParsedType, Seconds
from bothways.cli.output.terminal import DONE, bounded, headline, refuse, say
from bothways.cli.output.watching import checking_regularly
from bothways.cli.servers.gateway_file import serve_file
from bothways.diagnosis.failure import explain_failure
from bothways.diagnosis.situation import Files
from bothways.errors import ConfigError
from bothways.gateway.files.held import Held, Lists
from bothways.gateway.listeners.systemd import READY, STOPPING, notify
from bothways.gateway.reload.current import LOOK_SECONDS
from bothways.gateway.tunnels.metrics import TunnelMetrics
from bothways.gateway.tunnels.tunnel import Tunnel, TunnelSettings
from bothways.servers.addresses import PASSED, ListenerAddress, PassedAddress
from bothways.servers.report_limits import ReportLimits
from bothways.servers.shortage import report_shortages
from bothways.starttls import CLIENT_SPEAKS_FIRST, Protocol
from bothways.tls.config import ClientConfig
from bothways.trust.anchors import WatchedTrustStore
from bothways.trust.crl_files import CRLFiles


def _operator_address(text: str) -> Endpoint:
    """Return where metrics are answered: without TLS, so that only this machine may ask. Raises ConfigError."""
    address = parsed_address(text)
    if isinstance(address, TCPAddress) and not is_loopback(address.host):
        raise ConfigError("it is not on this machine; use 127.0.0.1, or unix:PATH")
    return address


OPERATOR_ADDRESS: ParsedType[Endpoint] = ParsedType(
    "HOST:PORT|unix:PATH", TCPAddress | UnixAddress, _operator_address
)


@click.command("tunnel")
@click.argument("local", metavar="PATH|systemd:NAME|HOST:PORT", required=False)
@click.argument("address", type=SERVER, metavar="HOST:PORT", required=False)
@click.option(
    "-c",
    "--config",
    "path",
    type=FILE,
    metavar="FILE",
    help="A file with several tunnels (TOML), in place of arguments and other options.",
)
@client_options(alpn_help=OFFERED_ALPN, with_profile=False)
@name_option
@click.option(
    "--insecure-tcp",
    is_flag=True,
    help="Listen on TCP: every user and every browser of this machine can then use our certificate.",
)
@click.option(
    "--starttls",
    type=PROTOCOL,
    metavar="NAME",
    help=f"Request TLS in this protocol first: {', '.join(CLIENT_SPEAKS_FIRST)}.",
)
@click.option(
    "--metrics",
    "metrics_address",
    metavar="HOST:PORT|unix:PATH",
    type=OPERATOR_ADDRESS,
    help="Where /metrics, /healthz and /readyz are answered, on this machine only; by default nowhere.",
)
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    type=Seconds(above=True),
    metavar="SECONDS",
    help="Time limit for connecting and the handshake.",
)
@click.pass_context
def command(
    context: click.Context,
    local: str | None,
    address: TCPAddress | None,
    path: str | None,
    client: ClientOptions,
    name: str | None,
    insecure_tcp: bool,
    starttls: Protocol | None,
    metrics_address: Endpoint | None,
    timeout: float,
) -> int:
    """Forward connections of local programs from the Unix socket PATH to a server, over TLS with our certificate.

    Only this user can connect to PATH (mode 0600). Prints `listening on unix:PATH` on standard error when it is
    ready; systemd:NAME is a socket that systemd has opened, with mode 0600, too. The files of --cert, --key, --ca,
    --pin, --psk and --crl are read again when they change, and connections to a server that is no longer accepted are
    closed. SIGHUP reads them at once, SIGINT or SIGTERM ends it.
    With -c the tunnels of a file are served as `bothways gateway -c` serves it, and `bothways gateway check` checks it.
    """
    if path is not None:
        _check_alone(context)
        return serve_file(path, for_tunnels=True)
    if local is None or address is None:
        refuse(
            "it is not said from where to where the tunnel leads",
            "give PATH and HOST:PORT, or a file with tunnels by -c FILE",
        )
    client.workload.check_required(client.side, client.keys)
    where = _local(local, insecure_tcp)
    if starttls is not None and starttls.name not in CLIENT_SPEAKS_FIRST:
        refuse(
            f"--starttls {starttls.name}: in this protocol the server speaks first, and the program would wait for it",
            f"possible are {', '.join(CLIENT_SPEAKS_FIRST)}",
        )
    lists = CRLFiles(client.side.sources.crl)
    target = name or address.host
    loaded = client.load(target, lists=lists.store, watched=True)
    config = _config(loaded, timeout)
    config.target(target)
    settings = TunnelSettings(config, address, target, starttls, lambda: loaded.may_show, timeout)

    files = replace(client.files(), starttls=CLIENT_SPEAKS_FIRST)
    metrics = None if metrics_address is None else TunnelMetrics(lambda: _held(client, loaded, lists))
    tunnel = Tunnel(settings, _reporter(settings, files), metrics, insecure_tcp=insecure_tcp)
    seen = config.settings.trust.generation

    def read_changed_files() -> list[str]:
        nonlocal seen
        _ = config.settings.identity.own
        news = lists.read_changed() if client.side.sources.crl else []
        before, seen = seen, config.settings.trust.generation
        if seen != before:
            tunnel.judge_soon()
        return news

    with checking_regularly([read_changed_files, loaded.renewal_check()], LOOK_SECONDS):
        asyncio.run(_serve(tunnel, where, metrics, metrics_address))
    return DONE


def _check_alone(context: click.Context) -> None:
    """Refuse whatever was given beside a file, which says all of it."""
    given = [
        each.opts[0] if isinstance(each, click.Option) else each.make_metavar(context)
        for each in context.command.params
        if each.name != "path"
        and context.get_parameter_source(each.name or "") is ParameterSource.COMMANDLINE
    ]
    if given:
        refuse(
            f"{', '.join(given)} beside -c: the file says everything about its tunnels",
            "write it into a [[tunnel]] of the file, or leave -c out",
        )


def _held(client: ClientOptions, loaded: ClientSide, lists: CRLFiles) -> Held:
    """Return the files in use, of which metrics say when they expire."""
    own, anchors = loaded.own.credentials, loaded.anchors.current
    source = client.side.cert or client.side.key or "spiffe"
    each = {path: tuple(several) for path, several in lists.each()}
    return Held(
        credentials={} if own is None else {(source,): own.current},
        anchors={} if client.ca is None else {(client.ca,): anchors},
        lists={tuple(each): Lists(lists.store, each)} if each else {},
    )


def _config(loaded: ClientSide, handshake_timeout: float) -> ClientConfig:
    may_change = (
        loaded.own.revocation is not None
        or loaded.keys.may_change
        or isinstance(loaded.anchors, WatchedTrustStore)
    )
    return ClientConfig(
        anchors=loaded.anchors,
        credentials=loaded.own.credentials,
        pins=loaded.keys.pins,
        psk_peers=loaded.keys.psks,
        raw_key=loaded.keys.raw_key,
        alpn=loaded.own.alpn,
        revocation=loaded.own.revocation,
        judge_again="change" if may_change else "lapse",
        insecure_rsa_key_transport=loaded.own.classic,
        handshake_timeout=handshake_timeout,
    )


def _local(text: str, insecure_tcp: bool) -> ListenerAddress:
    """Return where to listen: TCP only where it was asked for, and only for this machine."""
    if text.startswith(PASSED):
        return PassedAddress(text.removeprefix(PASSED))
    if "/" in text or ":" not in text:
        return unix_address(text)
    address = parsed_address(text)
    if isinstance(address, UnixAddress):
        return address
    if not insecure_tcp:
        refuse(
            f"{text}: every user and every browser of this machine could use our certificate by TCP",
            "use the path of a Unix socket, or --insecure-tcp if that is meant",
        )
    if not is_loopback(address.host):
        refuse(f"{text}: a tunnel listens on this machine only", "use 127.0.0.1, or `bothways gateway`")
    return address


def _reporter(settings: TunnelSettings, files: Files) -> Callable[[str, Exception | None], None]:
    """Return what tells why a connection has ended, unless that was in order."""
    limits = ReportLimits()

    def report(why: str, error: Exception | None) -> None:
        if error is None or not limits.may_report("local"):
            return
        is_ours = isinstance(error, ConfigError)  # a matter of this side before anything was connected
        causes = [] if is_ours else explain_failure(error, files=files, address=str(settings.server)).lines()
        say(
            "\n".join(
                bounded(
                    [f"a connection ended: {why or headline(error)}", *(f"    {each}" for each in causes)]
                )
            )
        )

    return report


async def _serve(
    tunnel: Tunnel, where: ListenerAddress, metrics: TunnelMetrics | None, metrics_address: Endpoint | None
) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    report_shortages(loop, say)
    lines = [f"listening on {await tunnel.start(where)}"]
    if metrics is not None and metrics_address is not None:
        try:
            lines.append(f"listening on {await metrics.start(metrics_address)} (metrics)")
        except OSError:
            await tunnel.close()
            raise
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    loop.add_signal_handler(
        signal.SIGUSR2,
        lambda: say("not replaced: SIGUSR2 replaces a gateway with --workers only, which may have tunnels"),
    )
    say("\n".join(lines))
    notify(READY)
    await stop.wait()
    notify(STOPPING)
    await tunnel.close()
    if metrics is not None:
        await metrics.close()
