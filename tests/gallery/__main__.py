"""Draw docs/gallery anew from real runs: `python -m gallery [FOLDER]`.

Pictures that differ from those that are there in times and sizes alone are left as they are.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bothways.ladder.svg import as_svg
from gallery.plays import PLAYS

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "gallery"
MEASURED = re.compile(r"\b\d+(?:\.\d+)? (?:ms|bytes)\b")


def structure(picture: str) -> str:
    """A picture without what every run measures anew."""
    return MEASURED.sub("#", picture)


def main() -> int:
    """Write every picture that has changed, and say which."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True, parents=True)
    for name, play in PLAYS.items():
        path = folder / f"{name}.svg"
        drawn = as_svg(play.ladder())
        if path.exists() and structure(path.read_text(encoding="utf-8")) == structure(drawn):
            continue
        path.write_text(drawn, encoding="utf-8")
        print(f"drawn: {path}")
    for path in sorted(folder.glob("*.svg")):
        if path.stem not in PLAYS:
            path.unlink()
            print(f"gone: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
