"""The register of a CA with a million certificates; each database takes a quarter of an hour to fill."""

from __future__ import annotations

import sys

from bench.ca import growth, stores

SIZES = (1_000_000,)


def main(_runs: int) -> None:
    """Fill a register on each kind of database, and measure what `bench.ca` measures with smaller ones."""
    with stores() as urls:
        for kind, url in urls:
            growth(kind, url, SIZES)


if __name__ == "__main__":
    main(int(sys.argv[1]))
