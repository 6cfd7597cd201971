"""What it costs to record a handshake: without an observer, with one that keeps nothing, with a Recorder."""

from __future__ import annotations

import sys

from bench import stacks
from bench.identities import make
from bench.measure import Contender, budgeted, by_turns, show
from bothways.describe.recorder import Recorder


def main(runs: int) -> None:
    identities = make()

    def contender(
        name: str, note: str, observer: object = lambda: None, remember_paths: int = 0
    ) -> Contender:
        stack = stacks.bothways(identities, remember_paths=remember_paths, observer=observer)  # type: ignore[arg-type]
        return Contender(name, stack, note)

    off = contender("off", "no observer, so no note is built")
    again = contender("off, again", "the same, to show what the measurement can tell apart")
    listening = contender("observed", "notes are built and dropped", lambda: dropped)
    on = contender("on", "a Recorder on each side", Recorder)
    remembering = [
        contender("off, paths remembered", "", remember_paths=1024),
        contender("on, paths remembered", "", Recorder, remember_paths=1024),
    ]
    by_turns([off, again, listening, on, *remembering], runs)
    show("Full mutual handshake, both sides, x25519, recorded", [off, again, listening, on, *remembering])
    budgeted("  recorder", "on, of a handshake", on.median / off.median - 1, 0.15)
    print(f"  recorder off, measured twice: {again.median / off.median - 1:+.3f} of a handshake")


def dropped(note: object) -> None:
    del note


if __name__ == "__main__":
    main(int(sys.argv[1]))
