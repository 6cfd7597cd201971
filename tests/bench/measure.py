"""Run contenders by turns, print every run, then medians and ratios. Nothing here judges a time.

What is counted is processor time: all that is compared computes and never waits, and other programs on the
machine do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from time import process_time

RUN_SECONDS = 0.3
SLICES = 100
SLICE_SECONDS = RUN_SECONDS / SLICES


@dataclass
class Contender:
    """One way to do the work of a row. `times` are microseconds for one `once`, a figure for each run."""

    name: str
    once: Callable[[], object]
    note: str = ""
    times: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return median(self.times)


def by_turns(contenders: Sequence[Contender], runs: int, seconds: float = RUN_SECONDS) -> None:
    """Give every contender its turn in each run: so many seconds, in slices, of which the fastest counts.

    What else goes on in the machine can only make a slice slower.
    """
    counts = [calls_a_slice(each.once, seconds / SLICES) for each in contenders]
    for _ in range(runs):
        for contender, count in zip(contenders, counts, strict=True):
            slices = [timed(contender.once, count) for _ in range(SLICES)]
            contender.times.append(min(slices) / count * 1e6)


def calls_a_slice(once: Callable[[], object], seconds: float) -> int:
    """Return how many calls take about so many seconds."""
    once()
    one = min(timed(once, 1) for _ in range(5))
    return max(1, round(seconds / max(one, 1e-7)))


def timed(once: Callable[[], object], count: int = 1) -> float:
    """Return the processor seconds that so many calls take together."""
    start = process_time()
    for _ in range(count):
        once()
    return process_time() - start


def show(title: str, contenders: Sequence[Contender], unit: str = "us") -> None:
    """Print a row: every run of every contender and its median."""
    print(f"\n{title}")
    width = max(len(each.name) for each in contenders)
    for each in contenders:
        runs = " ".join(f"{time:8.1f}" for time in each.times)
        note = f"   {each.note}" if each.note else ""
        print(f"  {each.name:{width}}  {runs}   median {each.median:8.1f} {unit}{note}")


def against(one: Contender, other: Contender, budget: float) -> None:
    """Print the ratio of two contenders: of each run, and of the medians beside the budget."""
    each_run = " ".join(f"{a / b:.2f}" for a, b in zip(one.times, other.times, strict=True))
    budgeted(
        "  ratio", f"{one.name} / {other.name}", one.median / other.median, budget, f"   (runs: {each_run})"
    )


def budgeted(kind: str, what: str, value: float, budget: float, more: str = "") -> None:
    """Print a figure beside the most that the budget allows."""
    verdict = "holds" if value <= budget else "DOES NOT HOLD"
    print(f"{kind} {what}: {value:.2f}, budget at most {budget:g}: {verdict}{more}")
