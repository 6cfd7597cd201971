"""How long new clients of a gateway wait for their first byte while others flood it, beside what they wait without.

One process with its default limits, over loopback. A flood comes from addresses of its own, as many as a row says; each
begins again a while after it was ended. Client, service and flood are in Go, on the same processors as the gateway.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.beside import OURS, Load, Program, load, running, service_of
from bench.gateway import GATEWAY, gateway_words
from bench.workers import prepare
from processes import free_port

NEWCOMERS = 200
FILLING_SECONDS = 2.0


@dataclass(frozen=True)
class Flood:
    """What floods: the words for the client, none without a flood."""

    title: str
    words: tuple[str, ...] = ()


FLOODS = (
    Flood("none"),
    Flood("begun, from 4 addresses", ("-mode", "begun", "-at", "2000", "-addresses", "4", "-pause", "5s")),
    Flood(
        "begun, from 2,000 addresses", ("-mode", "begun", "-at", "2000", "-addresses", "2000", "-pause", "5s")
    ),
    Flood("refused, 4 at once", ("-mode", "refused", "-at", "4", "-addresses", "4", "-pause", "0s")),
    Flood("refused, 64 at once", ("-mode", "refused", "-at", "64", "-addresses", "64", "-pause", "0s")),
)


def main(runs: int) -> None:
    """Let the same clients come in under each flood, by turns."""
    with TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder, port = Path(name), free_port()
        prepare(folder)
        made = load(folder)
        service = stack.enter_context(service_of(made))
        clients = made.of("floods.go")
        words = gateway_words(folder, service, port)
        gateway = stack.enter_context(running(GATEWAY, OURS, words, port))
        clients.asked(gateway, ("-count", "20"))
        found: dict[str, list[dict[str, float]]] = {each.title: [] for each in FLOODS}
        for _ in range(runs):
            for each in FLOODS:
                found[each.title].append(measured(clients, gateway, each))
        show(found)


def measured(clients: Load, gateway: Program, flood: Flood) -> dict[str, float]:
    """Return what the newcomers tell, with how many the flood began each second, and the processor time."""
    with flooding(clients, gateway, flood) as rate:
        before, began = gateway.spent(), time.monotonic()
        told = clients.asked(gateway, ("-count", str(NEWCOMERS)))
        told["busy"] = (gateway.spent() - before) / (time.monotonic() - began)
    return told | {"rate": rate[0] if rate else 0.0}


@contextlib.contextmanager
def flooding(clients: Load, gateway: Program, flood: Flood) -> Iterator[list[float]]:
    """Flood while the block lasts; afterwards the list has how many were begun each second."""
    rate: list[float] = []
    if not flood.words:
        yield rate
        return
    command = clients.command(gateway, flood.words)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            time.sleep(FILLING_SECONDS)
            yield rate
            told = json.loads(process.communicate()[0])
            rate.append(told["begun"] / told["seconds"])
        finally:
            process.kill()


def show(found: dict[str, list[dict[str, float]]]) -> None:
    """Print a line for each flood: every run, and its medians."""
    print(f"\n{NEWCOMERS} new clients one after the other, from the connection to the first byte, by flood")
    for title, runs in found.items():
        halves, slowest = ([each[key] for each in runs] for key in ("p50", "p99"))
        failed, rate, busy = (median(each[key] for each in runs) for key in ("failed", "rate", "busy"))
        runs_shown = " ".join(f"{half:.1f}/{most:.1f}" for half, most in zip(halves, slowest, strict=True))
        print(
            f"  {title:32}  {runs_shown}   median {median(halves):7.2f} ms, 99 of 100 within "
            f"{median(slowest):8.2f} ms, {failed:.0f} failed; {rate:6.0f} begun a second, the gateway busy "
            f"for {busy:4.0%}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]))
