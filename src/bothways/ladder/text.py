"""A handshake as a ladder diagram in ASCII: two lifelines, arrows in order, each check at the side that made it.

It takes the notes of both sides or of one. An arrow is drawn with `-` for plaintext, `=` for handshake keys and `#`
for application keys; one that the other side did not receive as it was sent ends in `x`.
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
    CauseText,
    CheckMade,
    ChoiceMade,
    DataSent,
    Event,
    Failure,
    KeysTaken,
    Ladder,
    Message,
    agreed,
    headline,
)

WIDTH = 100
DRAWN = {"plaintext": "-", "handshake keys": "=", "application keys": "#"}
MARKS = {"passed": "ok:", "failed": "REFUSED", "not checked": "not checked:", "unknown": "unknown:"}
LEGEND = "- in the clear   = under handshake keys   # under application keys   x not seen at the other end"


def ladder(client: Sequence[Noted], server: Sequence[Noted], width: int = WIDTH) -> list[str]:
    """Draw the notes of both sides, in lines of at most `width` characters; those of one side may be empty."""
    return events_as_text(lay_out(client, server, datetime.now(UTC)), width)


def as_text(picture: Ladder, width: int = WIDTH) -> str:
    """Return a ladder with its heading and what failed, for a terminal or a file."""
    lines = [headline(picture), *([agreed(picture)] if picture.tls else []), LEGEND, ""]
    lines = [shown(line) for line in lines] + events_as_text(picture, width)
    for each in picture.failures:
        lines += ["", *_failure(each, width)]
    return "\n".join(lines) + "\n"


def events_as_text(picture: Ladder, width: int = WIDTH) -> list[str]:
    """Draw the events of a ladder, in lines of at most `width` characters."""
    width = max(width, 40)
    lines = ["client" + "server".rjust(width - len("client"))]
    return lines + [_event(event, width) for event in picture.events]


def _event(event: Event, width: int) -> str:
    match event:
        case Message():
            text = f"{event.name} ({', '.join(event.steps)}) {event.size} B"
        case AlertSent():
            text = f"alert {event.name}"
        case DataSent():
            text = f"data (4.3) {event.size} B"
        case _:
            return _remark(event, shown(_event_text(event)), width - 6)
    dash = DRAWN[event.keys]
    end = "x" if event.arrival == "lost" else ">" if event.by == "client" else "<"
    room = width - 5
    label = f" {shown(text)}, {event.at:.1f} ms "
    if event.by == "client":
        return f" |{(dash * 3 + label).ljust(room, dash)[:room]}{end}|"
    return f" |{end}{(label + dash * 3).rjust(room, dash)[-room:]}|"


def _event_text(event: CheckMade | ChoiceMade | KeysTaken) -> str:
    match event:
        case CheckMade():
            return f"{event.step} {MARKS[event.outcome]} {event.text}"
        case ChoiceMade():
            return f"chooses {event.what} {event.chosen}"
        case KeysTaken():
            return f"{'sends' if event.sends else 'receives'} under {event.keys} from here on"


def _remark(event: CheckMade | ChoiceMade | KeysTaken, text: str, room: int) -> str:
    text = text if len(text) <= room else text[: room - 3] + "..."
    return f" | {text.ljust(room) if event.by == 'client' else text.rjust(room)} |"


def _cause(cause: CauseText) -> list[tuple[str, str]]:
    return [
        ("cause" if cause.certain else "likely", cause.text),
        ("  seen", cause.evidence),
        ("  do" if cause.command else "  ask", cause.remedy),
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
