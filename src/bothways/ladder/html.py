"""A ladder as one HTML page that needs nothing else: no script, no network, light and dark, screen or paper.

Details open by <details>, which keyboards and screen readers support. Every text goes through `markup`. The page
contains its ladder as JSON, so that it can be read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from bothways.describe.steps import PHASES, STEPS
from bothways.ladder.colours import KEYS, OUTCOMES, SIGNS, UNDER
from bothways.ladder.html_style import BASE, card_parts, document, escaped
from bothways.ladder.json_form import ISLAND, as_json
from bothways.ladder.model import (
    AlertSent,
    CauseText,
    CheckMade,
    ChoiceMade,
    DataSent,
    Event,
    Failure,
    KeysTaken,
    Ladder,
    Message,
    NoStep,
    Side,
    agreed,
    heading,
    headline,
    other,
)
from bothways.roles import Phase, StepId

BYTES_IN_LINE = 16
STATUSES = {"done": "✓", "failed": "✗", "not checked": "–"}

STYLE = (
    BASE
    + """
.failure{margin:1rem 0;padding:.9rem 1.1rem;border:1px solid var(--failed);border-left-width:.5rem;
border-radius:.5rem;background:var(--alarm)}
.failure p{margin:0 0 .4rem;font-weight:600}.failure .at{color:var(--failed)}
.failure dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem;margin:0}
.failure dt{color:var(--soft)}
.failure .hint{font-weight:600}.failure h3{margin:.6rem 0 .2rem}
.causes{margin:0;padding-left:1.4rem}
.causes li+li{margin-top:.4rem}
.causes span,.causes code{display:block}
.seen{color:var(--soft)}
.told{border-left-width:1px;background:var(--card);border-color:var(--edge)}
.told p{font-weight:400}
.strip{display:flex;flex-wrap:wrap;gap:.5rem 1.4rem;margin:1.1rem 0 0;padding:0;list-style:none}
.strip ol{display:inline-flex;flex-wrap:wrap;gap:.25rem;margin:0;padding:0;list-style:none}
.strip>li>span{display:block;font-size:.8rem;color:var(--soft)}
.strip a{display:block;min-width:1.5rem;padding:.1rem .4rem;border:1px solid var(--edge);border-radius:.4rem;
background:var(--card);text-decoration:none;font-size:.85rem;font-variant-numeric:tabular-nums}
.strip a:hover{border-color:var(--ink)}
.strip .failed a{background:var(--alarm);border-color:var(--failed);font-weight:700}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.3rem;margin:1.2rem 0 .6rem;padding:0;list-style:none;
font-size:.85rem;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:.5rem}
.legend .shaft{width:3.2rem}
.ladder{--g:4.4rem;margin-top:.6rem}
.heads{position:sticky;top:0;z-index:2;display:flex;justify-content:space-between;gap:1rem;
padding:.5rem calc(var(--g) - 2.6rem);background:var(--paper);border-bottom:1px solid var(--edge)}
.heads p{margin:0;line-height:1.25;max-width:48%}
.heads b{display:block;font-size:1.1rem}
.heads span{font-size:.85rem;color:var(--soft)}
.heads p+p{text-align:right}
.band{position:relative;padding:.7rem 0 .9rem}
.band:nth-child(odd){background:var(--band)}
.band h2{display:flex;gap:.6rem;justify-content:center;padding:0 calc(var(--g) + 1rem) .5rem;text-align:center}
.band h2 span{color:var(--soft)}
.empty h2{font-weight:400;color:var(--soft);padding-bottom:0}
.band ol{margin:0;padding:0;list-style:none}
.band::before,.band::after{content:"";position:absolute;top:0;bottom:0;width:0;border-left:2px solid var(--life)}
.band::before{left:var(--g)}.band::after{right:var(--g)}
.event{position:relative;z-index:1;margin:0 var(--g);padding:.12rem 0}
.time{position:absolute;right:100%;width:calc(var(--g) - .8rem);margin-right:.8rem;text-align:right;
font-size:.78rem;line-height:1.7;color:var(--soft);font-variant-numeric:tabular-nums;white-space:nowrap}
.arrow{padding:.35rem 0}
.from-server .label{justify-content:flex-end}
summary{cursor:pointer;list-style:none;padding:0;border-radius:.3rem}
summary::-webkit-details-marker{display:none}
summary:hover .name{text-decoration:underline;text-underline-offset:.2em}
.label{display:flex;flex-wrap:wrap;align-items:baseline;gap:.1rem .55rem;padding:0 1.1rem;line-height:1.35}
.name{font-weight:650}
summary .name::after{content:" ▸";font-weight:400;color:var(--soft)}
[open]>summary .name::after{content:" ▾"}
.id{padding:0 .32rem;border:1px solid var(--edge);border-radius:.35rem;background:var(--card);font-size:.8rem;
font-variant-numeric:tabular-nums;white-space:nowrap}
.size{font-size:.8rem;color:var(--soft)}
.gist{padding:0 1.1rem;font-size:.86rem;line-height:1.4;color:var(--soft)}
.from-server .gist{text-align:right}
.shaft{display:block;position:relative;height:12px;color:var(--plain)}
.shaft::before{content:"";position:absolute;left:2px;right:2px;top:5px;border-top:2px dashed}
.shaft::after{content:"";position:absolute;top:0;right:1px;border:6px solid transparent;
border-left:11px solid;border-right:0}
.from-server .shaft::after{right:auto;left:1px;border-left:0;border-right:11px solid}
.k-handshake .shaft,.shaft.k-handshake{color:var(--handshake)}
.k-handshake .shaft::before,.shaft.k-handshake::before{border-top-style:solid}
.k-application .shaft,.shaft.k-application{color:var(--application)}
.k-application .shaft::before,.shaft.k-application::before{top:3px;border-top:6px double}
.from-client.k-application .shaft::before,.shaft.k-application::before{right:10px}
.from-server.k-application .shaft::before{left:10px}
.lost .shaft::after{content:"✕";border:0;font:700 18px/12px system-ui,sans-serif;color:var(--failed)}
.alert .name{color:var(--failed)}
.close .name{color:inherit}
.stray{color:var(--failed);font-size:.86rem;font-weight:600}
.remark{display:flex;gap:.5rem;align-items:baseline;max-width:80%;padding-left:1.1rem;font-size:.92rem;
line-height:1.4}
.by-server{margin-left:auto;margin-right:var(--g);padding:.12rem 1.1rem .12rem 0;justify-content:flex-end;
text-align:right;max-width:calc((100% - 2 * var(--g)) * .9)}
.by-client{max-width:calc((100% - 2 * var(--g)) * .9)}
.refused.by-server .failure{text-align:left}
.remark summary{display:inline;text-decoration:underline dotted;text-underline-offset:.2em}
.remark .time{margin-right:1.05rem;width:calc(var(--g) - 1.05rem)}
.by-server .time{right:auto;left:100%;text-align:left;margin:0 0 0 1.05rem}
.mark{position:absolute;left:-.68em;top:.16rem;width:1.36em;height:1.36em;border:2px solid;border-radius:50%;
background:var(--card);text-align:center;font-weight:700;font-size:.88rem;line-height:1.1em}
.by-server .mark{left:auto;right:-.68em}
.mark.dot{width:.7em;height:.7em;left:-.35em;top:.5rem;background:currentColor}
.by-server .mark.dot{left:auto;right:-.35em}
.quiet{color:var(--soft);font-size:.86rem}
.refused{max-width:none;display:block;margin-top:.5rem;margin-bottom:.5rem}
.refused.by-server{margin-left:var(--g);padding-left:1.1rem}
.refused.by-client{padding-right:1.1rem}
.refused .failure{margin:0}
.opened{margin:.5rem 1.1rem .8rem;padding:.7rem .9rem;border:1px solid var(--edge);border-radius:.5rem;
background:var(--card);font-size:.88rem}
table{width:100%;border-collapse:collapse}
.opened p{margin:0 0 .4rem}
caption{text-align:left;font-weight:600;padding-bottom:.3rem}
th{width:16rem;padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top;font-weight:400;color:var(--soft)}
td{padding:.2rem 0;vertical-align:top}
tr+tr>*{border-top:1px solid var(--edge)}
td ul{margin:0;padding-left:1.1rem}
code,pre{font-family:ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.92em}
pre{margin:.3rem 0 0;max-height:18rem;overflow:auto;line-height:1.35}
.opened h3{margin-top:.9rem;font-size:.88rem}
.steps{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:1rem 2rem}
.steps ol{margin:.3rem 0 0;padding:0;list-style:none;font-size:.92rem}
.steps li li{display:grid;grid-template-columns:3.7rem 1fr;gap:.2rem .6rem;padding:.15rem 0}
.steps li li:target{outline:3px solid var(--application)}
.steps>ol{display:contents}
.foot{margin-top:2rem;color:var(--soft);font-size:.85rem}
@media (max-width:40rem){
.ladder{--g:.9rem;margin-left:-.2rem;margin-right:-.2rem}
.heads{padding:.4rem .2rem}
.time{position:static;display:inline;width:auto;margin:0 .6rem 0 0;order:9}
.arrow>.time{position:absolute;right:1.1rem;top:.35rem;margin:0;display:none}
.remark .time,.by-server .time{display:none}
.label,.gist{padding-left:.8rem;padding-right:.8rem}
.opened{margin:.4rem .5rem}
.remark,.by-client,.by-server{max-width:92%}
.refused,.refused.by-server,.refused.by-client{max-width:none;padding-right:.8rem;padding-left:.8rem}
.failure dl{grid-template-columns:1fr;gap:0}
.failure dd{margin-bottom:.3rem}
table,tbody,tr,th,td{display:block;width:100%}
tr+tr>*{border:0}tr+tr{border-top:1px solid var(--edge)}
.opened{font-size:.86rem}
}
@media (forced-colors:active){.mark,.shaft{forced-color-adjust:none}}
@media print{
.steps{grid-template-columns:1fr 1fr}
.heads{position:static}
.event,.failure,.steps li li{break-inside:avoid}
.band h2{break-after:avoid}
.band,.failure,.mark{print-color-adjust:exact}
pre{max-height:none;white-space:pre-wrap}
summary .name::after{content:""!important}
}
"""
)


def as_page(ladder: Ladder) -> str:
    """Return a ladder as an HTML page."""
    shown = card_parts(ladder.certificates, "Certificates, as sent")
    body = "".join((*_header(ladder), *_ladder(ladder), *shown, *_steps(ladder)))
    return document(headline(ladder), STYLE, body, ISLAND, as_json(ladder, None))


# -- above the ladder ------------------------------------------------------------------------------------


def _header(ladder: Ladder) -> Iterator[str]:
    yield '<a class="skip" href="#ladder">To the ladder</a><header>'
    yield f"<h1>{escaped(headline(ladder))}</h1>"
    facts = (agreed(ladder), f"{_recorded_sides(ladder)}, {ladder.recorded}")
    yield f'<p class="agreed">{"<br>".join(escaped(each) for each in facts if each)}</p></header>'
    yield "".join(_failure(each, is_in_ladder=at > 0) for at, each in enumerate(ladder.failures))
    yield from _step_overview(ladder)
    yield '<ul class="legend" aria-label="What the lines and marks mean">'
    for keys, colour in KEYS.items():
        yield f'<li><span class="shaft k-{colour}" aria-hidden="true"></span>{UNDER[keys]}</li>'
    yield (
        '<li><b class="done">✓</b> checked</li><li><b class="failed">✗</b> refused</li>'
        '<li><b class="skipped">–</b> not checked</li></ul>'
    )


def _recorded_sides(ladder: Ladder) -> str:
    match ladder.sides:
        case ():
            return "nothing was recorded"
        case (side,):
            return f"recorded by the {side} only"
    return "recorded on both sides"


def _step_overview(ladder: Ladder) -> Iterator[str]:
    """Return the steps in one or two lines: the status of each, with a link to it."""
    yield '<nav aria-label="Steps"><ul class="strip">'
    for phase, steps in groupby(ladder.steps, key=lambda step: step.id.phase):
        yield f"<li><span>{escaped(PHASES[phase])}</span><ol>"
        for step in steps:
            sign = STATUSES.get(step.status, "")
            yield (
                f'<li class="{_status_class(step.status)}"><a href="#step-{step.id}">{step.id}'
                f'<span aria-hidden="true"> {sign}</span><span class="sr"> {step.status}</span></a></li>'
            )
        yield "</ol></li>"
    yield "</ul></nav>"


def _status_class(status: str) -> str:
    return status if status in ("done", "failed") else "skipped"


def _failure(failure: Failure, *, is_in_ladder: bool = False) -> str:
    rows = (
        ("at step", _step_line(failure.step)),
        *(("also", each) for each in failure.also),
        ("rule", failure.rule),
        ("alert", failure.alert),
        ("that means", failure.meaning),
        ("what to do", failure.hint),
    )
    listed = "".join(
        f"<dt>{name}</dt><dd{' class=hint' if name == 'what to do' else ''}>{escaped(text)}</dd>"
        for name, text in rows
        if text
    )
    css_class = " told" if is_in_ladder else ""
    return (
        f'<div class="failure{css_class}"><p><span class="at">The {failure.side} reports:</span> '
        f"{escaped(failure.text)}</p><dl>{listed}</dl>{_causes(failure)}</div>"
    )


def _causes(failure: Failure) -> str:
    if not failure.causes:
        return ""
    return f"<h3>{heading(failure.causes)}</h3><ol class=causes>{''.join(map(_cause, failure.causes))}</ol>"


def _cause(cause: CauseText) -> str:
    rows = (
        (f'<span class="seen">{escaped(cause.evidence)}</span>', cause.evidence),
        (f'<span class="hint">{escaped(cause.remedy)}</span>', cause.remedy),
        (f"<code>{escaped(cause.command)}</code>", cause.command),
    )
    return f"<li>{escaped(cause.text)}{''.join(row for row, text in rows if text)}</li>"


def _step_line(step: StepId | NoStep) -> str:
    """Return the description of a step, or its id where it is unknown."""
    if not step or step not in STEPS:
        return step
    actor = "" if STEPS[step].actor == "both" else f"the {STEPS[step].actor} "
    return f"{step}: {actor}{STEPS[step].title}"


# -- the ladder ------------------------------------------------------------------------------------------


def _ladder(ladder: Ladder) -> Iterator[str]:
    yield '<main class="ladder" id="ladder" tabindex="-1"><div class="heads">'
    for side in ("client", "server"):
        yield f"<p><b>{side}</b><span>{escaped(_peer_name(ladder, side))}</span></p>"
    yield "</div>"
    failures = {(each.side, str(each.step)): each for each in ladder.failures if each.kind == "PeerFault"}
    bands = {phase: list(events) for phase, events in groupby(ladder.events, key=lambda event: event.phase)}
    for phase, name in PHASES.items():
        events = bands.get(phase, [])
        why = "" if events else _empty_phase_text(ladder, phase)
        yield f'<section class="band{"" if events else " empty"}" aria-labelledby="phase-{phase}">'
        yield f'<h2 id="phase-{phase}"><span>{phase}</span>{escaped(name)}{why}</h2>'
        if events:
            yield f"<ol>{''.join(_event(event, ladder, failures) for event in events)}</ol>"
        yield "</section>"
    yield "</main>"


def _peer_name(ladder: Ladder, side: str) -> str:
    """Return the name in the certificate that a side sent; whether it was verified is in the ladder."""
    leaf = next((card for card in ladder.certificates if card.by == side and card.depth == 0), None)
    return leaf.title if leaf is not None else "sent no certificate"


def _empty_phase_text(ladder: Ladder, phase: Phase) -> str:
    statuses = {step.status for step in ladder.steps if step.id.phase is phase}
    if statuses == {"not part of it"}:
        return ": not part of it"
    return ": not seen" if ladder.outcome == "succeeded" else ": not reached"


def _event(event: Event, ladder: Ladder, failures: dict[tuple[Side, str], Failure]) -> str:
    match event:
        case Message():
            return _message(event, ladder)
        case AlertSent() | DataSent():
            return _other_arrow(event)
        case CheckMade():
            return _check(event, failures.get((event.by, str(event.step))))
        case ChoiceMade():
            words = f"chooses {escaped(event.what)} <b>{escaped(event.chosen)}</b>"
            return _remark(event.by, event.at, "dot", "", f"<div>{words}{_offered(event)}</div>")
        case KeysTaken():
            verb = "sends" if event.sends else "receives"
            words = f"{verb} {UNDER[event.keys]} from here on: {escaped(event.suite)}"
            return _remark(event.by, event.at, f"dot {_key_class(event.keys)}", "", words, "quiet")


def _offered(event: ChoiceMade) -> str:
    if len(event.offered) < 2:
        return ""
    listed = escaped(", ".join(event.offered))
    return f'<details class="quiet"><summary>of {len(event.offered)} offered</summary>{listed}</details>'


def _time(at: float) -> str:
    return f'<span class="time">{at:.1f}&nbsp;ms</span>'


def _key_class(keys: str) -> str:
    return f"k-{KEYS[keys]}"


def _arrow_class(event: Message | AlertSent | DataSent, extra: str = "") -> str:
    lost = " lost" if event.arrival == "lost" else ""
    return f"event arrow from-{event.by} {_key_class(event.keys)}{lost}{extra}"


def _direction(event: Message | AlertSent | DataSent) -> str:
    return f'<span class="sr">{event.by} to {other(event.by)}, {UNDER[event.keys]}: </span>'


def _arrival_note(event: Message | AlertSent | DataSent) -> str:
    words = {"lost": f"not seen by the {other(event.by)}", "altered": "is not what was sent"}.get(
        event.arrival
    )
    return f'<span class="stray">{words}</span>' if words else ""


def _message(event: Message, ladder: Ladder) -> str:
    ids = "".join(f'<span class="id">{step}</span>' for step in event.steps)
    opened = "".join((*_certificates(event, ladder), *_fields(event), *_bytes(event)))
    summary_text = f'<div class="gist">{escaped(event.summary)}</div>' if event.summary else ""
    return (
        f'<li class="{_arrow_class(event)}">{_time(event.at)}<details><summary><span class="label">'
        f'{_direction(event)}<span class="name">{escaped(event.name)}</span>{ids}'
        f'<span class="size">{event.size} bytes</span>{_arrival_note(event)}</span>'
        f'<span class="shaft" aria-hidden="true"></span></summary>'
        f'<div class="opened">{opened}</div></details>{summary_text}</li>'
    )


def _certificates(event: Message, ladder: Ladder) -> Iterator[str]:
    for place in event.certificates:
        title = escaped(ladder.certificates[place].title)
        yield f'<p>Certificate: <a href="#certificate-{place + 1}">{title}</a></p>'


def _fields(event: Message) -> Iterator[str]:
    if not event.fields:
        return
    yield f"<table><caption>Fields of {escaped(event.name)}</caption><tbody>"
    for field in event.fields:
        words = escaped(field.text)
        if field.items:
            words = "<ul>" + "".join(f"<li>{escaped(item)}</li>" for item in field.items) + "</ul>"
        yield f'<tr><th scope="row"><code>{escaped(field.name)}</code></th><td>{words}</td></tr>'
    yield "</tbody></table>"


def _bytes(event: Message) -> Iterator[str]:
    if event.bytes is None:
        yield "<h3>Bytes</h3><p>Withheld: they contain a session ticket, with which a session could be resumed.</p>"
        return
    label = f"Bytes of {escaped(event.name)} with its header"
    yield f'<h3>{label}</h3><pre tabindex="0" role="region" aria-label="{label}">'
    data = bytes.fromhex(event.bytes)
    for at in range(0, len(data), BYTES_IN_LINE):
        yield f"{at:04x}  {data[at : at + BYTES_IN_LINE].hex(' ')}\n"
    yield "</pre>"


def _other_arrow(event: AlertSent | DataSent) -> str:
    if isinstance(event, DataSent):
        words = '<span class="name">application data</span><span class="id">4.3</span>'
        words += f'<span class="size">{event.size} bytes of records</span>'
        extra = " data"
    else:
        words = f'<span class="name">alert {escaped(event.name)}</span>'
        extra = " alert close" if event.name == "close_notify" else " alert"
    return (
        f'<li class="{_arrow_class(event, extra)}">{_time(event.at)}<div class="label">{_direction(event)}{words}'
        f'{_arrival_note(event)}</div><span class="shaft" aria-hidden="true"></span></li>'
    )


def _check(event: CheckMade, failure: Failure | None) -> str:
    colour = "done" if event.outcome == "passed" else OUTCOMES[event.outcome]
    if event.outcome == "failed":
        failure = failure or Failure(event.by, "", event.step, event.text, (), "", "", "", "")
        body = _failure(failure)
        return _remark(event.by, event.at, colour, SIGNS[event.outcome], body, "refused")
    spoken = "" if event.outcome == "passed" else f"{event.outcome}: "
    words = f'<span class="id">{event.step}</span> <span>{spoken}{escaped(event.text)}</span>'
    return _remark(event.by, event.at, colour, SIGNS[event.outcome], words)


def _remark(side: Side, at: float, mark: str, sign: str, body: str, extra: str = "") -> str:
    return (
        f'<li class="event remark by-{side} {extra}">{_time(at)}'
        f'<span class="mark {mark}" aria-hidden="true">{sign}</span><span class="sr">{side}: </span>{body}</li>'
    )


# -- below it --------------------------------------------------------------------------------------------


def _steps(ladder: Ladder) -> Iterator[str]:
    yield '<section class="after" aria-labelledby="steps"><h2 id="steps">Every step</h2><div class="steps"><ol>'
    for phase, steps in groupby(ladder.steps, key=lambda step: step.id.phase):
        yield f"<li><h3>{phase} {escaped(PHASES[phase])}</h3><ol>"
        for step in steps:
            actor = "both sides" if step.actor == "both" else f"the {step.actor}"
            sign = STATUSES.get(step.status, "")
            yield (
                f'<li id="step-{step.id}"><span class="{_status_class(step.status)}">{step.id} '
                f'<span aria-hidden="true">{sign}</span></span>'
                f'<span>{actor} {escaped(step.title)} <span class="quiet">({step.status})</span></span></li>'
            )
        yield "</ol></li>"
    yield "</ol></div></section>"
