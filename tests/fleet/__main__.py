"""`python -m fleet`: gateways on this machine that share Redis, under a storm of clients, and what that took."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.counts import measured
from fleet.news import measured_news
from fleet.storm import Storm


def main() -> int:
    """Run a storm, print its figures, and return the exit status: 1 if something was lost."""
    parser = argparse.ArgumentParser(prog="python -m fleet", description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0, help="of the storm (default: 30)")
    parser.add_argument("--gateways", type=int, default=3, help="how many (default: 3)")
    parser.add_argument("--shared", action="store_true", help="count connections for all gateways together")
    parser.add_argument(
        "--counts", action="store_true", help="measure what shared counts cost Redis, and no storm"
    )
    parser.add_argument("--news", action="store_true", help="measure revocation news, and no storm")
    asked = parser.parse_args()
    with TemporaryDirectory(prefix="fleet-") as name:
        if asked.counts:
            print("\n".join(measured(Path(name))))
            return 0
        if asked.news:
            print("\n".join(measured_news(Path(name))))
            return 0
        storm = Storm(Path(name), asked.seconds, asked.gateways, asked.shared)
        asyncio.run(storm.run())
    print("\n".join([*storm.figures, *storm.wrong[:20]]))
    return 1 if storm.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
