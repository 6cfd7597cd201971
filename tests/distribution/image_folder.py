"""A folder with the distributions that requirements/image.txt pins, and no others: what commands find in the image."""

from __future__ import annotations

import re
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.markers import Marker

from architecture.sources import ROOT

PIN = re.compile(r"^([\w.-]+)(?:\[[\w,-]+\])?==[^ ;]+(?: ; (.*?))? \\$", re.MULTILINE)


def pinned() -> list[str]:
    """Return the names of the distributions that are pinned for this machine and Python."""
    text = (ROOT / "requirements" / "image.txt").read_text("utf-8")
    return [name for name, marker in PIN.findall(text) if not marker or Marker(marker).evaluate()]


def link_all(folder: Path) -> None:
    """Link what each pinned distribution has installed here into a folder."""
    for name in pinned():
        for top in sorted(_tops(_installed(name))):
            link = folder / top.name
            if not link.exists():
                link.symlink_to(top)


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError:
        raise AssertionError(f"{name} is in requirements/image.txt and not installed with dev.txt") from None


def _tops(one: Distribution) -> set[Path]:
    names = {each.parts[0] for each in one.files or () if not each.parts[0].startswith("..")}
    return {Path(str(one.locate_file(name))) for name in names if name != "__pycache__"}
