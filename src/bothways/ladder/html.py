"""A ladder as one HTML page that needs nothing else: no script, no network, light and dark, screen or paper.

Details open by <details>, which keyboards and screen readers support. Every text goes through `markup`. The page
contains its ladder as JSON, so that it can be read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from bothways.describe.steps import PHASES, STEPS
from bothways.ladder.colours import KEYS, OUTCOMES, SIGNS, UNDER
from bothways.ladder.html_ladder_style import STYLE
from bothways.ladder.html_style import card_parts, document, escaped
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
