"""The status of a gateway as one HTML page, which contains its JSON: without a script, and nothing from elsewhere.

What peers have sent is escaped; everything is bounded in number and in length.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from bothways.gateway.files.held import Held
from bothways.gateway.observe.board import GENERATION, SERVING, Board
from bothways.gateway.observe.evidence import Evidence, Expiring, evidence, expiring
from bothways.gateway.observe.health import problems
from bothways.gateway.observe.pages import PageAnswer
from bothways.gateway.observe.snapshot import documents
from bothways.ladder.html_style import BASE, REPORT, document, escaped, policy
from bothways.trust.own_identity.renewal import PART

CONNECTIONS = 100
ROWS = 50
SOON_DAYS = 14
TITLE = "Status of the gateway"
MEDIA_TYPE = "text/html; charset=utf-8"
ISLAND = '<script type="application/json" id="status">'

STYLE = (
    BASE
    + REPORT
    + """
.counts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.7rem;margin:1rem 0 0}
.counts>div{display:flex;flex-direction:column-reverse;padding:.6rem .8rem;border:1px solid var(--edge);
border-radius:.5rem;background:var(--card)}
.counts dt{color:var(--soft);font-size:.85rem;line-height:1.3}
.counts dd{font-size:1.5rem;line-height:1.2;font-variant-numeric:tabular-nums}
.section>h2{font-size:1.15rem}
.section>p{margin:.3rem 0 0;color:var(--soft)}
.rows{margin:.5rem 0 0;padding:0;list-style:none}
.rows>li{padding:.5rem 0;line-height:1.4}
.head{display:flex;flex-wrap:wrap;gap:0 .8rem;justify-content:space-between;align-items:baseline}
.head b{font-weight:650}
.when{color:var(--soft);font-size:.9rem}
.more{color:var(--soft);font-size:.9rem}
.soon{color:var(--plain);font-weight:650}
.over{color:var(--failed);font-weight:650}
summary{cursor:pointer;color:var(--application);font-size:.9rem;padding:.35rem 0}
pre{margin:.2rem 0 0;padding:.6rem .7rem;overflow-x:auto;border:1px solid var(--edge);border-radius:.3rem;
background:var(--band);font:.74rem/1.45 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;
overflow-wrap:normal}
@media (max-width:40rem){.section{padding:.7rem .7rem .8rem}pre{font-size:.66rem}.counts{grid-template-columns:1fr 1fr}}
@media print{.rows>li{break-inside:avoid}pre{overflow:visible;white-space:pre-wrap}}
"""
)

SECURITY = (
    ("content-security-policy", policy(STYLE) + "; frame-ancestors 'none'"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
)


@dataclass(frozen=True, slots=True)
class Status:
    """What the page shows. at: when.  refusals, connections, tunnels, programs: as workers wrote them, of all of them.

    open: the connections of clients; those through a tunnel are counted there.
    """

    at: datetime
    problems: list[str]
    workers: int
    serving: int
    generation: int
    open: int
    connections: list[dict[str, Any]]
    refusals: list[dict[str, Any]]
    tunnels: list[dict[str, Any]]
    programs: list[dict[str, Any]]
    expiring: list[Expiring]
    evidence: list[Evidence]


def status_of(board: Board, held: Held, at: datetime) -> Status:
    """Return what is known at a time. held: the files that are in use."""
    several = documents(board)
    connections, programs = (
        sorted((row for each in several for row in each.get(kind, ())), key=lambda row: float(row["seconds"]))
        for kind in ("connections", "programs")
    )
    states = [each.state.read() for each in board.workers]
    return Status(
        at,
        problems(board, held, at),
        len(states),
        sum(bool(each.get(SERVING)) for each in states),
        int(board.supervisor.state.read().get(GENERATION, 0)),
        sum(each["open"] for each in several),
        connections[:CONNECTIONS],
        merged([row for each in several for row in each.get("refusals", ())])[:ROWS],
        _tunnels_of(several),
        programs[:CONNECTIONS],
        expiring(held)[:ROWS],
        evidence(held)[:ROWS],
    )


def merged(several: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return refusals of all workers by their codes: the counts summed, and all else of the last one.

    Those of clients and of servers of tunnels are apart.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in sorted(several, key=lambda each: str(each["at"])):
        key = row["code"], row["verified"]
        before = found.get(key, {"count": 0, "ladder": "", "cause": ""})
        found[key] = {
            **row,
            "count": row["count"] + before["count"],
            "ladder": row["ladder"] or before["ladder"],
            "cause": row["cause"] or before["cause"],
        }
    return sorted(found.values(), key=lambda each: str(each["at"]), reverse=True)


def _tunnels_of(several: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the tunnels of all workers, each with all of its connections."""
    found: dict[str, dict[str, Any]] = {}
    for row in (row for each in several for row in each.get("tunnels", ())):
        before = found.get(row["name"], {"open": 0})
        found[row["name"]] = {**row, "open": row["open"] + before["open"]}
    return list(found.values())


