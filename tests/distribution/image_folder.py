"""A folder with the distributions that requirements/image.txt pins, and no others: what commands find in the image."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from architecture.sources import ROOT

PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==[^ ;]+ \\$", re.MULTILINE)


def pinned() -> list[str]:
    """Return the names of the distributions that are pinned."""
    return PIN.findall((ROOT / "requirements" / "image.txt").read_text("utf-8"))


def link_all(folder: Path) -> None:
    """Link what the pinned distributions have installed here into a folder; some may be for older Pythons only."""
    for name in pinned():
        try:
            tops = _tops(distribution(name))
        except PackageNotFoundError:
            continue
        for top in sorted(tops):
            link = folder / top.name
            if not link.exists():
                link.symlink_to(top)


def _tops(one: Distribution) -> set[Path]:
    names = {each.parts[0] for each in one.files or () if not each.parts[0].startswith("..")}
    return {Path(str(one.locate_file(name))) for name in names if name != "__pycache__"}
