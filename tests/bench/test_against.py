"""Comparing with another commit, in a repository of the test's own: the same sources, made slower since."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from bench import against
from bench.__main__ import main

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
ROOT = Path(__file__).parents[2]
SLOWER = """

_verify = verify


def verify(*arguments: object, **options: object) -> object:
    from time import process_time

    until = process_time() + 0.005
    while process_time() < until:
        pass
    return _verify(*arguments, **options)
"""


def git(root: Path, *arguments: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *who, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three commits: the sources as they are, with a dependency more, and without sources; a slower tree over them."""
    root = tmp_path_factory.mktemp("repository")
    shutil.copytree(
        ROOT / "src/bothways", root / "src/bothways", ignore=shutil.ignore_patterns("__pycache__")
    )
    project = (ROOT / "pyproject.toml").read_text()
    (root / "pyproject.toml").write_text(project)
    git(root, "init", "-q")
    for tag in ("before", "needing", "empty"):
        if tag == "needing":
            (root / "pyproject.toml").write_text(
                project.replace('"cryptography', '"another", "cryptography', 1)
            )
        if tag == "empty":
            git(root, "rm", "-q", "-r", "--cached", ".")
        else:
            git(root, "add", ".")
        git(root, "commit", "-q", "--allow-empty", "-m", tag)
        git(root, "tag", tag)
    (root / "pyproject.toml").write_text(project)
    with (root / "src/bothways/trust/verification.py").open("a") as file:
        file.write(SLOWER)
    return root


def ratios(printed: str) -> list[float]:
    return [float(line.rpartition(" ")[2]) for line in printed.splitlines() if line.startswith("  ratio:")]


def test_a_tree_that_became_slower_is_seen_and_nothing_is_left_behind(
    repository: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Each process measures its own tree; what belongs to neither takes as long in both."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(against, "TURNS", 2)
    assert against.main("before", ["judgement"], 2, repository) == 0
    judged, bare = ratios(capfd.readouterr().out)
    assert judged > 2 > bare > 0.5
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("nowhere", "no commit is called 'nowhere': expected a branch, a tag or a hash"),
        ("--all", "no commit is called '--all'"),
        ("before^{tree}", "no commit is called"),
        ("needing", "needing depends on another, cryptography"),
        ("empty", "empty has no src and pyproject.toml"),
    ],
)
def test_figures_that_cannot_be_compared_are_reported_in_a_line(
    repository: Path, capfd: pytest.CaptureFixture[str], ref: str, words: str
) -> None:
    """Exit status 2, and no traceback."""
    assert against.main(ref, ["judgement"], 1, repository) == 2
    said = capfd.readouterr().err
    assert said.startswith("bench: ") and words in said and said.count("\n") == 1


def test_a_folder_without_history_has_nothing_to_compare_with(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the sources were unpacked from an archive."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert against.main("HEAD", ["bare"], 1, tmp_path) == 2
    assert "is not a git checkout" in capfd.readouterr().err


def test_a_tree_that_does_not_start_is_named_with_its_last_words(
    repository: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A syntax error in this tree, say."""
    broken = tmp_path / "broken"
    shutil.copytree(repository, broken)
    (broken / "src/bothways/__init__.py").write_text("raise RuntimeError('broken')\n")
    assert against.main("before", ["bare"], 1, broken) == 2
    assert "here cannot be measured: RuntimeError: broken" in capfd.readouterr().err


def test_a_figure_that_one_tree_does_not_have_is_left_out_and_reported(
    repository: Path, capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names move from one commit to the next."""
    monkeypatch.setattr(against, "TURNS", 1)
    other = tmp_path / "other"
    shutil.copytree(repository, other)
    with (other / "src/bothways/trust/verification.py").open("a") as file:
        file.write("\ndel verify\n")
    assert against.main("before", ["judgement"], 1, other) == 0
    printed = capfd.readouterr().out
    assert "not measured, since here cannot do it: ImportError" in printed and len(ratios(printed)) == 1


def test_the_command_names_the_figures_that_it_knows(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that has contenders of other makers is none of those that two trees are compared by."""
    monkeypatch.setattr(sys, "argv", ["bench", "--against", "HEAD", "hybrid"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "no such row: hybrid; expected some of handshake, remembered" in capfd.readouterr().err
