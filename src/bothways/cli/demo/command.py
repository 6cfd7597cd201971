"""`bothways demo`: a mutual handshake step by step, a one-way one beside it, and handshakes that are refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import click

from bothways.cli.demo.identities import issue_identities
from bothways.cli.demo.scenes import (
    SCENES,
    Play,
    Scene,
    classic,
    mutual,
    one_way,
    stapled,
    succeeded,
    tolerated,
    went_well,
)
from bothways.cli.demo.screens import show_classic, show_everything
from bothways.cli.options.pictures import LadderFile, ladder_option
from bothways.cli.output.terminal import FAILED
from bothways.ladder.by_step import StepView, step_views
from bothways.ladder.report import error_facts


@click.command("demo")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object for each step and scene, on standard output."
)
@click.option(
    "--classic",
    "only_classic",
    is_flag=True,
    help="Only the handshake of TLS 1.2 with RSA key transport, step by step.",
)
@ladder_option("The mutual handshake, or with --classic the classic one,")
def command(as_json: bool, only_classic: bool, picture: LadderFile | None) -> int:
    """Show a mutual TLS handshake over real sockets step by step, then handshakes that are refused, and why.

    Nothing is written to disk except the file of --ladder. The exit status is 0 if both handshakes succeed and
    every scene is refused as expected.
    """
    if picture is not None:
        picture.check()
    identities = issue_identities()
    old = classic(identities)
    if only_classic:
        _keep(picture, old)
        return _show_classic_alone(old, as_json)
    both = mutual(identities)
    _keep(picture, both)
    server_only = one_way(identities)
    with_status = stapled(identities)
    in_the_dark = tolerated(identities)
    handshakes = (both, server_only, with_status, in_the_dark, old)
    played = [(scene, scene.run(identities)) for scene in SCENES]
    if as_json:
        for row in _rows(handshakes, played):
            sys.stdout.write(json.dumps(row) + "\n")
    else:
        show_everything(identities, handshakes, played)
    return 0 if succeeded(handshakes, played) else FAILED


def _keep(picture: LadderFile | None, play: Play) -> None:
    if picture is not None:
        client, server = play.client, play.server
        picture.write(
            client.recorder,
            server.recorder,
            client_error=client.error,
            server_error=server.error,
            client_causes=client.why,
            server_causes=server.why,
        )


def _show_classic_alone(play: Play, as_json: bool) -> int:
    if as_json:
        for row in _run_rows("classic", play):
            sys.stdout.write(json.dumps(row) + "\n")
    else:
        show_classic(play)
    return 0 if went_well(play) else FAILED


# -- for programs ------------------------------------------------------------------------------------------


def _rows(handshakes: Iterable[Play], played: Iterable[tuple[Scene, Play]]) -> Iterable[dict[str, object]]:
    for run, each in zip(("mutual", "one-way", "stapled", "tolerant", "classic"), handshakes, strict=True):
        yield from _run_rows(run, each)
    for scene, each in played:
        yield {
            "scene": scene.title,
            "story": scene.description,
            "refused_by": scene.refused_by,
            "step": scene.step,
            "client": error_facts(each.client.error, each.client.why) if each.client.error else None,
            "server": error_facts(each.server.error, each.server.why) if each.server.error else None,
            "as_expected": scene.is_as_expected(each),
        }


def _run_rows(run: str, play: Play) -> Iterable[dict[str, object]]:
    for view in step_views(play.client.recorder.notes, play.server.recorder.notes):
        yield {"run": run, **_step_facts(view)}
    yield {
        "run": run,
        "succeeded": went_well(play),
        "client": play.client.facts,
        "server": play.server.facts,
        "warnings": {"client": play.client.warnings, "server": play.server.warnings},
    }


def _step_facts(view: StepView) -> dict[str, object]:
    return {
        "step": view.name.id,
        "phase": view.name.phase,
        "actor": view.name.actor,
        "title": view.name.title,
        "status": view.status,
        "lines": [
            {
                "side": line.side,
                "act": line.act,
                "text": line.text,
                "detail": line.detail,
                "size": line.size,
                "ms": round(line.at, 3),
            }
            for line in view.lines
        ],
        "keys": [{"kind": key.kind, "text": key.text} for key in view.keys],
    }
