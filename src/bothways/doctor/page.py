"""A report as one self-contained HTML page, which contains its JSON."""

from __future__ import annotations

from collections.abc import Iterator

from bothways.counts import counted
from bothways.doctor.report import Level, Report, ReportRow, Section, as_json, moment, summary
from bothways.ladder.html_style import BASE, REPORT, card_parts, document, escaped

SIGNS: dict[Level, str] = {"good": "✓", "note": "·", "warning": "!", "problem": "✗", "unknown": "?"}
WORDS: dict[Level, str] = {
    "good": "good",
    "note": "for information",
    "warning": "warning",
    "problem": "problem",
    "unknown": "not known",
}
CLASSES: dict[Level, str] = {
    "good": "done",
    "note": "skipped",
    "warning": "warned",
    "problem": "failed",
    "unknown": "skipped",
}
ISLAND = '<script type="application/json" id="examination">'

STYLE = (
    BASE
    + REPORT
    + """
.warned{color:var(--plain)}
.section>h2{margin-bottom:.5rem;font-size:1.15rem}
.rows{margin:0;padding:0;list-style:none}
.rows>li{display:grid;grid-template-columns:1.5rem 10.5rem 1fr;gap:0 .7rem;padding:.4rem 0;line-height:1.4}
.rows>li:target{outline:3px solid var(--application)}
.mark{font-weight:700;text-align:center}
.subject{color:var(--soft)}
.problem .words,.problem .subject{font-weight:650;color:var(--ink)}
.hint{display:block;margin-top:.15rem;color:var(--ink);font-weight:400;font-style:italic}
.hint::before{content:"→ ";font-style:normal}
.rows code{display:block;margin-top:.3rem;padding:.3rem .6rem;border:1px solid var(--edge);border-radius:.3rem;
background:var(--band);font:.86em/1.4 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (max-width:40rem){
.section{padding:.7rem .7rem .8rem}
.rows>li{grid-template-columns:1.3rem 1fr}
.rows .words{grid-column:2}
}
@media print{
.rows>li,.verdict{break-inside:avoid}
.section>h2{break-after:avoid}
.verdict{print-color-adjust:exact}
}
"""
)


def as_page(report: Report) -> str:
    """Return a report as an HTML page."""
    shown = card_parts(report.certificates, "Certificates")
    first = sorted(report.sections, key=lambda section: section.id != "outcome")
    main = "".join(_section(section) for section in first)
    body = "".join((*_top(report), f'<main id="findings" tabindex="-1">{main}</main>', *shown, _foot(report)))
    return document(summary(report), STYLE, body, ISLAND, as_json(report))


def _top(report: Report) -> Iterator[str]:
    yield '<a class="skip" href="#findings">To the findings</a><header>'
    yield f"<h1>{escaped(summary(report))}</h1>"
    connections = (
        f"{counted(report.connections, 'connection')}, one after the other; " if report.connections else ""
    )
    yield f'<p class="agreed">{connections}{escaped(moment(report.at))}</p></header>'
    rows = [row for section in report.sections for row in section.rows]
    problems = [row for row in rows if row.level == "problem"]
    warnings = [row for row in rows if row.level == "warning"]
    bad = report.outcome == "failed" or (report.outcome == "not tried" and problems)
    yield f'<div class="verdict{" bad" if bad else ""}"><p>{_counted(problems, warnings)}</p>'
    if problems or warnings:
        yield f"<ul>{''.join(_link(row) for row in (*problems, *warnings))}</ul>"
    yield "</div>"


def _counted(problems: list[ReportRow], warnings: list[ReportRow]) -> str:
    if not problems and not warnings:
        return "No problems, no warnings."
    return f"<b>{counted(len(problems), 'problem')}, {counted(len(warnings), 'warning')}:</b>"


def _link(row: ReportRow) -> str:
    sign = f'<b class="{CLASSES[row.level]}">{WORDS[row.level]}</b>'
    return f'<li>{sign} <a href="#{escaped(row.id)}">{escaped(row.subject)}: {escaped(row.text)}</a></li>'


def _section(section: Section) -> str:
    rows = "".join(_row(row) for row in section.rows)
    name = f"section-{escaped(section.id)}"
    return (
        f'<section class="section" aria-labelledby="{name}"><h2 id="{name}">{escaped(section.title)}</h2>'
        f'<ul class="rows">{rows}</ul></section>'
    )


def _row(row: ReportRow) -> str:
    hint = f'<span class="hint">{escaped(row.hint)}</span>' if row.hint else ""
    hint += f"<code>{escaped(row.command)}</code>" if row.command else ""
    return (
        f'<li class="{row.level}" id="{escaped(row.id)}"><span class="mark {CLASSES[row.level]}" aria-hidden="true">'
        f'{SIGNS[row.level]}</span><span class="subject"><span class="sr">{WORDS[row.level]}: </span>'
        f'{escaped(row.subject)}</span><span class="words">{escaped(row.text)}{hint}</span></li>'
    )


def _foot(report: Report) -> str:
    server = report.server
    where = f"Reached at {escaped(server.address)}. " if server is not None else ""
    return f'<p class="foot">{where}Examined by <code>bothways doctor</code>; this page holds the report as JSON.</p>'
