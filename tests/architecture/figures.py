"""How long the functions of the sources are, and which files are the biggest: `python -m architecture.figures`."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from architecture.sources import ROOT, SOURCE, modules


class Function(NamedTuple):
    """A function or method and its length in lines, from its `def` to its last line, without its docstring."""

    module: str
    name: str
    lines: int


def functions() -> Iterator[Function]:
    """Every function of the sources."""
    for module, tree in modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(module, node.name, _lines(node))


def files(folder: Path) -> list[tuple[int, str]]:
    """The number of lines of every Python file below `folder`, with its path in the repository, longest first."""
    found = [
        (len(path.read_text(encoding="utf-8").splitlines()), path.relative_to(ROOT).as_posix())
        for path in folder.rglob("*.py")
    ]
    return sorted(found, reverse=True)


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    last = node.end_lineno or node.lineno
    reported = node.body[0]
    if ast.get_docstring(node) is None:
        return last - node.lineno + 1
    return last - node.lineno + 1 - ((reported.end_lineno or reported.lineno) - reported.lineno + 1)


def main() -> int:
    """Print the figures."""
    found = sorted(functions(), key=lambda each: each.lines, reverse=True)
    lengths = [each.lines for each in found]
    print(
        f"functions: {len(found)}; median {median(lengths):.0f} lines; ninth decile {ninth_decile(lengths):.0f}"
    )
    print("\nlongest functions")
    for each in found[:12]:
        print(f"{each.lines:6} {each.module}.{each.name}")
    for folder in (SOURCE, ROOT / "tests"):
        print(f"\nlongest files of {folder.name}")
        for lines, name in files(folder)[:12]:
            print(f"{lines:6} {name}")
    return 0


def ninth_decile(lengths: list[int]) -> float:
    """The length that nine functions of ten do not exceed."""
    return quantiles(lengths, n=10)[-1]


if __name__ == "__main__":
    sys.exit(main())
