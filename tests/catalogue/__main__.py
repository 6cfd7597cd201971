"""Write docs/failures.md, and the refusal in README, anew from the catalogue: `python -m catalogue`."""

from __future__ import annotations

from pathlib import Path

from catalogue import readme
from catalogue.page import page

PATH = Path(__file__).resolve().parents[2] / "docs" / "failures.md"

if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
    readme.rewrite()
