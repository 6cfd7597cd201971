"""Run the benchmarks: `python -m bench [--runs N] [rows]`, or compare with another commit: `--against REF`.

Each row runs in a process of its own, in which OpenSSL reads one group and one suite from a file: neither
`ssl` nor pyOpenSSL can choose them otherwise. Every run is printed; no figure makes the command fail. The row
`million` runs only where it is named: it takes long to fill a register with so many certificates.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import against
from bench.figures import FIGURES

# In TLS 1.2 the groups stand for the curves of certificates as well (RFC 8422 5.1.1).
GROUPS = {"hybrid": "X25519MLKEM768", "handshake12": "X25519:P-256", "data": "X25519:P-256"}
ROWS = (
    "handshake",
    "handshake12",
    "resumption",
    "hybrid",
    "data",
    "adapters",
    "memory",
    "imports",
    "revocation",
    "evidence",
    "recorder",
    "amplification",
    "ca",
    "workers",
    "serving",
)
# Those that take too long to run with the others, write a file, or need Go.
ON_DEMAND = (
    "million", "curves", "serving_curves", "gateway", "servers", "floods", "endings", "changes", "turns"
)  # fmt: skip
CONFIGURATION = """\
openssl_conf = start
[start]
ssl_conf = tls
[tls]
system_default = choices
[choices]
Groups = {group}
Ciphersuites = TLS_AES_128_GCM_SHA256
"""


def main() -> int:
    """Run the rows asked for, or compare the figures asked for with another commit's; all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    rows, figures = ROWS + ON_DEMAND, tuple(FIGURES)
    help_ = f"of {', '.join(rows)}; with --against of {', '.join(figures)}"
    parser.add_argument("rows", nargs="*", metavar="row", help=help_)
    parser.add_argument("--runs", type=int, default=7, help="how often each contender has its turn")
    parser.add_argument(
        "--against", metavar="REF", help="compare with the tree of this commit, tag or branch"
    )
    asked = parser.parse_args()
    known = rows if asked.against is None else figures
    unknown = set(asked.rows) - {*known}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; expected some of {', '.join(known)}")
    if asked.runs < 1:
        parser.error("--runs: expected a number of at least 1")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores", flush=True)
    if asked.against is not None:
        return against.main(asked.against, asked.rows or figures, asked.runs)
    with TemporaryDirectory(prefix="bench-") as folder:
        return max(_row(row, asked.runs, Path(folder)) for row in asked.rows or ROWS)


def _row(row: str, runs: int, folder: Path) -> int:
    configuration = folder / f"{row}.cnf"
    configuration.write_text(CONFIGURATION.format(group=GROUPS.get(row, "X25519")))
    environment = os.environ | {"OPENSSL_CONF": str(configuration)}
    return subprocess.run(
        [sys.executable, "-m", f"bench.{row}", str(runs)], env=environment, check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
