"""A handshake as a ladder of plain ASCII: two lifelines, arrows in order, checks beside who made them.

Takes the notes of both sides or of one. An arrow is drawn with `-` in the clear, `=` under handshake keys and
`#` under application keys; one that was not seen at the other end as it was sent ends in `x`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from bothways.describe.recorder import Noted
from bothways.faults import shown
from bothways.ladder.layout import lay_out
from bothways.ladder.model import (
    AlertSent,
    CauseTold,
    CheckMade,
    ChoiceMade,
    DataSent,
    Failure,
    KeysTaken,
    Ladder,
    Message,
    Rung,
    agreed,
    headline,
)

WIDTH = 100
DRAWN = {"plaintext": "-", "handshake keys": "=", "application keys": "#"}
MARKS = {"passed": "ok:", "failed": "REFUSED", "not checked": "not checked:", "unknown": "unknown:"}
LEGEND = "- in the clear   = under handshake keys   # under application keys   x not seen at the other end"


def ladder(client: Sequence[Noted], server: Sequence[Noted], width: int = WIDTH) -> list[str]:
    """Draw what both sides noted, in lines of at most `width` characters; one may have noted nothing."""
    return rungs_as_text(lay_out(client, server, datetime.now(UTC)), width)


def as_text(picture: Ladder, width: int = WIDTH) -> str:
    """Return a ladder with its heading and what failed, for a terminal or a file."""
    lines = [headline(picture), *([agreed(picture)] if picture.tls else []), LEGEND, ""]
    lines = [shown(line) for line in lines] + rungs_as_text(picture, width)
    for each in picture.failures:
        lines += ["", *_failure(each, width)]
    return "\n".join(lines) + "\n"


def rungs_as_text(picture: Ladder, width: int = WIDTH) -> list[str]:
    """Draw the rungs of a ladder, in lines of at most `width` characters."""
    width = max(width, 40)
    lines = ["client" + "server".rjust(width - len("client"))]
    return lines + [_rung(rung, width) for rung in picture.rungs]


def _rung(rung: Rung, width: int) -> str:
    match rung:
        case Message():
            text = f"{rung.name} ({', '.join(rung.steps)}) {rung.size} B"
        case AlertSent():
            text = f"alert {rung.name}"
        case DataSent():
            text = f"data (4.3) {rung.size} B"
        case _:
            return _remark(rung, shown(_words(rung)), width - 6)
    dash = DRAWN[rung.keys]
    end = "x" if rung.arrival == "lost" else ">" if rung.by == "client" else "<"
    room = width - 5
    label = f" {shown(text)}, {rung.at:.1f} ms "
    if rung.by == "client":
        return f" |{(dash * 3 + label).ljust(room, dash)[:room]}{end}|"
    return f" |{end}{(label + dash * 3).rjust(room, dash)[-room:]}|"


def _words(rung: CheckMade | ChoiceMade | KeysTaken) -> str:
    match rung:
        case CheckMade():
            return f"{rung.step} {MARKS[rung.outcome]} {rung.text}"
        case ChoiceMade():
            return f"chooses {rung.what} {rung.chosen}"
        case KeysTaken():
            return f"{'sends' if rung.sends else 'receives'} under {rung.keys} from here on"


def _remark(rung: CheckMade | ChoiceMade | KeysTaken, text: str, room: int) -> str:
    text = text if len(text) <= room else text[: room - 3] + "..."
    return f" | {text.ljust(room) if rung.by == 'client' else text.rjust(room)} |"


def _cause(cause: CauseTold) -> list[tuple[str, str]]:
    return [
        ("cause" if cause.certain else "likely", cause.text),
        ("  seen", cause.evidence),
        ("  do", cause.remedy),
        ("  try", cause.command),
    ]


def _failure(failure: Failure, width: int) -> list[str]:
    rows = [
        (f"the {failure.side}", failure.text),
        *(("also", each) for each in failure.also),
        ("step", failure.step),
        ("rule", failure.rule),
        ("alert", failure.alert),
        ("means", failure.meaning),
        ("what to do", failure.hint),
        *(row for each in failure.causes for row in _cause(each)),
    ]
    lines: list[str] = []
    for name, text in rows:
        if text:
            found = textwrap.wrap(shown(text), max(width, 40) - 14)
            lines += [f"  {name if at == 0 else '':<10}  {line}" for at, line in enumerate(found)]
    return lines
