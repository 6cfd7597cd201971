"""`bothways doctor`: examines a server as a client would see it, or only the files of an identity."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bothways.addresses import TCPAddress
from bothways.cli.clients.client_side import OFFERED_ALPN, name_option
from bothways.cli.options.addresses import SERVER
from bothways.cli.options.anchors import load_anchors, profile_option, profile_words
from bothways.cli.options.pictures import LadderFile, ladder_option
from bothways.cli.options.side import Side, side_options
from bothways.cli.options.starttls import starttls_option
from bothways.cli.options.types import FILE, Seconds
from bothways.cli.output.console import console, show
from bothways.cli.output.terminal import DONE, FAILED, MISUSED, refuse, report_error, say, waiting
from bothways.counts import counted
from bothways.doctor.dial import Target
from bothways.doctor.examination import CONNECTION_LIMIT, FULL_PLAN, examine, examine_files
from bothways.doctor.page import SIGNS, as_page
from bothways.doctor.report import Report, ReportRow, as_json, summary
from bothways.starttls import Protocol
from bothways.tls.config import ClientConfig
from bothways.trust.anchors import TrustStore
from bothways.trust.path.name_matching import server_name
from bothways.trust.verdict import Profile

PLAIN = {"good": "ok", "note": "", "warning": "warning", "problem": "PROBLEM", "unknown": "unknown"}
STYLES = {"good": "green", "note": "dim", "warning": "yellow", "problem": "bold red", "unknown": "yellow"}


class HttpPath(click.ParamType[str]):
    """A path of HTTP: visible ASCII that starts with a slash."""

    name = "PATH"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check a path; raises `click.BadParameter`. Nothing else can get into a request."""
        path = str(value)
        if not path.startswith("/") or not all("!" <= each <= "~" for each in path):
            self.fail(f"{path!r} is no path; expected one like /status", param, ctx)
        return path


@click.command("doctor")
@click.argument("address", type=SERVER, metavar="[HOST:PORT]", required=False)
@click.option(
    "--ca", type=FILE, metavar="FILE",
    help="The trusted CA certificates (PEM); by default those of the system.",
)  # fmt: skip
@profile_option
@side_options(cert_required=False, alpn_help=OFFERED_ALPN)
@name_option
@click.option(
    "--http", "path", type=HttpPath(), metavar="PATH",
    help='Request this path over HTTP; by default "/" if the server chooses http/1.1.',
)  # fmt: skip
@click.option(
    "--timeout", default=10.0, show_default=True, type=Seconds(0.1, 600), metavar="SECONDS",
    help="Time limit for each connection.",
)  # fmt: skip
@starttls_option
@click.option("--json", "wants_json", is_flag=True, help="Report as one JSON object on standard output.")
@click.option("--html", type=FILE, metavar="FILE", help="Write the report as an HTML page too.")
@ladder_option("The handshake with all that was given")
def command(
    address: TCPAddress | None,
    ca: str | None,
    profile: Profile,
    side: Side,
    name: str | None,
    path: str | None,
    timeout: float,
    starttls: Protocol | None,
    wants_json: bool,
    html: str | None,
    picture: LadderFile | None,
) -> int:
    """Examine the server at HOST:PORT, and whether it accepts --cert; or examine files only.

    It makes a few dozen connections to this server, one after the other. Most send a ClientHello and nothing else;
    a complete handshake may be followed by one HTTP request.

    The exit status is 0 if a handshake with all the given files succeeds and the service does not refuse the client,
    else 1. Without HOST:PORT it is 0 if nothing is wrong with --cert and --ca, else 1.
    """
    page = _page_file(html)
    if picture is not None:
        picture.check()
    if address is None:
        report = _files(ca, side, name, path, picture, profile, starttls)
        status = FAILED if report.count("problem") else DONE
    else:
        report = _server(address, load_anchors(ca, profile), ca, side, name, path, timeout, picture, starttls)
        status = DONE if report.outcome == "succeeded" else FAILED
    if page is not None and not _write(page, as_page(report)):
        status = MISUSED
    if wants_json:
        sys.stdout.write(as_json(report) + "\n")
    else:
        screen = console()
        for part in _parts(report, terminal=screen.is_terminal):
            show(screen, part)
    return status


