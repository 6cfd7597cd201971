"""How judging grows with what it is given: `make bench ARGS=curves` prints every run and draws the picture in docs.

A curve has a point for each size, measured by turns with the others; what should not matter shows as a flat line.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import pairwise
from math import floor, log10
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from bench.measure import Contender, by_turns, show
from bench.revocation import long_list
from bothways.trust import CRLStore, Purpose, Refused, Revocation, TrustStore, verify
from bothways.trust.crl.revocation_list import CRL
from pki import NOW, Issued, intermediate, leaf, root

PICTURE = Path(__file__).parents[2] / "docs/benchmarks/curves.svg"
SECONDS = 0.1
COUNTS = (1, 10, 100, 1_000, 10_000)
NAMESAKES = (1, 5, 20, 100, 1_000)
LENGTHS = (2, 3, 5, 8, 10)
ENTRIES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
NAME = "server.example"


@dataclass
class Curve:
    """One line: how long a judgement takes for each size; `refused` has the sizes at which it refuses."""

    title: str
    unit: str
    points: list[tuple[int, Contender]] = field(default_factory=list)
    refused: set[int] = field(default_factory=set)

    def add(self, size: int, judge: Callable[[], object]) -> None:
        """Take a point, and what is measured for it."""
        if isinstance(judge(), Refused):
            self.refused.add(size)
        self.points.append((size, Contender(f"{size:,}", judge)))

    def measure(self, runs: int) -> None:
        """Measure every point by turns."""
        by_turns([contender for _, contender in self.points], runs, SECONDS)


def main(runs: int) -> None:
    """Measure every curve, print it, and draw them all."""
    curves = [anchors(), namesakes(), unnamed_namesakes(), path_lengths(), crl_entries()]
    measure_and_draw(curves, runs, PICTURE)


def measure_and_draw(curves: Sequence[Curve], runs: int, picture: Path) -> None:
    """Measure every curve, print it, and draw them all into one file."""
    for each in curves:
        each.measure(runs)
        for size, contender in each.points:
            contender.note = "refused" if size in each.refused else ""
        show(f"{each.title}: microseconds by {each.unit}", [contender for _, contender in each.points])
    picture.parent.mkdir(exist_ok=True)
    picture.write_text(draw(curves))
    print(f"\ndrawn: {picture}")


def anchors() -> Curve:
    """Anchors of as many names; the issuer is the last of them."""
    curve = Curve("Anchors, each of another name", "anchors")
    ca = root("Anchor 00000")
    judged = leaf(ca)
    for count in COUNTS:
        others = (ca.der.replace(b"Anchor 00000", b"Anchor %05d" % number) for number in range(1, count))
        curve.add(count, judging(judged, [*others, ca.der]))
    return curve


def namesakes() -> Curve:
    """Anchors of one name and different keys, where the certificate says whose it is (RFC 5280 4.2.1.1)."""
    return _namesakes("Anchors of one name, the key named", key_identifiers=True)


def unnamed_namesakes() -> Curve:
    """The same where it does not: every key may have signed it, until the budget of a judgement ends."""
    return _namesakes("Anchors of one name, no key named", key_identifiers=False)


def _namesakes(title: str, key_identifiers: bool) -> Curve:
    curve = Curve(title, "anchors")
    same = [root("Namesake", own_key=ec.generate_private_key(ec.SECP256R1())) for _ in range(max(NAMESAKES))]
    judged = leaf(same[-1], key_identifiers=key_identifiers)
    for count in NAMESAKES:
        curve.add(count, judging(judged, [each.der for each in same[-count:]]))
    return curve


def path_lengths() -> Curve:
    """CAs one under another; nothing is remembered, so each of their signatures is checked."""
    curve = Curve("Path, every signature checked", "certificates")
    top = root("Path root")
    chain = [top]
    while len(chain) < max(LENGTHS):
        chain.append(intermediate(chain[-1], f"Path CA {len(chain)}"))
    for length in LENGTHS:
        curve.add(length, judging(leaf(chain[length - 2]), [top.der]))
    return curve


def crl_entries() -> Curve:
    """One CRL at hand, read and its signature checked before."""
    curve = Curve("CRL at hand", "entries")
    ca = root("Bench CA")
    judged = leaf(ca)
    draw_ = random.Random(1)
    serials = [draw_.getrandbits(126) | 1 << 125 for _ in range(max(ENTRIES))]
    for count in ENTRIES:
        policy = Revocation(crls=CRLStore([CRL(long_list(ca, serials[:count]))]))
        curve.add(count, judging(judged, [ca.der], policy))
    return curve


def judging(
    judged: Issued, trusted: Sequence[bytes], revocation: Revocation | None = None
) -> Callable[[], object]:
    """Judge a server's certificate with nothing remembered of its path."""
    store = TrustStore(trusted, remember_paths=0)
    asked = {"purpose": Purpose.SERVER, "name": NAME, "at": NOW, "revocation": revocation}
    return partial(verify, judged.chain, store, **asked)


