"""Compare this tree with that of another commit: `python -m bench --against REF [figures]`.

Both are measured in one run, by turns of a fraction of a second, each in a process of its own with its own import path,
so that whatever else goes on in the machine meets both alike. The other tree stands in a temporary directory meanwhile.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, TemporaryFile

from bench.figures import FIGURES, Material
from bench.identities import list_of, make
from bench.measure import Contender, show

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
TURNS, TURN_SECONDS = 10, 0.03


class NotComparableError(Exception):
    """There is nothing to compare with; says why, and what to do."""


class Tree:
    """One tree that is measured, in a process that goes on until it is told to end."""

    def __init__(self, name: str, source: Path, folder: Path) -> None:
        self.name = name
        self._source = source
        path = os.pathsep.join(map(str, (source, TESTS, *sorted((TESTS / "helpers").iterdir()))))
        self._errors = TemporaryFile("w+")  # noqa: SIM115 - closed by `end`
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.figures", str(folder)],
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def check(self) -> None:
        """Wait until it is ready, and see that it measures the tree that it should."""
        measured = Path(str(self._answer()))
        if measured != self._source / "bothways":
            raise NotComparableError(f"{self.name}: {measured} is measured, where {self._source} should be")

    def time(self, figure: str, seconds: float) -> float | str:
        """Return the microseconds of a figure, or why this tree has it not."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it ended, which is told where its answer is missing
                self._process.stdin.write(json.dumps([figure, seconds]) + "\n")
                self._process.stdin.flush()
        answer = self._answer()
        return answer if isinstance(answer, float) else str(answer)

    def _answer(self) -> object:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        last = self._errors.read().strip().splitlines()[-1:]
        raise NotComparableError(f"{self.name} cannot be measured: {''.join(last) or 'its process ended'}")

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()


@dataclass
class Comparison:
    """One figure of both trees: this one's, then the other's. `problem` says why there is none."""

    figure: str
    pair: tuple[Contender, Contender]
    problem: str = ""


def main(ref: str, figures: Sequence[str], runs: int, root: Path = ROOT) -> int:
    """Print every run of both trees for each figure, and the ratios; returns the exit status."""
    try:
        with unpacked_trees(ref, root) as (sources, folder):
            here, other = (Contender(name, lambda: None) for name in sources)
            print(f"\n{here.name} against {other.name}, by turns; ratios are those of {here.name} to it")
            compared = [
                Comparison(name, (replace(here, times=[]), replace(other, times=[])))
                for name in dict.fromkeys((*figures, "bare"))
            ]
            for _ in range(runs):
                with processes(sources, folder) as pair:
                    for each in compared:
                        measure(each, pair)
            tell(compared)
    except NotComparableError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    return 0


@contextmanager
def unpacked_trees(ref: str, root: Path) -> Iterator[tuple[dict[str, Path], Path]]:
    """Have the sources of both trees by their names, and the material; what was made for it is removed afterwards."""
    commit = resolved(ref, root)
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        other = unpacked(commit, ref, root, folder / "other")
        check_dependencies(ref, root, other)
        material().write(folder)
        yield {"here": root / "src", f"{ref} ({commit[:9]})": other / "src"}, folder


@contextmanager
def processes(sources: Mapping[str, Path], folder: Path) -> Iterator[tuple[Tree, Tree]]:
    """Have a process for each tree, new ones for each run: where things lie in memory makes some percents."""
    with ExitStack() as ending:
        pair = []
        for name, source in sources.items():
            tree = Tree(name, source, folder)
            ending.callback(tree.end)
            tree.check()
            pair.append(tree)
        yield pair[0], pair[1]


def resolved(ref: str, root: Path) -> str:
    """Return the commit that a name stands for."""
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if found.returncode == 0:
        return found.stdout.decode().strip()
    if _git(root, "rev-parse", "--git-dir").returncode != 0:
        raise NotComparableError(
            f"{root} is not a git checkout, so that there is no other tree to compare with"
        )
    raise NotComparableError(
        f"no commit is called {ref!r}: expected a branch, a tag or a hash, as `git log` has them"
    )


def unpacked(commit: str, ref: str, root: Path, folder: Path) -> Path:
    """Write the sources of a commit to a folder, and return it."""
    made = _git(root, "archive", "--format=tar", commit, "src", "pyproject.toml")
    if made.returncode != 0:
        raise NotComparableError(f"{ref} has no src and pyproject.toml: {made.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(made.stdout)) as archive:
        if hasattr(tarfile, "data_filter"):  # Debian 12 has Python 3.11.2, which lacks it
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(folder)
    return folder


def check_dependencies(ref: str, root: Path, other: Path) -> None:
    """Refuse a tree that needs other packages than are installed for this one."""
    here, there = _dependencies(root), _dependencies(other)
    if here != there:
        raise NotComparableError(
            f"{ref} depends on {', '.join(there) or 'nothing'} and this tree on {', '.join(here) or 'nothing'}: "
            "one installation cannot measure both"
        )


def _dependencies(tree: Path) -> list[str]:
    return sorted(tomllib.loads((tree / "pyproject.toml").read_text())["project"].get("dependencies", []))


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        raise NotComparableError("git is not installed") from None


def material() -> Material:
    """Make certificates that both trees are given."""
    made = make()
    server, client = made.server, made.client
    return Material(
        made.ca.pem.decode(),
        server.pem.decode(),
        server.key_pem.decode(),
        client.pem.decode(),
        client.key_pem.decode(),
        [server.der.hex()],
        list_of(made).hex(),
    )


def measure(compared: Comparison, pair: tuple[Tree, Tree]) -> None:
    """Measure one figure once more in both trees by turns, unless one of them cannot do it."""
    if compared.problem:
        return
    for tree in pair:
        problem = tree.time(compared.figure, 0)
        if isinstance(problem, str):
            compared.problem = f"{tree.name} cannot do it: {problem}"
            return
    found: dict[str, list[float]] = {tree.name: [] for tree in pair}
    for turn in range(TURNS):
        for tree in pair if turn % 2 else reversed(pair):  # who is first is colder
            found[tree.name].append(float(tree.time(compared.figure, TURN_SECONDS)))
    for contender in compared.pair:
        contender.times.append(min(found[contender.name]))


def tell(compared: Sequence[Comparison]) -> None:
    """Print each figure with every run, and how often the bare primitives fit into the handshake."""
    for each in compared:
        if each.problem:
            print(f"\n{FIGURES[each.figure].title}\n  not measured, since {each.problem}")
            continue
        show(FIGURES[each.figure].title, each.pair)
        ratios = [a / b for a, b in zip(*(contender.times for contender in each.pair), strict=True)]
        print(f"  ratio: {' '.join(f'{ratio:.3f}' for ratio in ratios)}   median {median(ratios):.3f}")
    pairs = {each.figure: each.pair for each in compared if not each.problem}
    if "handshake" in pairs and "bare" in pairs:
        both = zip(pairs["handshake"], pairs["bare"], strict=True)
        shares = [f"{each.median / bare.median:.2f} ({each.name})" for each, bare in both]
        print(f"\nThe handshake takes of its bare primitives: {', '.join(shares)}")
