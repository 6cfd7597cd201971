"""A handshake as a ladder of plain ASCII: two lifelines, arrows in order, checks beside who made them.

Takes the notes of both sides or of one. An arrow is drawn with `-` in the clear, `=` under handshake keys and
`#` under application keys; one that did not arrive as it was sent ends in `x`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bothways.explain.messages import title
from bothways.explain.recorder import Noted
from bothways.faults import shown
from bothways.iana import Alert, ContentType, name
from bothways.tls.events import AlertSeen, Chosen, Epoch, Judged, KeysChanged, MessageSeen, Proved, RecordSeen
from bothways.trust.verdict import Outcome

WIDTH = 100
DRAWN = {Epoch.PLAINTEXT: "-", Epoch.HANDSHAKE: "=", Epoch.APPLICATION: "#"}
MARKS = {
    Outcome.PASSED: "ok",
    Outcome.FAILED: "REFUSED",
    Outcome.NOT_CHECKED: "not checked:",
    Outcome.UNKNOWN: "unknown:",
}


@dataclass(frozen=True, slots=True)
class Arrow:
    """Something on its way: from whom, what, under which keys; `same` tells one copy from another."""

    by: str
    text: str
    epoch: Epoch
    same: object


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that one side found out or decided."""

    by: str
    text: str


def ladder(client: Sequence[Noted], server: Sequence[Noted], width: int = WIDTH) -> list[str]:
    """Draw what both sides noted, in lines of at most `width` characters; one may have noted nothing."""
    width = max(width, 40)
    start = min((each.at for each in (*client, *server)), default=0.0)
    rungs = [*_rungs("client", client, server), *_rungs("server", server, client)]
    lines = ["client" + "server".rjust(width - len("client"))]
    for at, rung, end in sorted(rungs, key=lambda rung: rung[0]):
        lines += _drawn(rung, end, (at - start) * 1000, width)
    return lines


def _rungs(
    side: str, notes: Sequence[Noted], others: Sequence[Noted]
) -> list[tuple[float, Arrow | Remark, str]]:
    """Return what `side` noted: its own arrows, those that only it saw, and its remarks."""
    arrived = _arrows(others, _other(side), sent=False)
    departed = _arrows(others, _other(side), sent=True)
    rungs: list[tuple[float, Arrow | Remark, str]] = []
    for each in notes:
        arrow, sent = _arrow(side, each)
        if arrow is not None:
            known = arrived if sent else departed
            if known[arrow.same]:
                known[arrow.same] -= 1
                whole = True
            else:
                whole = not others
            if sent:
                rungs.append((each.at, arrow, ">" if whole else "x"))
            elif not others or not whole:
                rungs.append((each.at, arrow, ">"))
        rungs += [(each.at, remark, "") for remark in _remarks(side, each)]
    return rungs


def _arrows(notes: Iterable[Noted], side: str, *, sent: bool) -> Counter[object]:
    """Count the arrows that `side` noted as sent, or as received."""
    found = (_arrow(side, each) for each in notes)
    return Counter(arrow.same for arrow, was_sent in found if arrow is not None and was_sent is sent)


def _arrow(side: str, noted: Noted) -> tuple[Arrow | None, bool]:
    match noted.note:
        case MessageSeen(sent, message, raw, epoch, steps):
            text = f"{title(message)} ({', '.join(steps)}) {len(raw)} B"
            return Arrow(side if sent else _other(side), text, epoch, raw), sent
        case AlertSeen(sent, level, description, epoch):
            text = f"alert {name(Alert, description).lower()}"
            return Arrow(side if sent else _other(side), text, epoch, (level, description)), sent
        case RecordSeen(sent, ContentType.application_data, size, epoch):
            same = ("data", size)
            return Arrow(side if sent else _other(side), f"data (4.3) {size} B", epoch, same), sent
    return None, False


def _remarks(side: str, noted: Noted) -> list[Remark]:
    match noted.note:
        case Proved(step, text):
            return [Remark(side, f"{step} ok: {text}")]
        case Judged(step, verdict):
            return [
                Remark(side, f"{step}{each.letter} {MARKS[each.outcome]} {shown(each.text)}")
                for each in verdict.findings
            ]
        case Chosen(what, _, chosen, by) if by == side:
            return [Remark(side, f"chooses {what} {shown(chosen)}")]
        case KeysChanged(True, epoch, _):
            return [Remark(side, f"sends under {epoch.value} from here on")]
    return []


def _drawn(rung: Arrow | Remark, end: str, at: float, width: int) -> list[str]:
    inner = width - 4
    if isinstance(rung, Remark):
        text = rung.text if len(rung.text) <= inner - 2 else rung.text[: inner - 5] + "..."
        return [f" | {text.ljust(inner - 2) if rung.by == 'client' else text.rjust(inner - 2)} |"]
    dash = DRAWN[rung.epoch]
    label = f" {rung.text}, {at:.1f} ms "
    shaft = (dash * 3 + label).ljust(inner - 1, dash)[: inner - 1]
    if rung.by == "client":
        return [f" |{shaft}{end}|"]
    tip = "<" if end == ">" else end
    return [f" |{tip}{(label + dash * 3).rjust(inner - 1, dash)[-(inner - 1) :]}|"]


def _other(side: str) -> str:
    return "server" if side == "client" else "client"