# -- the picture -----------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 460, 300, 62, 52, 44
STYLE = (
    "svg{color-scheme:light dark;--paper:#fcfbf8;--ink:#1d1c21;--soft:#6b6874;--edge:#ddd8cc;"
    "--line:#6a3bb5;--bad:#ab1420}"
    "@media (prefers-color-scheme:dark){svg{--paper:#14151a;--ink:#ecebe6;--soft:#adabb8;--edge:#3a3d49;"
    "--line:#bda3f7;--bad:#ff948b}}"
    "text{font:13px system-ui,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:var(--ink)}.title{font-weight:650;"
    "font-size:14px}.soft{fill:var(--soft);font-size:12px}.end{text-anchor:end}.middle{text-anchor:middle}"
    ".paper{fill:var(--paper)}.grid{stroke:var(--edge)}.line{fill:none;stroke:var(--line);stroke-width:2}"
    ".dot{fill:var(--line)}.bad{fill:var(--bad)}"
)


def draw(curves: Sequence[Curve]) -> str:
    """Return all curves as one picture, both axes logarithmic and the vertical one the same for all."""
    times = [contender.median for curve in curves for _, contender in curve.points]
    low, high = floor(log10(min(times))), floor(log10(max(times))) + 1
    columns = 2
    rows = -(-len(curves) // columns)
    panels = "".join(
        f'<g transform="translate({index % columns * WIDTH} {index // columns * HEIGHT})">'
        f"{''.join(_panel(curve, low, high))}</g>"
        for index, curve in enumerate(curves)
    )
    size = f'width="{columns * WIDTH}" height="{rows * HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {columns * WIDTH} {rows * HEIGHT}" {size} role="img" '
        f'aria-label="How long a judgement takes"><title>How long a judgement takes</title><style>{STYLE}</style>'
        f'<rect class="paper" {size}/>{panels}</svg>\n'
    )


def _panel(curve: Curve, low: int, high: int) -> Iterator[str]:
    sizes = [size for size, _ in curve.points]
    least, most = log10(min(sizes)), log10(max(sizes))

    def x(size: float) -> float:
        return round(LEFT + (log10(size) - least) / (most - least) * (WIDTH - LEFT - 40), 1)

    def y(time: float) -> float:
        return round(HEIGHT - BOTTOM - (log10(time) - low) / (high - low) * (HEIGHT - BOTTOM - TOP), 1)

    yield f'<text class="title" x="{LEFT}" y="26">{escape(curve.title)}</text>'
    for power in range(low, high + 1):
        at = y(10**power)
        yield f'<path class="grid" d="M{LEFT} {at}H{WIDTH - 40}"/>'
        yield f'<text class="soft end" x="{LEFT - 8}" y="{at + 4}">{_time(10**power)}</text>'
    for size in sizes:
        yield f'<text class="soft middle" x="{x(size)}" y="{HEIGHT - BOTTOM + 18}">{_short(size)}</text>'
    yield f'<text class="soft middle" x="{(LEFT + WIDTH - 40) / 2}" y="{HEIGHT - 8}">{escape(curve.unit)}</text>'
    places = [(x(size), y(contender.median), size, contender.median) for size, contender in curve.points]
    line = " ".join(f"M{a} {b}L{c} {d}" for (a, b, *_), (c, d, *_) in pairwise(places))
    yield f'<path class="line" d="{line}"/>'
    for place, (across, down, size, time) in enumerate(places):
        refused = size in curve.refused
        yield f'<circle class="{"bad" if refused else "dot"}" cx="{across}" cy="{down}" r="4"/>'
        anchor = "" if place == 0 else ' class="middle"'  # the first is beside the times of the axis
        yield f'<text{anchor} x="{across}" y="{down - 10}">{_time(time)}</text>'
        if refused:
            yield f'<text class="soft middle" x="{across}" y="{down + 20}">refused</text>'


def _time(microseconds: float) -> str:
    if microseconds < 1_000:
        return f"{microseconds:.0f} us"
    return f"{microseconds / 1_000:.3g} ms"


def _short(size: int) -> str:
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if size >= unit:
            return f"{size // unit}{letter}"
    return str(size)


if __name__ == "__main__":
    main(int(sys.argv[1]))
