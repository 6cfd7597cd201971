"""`bothways get`: one HTTP request with an identity, or Python code that sends the same."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from bothways.cli.client_side import load_client
from bothways.cli.hints import request_words
from bothways.cli.http_request import REDIRECTS, RequestContext, ask, load_http
from bothways.cli.options import (
    ADDRESS,
    FILE,
    SPOKEN,
    TIMEOUT,
    Address,
    Side,
    hello_words,
    profile_option,
    profile_words,
    side_options,
)
from bothways.cli.output import Output
from bothways.cli.peer_keys import PeerKeys, keys_options
from bothways.cli.spiffe import Workload, client_workload_options
from bothways.cli.terminal import DONE, refuse
from bothways.errors import ConfigError
from bothways.http.code import LIBRARIES, Wanted, code
from bothways.http.location import Location, parse
from bothways.tls.config import ClientConfig
from bothways.trust import files
from bothways.trust.verdict import Profile

DATA_LIMIT = 64 * 1024 * 1024
ANSWER_LIMIT = 1024 * 1024 * 1024
ALL_SECONDS = 600.0
FORM = "application/x-www-form-urlencoded"
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_VALUE = re.compile(r"[\x20-\x7e\t\xa0-\xff]*")
# Headers set by the connection; others would allow request smuggling.
OWN_HEADERS = {"connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}

ALLOWED = {("te", "trailers")}  # RFC 9113 8.2.2; gRPC requires it


@dataclass(frozen=True, slots=True)
class Header:
    """A header as given on the command line."""

    name: str
    value: str

    @property
    def encoded(self) -> tuple[bytes, bytes]:
        """Return name and value as bytes."""
        return self.name.encode("ascii"), self.value.encode("latin-1")


class HeaderType(click.ParamType[Header]):
    """NAME: VALUE."""

    name = "NAME: VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Header:
        """Parse a header; raises `click.BadParameter`."""
        if isinstance(value, Header):
            return value
        name, colon, text = str(value).partition(":")
        text = text.strip()
        if not colon or not _TOKEN.fullmatch(name):
            self.fail(f"{value!a} is not a header; expected one like 'Accept: application/json'", param, ctx)
        if not _VALUE.fullmatch(text):
            self.fail(f"{name}: its value has a character that is not allowed in a header", param, ctx)
        if name.lower() in OWN_HEADERS and (name.lower(), text.lower()) not in ALLOWED:
            self.fail(f"{name}: this header is set by the connection itself", param, ctx)
        return Header(name, text)


@click.command("get")
@click.argument("url", metavar="URL")
@click.option(
    "--ca",
    type=FILE,
    metavar="FILE",
    help="The trusted CA certificates (PEM); by default those of the system, with --psk or --pin none.",
)
@profile_option
@side_options(cert_required=False, alpn_help=None)
@client_workload_options
@keys_options("--pin", "servers")
@click.option(
    "--name",
    metavar="NAME",
    help="The name that the server's certificate must contain; by default the URL's host.",
)
@click.option("--tls", type=click.Choice(["1.2", "1.3"]), help="Exactly this version of TLS.")
@click.option("--http", "only", type=click.Choice(["1.1", "2"]), help="Exactly this version of HTTP.")
@click.option(
    "--connect-to",
    "dial",
    type=ADDRESS,
    metavar="HOST:PORT",
    help="Connect to this address instead of the URL's host.",
)
@click.option("-X", "--request", "method", metavar="METHOD", help="By default GET, and POST with -d.")
@click.option(
    "-H", "--header", "headers", type=HeaderType(), multiple=True, metavar="'NAME: VALUE'", help="Repeatable."
)
@click.option("-d", "--data", metavar="TEXT|@FILE", help="The body to send; @- reads standard input.")
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write the response there instead of standard output.",
)
@click.option(
    "-L", "--location", "follow", is_flag=True, help="Follow redirects to the same host and port only."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=TIMEOUT,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for connecting, for the handshake, and for each read or write.",
)
@click.option(
    "--max-time",
    type=click.FloatRange(0, min_open=True),
    default=ALL_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="Time limit for everything.",
)
@click.option(
    "--max-size",
    type=click.IntRange(0),
    default=ANSWER_LIMIT,
    show_default=True,
    metavar="BYTES",
    help="Size limit for the response's content.",
)
@click.option("--json", "as_json", is_flag=True, help="Report as one JSON object on standard error.")
@click.option(
    "--code",
    "library",
    type=click.Choice(LIBRARIES),
    help="Print the Python code that does the same, and send nothing.",
)
def command(
    url: str,
    ca: str | None,
    profile: Profile,
    side: Side,
    workload: Workload,
    keys: PeerKeys,
    name: str | None,
    tls: str | None,
    only: str | None,
    dial: Address | None,
    method: str | None,
    headers: tuple[Header, ...],
    data: str | None,
    output: str | None,
    follow: bool,
    timeout: float,
    max_time: float,
    max_size: int,
    as_json: bool,
    library: str | None,
) -> int:
    """Send a request to an https URL, with our certificate if the server requests one; write the response's content.

    Every check is reported on standard error. The exit status is 1 if either side refused the other in the handshake,
    or if the HTTP status is 400 or higher; the content is written in the latter case too.
    """
    location = parse(url)
    verb = _verb(method, data)
    given = headers
    if data is not None and not any(each.name.lower() == "content-type" for each in headers):
        headers = (*headers, Header("Content-Type", FORM))
    if library is not None:
        _refuse_options_not_in_code(side, workload, keys, only=only, dial=dial, follow=follow)
        wanted = _wanted(verb, location, headers, data, output, ca, profile, side, tls, name, timeout)
        sys.stdout.write(code(library, wanted))
        return DONE
    http = load_http()
    body = _body(data)
    loaded = load_client(side, workload, keys, ca, name or location.host, profile)
    own = loaded.own
    config = ClientConfig(
        anchors=loaded.anchors,
        credentials=own.credentials,
        pins=loaded.keys.pins,
        psk_peers=loaded.keys.psks,
        raw_key=loaded.keys.raw_key,
        versions=SPOKEN if tls is None else (tls,),
        alpn=http.protocols(body, only),
        revocation=own.revocation,
        insecure_rsa_key_transport=own.classic,
    )
    named = side.files(
        ca, *profile_words(profile), *workload.words, *keys.words, *hello_words(tls, timeout=timeout)
    )
    kept = (
        *request_words(
            method, [(each.name, each.value) for each in given], data, dial, output, follow=follow
        ),
        *_limits(max_time, max_size),
    )
    context = RequestContext(url, config, profile, named, name, dial, timeout, max_size, as_json, kept)
    request = http.Request(verb, location, tuple(each.encoded for each in _with_defaults(headers)), body)
    deadline = http.Deadline(timeout, max_time)
    with Output(output) as sink:
        return ask(context, request, deadline, sink, REDIRECTS if follow else None)


# -- the request ---------------------------------------------------------------------------------------


def _verb(method: str | None, data: str | None) -> str:
    if method is None:
        return "GET" if data is None else "POST"
    if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
        refuse(f"--request: {method!a} is not a method; expected one like GET or POST")
    return method.upper()


def _limits(max_time: float, max_size: int) -> Iterator[tuple[str, ...]]:
    """Yield the limits that were given."""
    if max_time != ALL_SECONDS:
        yield "--max-time", f"{max_time:g}"
    if max_size != ANSWER_LIMIT:
        yield "--max-size", str(max_size)


def _body(data: str | None) -> bytes | None:
    """Return the body: the text, the content of a file, or standard input."""
    if data is None:
        return None
    if not data.startswith("@"):
        return data.encode("utf-8", "surrogateescape")
    if data != "@-":
        return files.content(data[1:], most=DATA_LIMIT)
    body = b"" if sys.stdin is None else sys.stdin.buffer.read(DATA_LIMIT + 1)
    if len(body) > DATA_LIMIT:
        raise ConfigError(f"standard input: more than {DATA_LIMIT} bytes, the limit for a request body")
    return body


def _with_defaults(headers: tuple[Header, ...]) -> Iterator[Header]:
    """Yield the given headers, after the default ones that they do not replace."""
    given = {each.name.lower() for each in headers}
    for own in (Header("User-Agent", f"bothways/{_version()}"), Header("Accept", "*/*")):
        if own.name.lower() not in given:
            yield own
    yield from headers


def _version() -> str:
    try:
        return version("bothways")
    except PackageNotFoundError:
        return "unknown"


def _refuse_options_not_in_code(
    side: Side, workload: Workload, keys: PeerKeys, *, only: str | None, dial: Address | None, follow: bool
) -> None:
    left_out = {
        "--http": only, "--connect-to": dial, "--location": follow, "--classic": side.classic,
        "--fetch": side.sources.fetch, "--spiffe": workload.spiffe,
        "--psk": keys.psk, "--raw-key": keys.raw_key, "--pin": keys.pin,
    }  # fmt: skip
    given = [option for option, value in left_out.items() if value]
    if given:
        refuse(
            f"--code: the printed program has no equivalent of {', '.join(given)}",
            "leave it out, and add it to the program by hand",
        )


def _wanted(
    verb: str, location: Location, headers: tuple[Header, ...], data: str | None, output: str | None,
    ca: str | None, profile: Profile, side: Side, tls: str | None, name: str | None, timeout: float,
) -> Wanted:  # fmt: skip
    is_file = data is not None and data.startswith("@")
    return Wanted(
        verb,
        location,
        tuple((each.name, each.value) for each in headers),
        data=None if is_file else data,
        data_file=data[1:] if data is not None and is_file else None,
        output=output,
        ca=ca,
        profile=profile,
        cert=side.cert,
        key=side.key,
        password_file=side.password_file,
        crls=side.sources.crl,
        revocation=side.sources.revocation,
        version=tls,
        name=name,
        timeout=timeout,
    )
