"""How long `import bothways` takes in a fresh process, and `bothways --help` from start to end, in ms."""

from __future__ import annotations

import subprocess
import sys
from statistics import median
from time import perf_counter

STATEMENT = "from time import perf_counter as now; start = now(); {}; print((now() - start) * 1000)"
STATEMENTS = {
    "import bothways": 150.0,
    "from bothways import ClientConfig": None,
    "import cryptography.x509": None,
    "import ssl": None,
    "from OpenSSL import SSL": None,
    "import tlslite.api": None,
    "import siotls": None,
}
HELP = (sys.executable, "-m", "bothways.cli", "--help")
HELP_BUDGET = 300.0


def main(runs: int) -> None:
    """Start each process once to fill the caches, then all of them by turns."""
    imports: dict[str, list[float]] = {statement: [] for statement in STATEMENTS}
    whole: dict[str, list[float]] = {"bothways --help": [], "python -c pass": []}
    for run in range(runs + 1):
        for statement, times in imports.items():
            times.append(import_time(statement))
        whole["bothways --help"].append(wall(HELP))
        whole["python -c pass"].append(wall((sys.executable, "-c", "pass")))
        if run == 0:
            for times in (*imports.values(), *whole.values()):
                times.clear()
    print("\nFrom a fresh process, milliseconds of the clock on the wall")
    for statement, times in imports.items():
        line(statement, times, STATEMENTS[statement])
    line("bothways --help, the whole process", whole["bothways --help"], HELP_BUDGET)
    line("python -c pass, the whole process", whole["python -c pass"], None)


def import_time(statement: str) -> float:
    command = [sys.executable, "-c", STATEMENT.format(statement)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def wall(command: tuple[str, ...]) -> float:
    start = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (perf_counter() - start) * 1000


def line(what: str, times: list[float], budget: float | None) -> None:
    verdict = ""
    if budget is not None:
        verdict = f"   budget at most {budget:g}: {'holds' if median(times) <= budget else 'DOES NOT HOLD'}"
    print(
        f"  {what:36} {' '.join(f'{each:6.0f}' for each in times)}   median {median(times):6.0f} ms{verdict}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]))
