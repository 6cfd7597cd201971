"""`bothways connect`: a client with an identity, which connects a server to standard input and output."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import click

from bothways.addresses import TCPAddress
from bothways.cli.clients.client_side import (
    OFFERED_ALPN,
    SPOKEN,
    TIMEOUT,
    ClientOptions,
    ClientSide,
    client_options,
    hello_words,
    name_option,
)
from bothways.cli.clients.connect_report import ConnectionEnd, ConnectionReport
from bothways.cli.clients.conversation import ServerConversation
from bothways.cli.options.addresses import SERVER
from bothways.cli.options.ech import Ech, ech_option
from bothways.cli.options.gathering import gathered
from bothways.cli.options.keylog import keylog_option, load_keylog
from bothways.cli.options.pictures import LadderFile, ladder_option
from bothways.cli.options.staples import Staples, Supply, staples_options
from bothways.cli.options.starttls import starttls_option
from bothways.cli.options.types import NamesType, Seconds
from bothways.cli.output.terminal import FAILED, print_bytes, refuse
from bothways.describe.recorder import Recorder
from bothways.diagnosis import (
    Files,
    HandshakeFacts,
    Observed,
    Situation,
    explain_answer,
    explain_ended,
    refusal_in,
)
from bothways.diagnosis.replies.reply import LOOKED_AT
from bothways.diagnosis.services.refusals import explain_silence, silence
from bothways.doctor.dial import Target
from bothways.doctor.evidence import probe
from bothways.errors import ConfigError, StartTLSFailed, TLSError, Truncated, UsageError
from bothways.iana import CipherSuite, NamedGroup
from bothways.net.channel import Channel
from bothways.net.connecting import connect
from bothways.roles import Progress
from bothways.starttls import Protocol
from bothways.tls.config import ClientConfig
from bothways.tls.handshake.settings import PREFERRED_GROUPS, SUITES
from bothways.trust.path.name_matching import server_name

PROBE_SHARE = 0.5  # the part of the time limit for the connections of --probe


@dataclass(frozen=True, slots=True)
class HelloOptions:
    """What our ClientHello offers other than by default. groups, suites: None for the default ones."""

    post_handshake: bool
    groups: tuple[str, ...] | None
    suites: tuple[str, ...] | None


@click.command("connect")
@click.argument("address", type=SERVER, metavar="HOST:PORT")
@client_options(alpn_help=OFFERED_ALPN)
@name_option
@click.option("--tls", type=click.Choice(["1.2", "1.3"]), help="Exactly this version of TLS.")
@click.option(
    "--timeout",
    type=Seconds(above=True),
    default=TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for connecting and the handshake, of which the connections of --probe get half; after the end of "
    "the input, for each wait for data.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Report as one JSON object on standard error, at the end."
)
@click.option(
    "--one-way",
    is_flag=True,
    help="The service answers nothing, as syslog: that it sends nothing is no failure.",
)
@staples_options
@gathered(
    "hello",
    HelloOptions,
    click.option(
        "--post-handshake", is_flag=True, help="Allow post-handshake client authentication (TLS 1.3)."
    ),
    click.option(
        "--groups",
        type=NamesType(each.name for each in NamedGroup),
        metavar="NAME,NAME",
        help="Exactly these groups, the preferred first.",
    ),
    click.option(
        "--suites",
        type=NamesType(each.name for each in CipherSuite),
        metavar="NAME,NAME",
        help="Exactly these suites, the preferred first.",
    ),
)
@click.option(
    "--probe", "probing", is_flag=True,
    help="If our ClientHello is not answered, find out the server's protocol, by at most nine further connections.",
)  # fmt: skip
@ech_option
@starttls_option
@keylog_option
@ladder_option("The messages of both sides and each check of ours")
def command(
    address: TCPAddress,
    client: ClientOptions,
    name: str | None,
    tls: str | None,
    timeout: float,
    as_json: bool,
    one_way: bool,
    staples: Staples,
    hello: HelloOptions,
    probing: bool,
    ech: Ech,
    starttls: Protocol | None,
    keylog: bool,
    picture: LadderFile | None,
) -> int:
    """Connect to a server, send our certificate if it requests one, and report every check on standard error.

    Standard input is sent to the server, and what the server sends is written to standard output. At the end of
    the input close_notify is sent, unless --post-handshake is given, once the server has answered or a second has
    passed; data is read until the server closes, or sends nothing for the time of --timeout. While the input is open
    there is no such limit.

    If the server closes before we do, and has sent nothing, that is a failure, unless the input was empty, or --one-way
    is given: a load balancer that cannot reach its service closes so.

    The exit status is 1 if a peer was refused or the connection failed, and if the service refuses the client
    in its first bytes: over HTTP by 401, 403, 407, 421, 495 to 497, or 400 with a message about the certificate; in
    other protocols by any reply that refuses, also one that says that the service is not available now.
    """
    loaded = client.load(name or address.host)
    supply = staples.supply(loaded.own.credentials, loaded.anchors)
    log_keys = load_keylog(keylog, as_json=as_json)
    config = _config(loaded, hello, tls, ech, log_keys, supply)
    if probing and ech is not None:
        refuse("--probe and --ech exclude each other: probes send the server's name in the clear")
    if picture is not None:
        picture.check()
    words = hello_words(
        tls, groups=hello.groups, suites=hello.suites, post_handshake=hello.post_handshake, timeout=timeout
    )
    files = client.files(*staples.words, *words)
    report = ConnectionReport(address, client.profile, as_json, starttls)
    server = _Server(address, name, timeout, probing, starttls, one_way)
    end = _converse(server, config, files, supply, picture, report)
    report.end(end)
    return FAILED if end.failure is not None else 0


def _config(
    loaded: ClientSide,
    hello: HelloOptions,
    tls: str | None,
    ech: Ech,
    log_keys: Callable[[str], None] | None,
    supply: Supply | None,
) -> ClientConfig:
    """Return the configuration. supply: of OCSP responses for our own certificates."""
    return ClientConfig(
        anchors=loaded.anchors,
        credentials=loaded.own.credentials,
        pins=loaded.keys.pins,
        psk_peers=loaded.keys.psks,
        raw_key=loaded.keys.raw_key,
        versions=SPOKEN if tls is None else (tls,),
        suites=SUITES if hello.suites is None else hello.suites,
        groups=PREFERRED_GROUPS if hello.groups is None else hello.groups,
        alpn=loaded.own.alpn,
        revocation=loaded.own.revocation,
        insecure_rsa_key_transport=loaded.own.classic,
        staples=None if supply is None else supply.store,
        post_handshake_auth=hello.post_handshake,
        ech=ech,
        insecure_keylog=log_keys,
    )


def _converse(
    server: _Server,
    config: ClientConfig,
    files: Files,
    supply: Supply | None,
    picture: LadderFile | None,
    report: ConnectionReport,
) -> ConnectionEnd:
    """Connect, report the handshake and copy data in both directions; return how it ended."""
    recorder = Recorder()
    observed = server.observer(config, files, recorder)
    end = ConnectionEnd()
    try:
        with (
            contextlib.nullcontext() if supply is None else supply.renewing(report.say),
            report.waiting(f"an answer from {server.address}") as answered,
            server.connect(config, observed) as channel,
        ):
            answered()
            if picture is None:
                recorder.stop()
            else:
                picture.write(client=recorder)
            report.connected(channel, recorder)
            talk = server.conversation(channel, report.say, ends=not config.post_handshake_auth)
            _copy(channel, talk, observed, end, watched=picture is not None)
    except (ConfigError, UsageError):
        raise
    except (TLSError, OSError) as error:
        with report.waiting(f"answers of {server.address} to other hellos"):
            situation = server.situation(observed, error)
        end.error, end.why = error, explain_ended(end.head, error, situation)
    finally:
        if picture is not None:
            picture.write(client=recorder, client_error=end.failure, client_causes=end.explanation)
    return end


@dataclass(frozen=True)
class _Server:
    """The server to connect to.

    timeout: in seconds.  probing: examine it with more connections if it does not answer the ClientHello.
    one_way: whether its service answers nothing.
    """

    address: TCPAddress
    name: str | None
    timeout: float
    probing: bool
    starttls: Protocol | None
    one_way: bool = False

    def observer(self, config: ClientConfig, files: Files, recorder: Recorder) -> HandshakeFacts:
        """Return the observer of the connection, which also passes its notes to `recorder`."""
        return HandshakeFacts(
            config,
            self.name or self.address.host,
            address=str(self.address),
            files=files,
            also=recorder,
            starttls="" if self.starttls is None else self.starttls.name,
        )

    def connect(self, config: ClientConfig, observed: HandshakeFacts) -> Channel:
        """Connect and authenticate, as `bothways.net.connect`."""
        return connect(
            self.address.host,
            self.address.port,
            config,
            self.name,
            timeout=self.timeout * (1 - PROBE_SHARE) if self.probing else self.timeout,
            observer=observed,
            starttls=None if self.starttls is None else self.starttls.name,
        )

    def conversation(self, channel: Channel, say: Callable[[str], None], *, ends: bool) -> ServerConversation:
        """Return the conversation after the handshake, as `ServerConversation`."""
        return ServerConversation(
            channel, str(self.address), self.timeout, say, ends=ends, one_way=self.one_way
        )

    def situation(self, observed: HandshakeFacts, error: Exception) -> Situation:
        """Return what is known about a failure, with the results of --probe if the ServerHello did not come.

        A service whose STARTTLS failed is probed without it.
        """
        situation = observed.situation()
        if (
            not self.probing
            or situation.observed.progress is not Progress.HELLO
            or isinstance(error, ConnectionRefusedError)
        ):
            return situation
        target = Target(self.address.host, self.address.port, server_name(self.name or self.address.host))
        asked = None if isinstance(error, StartTLSFailed) else self.starttls
        return replace(situation, probed=probe(target, self.timeout * PROBE_SHARE, asked, situation.own_side))


def _copy(
    channel: Channel, talk: ServerConversation, observed: HandshakeFacts, end: ConnectionEnd, *, watched: bool
) -> None:
    """Copy data in both directions until the server closes (RFC 9846 6.1: each closes its own direction)."""
    talk.begin()
    try:
        data = _first_data(talk, observed, end)
        if not watched:
            channel.stop_observing()  # later failures are not part of the handshake
        while data:
            end.head += data[: LOOKED_AT - len(end.head)]
            print_bytes(data)
            data = talk.receive()
    finally:
        if end.head:
            end.refusal = refusal_in(end.head)
            end.reply = explain_answer(end.head, observed.situation())


def _first_data(talk: ServerConversation, observed: HandshakeFacts, end: ConnectionEnd) -> bytes | None:
    """Return what the server sends first, and explain it if it sends nothing.

    Nothing lacks where a server that had accepted us ends without close_notify and we had sent nothing, as nginx does
    that got no request. It accepted us if it sent a session ticket, which follows our last message of the handshake
    (RFC 9846 4.7.1).
    """
    try:
        data = talk.receive()
    except Truncated:
        seen = observed.situation().observed
        ended = _has_input_ended(talk, seen)
        end.unasked = ended and not seen.said and "NewSessionTicket" in seen.received
        if not end.unasked:
            raise
        return None
    if data == b"":
        _explain_silent_end(talk, observed.situation(), end)
    return data


def _has_input_ended(talk: ServerConversation, seen: Observed) -> bool:
    return talk.has_ended or seen.closed


def _explain_silent_end(talk: ServerConversation, situation: Situation, end: ConnectionEnd) -> None:
    """Explain that the server closed without a word: a failure if it was asked something, or our input is still open.

    A service that takes data and answers nothing closes after we did.
    """
    seen = situation.observed
    ended = _has_input_ended(talk, seen)
    end.unasked = ended and not seen.said
    end.unanswered = seen.closed and seen.said and not talk.is_one_way
    if not (end.unasked or end.unanswered or (ended and talk.is_one_way)):
        end.reply, end.refusal = explain_silence(situation), silence()
        end.may_be_one_way = seen.said
