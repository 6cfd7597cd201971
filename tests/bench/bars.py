"""A picture of bars with their spread: one panel for each thing measured, one bar for each contender."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from bench.curves import STYLE

WIDTH, LINE, LEFT, RIGHT, TOP, GAP = 720, 22, 190, 76, 34, 22
OWN_STYLE = ".bar{fill:var(--edge)}.ours{fill:var(--line)}.spread{stroke:var(--ink);stroke-width:1.5}"


@dataclass(frozen=True)
class Bar:
    """A median, and the smallest and the largest run."""

    name: str
    median: float
    least: float
    most: float
    is_ours: bool = False


@dataclass(frozen=True)
class Panel:
    """Bars of one unit, which the title names."""

    title: str
    bars: Sequence[Bar]

    @property
    def height(self) -> int:
        return TOP + LINE * len(self.bars) + GAP


def draw(title: str, panels: Iterable[Panel]) -> str:
    """Return the panels as one picture, one below another, each with a scale of its own that begins at zero."""
    drawn, down = [], 0
    for panel in panels:
        drawn.append(f'<g transform="translate(0 {down})">{"".join(_panel(panel))}</g>')
        down += panel.height
    size = f'width="{WIDTH}" height="{down}"'
    name = escape(title)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {down}" {size} role="img" aria-label="{name}">'
        f'<title>{name}</title><style>{STYLE}{OWN_STYLE}</style><rect class="paper" {size}/>{"".join(drawn)}</svg>\n'
    )


def _panel(panel: Panel) -> Iterator[str]:
    scale = (WIDTH - LEFT - RIGHT) / max(each.most for each in panel.bars)
    yield f'<text class="title" x="16" y="24">{escape(panel.title)}</text>'
    for place, bar in enumerate(panel.bars):
        top = TOP + LINE * place
        middle = top + LINE / 2
        kind = "ours" if bar.is_ours else "bar"
        yield f'<text class="soft end" x="{LEFT - 8}" y="{middle + 4}">{escape(bar.name)}</text>'
        yield f'<rect class="{kind}" x="{LEFT}" y="{top + 4}" width="{bar.median * scale:.1f}" height="{LINE - 8}"/>'
        ends = [LEFT + bar.least * scale, LEFT + bar.most * scale]
        yield f'<path class="spread" d="M{ends[0]:.1f} {middle}H{ends[1]:.1f}"/>'
        yield f'<text class="soft" x="{ends[1] + 6:.1f}" y="{middle + 4}">{_short(bar.median)}</text>'


def _short(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"