def status_page(status: Status) -> PageAnswer:
    """Return the page."""
    body = "".join(
        (
            *_top(status),
            '<main id="main" tabindex="-1">',
            *_refusals(status),
            *_connections(status),
            *_tunnels(status),
            *_expiring(status),
            *_evidence(status),
            "</main>",
            '<p class="foot">Names of clients and servers are those of their verified certificates. ',
            "Reload to see the present.</p>",
        )
    )
    text = document(TITLE, STYLE, body, ISLAND, json.dumps(asdict(status), default=str))
    return PageAnswer(200, MEDIA_TYPE, text.encode(), SECURITY)


def _top(status: Status) -> Iterator[str]:
    yield f'<a class="skip" href="#main">To the content</a><header><h1>{TITLE}</h1>'
    yield f'<p class="agreed">{status.at:%Y-%m-%d %H:%M:%S} UTC, configuration {status.generation}</p></header>'
    if status.problems:
        rows = "".join(f"<li>{escaped(each)}</li>" for each in status.problems[:ROWS])
        yield f'<div class="verdict bad"><p><b class="failed">✗ Not ready</b></p><ul>{rows}</ul></div>'
    else:
        yield '<div class="verdict"><p><b class="done">✓ Ready</b>: every worker serves this configuration.</p></div>'
    through = sum(each["open"] for each in status.tunnels)
    counts = (
        ("open connections", status.open),
        *((("connections through tunnels", through),) if status.tunnels else ()),
        ("kinds of refusals", len(status.refusals)),
        ("refused so far", sum(each["count"] for each in status.refusals)),
        ("workers that serve", f"{status.serving} of {status.workers}"),
    )
    yield '<dl class="counts">'
    yield from (f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in counts)
    yield "</dl>"


def _section(title: str, note: str, rows: Sequence[str], nothing: str, key: str = "") -> Iterator[str]:
    name = key or title.split()[0].lower()
    yield f'<section class="section" aria-labelledby="{name}"><h2 id="{name}">{title}</h2>'
    yield f"<p>{note if rows else nothing}</p>"
    if rows:
        yield f'<ul class="rows">{"".join(rows)}</ul>'
    yield "</section>"


def _refusals(status: Status) -> Iterator[str]:
    rows = [_refusal(each, status.at) for each in status.refusals]
    yield from _section("Refusals", "By code, the latest first.", rows, "Nobody has been refused.")


def _refusal(row: dict[str, Any], at: datetime) -> str:
    cause = f", likely cause {escaped(row['cause'])}" if row["cause"] not in ("", row["code"]) else ""
    times = "once" if row["count"] == 1 else f"{row['count']:,} times"
    last = f"last {_since(datetime.fromisoformat(row['at']), at)} ago"
    who = f" {escaped(row['who'])}" if row["who"] else ""
    if row["verified"] == "client":
        route = f" for {escaped(row['route'])}" if row["route"] else ""
        whom = f"client{who} at {escaped(row['client'])}{route}"
    else:
        whom = f"server{who} of the tunnel {escaped(row['route'])}"
    shown = f'<pre tabindex="0">{_lines(row["ladder"])}</pre>'
    ladder = f"<details><summary>Ladder of one of them</summary>{shown}</details>" if row["ladder"] else ""
    return (
        f'<li><div class="head"><span><b>{escaped(row["code"])}</b>{cause}</span>'
        f'<span class="when">{times}, {last}</span></div>'
        f'<div>{escaped(row["ended"])}</div><div class="more">{whom}</div>{ladder}</li>'
    )


def _lines(text: str) -> str:
    return "\n".join(escaped(each) for each in text.split("\n"))


def _connections(status: Status) -> Iterator[str]:
    rows = [_connection(each) for each in status.connections]
    note = f"{len(rows)} of {status.open:,}, those that began last first."
    yield from _section("Connections that are open", note, rows, "None.")


