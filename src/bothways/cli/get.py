"""`bothways get`: one HTTP request with an identity, or Python code that sends the same."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from bothways.addresses import TCPAddress
from bothways.cli.clients.client_side import (
    SPOKEN,
    TIMEOUT,
    ClientOptions,
    ClientSide,
    client_options,
    hello_words,
)
from bothways.cli.clients.hints import request_words
from bothways.cli.clients.http_request import REDIRECTS, RequestContext, ask, load_http
from bothways.cli.clients.output import Output
from bothways.cli.options.addresses import DIALLED
from bothways.cli.options.gathering import gathered
from bothways.cli.options.types import FileName, Seconds
from bothways.cli.output.terminal import DONE, refuse
from bothways.errors import ConfigError
from bothways.http.code import LIBRARIES, RequestAsCode, code
from bothways.http.location import Location, parse
from bothways.tls.config import ClientConfig
from bothways.trust import files

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


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """The name that the server must have, versions of TLS and HTTP, and where to connect if not to the URL's host."""

    name: str | None
    tls: str | None
    http: str | None
    connect_to: TCPAddress | None

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions of TLS that are offered."""
        return SPOKEN if self.tls is None else (self.tls,)


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """The request as it was given, where the response goes, and whether redirects are followed."""

    request: str | None
    header: tuple[Header, ...]
    data: str | None
    output: str | None
    location: bool

    @property
    def method(self) -> str:
        """The method that is sent. Exits with status 2 for what is none."""
        if self.request is None:
            return "GET" if self.data is None else "POST"
        if not _TOKEN.fullmatch(self.request) or self.request.upper() == "CONNECT":
            refuse(f"--request: {self.request!a} is not a method; expected one like GET or POST")
        return self.request.upper()

    @property
    def headers(self) -> tuple[Header, ...]:
        """The headers that are sent, without the default ones: the given ones, and the type of the body."""
        if self.data is None or any(each.name.lower() == "content-type" for each in self.header):
            return self.header
        return (*self.header, Header("Content-Type", FORM))

    @property
    def all_headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """The headers that are sent, after the default ones that they do not replace."""
        given = {each.name.lower() for each in self.headers}
        defaults = (Header("User-Agent", f"bothways/{_version()}"), Header("Accept", "*/*"))
        own = (each for each in defaults if each.name.lower() not in given)
        return tuple(each.encoded for each in (*own, *self.headers))

    def body(self) -> bytes | None:
        """Return the body: the text, the content of a file, or standard input. Raises ConfigError."""
        if self.data is None:
            return None
        if not self.data.startswith("@"):
            return self.data.encode("utf-8", "surrogateescape")
        if self.data != "@-":
            return files.content(self.data[1:], most=DATA_LIMIT)
        body = b"" if sys.stdin is None else sys.stdin.buffer.read(DATA_LIMIT + 1)
        if len(body) > DATA_LIMIT:
            raise ConfigError(f"standard input: more than {DATA_LIMIT} bytes, the limit for a request body")
        return body

    def words(self, connect_to: TCPAddress | None) -> Iterator[tuple[str, ...]]:
        """Yield the options of the request that the commands of a remedy keep."""
        headers = [(each.name, each.value) for each in self.header]
        return request_words(self.request, headers, self.data, connect_to, self.output, follow=self.location)


@dataclass(frozen=True, slots=True)
class LimitOptions:
    """How long one step and everything may take, in seconds, and how large the response's content may be, in bytes."""

    timeout: float
    max_time: float
    max_size: int

    @property
    def words(self) -> Iterator[tuple[str, ...]]:
        """The limits that were given, as the commands of a remedy keep them."""
        if self.max_time != ALL_SECONDS:
            yield "--max-time", f"{self.max_time:g}"
        if self.max_size != ANSWER_LIMIT:
            yield "--max-size", str(self.max_size)


