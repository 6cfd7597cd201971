"""`make soak`: a gateway under good and hostile peers, while everything about it changes; ten minutes by default.

Nobody who is refused gets a byte, nobody who is allowed loses one, memory and descriptors stay flat. Exit status 1 if
anything of that does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from soak.run import Soak


def main() -> int:
    """Run as long as asked, print what happened, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10)")
    parser.add_argument("--seed", type=int, default=1, help="for what is chosen at random")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="soak-") as name:
        soak = Soak(Path(name), asked.minutes * 60, asked.seed, progress=print)
        asyncio.run(soak.run())
        print("\n".join(soak.report()))
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
