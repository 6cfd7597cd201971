"""The output of `bothways demo`: the steps of each handshake, and each refusal with its cause."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bothways.cli.demo.identities import DemoIdentities
from bothways.cli.demo.scenes import Play, Scene, succeeded, went_well
from bothways.cli.output.console import console, show
from bothways.describe.documents import key_text
from bothways.describe.escape import visible
from bothways.describe.steps import PHASES, STEPS
from bothways.diagnosis import Explanation, Weight
from bothways.errors import PeerAlert, PeerFault
from bothways.ladder.by_step import Line, StepView, step_views
from bothways.ladder.text import ladder
from bothways.roles import StepId
from bothways.tls.events import MessageSeen
from bothways.trust.certificate.parsed import issuer_of, subject_of

VERBS = {
    "sent": "sends",
    "received": "receives",
    "chose": "chooses",
    "passed": "checks",
    "failed": "refuses",
    "not checked": "leaves out",
    "keys": "derives",
}
MARKS = {
    "passed": "✓ ",
    "failed": "✗ ",
    "not checked": "– ",
}  # at a terminal; in a pipe, words replace the colours
STYLES = {
    "client": "cyan",
    "server": "magenta",
    "passed": "green",
    "failed": "bold red",
    "not checked": "yellow",
    "public": "green",
    "private": "red",
    "session": "blue",
}


def show_classic(play: Play) -> None:
    """Show TLS 1.2 with RSA key transport step by step, as a ladder, and what is outdated in it."""
    screen = console()
    for part in (_mutual(play), _picture(play, screen.width), _dated()):
        show(screen, part)


def show_everything(
    identities: DemoIdentities,
    handshakes: tuple[Play, Play, Play, Play, Play],
    played: Sequence[tuple[Scene, Play]],
) -> None:
    """Show the identities, the five handshakes, the refused scenes, and whether all went as expected."""
    both, server_only, with_status, in_the_dark, old = handshakes
    screen = console()
    parts = (
        _opening(identities),
        _mutual(both),
        _picture(both, screen.width),
        _differences(both, server_only),
        _stapled(with_status),
        _tolerated(in_the_dark),
        _classic(old, screen.width),
        _refusals(played),
    )
    for part in (*parts, _closing(handshakes, played)):
        show(screen, part)


def _opening(identities: DemoIdentities) -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    for name, certificate in identities.everyone():
        issuer = visible(issuer_of(certificate)) if certificate.issuer != certificate.subject else "itself"
        rows.add_row(
            Text(name, style=STYLES.get(name, "")),
            f"{visible(subject_of(certificate))}, {key_text(certificate.public_key())}",
            Text(f"issued by {issuer}", style="dim"),
        )
    return Group(
        Text("bothways: mutual TLS that shows its work", style="bold"),
        "",
        Text("Generated for this run, and not stored:"),
        Padding(rows, (0, 0, 0, 2)),
    )


def _mutual(play: Play) -> RenderableType:
    facts = play.client.facts or play.server.facts
    agreed = [f"TLS {facts.get('version')}", facts.get("suite"), facts.get("group")]
    heading = f"A mutual handshake: {', '.join(each for each in agreed if each)}"
    parts: list[RenderableType] = [
        "",
        Rule(Text(heading, style="bold"), align="left", style="dim"),
        Text("Each line shows which peer did it, the size of the message, and when (ms from the start)."),
    ]
    views = step_views(play.client.recorder.notes, play.server.recorder.notes)
    for number, steps in groupby(views, key=lambda view: view.name.id.phase):
        parts += ["", Text(f"{number}  {PHASES[number]}", style="bold underline")]
        parts += [_step(view) for view in steps]
    parts += [_error(side, error) for side, error in _errors(play)]
    return Group(*parts)


def _step(view: StepView) -> RenderableType:
    actor = "both sides" if view.name.actor == "both" else f"the {view.name.actor}"
    heading = Table.grid()
    heading.add_column(width=5)
    words = Text.assemble((actor, STYLES.get(view.name.actor, "")), f" {view.name.title}")
    heading.add_row(Text(view.name.id, "bold"), words)
    rows = Table.grid(padding=(0, 1), expand=True)
    rows.add_column(width=6)
    rows.add_column(width=11)
    rows.add_column(ratio=1, overflow="fold")
    rows.add_column(width=7, justify="right", style="dim")
    rows.add_column(width=7, justify="right", style="dim")
    for line in view.lines:
        rows.add_row(*_line(line))
    for key in view.keys:
        text = Text.assemble((f"{key.kind} key", STYLES[key.kind]), f": {key.text}")
        rows.add_row("", Text("key", style="dim"), text, "", "")
    if not view.lines:
        rows.add_row("", "", Text(view.status, style="dim"), "", "")
    return Group(heading, Padding(rows, (0, 0, 0, 5)))


def _line(line: Line) -> tuple[RenderableType, ...]:
    text = Text(MARKS.get(line.act, "") if _draws_marks() else "", style=STYLES.get(line.act, ""))
    what, comma, keys = line.text.partition(", under ")
    text.append(what if line.act != "not checked" else f"not checked: {what}")
    text.append(comma + keys, style="dim")
    if line.detail and line.act != "received":
        text.append(("\n" if line.act == "sent" else " ") + line.detail, style="dim")
    size = f"{line.size} B" if line.size is not None else ""
    side = Text(line.side, style=STYLES[line.side])
    return side, Text(VERBS[line.act], style=STYLES.get(line.act, "")), text, size, f"{line.at:.1f}"


def _draws_marks() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def _picture(play: Play, width: int) -> RenderableType:
    """The same handshake as a ladder diagram, in the order of the messages."""
    heading = Rule(Text("The same on the wire", style="bold"), align="left", style="dim")
    legend = "- in the clear   = under handshake keys   # under application keys"
    return Group("", heading, Text(legend, style="dim"), *_events(play, width))


def _events(play: Play, width: int) -> list[Text]:
    return [_event(line) for line in ladder(play.client.recorder.notes, play.server.recorder.notes, width)]


def _event(line: str) -> Text:
    text = Text(line, no_wrap=True)
    text.highlight_regex(r"(?<=[-=#] )[A-Z]\w+(?= \()", "bold")
    text.highlight_regex(r"\d\.\d[abc]? ok.*(?= \|)", STYLES["passed"])
    text.highlight_regex(r"\d\.\d[abc]? not checked.*(?= \|)", STYLES["not checked"])
    if line.startswith("client"):
        text.highlight_words(["client"], STYLES["client"])
        text.highlight_words(["server"], STYLES["server"])
    return text


def _differences(both: Play, server_only: Play) -> RenderableType:
    """The differences between both handshakes, and what each side knows at the end."""
    rows = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_edge=False)
    for column in (
        "step",
        "both prove themselves",
        "only the server does, as for a browser",
    ):
        rows.add_column(column, overflow="fold")
    two, one = (
        step_views(each.client.recorder.notes, each.server.recorder.notes) for each in (both, server_only)
    )
    for mutual_step, one_way_step in zip(two, one, strict=True):
        told = _step_text(mutual_step), _step_text(one_way_step)
        if told[0] != told[1]:
            rows.add_row(mutual_step.name.id, *told)
    rows.add_row("", "", "")
    for name, fact in (("the client knows", "client"), ("the server knows", "server")):
        rows.add_row(name, *(getattr(each, fact).facts.get("peer", "nobody") for each in (both, server_only)))
    rows.add_row("handshake", *(_cost(each) for each in (both, server_only)))
    heading = Rule(Text("For comparison: a one-way handshake", style="bold"), align="left", style="dim")
    failures = [_error(side, error) for side, error in _errors(server_only)]
    return Group("", heading, rows, *failures)


STAPLED_STEPS = (StepId.SERVER_REVOCATION, StepId.CLIENT_REVOCATION)
DATED = (
    (
        "no forward secrecy",
        "whoever gets the server's private key later can decrypt every recorded connection",
    ),
    (
        "PKCS#1 padding",
        (
            "every distinguishable reaction to bad padding is an oracle; "
            "bothways goes on with a random secret, so that Finished fails"
        ),
    ),
    ("one key for two purposes", "the key that decrypts secrets also signs, which weakens both"),
    (
        "handshake not encrypted",
        "certificates and parameters can be read by every device on the network path",
    ),
    ("the server is authenticated late", "only its Finished shows that it could decrypt the secret"),
)


def _stapled(play: Play) -> RenderableType:
    """The differences with stapling on both sides: the revocation status is checked without fetching."""
    rule = Rule(Text("Server and client staple", style="bold"), align="left", style="dim")
    told = Text(
        "Each requests the other's revocation status, and receives an OCSP response of the CA with the certificate."
    )
    views = step_views(play.client.recorder.notes, play.server.recorder.notes)
    steps = [_step(view) for view in views if view.name.id in STAPLED_STEPS]
    return Group("", rule, told, *steps, *(_error(side, error) for side, error in _errors(play)))


def _tolerated(play: Play) -> RenderableType:
    """How an unknown status that is accepted is shown: without a tick, and with a warning."""
    rule = Rule(
        Text("A responder that is down, where unknown is accepted", style="bold"), align="left", style="dim"
    )
    told = Text(
        "During the handshake the server asks the OCSP responder in the client's certificate, and gets no answer. "
        "It is configured to accept that; by default it refuses, as below."
    )
    views = step_views(play.client.recorder.notes, play.server.recorder.notes)
    steps = [_step(view) for view in views if view.name.id is StepId.CLIENT_REVOCATION]
    warned = [Text(f"the server is warned: {each}", style="yellow") for each in play.server.warnings]
    return Group("", rule, told, *steps, *warned, *(_error(side, error) for side, error in _errors(play)))


def _classic(play: Play, width: int) -> RenderableType:
    facts = play.client.facts or play.server.facts
    heading = f"The classic flow: TLS {facts.get('version')}, {facts.get('suite')}"
    failures = [_error(side, error) for side, error in _errors(play)]
    rule = Rule(Text(heading, style="bold"), align="left", style="dim")
    hint = Text("Step by step: bothways demo --classic", style="dim")
    return Group("", rule, hint, *_events(play, width), _dated(), *failures)


def _dated() -> RenderableType:
    rows = Table.grid(padding=(0, 2))
    for what, why in DATED:
        rows.add_row(Text(what, style="yellow"), why)
    return Group(
        "",
        Text("What is outdated in it, and why it has to be enabled explicitly:"),
        Padding(rows, (0, 0, 0, 2)),
    )


def _step_text(view: StepView) -> str:
    messages = [line.text.partition(",")[0] for line in view.lines if line.act == "sent"]
    if messages:
        return " + ".join(messages)
    left_out = next((line.text for line in view.lines if line.act == "not checked"), None)
    if left_out is not None:
        return f"not checked: {left_out}"
    return view.status if view.status != "done" else "checked"


def _cost(play: Play) -> str:
    notes = [each for each in play.client.recorder.notes if isinstance(each.note, MessageSeen)]
    size = sum(len(each.note.raw) for each in notes if isinstance(each.note, MessageSeen))
    took = (notes[-1].at - notes[0].at) * 1000 if notes else 0.0
    return f"{len(notes)} messages, {size} bytes, {took:.1f} ms"


def _refusals(played: Sequence[tuple[Scene, Play]]) -> RenderableType:
    heading = Rule(Text("What is refused, and why", style="bold"), align="left", style="dim")
    return Group("", heading, *(_scene(scene, each) for scene, each in played))


def _scene(scene: Scene, play: Play) -> RenderableType:
    expected = scene.is_as_expected(play)
    tick = MARKS["passed" if expected else "failed"] if _draws_marks() else ""
    mark = ("refused as expected", "green") if expected else ("NOT AS EXPECTED", "bold red")
    rows = Table.grid(padding=(0, 2))
    rows.add_column(width=12, style="dim")
    rows.add_column(overflow="fold")
    rows.add_row("what happens", Text(scene.description))
    for name, text in _explained(scene, play):
        rows.add_row(name, text)
    title = Text.assemble("\n", (tick, mark[1]), (scene.title, "bold"), ": ", mark)
    return Group(title, Padding(rows, (0, 0, 0, 2)))


def _explained(scene: Scene, play: Play) -> list[tuple[str, RenderableType]]:
    refusing, refused, other = (
        (play.client, play.server, "server")
        if scene.refused_by == "client"
        else (play.server, play.client, "client")
    )
    fault, alert = refusing.error, refused.error
    if not isinstance(fault, PeerFault):
        return [(side, Text(f"{error}", "red")) for side, error in _errors(play)] or [
            ("nobody", Text("refused", "red"))
        ]
    told = f"{alert.name} (at step {alert.step})" if isinstance(alert, PeerAlert) else f"{alert}"
    sent = Text.assemble(
        f"{fault.alert.name.lower()}, sent by the {scene.refused_by}; the ",
        (other, STYLES[other]),
        f" saw {told}",
    )
    rows: list[tuple[str, RenderableType]] = [
        (
            "refused by",
            Text.assemble(
                "the ", (scene.refused_by, STYLES[scene.refused_by]), f" at step {_step_words(fault.step)}"
            ),
        ),
        ("because", Text(fault.sentence)),
        *(("also", Text(str(reason))) for reason in fault.reasons[1:]),
        ("rule", Text(fault.rule)),
        ("alert", sent),
    ]
    for side, why in ((scene.refused_by, refusing.why), (other, refused.why)):
        if why is not None:
            rows.append((f"the {side}", _explanation_text(why)))
    return rows


def _explanation_text(why: Explanation) -> Text:
    """The explanation that a side gets: the most likely cause, and what to do."""
    likely = "" if why.first.weight is Weight.CERTAIN else "most likely "
    text = Text(f"is told: {likely}{why.first.text}")
    text.append(f"; to do: {why.first.remedy}", style="dim")
    return text


def _step_words(id_: StepId | None) -> str:
    if id_ is None:
        return "that is not known"
    step = STEPS.get(id_)
    return f"{id_} ({step.actor} {step.title})" if step is not None and step.actor != "both" else id_


def _closing(handshakes: Sequence[Play], played: Sequence[tuple[Scene, Play]]) -> RenderableType:
    refused = sum(scene.is_as_expected(each) for scene, each in played)
    went = (
        f"All {len(handshakes)} handshakes succeeded"
        if all(map(went_well, handshakes))
        else "NOT every handshake succeeded"
    )
    good = succeeded(handshakes, played)
    text = f"{went}, and {refused} of {len(played)} scenarios were refused as expected."
    return Group("", Text(text, style="bold green" if good else "bold red"))


def _errors(play: Play) -> list[tuple[str, Exception]]:
    sides = (("client", play.client.error), ("server", play.server.error))
    return [(side, error) for side, error in sides if error is not None]


def _error(side: str, error: Exception) -> Text:
    return Text(f"the {side} ended with: {error}", style="bold red")
