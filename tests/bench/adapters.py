"""Our engine in asyncio and uvloop beside `ssl`: by its context, and by our own transport. Over loopback.

Client and server are processes of their own, both of the same kind. Processor time of each; the contenders have their
turns in each run. A stream has new processes in each run, since the places of their memory decide how long copies take.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import identities
from bench.measure import budgeted

KINDS = ("ssl", "context", "transport")
LOOPS = ("asyncio", "uvloop")
SIDES = ("server", "client")
LEAST = "least"  # records of bare AES-GCM, without TLS, by a client
# What is counted, how many make a turn, how one is called, and what the budget allows of `ssl`'s: by kind.
WORK = {
    "connect": (120, "a new mutual connection", "ms", {"context": 0.8, "transport": 0.8}),
    "request": (1500, "a request of 1 kB on an open connection", "us", {"context": 1.3, "transport": 1.1}),
    "stream": (48, "1 MiB of one stream", "ms", {"context": 1 / 0.9, "transport": 1 / 0.9}),
}
SCALE = {"ms": 1e3, "us": 1e6}


class Process:
    """One end; `tell` sends a line and returns the answer."""

    def __init__(self, side: str, kind: str, loop: str, folder: Path) -> None:
        words = [sys.executable, "-m", "bench.adapters_end", side, kind, loop, str(folder)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.first = self._answer()

    def tell(self, line: str) -> float:
        return float(self.ask(line))

    def ask(self, line: str) -> str:
        if self._process.stdin is None:
            raise TypeError("a process that hears nothing")
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        if self._process.stdout is None:
            raise TypeError("a process that says nothing")
        answer = self._process.stdout.readline().strip()
        if not answer:
            raise RuntimeError("an end of a measurement has failed")
        return answer

    def end(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(10)


@dataclass
class Contender:
    """A kind of TLS under a loop, and its seconds by work and side."""

    kind: str
    loop: str
    server: Process
    client: Process
    times: dict[tuple[str, str], list[float]] = field(default_factory=dict)

    def turn(self, what: str, count: int) -> None:
        before = self.server.tell("time")
        took = self.client.tell(f"{what} {self.server.first} {count}")
        for side, seconds in (("server", self.server.tell("time") - before), ("client", took)):
            self.times.setdefault((what, side), []).append(seconds / count)

    def warmed(self, what: str, count: int) -> Contender:
        """Do a little of the work, which does not count."""
        times, self.times = self.times, {}
        self.turn(what, max(count // 10, 2))
        self.times = times
        return self

    def end(self) -> None:
        self.client.end()
        self.server.end()


def main() -> None:
    runs = int(sys.argv[1])
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_identities(folder)
        for loop in LOOPS:
            measure(loop, runs, folder)


def write_identities(folder: Path) -> None:
    """Write the certificates and keys of both ends."""
    (folder / "ca.pem").write_bytes(identities.root().pem)
    for who, issued in (("server", identities.server()), ("client", identities.client())):
        (folder / f"{who}.pem").write_bytes(issued.chain_pem)
        (folder / f"{who}.key").write_bytes(issued.key_pem)


def begun(kind: str, loop: str, folder: Path) -> Contender:
    return Contender(kind, loop, Process("server", kind, loop, folder), Process("client", kind, loop, folder))


def measure(loop: str, runs: int, folder: Path) -> None:
    ends = [begun(kind, loop, folder) for kind in KINDS]
    try:
        suites = {each.client.ask(f"suite {each.server.first} 1") for each in ends}
        print(f"\n{loop}: the cipher suite of all connections is {' or '.join(sorted(suites))}")
        for what in ("connect", "request"):
            count = WORK[what][0]
            for each in ends:
                each.warmed(what, count)
            for _ in range(runs):
                for each in ends:
                    each.turn(what, count)
            report(ends, what, loop)
    finally:
        for each in ends:
            each.end()
    measure_streams(loop, runs, folder)


def measure_streams(loop: str, runs: int, folder: Path) -> None:
    """Send a stream, by new processes in each run."""
    times: dict[str, dict[tuple[str, str], list[float]]] = {kind: {} for kind in (*KINDS, LEAST)}
    count = WORK["stream"][0]
    last: dict[str, Contender] = {}
    for _ in range(runs):
        for kind in times:
            one = begun(kind, loop, folder)
            one.times = times[kind]
            try:
                one.warmed("stream", count).turn("stream", count)
            finally:
                one.end()
            last[kind] = one
    report([last[kind] for kind in times], "stream", loop)


def report(ends: list[Contender], what: str, loop: str) -> None:
    _, title, unit, budgets = WORK[what]
    for side in SIDES:
        show(ends, what, side, f"{title}, {loop}, {side}", unit, budgets)


def show(
    ends: list[Contender], what: str, side: str, title: str, unit: str, budgets: dict[str, float]
) -> None:
    print(f"\n{title}: processor time")
    for each in ends:
        if each.kind == LEAST and side == "server":
            continue  # it decrypts nothing
        found = each.times[what, side]
        runs = " ".join(f"{seconds * SCALE[unit]:8.2f}" for seconds in found)
        print(f"  {each.kind:10}  {runs}   median {median(found) * SCALE[unit]:8.2f} {unit}")
    base = median(ends[0].times[what, side])
    for each in ends[1:]:
        ratio = median(each.times[what, side]) / base
        if each.kind in budgets:
            budgeted("  ratio", f"{each.kind} / ssl", ratio, budgets[each.kind])
        elif side == "client":
            print(f"  ratio {each.kind} / ssl: {ratio:.2f}")


if __name__ == "__main__":
    main()
