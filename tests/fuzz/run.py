"""Fuzz one target until stopped: `python tests/fuzz/run.py "TLS 1.3 certificate"`.

With atheris installed, it is guided by coverage and takes libFuzzer's options behind the name; without,
it mutates by seeds that count up. Without a name the targets are listed.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
sys.path[:0] = [str(ROOT / "src"), str(TESTS), *map(str, sorted((TESTS / "helpers").iterdir()))]

try:
    import atheris
except ImportError:
    atheris = None

if atheris is None:
    from fuzz.targets import TARGETS
else:
    with atheris.instrument_imports(include=["bothways"]):
        from fuzz.targets import TARGETS

from fuzz.mutation import mutants  # noqa: E402 - behind what atheris has to see first

ROUND = 10_000


def main() -> None:
    title = sys.argv[1] if len(sys.argv) > 1 else ""
    if title not in TARGETS:
        sys.exit("targets:\n  " + "\n  ".join(TARGETS))
    target = TARGETS[title]
    if atheris is not None:
        atheris.Setup([sys.argv[0], *sys.argv[2:]], lambda data: (target.run(data), None)[1])
        atheris.Fuzz()
    for number in count():
        for data in mutants(target.seeds(), ROUND, f"{title} {number}"):
            try:
                target.run(data)
            except BaseException:
                print(f"round {number}: {data.hex()}", file=sys.stderr)
                raise
        print(f"round {number}: {ROUND} mutants, nothing found")


if __name__ == "__main__":
    main()
