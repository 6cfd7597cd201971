"""`bothways serve`: accepts authenticated clients, and echoes, answers HTTP or forwards."""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

import click

from bothways.cli.activity import Activity
from bothways.cli.admission import Admission, Client
from bothways.cli.keylog import keylog_option, load_keylog
from bothways.cli.listening import Acceptor, allow_descriptors, listen, until_stopped
from bothways.cli.options import (
    ADDRESS,
    Address,
    Clients,
    Side,
    clients_options,
    side_options,
)
from bothways.cli.page import greet
from bothways.cli.pictures import LadderFile, ladder_option
from bothways.cli.relay import relay
from bothways.cli.reports import Reports
from bothways.cli.server_files import ServerFiles
from bothways.cli.staples import Staples, staples_options
from bothways.cli.terminal import bounded, headline, refuse, say
from bothways.cli.tickets import Tickets, follow_tickets, tickets_options
from bothways.cli.watching import looking_after
from bothways.describe.escape import visible
from bothways.describe.names import peer_name
from bothways.describe.recorder import Recorder
from bothways.diagnosis import Explanation, Files, HandshakeFacts
from bothways.diagnosis.failure import explain_failure
from bothways.errors import TLSError, Truncated
from bothways.net.channel import Channel, wrap
from bothways.tls.config import ServerConfig
from bothways.tls.events import Note
from bothways.trust.verdict import Outcome

Service = Callable[[Channel, Activity], None]

HELLO_SECONDS = 10.0  # seconds for the ClientHello; the time limit of the handshake starts after it
IDLE_SECONDS = 600.0
FORWARD_IDLE_SECONDS = 3600.0


@click.command("serve")
@click.argument("address", type=ADDRESS, metavar="HOST:PORT")
@side_options(cert_required=True, alpn_help="An application protocol (ALPN) to accept; repeatable.")
@clients_options
@click.option(
    "--connections",
    default=256,
    show_default=True,
    type=click.IntRange(1, 4096),
    help="The most connections at once; one address (IPv6: one /64) may have a quarter of them.",
)
@click.option(
    "--exempt-loopback",
    is_flag=True,
    help="Allow 127.0.0.1 and ::1 more than a quarter of the connections, for a proxy on this machine.",
)
@click.option(
    "--handshake-timeout",
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for each handshake.",
)
@click.option(
    "--idle-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End connections without data for this time; by default 600, with --forward 3600; 0: never.",
)
@tickets_options
@staples_options
@keylog_option
@ladder_option("The newest handshake, whether it succeeded or not,")
@click.option("--echo", "service", flag_value="echo", type=str, help="Send received data back.")
@click.option(
    "--page",
    "service",
    flag_value="page",
    type=str,
    help="Answer HTTP requests with a page about the client.",
)
@click.option(
    "--forward", type=ADDRESS, metavar="HOST:PORT", help="Forward data to and from a TCP service without TLS."
)
def command(
    address: Address,
    side: Side,
    clients: Clients,
    connections: int,
    exempt_loopback: bool,
    handshake_timeout: float,
    idle_timeout: float | None,
    service: str | None,
    forward: Address | None,
    tickets: Tickets,
    staples: Staples,
    keylog: bool,
    picture: LadderFile | None,
) -> None:
    """Accept TLS connections on HOST:PORT from trusted clients. Port 0: any free port.

    Prints `listening on HOST:PORT` on standard error when it is ready, then one line for each connection. The files
    of --cert, --key, --client-ca and --crl are read again when they change, and connections of clients whose
    certificates are not accepted any more are ended. OCSP responses for our own certificate are
    renewed in time. SIGINT or SIGTERM end it.
    """
    if (service is None) == (forward is None):
        refuse("choose what to serve: exactly one of --echo, --page, --forward HOST:PORT")
    read = ServerFiles(side, clients)
    own = read.own
    supply = staples.supply(own.credentials, read.anchors)
    config = ServerConfig(
        client_anchors=read.anchors,
        client_auth=clients.client_auth,
        allow=clients.allow or None,
        credentials=own.credentials or (),
        alpn=own.alpn,
        revocation=own.revocation,
        judge_again=read.judge_again,
        insecure_rsa_key_transport=own.classic,
        staples=None if supply is None else supply.store,
        tickets=tickets.load(),
        handshake_timeout=handshake_timeout,
        insecure_keylog=load_keylog(keylog),
    )
    talk = _service(service, forward)
    files = Files(side.cert or "CERT", side.key or side.cert or "KEY", clients.client_ca or "CA")
    if picture is not None:
        picture.check()
    looks = read.looks()
    if supply is not None and staples.staple_file:
        looks.append(supply.look)
    with (
        listen(address) as listener,
        until_stopped() as stop,
        contextlib.nullcontext() if supply is None else supply.kept_fresh(),
        looking_after(looks),
    ):
        follow_tickets(config.tickets)
        say(f"listening on {Address(address.host, listener.getsockname()[1])}")
        serving = Serving(config, files, talk, idle_limit(idle_timeout, forward), picture, Reports())
        admission = Admission(connections, exempt_loopback=exempt_loopback)
        allow_descriptors(admission.limit + connections)  # one more for each, since it may be forwarded
        hello_seconds = min(HELLO_SECONDS, handshake_timeout)
        Acceptor(listener, serving.serve, admission, hello_seconds, serving.unheard).run(stop)