def _connection(row: dict[str, Any]) -> str:
    return (
        f'<li><div class="head"><b>{escaped(row["who"])}</b>'
        f'<span class="when">for {_duration(float(row["seconds"]))}</span></div>'
        f'<div class="more">{escaped(row["client"])} → {escaped(row["route"])} by {escaped(row["rule"])}</div>'
        f'<div class="more">{_passed(row)}</div></li>'
    )


def _tunnels(status: Status) -> Iterator[str]:
    """Yield where tunnels lead, and the connections through them, where there are tunnels."""
    if not status.tunnels:
        return
    rows = [
        f'<li><div class="head"><b>{escaped(each["name"])}</b><span class="when">{each["open"]:,} open</span></div>'
        f'<div class="more">{escaped(each["listener"])} → {escaped(each["server"])}, whose name is '
        f"{escaped(each['server_name'])}</div></li>"
        for each in status.tunnels
    ]
    yield from _section("Tunnels", "Local programs without TLS, and where they are led.", rows, "")
    rows = [_program(each, status.at) for each in status.programs]
    through = sum(each["open"] for each in status.tunnels)
    note = f"{len(rows)} of {through:,}, those that began last first."
    yield from _section("Connections through tunnels", note, rows, "None.", "programs")


def _program(row: dict[str, Any], at: datetime) -> str:
    who = escaped(row["who"]) if row["who"] else "the server is not verified yet"
    end = datetime.fromisoformat(row["end"]) if row["end"] else None
    expires = "" if end is None else _ends(end, at, timedelta(days=SOON_DAYS))
    return (
        f'<li><div class="head"><b>{who}</b><span class="when">for {_duration(float(row["seconds"]))}</span></div>'
        f'<div class="more">{escaped(row["client"])} → {escaped(row["route"])} → {escaped(row["server"])}</div>'
        f'<div class="more">{_passed(row)}{expires and f"; its certificate {expires}"}</div></li>'
    )


def _passed(row: dict[str, Any]) -> str:
    """Return how much has passed, and how it is encrypted."""
    moved = f"{_size(row['bytes_in'])} in, {_size(row['bytes_out'])} out"
    resumed = ", resumed" if row["resumed"] else ""
    return f"{moved}; TLS {escaped(row['tls'])}, {escaped(row['suite'])}{resumed}" if row["tls"] else moved


def _expiring(status: Status) -> Iterator[str]:
    rows = [
        f'<li><div class="head"><b>{escaped(each.subject)}</b>{_ends(each.end, status.at, _soon(each))}</div>'
        f'<div class="more">{"our certificate" if each.use == "own" else "trust anchor"}, '
        f"{escaped(each.file)}</div></li>"
        for each in status.expiring
    ]
    yield from _section(
        "Expiries ahead", "Our certificates and trust anchors.", rows, "Nothing is in a file."
    )


def _evidence(status: Status) -> Iterator[str]:
    rows = []
    for each in status.evidence:
        end = "" if each.end is None else _ends(each.end, status.at, timedelta())
        title = f"CRL of {escaped(each.issuer)}" if each.kind == "crl" else "OCSP responses"
        rows.append(
            f'<li><div class="head"><b>{title}</b>{end}</div>'
            f'<div class="more">made {_since(each.made, status.at)} ago, {escaped(each.file)}</div></li>'
        )
    note = "CRLs and OCSP responses in files. One that has expired proves nothing."
    yield from _section("Evidence of revocation", note, rows, "None is in a file.")


def _soon(each: Expiring) -> timedelta:
    """Return how long before its end a certificate is pointed out: one that is valid for hours is renewed late."""
    return min(timedelta(days=SOON_DAYS), (each.end - each.begin) / PART)


def _ends(end: datetime, at: datetime, soon: timedelta) -> str:
    seconds = (end - at).total_seconds()
    if seconds < 0:
        return f'<span class="over">expired {_duration(-seconds)} ago</span>'
    kind = "soon" if seconds < soon.total_seconds() else "when"
    return f'<span class="{kind}">expires in {_duration(seconds)}</span>'


def _since(then: datetime, at: datetime) -> str:
    return _duration(max((at - then).total_seconds(), 0.0))


def _duration(seconds: float) -> str:
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= 2 * size or (size == 86400 and seconds >= size):
            count = int(seconds // size)
            return f"{count:,} {name}{'' if count == 1 else 's'}"
    count = int(seconds)
    return f"{count} second{'' if count == 1 else 's'}"


def _size(count: int) -> str:
    for size, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count} byte{'' if count == 1 else 's'}"