def _files(
    ca: str | None,
    side: Side,
    name: str | None,
    path: str | None,
    picture: LadderFile | None,
    profile: Profile,
    starttls: Protocol | None,
) -> Report:
    web = None if profile == "private" else profile
    options = (
        (name, "--name"),
        (path, "--http"),
        (picture, "--ladder"),
        (web, f"--profile {web}"),
        (starttls, "--starttls"),
    )
    for given, option in options:
        if given is not None:
            refuse(f"{option} requires HOST:PORT: without a server only files are examined")
    if ca is None and side.cert is None:
        refuse("choose what to examine: HOST:PORT, or files by --cert, --key and --ca")
    credentials = side.load().credentials
    return examine_files(credentials, load_anchors(ca) if ca is not None else None, datetime.now(UTC))


def _server(
    address: TCPAddress,
    anchors: TrustStore,
    ca: str | None,
    side: Side,
    name: str | None,
    path: str | None,
    timeout: float,
    picture: LadderFile | None,
    starttls: Protocol | None,
) -> Report:
    own = side.load()
    config = ClientConfig(
        anchors=anchors,
        credentials=own.credentials,
        alpn=own.alpn,
        revocation=own.revocation,
        insecure_rsa_key_transport=own.classic,
    )
    place = Target(address.host, address.port, server_name(name if name is not None else address.host))
    say(f"examining {place} by at most {CONNECTION_LIMIT} connections, one after the other:")
    say(f"  {', '.join(f'{what} ({most})' for what, most in FULL_PLAN.items())}")
    named = side.files(ca, *profile_words(anchors.profile))
    with waiting(f"answers from {place}"):
        found = examine(place, config, files=named, path=path, timeout=timeout, starttls=starttls)
    if picture is not None and found.final is not None:
        last = found.final
        error, why = (last.error, last.explanation) if last.error is not None else (last.refusal, last.answer)
        picture.write(
            client=last.recorder, client_error=error, client_causes=why if error is not None else None
        )
    return found.report()


def _page_file(html: str | None) -> Path | None:
    """Return the path of the HTML page; exit with status 2 before connecting if it cannot be written."""
    if html is None:
        return None
    try:
        Path(html).open("ab").close()
    except OSError as error:
        refuse(f"--html {html}: {error.strerror or error}", "name a file that can be written")
    return Path(html)


def _write(path: Path, text: str) -> bool:
    """Write the page; a failure is reported. Returns whether it was written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        report_error(f"--html {path}: {error.strerror or error}")
        return False
    return True


# -- text output -----------------------------------------------------------------------------------------


def _parts(report: Report, *, terminal: bool) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for section in report.sections:
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for row in section.rows:
            mark = SIGNS[row.level] if terminal else PLAIN[row.level]
            table.add_row(Text(mark, STYLES[row.level]), Text(row.subject, "bold"), _words(row))
        title = Rule(Text(section.title, style="bold"), align="left", style="dim")
        parts.append(Group("", title, Padding(table, (0, 0, 0, 2))))
    ok = report.outcome == "succeeded" or (report.examined is None and not report.count("problem"))
    found = f"{counted(report.count('problem'), 'problem')}, {counted(report.count('warning'), 'warning')}"
    made = f" after {counted(report.connections, 'connection')}" if report.connections else ""
    verdict = Text.assemble((summary(report), "bold green" if ok else "bold red"), f": {found}{made}")
    return [*parts, Group("", verdict)]


def _words(row: ReportRow) -> Text:
    style = STYLES[row.level] if row.level == "problem" else ""
    text = Text(row.text, style)
    if row.hint:
        text.append(f"\n→ {row.hint}", "italic")
    if row.command:
        text.append(f"\n  $ {row.command}", "bold")
    return text