@click.command("get")
@click.argument("url", metavar="URL")
@client_options(alpn_help=None)
@gathered(
    "server",
    ServerOptions,
    click.option(
        "--name",
        metavar="NAME",
        help="The name that the server's certificate must contain; by default the URL's host.",
    ),
    click.option("--tls", type=click.Choice(["1.2", "1.3"]), help="Exactly this version of TLS."),
    click.option("--http", type=click.Choice(["1.1", "2"]), help="Exactly this version of HTTP."),
    click.option(
        "--connect-to",
        type=DIALLED,
        metavar="HOST:PORT",
        help="Connect to this address instead of the URL's host.",
    ),
)
@gathered(
    "request",
    RequestOptions,
    click.option(
        "-X",
        "--request",
        metavar="METHOD",
        help="The method of the request; by default GET, and POST with -d.",
    ),
    click.option(
        "-H",
        "--header",
        type=HeaderType(),
        multiple=True,
        metavar="'NAME: VALUE'",
        help="A header field of the request; repeatable.",
    ),
    click.option("-d", "--data", metavar="TEXT|@FILE", help="The body to send; @- reads standard input."),
    click.option(
        "-o",
        "--output",
        type=FileName(),
        metavar="FILE",
        help="Write the response there instead of standard output.",
    ),
    click.option("-L", "--location", is_flag=True, help="Follow redirects to the same host and port only."),
)
@gathered(
    "limits",
    LimitOptions,
    click.option(
        "--timeout",
        type=Seconds(above=True),
        default=TIMEOUT,
        show_default=True,
        metavar="SECONDS",
        help="Time limit for connecting, for the handshake, and for each read or write.",
    ),
    click.option(
        "--max-time",
        type=Seconds(above=True),
        default=ALL_SECONDS,
        show_default=True,
        metavar="SECONDS",
        help="Time limit for everything.",
    ),
    click.option(
        "--max-size",
        type=click.IntRange(0),
        default=ANSWER_LIMIT,
        show_default=True,
        metavar="BYTES",
        help="Size limit for the response's content.",
    ),
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
    client: ClientOptions,
    server: ServerOptions,
    request: RequestOptions,
    limits: LimitOptions,
    as_json: bool,
    library: str | None,
) -> int:
    """Send a request to an https URL, with our certificate if the server requests one; write the response's content.

    Every check is reported on standard error. The exit status is 1 if either side refused the other in the handshake,
    or if the HTTP status is 400 or higher; the content is written in the latter case too.
    """
    location = parse(url)
    if library is not None:
        _refuse_options_not_in_code(client, server, request, limits)
        wanted = _wanted(location, request, client, server, limits.timeout)
        sys.stdout.write(code(library, wanted))
        return DONE
    method, http = request.method, load_http()
    body = request.body()
    loaded = client.load(server.name or location.host)
    config = _config(loaded, server.versions, http.protocols(body, server.http))
    hello = hello_words(server.tls, timeout=limits.timeout)
    context = RequestContext(
        url,
        config,
        client.profile,
        replace(client.files(*hello), starttls=()),
        server.name,
        server.connect_to,
        limits.timeout,
        limits.max_size,
        as_json,
        server.http,
        (*request.words(server.connect_to), *limits.words),
    )
    first = http.Request(method, location, request.all_headers, body)
    deadline = http.Deadline(limits.timeout, limits.max_time)
    with Output(request.output) as sink:
        return ask(context, first, deadline, sink, REDIRECTS if request.location else None)


def _config(loaded: ClientSide, versions: tuple[str, ...], alpn: tuple[str, ...]) -> ClientConfig:
    return ClientConfig(
        anchors=loaded.anchors,
        credentials=loaded.own.credentials,
        pins=loaded.keys.pins,
        psk_peers=loaded.keys.psks,
        raw_key=loaded.keys.raw_key,
        versions=versions,
        alpn=alpn,
        revocation=loaded.own.revocation,
        insecure_rsa_key_transport=loaded.own.classic,
    )


def _version() -> str:
    try:
        return version("bothways")
    except PackageNotFoundError:
        return "unknown"


def _refuse_options_not_in_code(
    client: ClientOptions, server: ServerOptions, request: RequestOptions, limits: LimitOptions
) -> None:
    side, keys = client.side, client.keys
    left_out = {
        "--http": server.http, "--connect-to": server.connect_to, "--location": request.location,
        "--classic": side.classic, "--fetch": side.sources.fetch, "--spiffe": client.workload.spiffe,
        "--psk": keys.psk, "--raw-key": keys.raw_key, "--pin": keys.pin,
        **{words[0]: True for words in limits.words},
    }  # fmt: skip
    given = [option for option, value in left_out.items() if value]
    if given:
        refuse(
            f"--code: the printed program has no equivalent of {', '.join(given)}",
            "leave it out, and add it to the program by hand",
        )


def _wanted(
    location: Location,
    request: RequestOptions,
    client: ClientOptions,
    server: ServerOptions,
    timeout: float,
) -> RequestAsCode:
    data, side = request.data, client.side
    is_file = data is not None and data.startswith("@")
    return RequestAsCode(
        request.method,
        location,
        tuple((each.name, each.value) for each in request.headers),
        data=None if is_file else data,
        data_file=data[1:] if data is not None and is_file else None,
        output=request.output,
        ca=client.ca,
        profile=client.profile,
        cert=side.cert,
        key=side.key,
        password_file=side.password_file,
        crls=side.sources.crl,
        revocation=side.sources.revocation,
        version=server.tls,
        name=server.name,
        timeout=timeout,
    )
