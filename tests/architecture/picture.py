"""Draw docs/design from the sources: `python -m architecture.picture [FOLDER]`.

Rows are those of the layers test, arrows the imports that the syntax trees have. An import that a longer way of
arrows leads to as well is left out, so that a picture shows what depends on what and can still be read.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from functools import cache
from html import escape
from itertools import pairwise
from pathlib import Path

from architecture.sources import ROOT, imports, modules
from architecture.test_layers import INSIDE, ROWS

FOLDER = ROOT / "docs" / "design"

WIDTH, ROW, HEIGHT, LETTER, GAP = 520, 72, 34, 8.8, 18
STYLE = (
    "svg{color-scheme:light dark;--paper:#fcfbf8;--card:#ffffff;--ink:#1d1c21;--edge:#b9b3a6;--line:#6a3bb5}"
    "@media (prefers-color-scheme:dark){svg{--paper:#14151a;--card:#20222a;--ink:#ecebe6;--edge:#5a5d6b;"
    "--line:#bda3f7}}"
    "text{font:600 15px system-ui,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;fill:var(--ink);"
    "text-anchor:middle}.paper{fill:var(--paper)}.card{fill:var(--card);stroke:var(--edge);stroke-width:1.5}"
    ".line{fill:none;stroke:var(--line);stroke-width:1.5}.tip{fill:var(--line)}"
)

# A place in a row: a room, or where an arrow passes through the row.
Place = str | tuple[str, str]
Arrow = tuple[str, str]


@cache
def pictures() -> dict[str, str]:
    """Every picture by its file's name."""
    return {
        "rooms.svg": draw("bothways: which package imports from which", ROWS, between_rooms()),
        "engine.svg": draw("bothways.tls: which part imports from which", INSIDE["tls"], inside("tls")),
        "gateway.svg": draw(
            "bothways.gateway: which part imports from which", INSIDE["gateway"], inside("gateway")
        ),
    }


def between_rooms() -> set[Arrow]:
    """Which room imports from which other."""
    return set(_arrows("bothways."))


def inside(room: str) -> set[Arrow]:
    """Which module or package of a room imports from which other of the same room."""
    return set(_arrows(f"bothways.{room}."))


def needed(arrows: Iterable[Arrow]) -> list[Arrow]:
    """The arrows without those that a longer way leads to as well, in order."""
    arrows = sorted(arrows)
    ways = {start: {end for each, end in arrows if each == start} for start, _ in arrows}

    def leads(start: str, end: str) -> bool:
        return any(step == end or leads(step, end) for step in ways.get(start, ()))

    return [
        (start, end) for start, end in arrows if not any(leads(step, end) for step in ways[start] - {end})
    ]


def draw(title: str, rows: Iterable[Iterable[str]], arrows: set[Arrow]) -> str:
    """One picture in SVG, for light and dark, the uppermost row first."""
    known = {name for arrow in arrows for name in arrow}
    upper = [[name for name in row if name in known] for row in rows][::-1]
    levels, routes = _routes([row for row in upper if row], needed(arrows))
    _order(levels, routes)
    across = _across(levels, routes)
    height = ROW * len(levels) - (ROW - HEIGHT) + 2 * GAP
    body = [f'<path class="line" d="{_curve(route, across, levels)}"/>' for route in routes]
    body += [_tip(route[-1], across, levels) for route in routes]
    body += [_card(place, across, levels) for row in levels for place in row if isinstance(place, str)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" '
        f'height="{height}" role="img" aria-label="{escape(title)}"><title>{escape(title)}</title>'
        f'<style>{STYLE}</style><rect class="paper" width="{WIDTH}" height="{height}"/>\n'
        + "\n".join(body)
        + "\n</svg>\n"
    )


def _arrows(prefix: str) -> Iterator[Arrow]:
    for name, tree in modules().items():
        for imported in imports(tree) if name.startswith(prefix) else ():
            if imported.module.startswith(prefix):
                start, end = (each.removeprefix(prefix).split(".")[0] for each in (name, imported.module))
                if start != end and not start.startswith("__"):
                    yield start, end


def _routes(rows: list[list[str]], arrows: list[Arrow]) -> tuple[list[list[Place]], list[list[Place]]]:
    """The rows with a place for each arrow that passes through, and each arrow's way from place to place."""
    level = {name: number for number, row in enumerate(rows) for name in row}
    levels: list[list[Place]] = [list(row) for row in rows]
    routes = []
    for start, end in arrows:
        between = range(level[start] + 1, level[end])
        for number in between:
            levels[number].append((start, end))
        routes.append([start, *((start, end) for _ in between), end])
    return levels, routes


