"""Run the benchmarks: `python -m bench [--runs N] [rows]`.

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

# In TLS 1.2 the groups stand for the curves of certificates as well (RFC 8422 5.1.1).
GROUPS = {"hybrid": "X25519MLKEM768", "handshake12": "X25519:P-256", "data": "X25519:P-256"}
ROWS = (
    "handshake",
    "handshake12",
    "hybrid",
    "data",
    "memory",
    "imports",
    "revocation",
    "evidence",
    "recorder",
    "amplification",
    "ca",
)
ON_DEMAND = ("million",)  # takes too long to run with the others
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
    """Run the rows asked for, all of them by default."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.partition("\n")[0])
    parser.add_argument("rows", nargs="*", metavar="row", help=f"of {', '.join(ROWS + ON_DEMAND)}")
    parser.add_argument("--runs", type=int, default=7, help="how often each contender has its turn")
    asked = parser.parse_args()
    unknown = set(asked.rows) - {*ROWS, *ON_DEMAND}
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores", flush=True)
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
