"""A ladder as an SVG picture for documents: one self-contained file, light and dark.

It shows what the HTML page shows before details are opened; text that does not fit ends in an ellipsis.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby

from bothways.describe.escape import markup, visible
from bothways.describe.steps import PHASES
from bothways.ladder.colours import DARK, KEYS, LIGHT, OUTCOMES, SIGNS, UNDER, variables
from bothways.ladder.model import (
    AlertSent,
    CheckMade,
    ChoiceMade,
    DataSent,
    Event,
    Failure,
    KeysTaken,
    Ladder,
    Message,
    Side,
    agreed,
    heading,
    headline,
    other,
)
from bothways.roles import Phase

WIDTH, LEFT, RIGHT = 960, 80, 880
MARGIN = 20
LINE = 17
CHARACTERS = 92  # of a line between the lifelines

STYLE = (
    f"svg{{color-scheme:light dark;{variables(LIGHT)}}}"
    f"@media (prefers-color-scheme:dark){{svg{{{variables(DARK)}}}}}"
    "text{font:13px system-ui,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:var(--ink)}"
    ".title{font-size:20px;font-weight:700}.name{font-weight:650}.soft{fill:var(--soft)}"
    ".small{font-size:11px;fill:var(--soft)}.phase{font-size:14px;font-weight:700}"
    ".ground{fill:var(--paper)}.band{fill:var(--band)}.life{stroke:var(--life);stroke-width:2}"
    ".shaft{fill:none;stroke-width:2}"
    ".plain{stroke:var(--plain);stroke-dasharray:6 4}.handshake{stroke:var(--handshake)}"
    ".application{stroke:var(--application)}.tip{stroke:none}"
    ".tip.plain{fill:var(--plain)}.tip.handshake{fill:var(--handshake)}"
    ".tip.application{fill:var(--application)}"
    ".mark{fill:var(--card);stroke-width:2}.dot{fill:var(--soft)}"
    ".passed{stroke:var(--passed)}.failed{stroke:var(--failed)}.skipped{stroke:var(--skipped)}"
    ".sign{font-size:11px;font-weight:700}.sign.passed{stroke:none;fill:var(--passed)}"
    ".sign.failed,.wrong{stroke:none;fill:var(--failed)}.sign.skipped{stroke:none;fill:var(--skipped)}"
    ".lost{font-size:15px;font-weight:700;fill:var(--failed)}"
    ".alarm{fill:var(--alarm);stroke:var(--failed)}"
)

Drawn = list[str]


def as_svg(ladder: Ladder) -> str:
    """Return a ladder as an SVG document."""
    body: Drawn = []
    y = _heading(ladder, body)
    top = y
    bands: Drawn = []
    events = {phase: list(found) for phase, found in groupby(ladder.events, key=lambda event: event.phase)}
    for phase, found in events.items():
        start = y
        body.append(_text_element(WIDTH / 2, y + 22, f"{phase} · {PHASES[phase]}", "phase", "middle"))
        y += 34
        for event in found:
            y += _event(event, ladder, y, body)
        y += 8
        if phase in (Phase.SERVER_AUTHENTICATION, Phase.OPEN):
            bands.append(f'<rect class="band" x="0" y="{start}" width="{WIDTH}" height="{y - start}"/>')
    lifelines = [f'<path class="life" d="M{x} {top}V{y}"/>' for x in (LEFT, RIGHT)]
    y += MARGIN
    shown = "; ".join((f"{headline(ladder)}: {agreed(ladder)}", *(each.text for each in ladder.failures)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        f'role="img" aria-label="{markup(shown, 600)}"><title>{markup(headline(ladder))}</title>'
        f'<style>{STYLE}</style><rect class="ground" width="{WIDTH}" height="{y}"/>'
        f"{''.join((*bands, *lifelines, *body))}</svg>\n"
    )


def _text_element(
    x: float, y: float, text: str, style: str = "", anchor: str = "start", limit: int = 130
) -> str:
    return f'<text class="{style}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{markup(text, limit)}</text>'


def _heading(ladder: Ladder, body: Drawn) -> int:
    body.append(_text_element(MARGIN, 34, headline(ladder), "title"))
    _legend(WIDTH - 490, 34, body)
    body.append(_text_element(MARGIN, 54, agreed(ladder), "soft"))
    y = 64
    for each in ladder.failures[:1]:
        y += _failure(each, MARGIN, y + 4, WIDTH - 2 * MARGIN, body) + 8
    for side, x, anchor in (("client", LEFT - 30, "start"), ("server", RIGHT + 30, "end")):
        leaf = next((card.title for card in ladder.certificates if card.by == side and not card.depth), "")
        body.append(_text_element(x, y + 22, side, "phase", anchor))
        body.append(_text_element(x, y + 38, leaf, "small", anchor, 50))
    return y + 48


def _legend(x: int, y: int, body: Drawn) -> None:
    """Draw, from `x` on, what the three kinds of lines mean."""
    for keys, colour in KEYS.items():
        body += _shaft(colour, x, x + 30, y - 4)
        body.append(_text_element(x + 37, y, UNDER[keys], "small"))
        x += 50 + len(UNDER[keys]) * 6


def _shaft(keys: str, start: int, end: int, y: int) -> Iterator[str]:
    for offset in (-2, 2) if keys == "application" else (0,):
        yield f'<path class="shaft {keys}" d="M{start} {y + offset}H{end}"/>'


def _event(event: Event, ladder: Ladder, y: int, body: Drawn) -> int:
    """Draw one event from `y` down; return its height in pixels."""
    match event:
        case Message():
            facts = f"  {', '.join(event.steps)} · {event.size} bytes"
            return _arrow(event, event.name, facts, event.summary, y, body)
        case AlertSent():
            return _arrow(event, f"alert {event.name}", "", "", y, body)
        case DataSent():
            return _arrow(event, "application data", f"  4.3 · {event.size} bytes of records", "", y, body)
        case ChoiceMade():
            return _remark(event.by, f"chooses {event.what} {event.chosen}", "", "", y, body)
        case KeysTaken():
            verb = "sends" if event.sends else "receives"
            return _remark(event.by, f"{verb} under {event.keys} from here on", "", "", y, body)
        case CheckMade():
            return _check(event, ladder, y, body)


def _arrow(
    event: Message | AlertSent | DataSent, name: str, facts: str, summary_text: str, y: int, body: Drawn
) -> int:
    right = event.by == "client"
    x, anchor = (LEFT + 16, "start") if right else (RIGHT - 16, "end")
    wrong = isinstance(event, AlertSent) and event.name != "close_notify"
    style = "name wrong" if wrong else "name"
    missing = {"lost": f" · not seen by the {other(event.by)}", "altered": " · is not what was sent"}
    stray = missing.get(event.arrival, "")
    body.append(
        f'<text x="{x}" y="{y + 16}" text-anchor="{anchor}"><tspan class="{style}">{markup(name)}</tspan>'
        f'<tspan class="small">{markup(facts)}</tspan><tspan class="wrong">{stray}</tspan></text>'
    )
    body.append(_text_element(LEFT - 10, y + 16, f"{event.at:.1f} ms", "small", "end"))
    keys, line = KEYS[event.keys], y + 25
    start, end, back = (LEFT, RIGHT, -11) if right else (RIGHT, LEFT, 11)
    body += _shaft(keys, start, end + back, line)
    if event.arrival == "lost":
        body.append(_text_element(end + back, line + 5, "✕", "lost", "middle"))
    else:
        body.append(f'<path class="tip {keys}" d="M{end} {line}l{back} -6v12z"/>')
    lines = _wrapped(summary_text, CHARACTERS + 24, 2)
    for at, text in enumerate(lines):
        body.append(_text_element(x, line + 18 + at * 15, text, "small", anchor))
    return 34 + 15 * len(lines) + 4


def _check(event: CheckMade, ladder: Ladder, y: int, body: Drawn) -> int:
    colour, sign = OUTCOMES[event.outcome], SIGNS[event.outcome]
    if event.outcome != "failed":
        spoken = "" if event.outcome == "passed" else f"{event.outcome}: "
        return _remark(event.by, f"{event.step} · {spoken}{event.text}", colour, sign, y, body)
    found = (each.text for each in ladder.failures if (each.side, each.step) == (event.by, event.step))
    failure = Failure(event.by, "", event.step, next(found, event.text), (), "", "", "", "")
    height = _failure(failure, LEFT + 18, y + 4, RIGHT - LEFT - 36, body)
    _mark(event.by, y + 20, colour, sign, body)
    return height + 12


def _remark(side: Side, text: str, colour: str, sign: str, y: int, body: Drawn) -> int:
    lines = _wrapped(text, CHARACTERS, 3)
    x, anchor = (LEFT + 16, "start") if side == "client" else (RIGHT - 16, "end")
    for at, line in enumerate(lines):
        body.append(_text_element(x, y + 14 + at * LINE, line, "" if sign else "soft", anchor))
    _mark(side, y + 10, colour, sign, body)
    return LINE * len(lines) + 5


def _mark(side: Side, y: int, colour: str, sign: str, body: Drawn) -> None:
    x = LEFT if side == "client" else RIGHT
    if not sign:
        body.append(f'<circle class="dot" cx="{x}" cy="{y}" r="4"/>')
        return
    body.append(f'<circle class="mark {colour}" cx="{x}" cy="{y}" r="9"/>')
    body.append(_text_element(x, y + 4, sign, f"sign {colour}", "middle"))


def _failure(failure: Failure, x: int, y: int, width: int, body: Drawn) -> int:
    rows = [*_wrapped(f"The {failure.side} reports: {failure.text}", width // 8, 4)]
    strong = len(rows)
    for each in failure.also:
        rows += _wrapped(f"also: {each}", width // 7, 2)
    facts = (("step", failure.step), ("rule", failure.rule), ("alert", failure.alert))
    if any(text for _, text in facts):
        rows.append("; ".join(f"{name} {text}" for name, text in facts if text))
    for name, text in (("that means", failure.meaning), ("what to do", failure.hint)):
        rows += _wrapped(f"{name}: {text}", width // 7, 3) if text else []
    rows += [f"{heading(failure.causes)}:"] if failure.causes else []
    for cause in failure.causes:
        rows += _wrapped(f"• {cause.text}", width // 7, 3)
        rows += [
            row
            for text in (cause.remedy, cause.command)
            for row in _wrapped(f"→ {text}", width // 7, 2)
            if text
        ]
    height = LINE * len(rows) + 16
    body.append(f'<rect class="alarm" x="{x}" y="{y}" width="{width}" height="{height}" rx="6"/>')
    for at, row in enumerate(rows):
        body.append(_text_element(x + 14, y + 20 + at * LINE, row, "name" if at < strong else ""))
    return height


def _wrapped(text: str, characters: int, most: int) -> list[str]:
    lines: Iterator[str] = iter(textwrap.wrap(visible(text, 4096), characters))
    found = [line for line, _ in zip(lines, range(most + 1), strict=False)]
    if len(found) > most:
        found = [*found[: most - 1], found[most - 1][: characters - 1] + "…"]
    return found
