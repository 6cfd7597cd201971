"""Files that change while they are in use: replaced at once, cut while being written, gone, and back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bothways.errors import ConfigError
from bothways.trust.watched import Watched

WHOLE = b"one\ntwo\nend\n"


def words(data: bytes, path: str) -> list[str]:
    """Words that end with "end"."""
    found = data.decode().split()
    if found[-1:] != ["end"]:
        raise ConfigError(f"{path}: no end")
    return found[:-1]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "words"
    path.write_bytes(WHOLE)
    return path


def replace(path: Path, content: bytes) -> None:
    """As tools do that never leave a part: write beside, then rename."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def looks(watched: Watched[str], count: int = 2) -> tuple[list[tuple[str, list[str]]], list[str]]:
    problems: list[str] = []
    return [change for _ in range(count) for change in watched.look(problems)], problems


def test_a_file_that_is_replaced_is_taken_when_it_looks_the_same_twice(path):
    """And once."""
    watched = Watched([path], words)
    assert looks(watched) == ([], [])
    replace(path, b"three end")
    assert looks(watched, 1) == ([], [])
    assert looks(watched, 3) == ([(str(path), ["three"])], [])
    assert watched.items() == ["three"]


@pytest.mark.parametrize("cut", [0, 4, len(WHOLE) - 3])
def test_a_file_that_is_cut_keeps_what_it_had_and_says_so_once(path, cut):
    """Truncated while being replaced; the whole is taken when it is there."""
    watched = Watched([path], words)
    path.write_bytes(WHOLE[:cut])
    assert looks(watched, 3) == ([], [f"{path}: no end; what it held before stays in use"])
    assert watched.items() == ["one", "two"]
    path.write_bytes(b"three end")
    assert looks(watched) == ([(str(path), ["three"])], [])


def test_a_file_that_grows_is_left_alone_until_it_rests(path):
    """Whoever writes slowly is not read half way, even at what could be an end."""
    watched = Watched([path], words)
    for part in (b"three", b"three end", b"three end four", b"three end four end"):
        path.write_bytes(part)
        assert looks(watched, 1) == ([], [])
    assert looks(watched) == ([(str(path), ["three", "end", "four"])], [])


def test_a_file_that_changes_while_it_is_read_is_read_again(path):
    """What came of it may be of both."""
    interrupt = False

    def interrupted(data: bytes, name: str) -> list[str]:
        if interrupt:
            os.utime(path, ns=(1, 1))
        return words(data, name)

    watched = Watched([path], interrupted)
    replace(path, b"three end")
    interrupt = True
    assert looks(watched) == ([], [])
    interrupt = False
    assert looks(watched) == ([(str(path), ["three"])], [])


def test_a_file_that_is_gone_keeps_what_it_had_and_may_come_back(path):
    """It is said once."""
    watched = Watched([path], words)
    path.unlink()
    gone = f"{path}: cannot be read: No such file or directory; what it held before stays in use"
    assert looks(watched, 3) == ([], [gone])
    assert watched.items() == ["one", "two"]
    path.write_bytes(b"three end")
    assert looks(watched) == ([(str(path), ["three"])], [])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
@pytest.mark.parametrize(
    ("kind", "problem"),
    [("pipe", "is no file"), ("device", "is no file"), ("directory", "cannot be read: Is a directory")],
)
def test_a_pipe_a_device_or_a_directory_in_its_place_holds_nobody_up(path, kind, problem):
    """Whoever looks would wait for a writer for ever, and no file would be followed any more."""
    other = path.with_name("other")
    other.write_bytes(b"four end")
    watched = Watched([path, str(other)], words)
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    replace(other, b"five end")
    changes, problems = looks(watched)
    assert changes == [(str(other), ["five"])] and len(problems) == 1 and problem in problems[0]
    assert watched.items() == ["one", "two", "five"]


def test_each_file_is_looked_at_by_itself(path):
    """One that cannot be read keeps no other from being taken."""
    other = path.with_name("other")
    other.write_bytes(b"four end")
    watched = Watched([path, str(other)], words)
    path.write_bytes(b"garbage")
    replace(other, b"five end")
    changes, problems = looks(watched)
    assert (changes, len(problems)) == ([(str(other), ["five"])], 1)
    assert watched.items() == ["one", "two", "five"]


def test_a_file_that_cannot_be_read_at_first_is_an_error(tmp_path):
    """Nobody begins to serve without what was asked for."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Watched([tmp_path / "gone"], words)