def _order(levels: list[list[Place]], routes: list[list[Place]]) -> None:
    """Sort each row by the mean place of what it is joined to, up and down in turn, so that few arrows cross."""
    for turn in range(12):
        down = turn % 2 == 0
        numbers = range(1, len(levels)) if down else range(len(levels) - 2, -1, -1)
        for number in numbers:
            other = number - 1 if down else number + 1
            rank = {place: (index + 0.5) / len(levels[other]) for index, place in enumerate(levels[other])}
            own = {place: (index + 0.5) / len(levels[number]) for index, place in enumerate(levels[number])}
            levels[number].sort(key=lambda place: _mean(_joined(place, routes, rank), own[place]))


def _across(levels: list[list[Place]], routes: list[list[Place]]) -> dict[tuple[int, Place], float]:
    """The middle of every place, from left to right: near what it is joined to, and apart from its neighbours."""
    across = {}
    for number, row in enumerate(levels):
        free = (WIDTH - 2 * GAP - sum(map(_width, row))) / len(row)
        left = float(GAP)
        for place in row:
            across[number, place] = left + (free + _width(place)) / 2
            left += free + _width(place)
    for _ in range(30):
        for number, row in enumerate(levels):
            near = [
                {place: across[other, place] for place in levels[other]}
                for other in (number - 1, number + 1)
                if 0 <= other < len(levels)
            ]
            wanted = [
                _mean([each for side in near for each in _joined(place, routes, side)], across[number, place])
                for place in row
            ]
            for place, middle in zip(row, _apart(row, wanted), strict=True):
                across[number, place] = middle
    return _centred(across)


def _centred(across: dict[tuple[int, Place], float]) -> dict[tuple[int, Place], float]:
    left = min(middle - _width(place) / 2 for (_, place), middle in across.items())
    right = max(middle + _width(place) / 2 for (_, place), middle in across.items())
    return {key: middle + (WIDTH - left - right) / 2 for key, middle in across.items()}


def _joined(place: Place, routes: list[list[Place]], other: dict[Place, float]) -> list[float]:
    """Where, in the row `other`, the neighbours of `place` on its routes stand."""
    found = []
    for route in routes:
        for first, second in pairwise(route):
            if place == first and second in other:
                found.append(other[second])
            elif place == second and first in other:
                found.append(other[first])
            elif place == first == second and place in other:
                found.append(other[place])
    return found


def _apart(row: list[Place], wanted: list[float]) -> list[float]:
    """The wanted middles, moved as little as gives each its width and a gap."""
    rightwards, leftwards = list(wanted), list(wanted)
    for left, right in pairwise(range(len(row))):
        step = (_width(row[left]) + _width(row[right])) / 2 + GAP
        rightwards[right] = max(rightwards[right], rightwards[left] + step)
    for right, left in pairwise(range(len(row) - 1, -1, -1)):
        step = (_width(row[left]) + _width(row[right])) / 2 + GAP
        leftwards[left] = min(leftwards[left], leftwards[right] - step)
    return [(one + other) / 2 for one, other in zip(rightwards, leftwards, strict=True)]


def _mean(values: list[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _width(place: Place) -> float:
    return len(place) * LETTER + 24 if isinstance(place, str) else 6


def _top(number: int) -> float:
    return GAP + number * ROW


def _level(place: Place, levels: list[list[Place]]) -> int:
    return next(number for number, row in enumerate(levels) if place in row)


def _curve(route: list[Place], across: dict[tuple[int, Place], float], levels: list[list[Place]]) -> str:
    number = _level(route[0], levels)
    x, y = across[number, route[0]], _top(number) + HEIGHT
    path = f"M{x:.0f} {y:.0f}"
    for place in route[1:]:
        number += 1
        end, top = across[number, place], _top(number)
        middle = (y + top) / 2
        path += f"C{x:.0f} {middle:.0f} {end:.0f} {middle:.0f} {end:.0f} {top:.0f}"
        if place != route[-1]:
            path += f"V{top + HEIGHT:.0f}"
        x, y = end, top + HEIGHT
    return path


def _tip(place: Place, across: dict[tuple[int, Place], float], levels: list[list[Place]]) -> str:
    number = _level(place, levels)
    x, y = across[number, place], _top(number)
    return f'<path class="tip" d="M{x:.0f} {y:.0f}l-5 -9h10z"/>'


def _card(place: str, across: dict[tuple[int, Place], float], levels: list[list[Place]]) -> str:
    number = _level(place, levels)
    x, y = across[number, place], _top(number)
    width = _width(place)
    return (
        f'<rect class="card" x="{x - width / 2:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HEIGHT}" rx="6"/>'
        f'<text x="{x:.0f}" y="{y + HEIGHT / 2 + 5:.0f}">{escape(place)}</text>'
    )


def main() -> int:
    """Write every picture that has changed, and say which."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True, parents=True)
    for name, drawn in pictures().items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != drawn:
            path.write_text(drawn, encoding="utf-8")
            print(f"drawn: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