def _service(service: str | None, forward: Address | None) -> Service:
    if forward is not None:
        return functools.partial(relay, backend=forward)
    return echo if service == "echo" else greet


def idle_limit(seconds: float | None, forward: Address | None) -> float | None:
    """Return the idle time in seconds after which a connection ends; None for no limit."""
    if seconds is None:
        return IDLE_SECONDS if forward is None else FORWARD_IDLE_SECONDS
    return seconds if seconds > 0 else None


@dataclass(frozen=True, slots=True)
class Serving:
    """What is the same for all connections."""

    config: ServerConfig
    files: Files
    talk: Service
    idle_limit: float | None
    picture: LadderFile | None
    reports: Reports

    def unheard(self, client: Client, error: Exception) -> None:
        """Report a client that sent no ClientHello."""
        if client.ended:
            self.reports.untold()
            return
        observed = HandshakeFacts(self.config)
        words = NOTHING_SENT if isinstance(error, Truncated) else str(error)

        def told() -> list[str]:
            error.situation = observed.situation()  # type: ignore[attr-defined]
            return self._failure(client, error, words=words)

        self.reports.failed(client.address.host, told)

    def serve(self, client: Client) -> None:
        """Do the handshake with a client and serve it; any failure is reported."""
        channel: Channel | None = None
        local = _name_of(client.sock)
        try:
            if not client.may_begin(self.config.handshake_timeout):
                self.reports.untold()
                return
            channel = self._shake_hands(client, local)
            with channel:
                if not client.establish(self.config.handshake_timeout):
                    channel.abort()
                    self.reports.untold()
                    return
                agreed = f"TLS {channel.version}, {channel.suite}, {channel.group}"
                name = f"{client.address} is {peer_name(channel.peer)} ({agreed})"
                say("\n".join(bounded([name, *_warnings(channel)])))
                channel.stop_observing()  # later failures are not part of the handshake
                activity = Activity(self.idle_limit, client.note_activity)
                activity.watch(channel)
                self.talk(channel, activity)
        except (TLSError, OSError) as error:
            if client.ended and not client.established:
                self.reports.untold()
                return
            if channel is not None:
                channel.situate(error)
            known = channel is not None and channel.peer is not None
            told = functools.partial(self._failure, client, error, local)
            self.reports.failed(client.address.host, told, known=known)

    def _shake_hands(self, client: Client, local: str) -> Channel:
        """Do the handshake, and write its ladder diagram if requested, also after a failure."""
        if self.picture is None:
            return wrap(client.sock, self.config, observer=client)
        recorder, failure, why = Recorder(), None, None

        def observe(note: Note) -> None:
            client(note)
            recorder(note)

        try:
            return wrap(client.sock, self.config, observer=observe)
        except (TLSError, OSError) as error:
            failure, why = error, self._explained(client, error, local)
            raise
        finally:
            recorder.stop()
            self.picture.write(server=recorder, server_error=failure, server_causes=why)

    def _failure(self, client: Client, error: Exception, local: str = "", words: str = "") -> list[str]:
        """Return lines about what ended a connection, and its causes."""
        if client.ended:
            return [f"{client.address} ended: its place was given to an address with fewer connections"]
        causes = self._explained(client, error, local).lines()
        return [f"{client.address} ended: {words or headline(error)}", *(f"    {line}" for line in causes)]

    def _explained(self, client: Client, error: Exception, local: str) -> Explanation:
        address = str(client.address)
        return explain_failure(error, files=self.files, address=address, local=_local_address(local))


def _name_of(sock: socket.socket) -> str:
    """Return our own address of a connection, as the system writes it, or "" if it is closed."""
    try:
        return str(sock.getsockname()[0])
    except (OSError, IndexError):
        return ""


def _local_address(name: str) -> str:
    """Return the IP address in the name of a socket, or "" if there is none."""
    try:
        address = ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return ""
    return str(getattr(address, "ipv4_mapped", None) or address)


NOTHING_SENT = "the client closed the connection before it sent anything"


def _warnings(channel: Channel) -> list[str]:
    """Return lines with the warnings about an accepted client."""
    lines = [f"    warning: {each}" for each in channel.warnings]
    findings = () if channel.peer is None else channel.peer.verdict.findings
    unknown = [each.text for each in findings if each.outcome is Outcome.UNKNOWN]
    return lines + [f"    3.3c {visible(text, 600)}" for text in unknown]


def echo(channel: Channel, activity: Activity) -> None:
    """Send back what is received until the client's close_notify, then close (RFC 9846 6.1)."""
    while data := activity.receive(channel):
        activity.send(channel, data)
    with contextlib.suppress(OSError):
        channel.shutdown()
