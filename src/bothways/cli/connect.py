"""`bothways connect`: a client with an identity, between a server and standard input and output."""

from __future__ import annotations

import contextlib
import os
import sys
import threading

import click

from bothways.cli.keylog import keylog_option, load_keylog
from bothways.cli.options import (
    ADDRESS,
    FILE,
    SPOKEN,
    Address,
    Side,
    load_anchors,
    profile_option,
    side_options,
)
from bothways.cli.pictures import LadderFile, ladder_option
from bothways.cli.staples import Staples, staples_options
from bothways.cli.terminal import FAILED, bounded, complain, headline, output_is_gone, say, say_json
from bothways.describe.recorder import Recorder
from bothways.diagnosis import Explanation, Files, HandshakeFacts, explain, explain_answer
from bothways.errors import ConfigError, TLSError, UsageError
from bothways.ladder.report import error_facts, report_facts, report_lines
from bothways.net.channel import Channel, connect
from bothways.tls.config import ClientConfig
from bothways.trust.verdict import Profile

CHUNK = 64 * 1024


@click.command("connect")
@click.argument("address", type=ADDRESS, metavar="HOST:PORT")
@click.option(
    "--ca",
    type=FILE,
    metavar="FILE",
    help="The trusted CA certificates (PEM); by default those of the system.",
)
@profile_option
@side_options(
    cert_required=False,
    alpn_help="An application protocol (ALPN) to offer, the preferred one first; repeatable.",
)
@click.option(
    "--name", metavar="NAME", help="The name that the server's certificate must contain; by default HOST."
)
@click.option("--tls", type=click.Choice(["1.2", "1.3"]), help="Exactly this version of TLS.")
@click.option(
    "--timeout",
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for connecting and the handshake.",
)
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object on standard error.")
@staples_options
@click.option("--post-handshake", is_flag=True, help="Allow post-handshake client authentication (TLS 1.3).")
@keylog_option
@ladder_option("What both sides said and each check that we made")
def command(
    address: Address,
    ca: str | None,
    profile: Profile,
    side: Side,
    name: str | None,
    tls: str | None,
    timeout: float,
    as_json: bool,
    staples: Staples,
    post_handshake: bool,
    keylog: bool,
    picture: LadderFile | None,
) -> int:
    """Connect to a server, send our certificate if it requests one, and report every check on standard error.

    Standard input is sent to the server, and what the server sends is written to standard output. At the end of
    the input close_notify is sent; data is read until the server closes.
    """
    anchors = load_anchors(ca, profile)
    own = side.load()
    supply = staples.supply(own.credentials, anchors)
    config = ClientConfig(
        anchors=anchors,
        credentials=own.credentials,
        versions=SPOKEN if tls is None else (tls,),
        alpn=own.alpn,
        revocation=own.revocation,
        insecure_rsa_key_transport=own.classic,
        staples=None if supply is None else supply.store,
        post_handshake_auth=post_handshake,
        insecure_keylog=load_keylog(keylog, as_json=as_json),
    )
    recorder = Recorder()
    files = Files(side.cert or "CERT", side.key or side.cert or "KEY", ca or "CA")
    observed = HandshakeFacts(config, name or address.host, address=str(address), files=files, also=recorder)
    failure: Exception | None = None
    why: Explanation | None = None
    if picture is not None:
        picture.check()
    try:
        with (
            contextlib.nullcontext() if supply is None else supply.kept_fresh(_silent if as_json else say),
            connect(address.host, address.port, config, name, timeout=timeout, observer=observed) as channel,
        ):
            if picture is None:
                recorder.stop()
            else:
                picture.write(client=recorder)
            _report(channel, recorder, address, profile, as_json)
            _copy(channel, observed, watched=picture is not None)
    except (ConfigError, UsageError):
        raise
    except (TLSError, OSError) as error:
        failure, why = error, explain(error, observed.situation())
        if as_json:
            say_json({"address": str(address), "profile": profile, "error": error_facts(error, why)})
        else:
            complain("\n".join(bounded([f"{address}: {headline(error)}", *why.lines()])))
    finally:
        if picture is not None:
            picture.write(client=recorder, client_error=failure, client_causes=why)
    return FAILED if failure is not None else 0


def _silent(_text: str) -> None:
    """Standard error has one JSON object, and what it says of the handshake tells the rest."""


def _report(channel: Channel, recorder: Recorder, address: Address, profile: Profile, as_json: bool) -> None:
    if as_json:
        say_json({"address": str(address), "profile": profile, **report_facts(channel, recorder.notes)})
    else:
        say("\n".join(bounded(report_lines(str(address), channel, recorder.notes))))


def _copy(channel: Channel, observed: HandshakeFacts, *, watched: bool) -> None:
    """Copy both ways until the server closes (RFC 9846 6.1: each side ends its own way)."""
    threading.Thread(target=_send_input, args=(channel,), daemon=True).start()
    data = channel.recv(CHUNK)
    refusal = explain_answer(data, observed.situation())
    if not watched:
        channel.stop_observing()  # what ends it from here on is no handshake
    while data:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            output_is_gone()
        data = channel.recv(CHUNK)
    if refusal is not None:
        say("\n".join(bounded(str(refusal).splitlines())))


def _send_input(channel: Channel) -> None:
    """Send what comes on standard input; the thread that listens meets any failure too, and raises it."""
    with contextlib.suppress(TLSError, OSError):
        while sys.stdin is not None and (data := os.read(sys.stdin.fileno(), CHUNK)):
            channel.sendall(data)
        if channel.version != "1.2":  # there a close_notify ends both directions (RFC 5246 7.2.1)
            channel.shutdown()
