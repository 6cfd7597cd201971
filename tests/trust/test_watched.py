"""Files that change while they are in use: replaced at once, cut while being written, gone, and back."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from bothways.errors import ConfigError
from bothways.trust import files
from bothways.trust import watched as module
from bothways.trust.watched import LOOK_SECONDS, Renewed, Watched

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
    """Atomically, as tools do: write a temporary file, then rename it."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def looks(watched: Watched[str], count: int = 2) -> tuple[list[tuple[str, list[str]]], list[str]]:
    problems: list[str] = []
    return [change for _ in range(count) for change in watched.read_changed(problems)], problems


def test_a_replaced_file_is_read_after_two_equal_looks(path):
    """And once."""
    watched = Watched([path], words)
    assert looks(watched) == ([], [])
    replace(path, b"three end")
    assert looks(watched, 1) == ([], [])
    assert looks(watched, 3) == ([(str(path), ["three"])], [])
    assert watched.items() == ["three"]


def test_a_file_that_is_written_all_the_time_is_read_in_the_end(path, monkeypatch):
    """Otherwise what is in it would never count."""
    watched = Watched([path], words)
    monkeypatch.setattr(module, "UNSETTLED_SECONDS", 0.1)
    found: list[tuple[str, list[str]]] = []
    deadline = time.monotonic() + 20
    while not found:
        assert time.monotonic() < deadline
        replace(path, b"three end")
        found, _ = looks(watched, 1)
    assert found == [(str(path), ["three"])]


@pytest.mark.parametrize("cut", [0, 4, len(WHOLE) - 3])
def test_a_truncated_file_keeps_its_last_content_and_is_reported_once(path, cut):
    """It is being replaced; the complete file is read when it is there."""
    watched = Watched([path], words)
    path.write_bytes(WHOLE[:cut])
    assert looks(watched, 3) == ([], [f"{path}: no end; its earlier content stays in use"])
    assert watched.items() == ["one", "two"]
    path.write_bytes(b"three end")
    assert looks(watched) == ([(str(path), ["three"])], [])


def test_a_growing_file_is_not_read_until_it_is_stable(path):
    """A slow writer's file is not read before it is complete."""
    watched = Watched([path], words)
    for part in (b"three", b"three end", b"three end four", b"three end four end"):
        path.write_bytes(part)
        assert looks(watched, 1) == ([], [])
    assert looks(watched) == ([(str(path), ["three", "end", "four"])], [])


def test_a_file_that_was_replaced_before_is_read_at_the_first_look(path, monkeypatch):
    """A forked process reads the present content."""
    watched = Watched([path], words)
    replace(path, b"three end")
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    assert looks(watched, 1) == ([(str(path), ["three"])], [])


def test_a_defect_in_reading_is_reported_once_for_each_change(path):
    """Looking twice a second does not fill the log."""
    outcomes = iter([["one"], ZeroDivisionError()])

    def read(_data: bytes, _path: str) -> list[str]:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    watched = Watched([path], read)
    replace(path, b"new")
    assert looks(watched, 1) == ([], [])
    with pytest.raises(ZeroDivisionError):
        looks(watched, 1)
    assert looks(watched, 3) == ([], []) and watched.each() == [(str(path), ["one"])]


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


def test_a_missing_file_keeps_its_last_content_and_may_come_back(path):
    """It is said once."""
    watched = Watched([path], words)
    path.unlink()
    gone = f"{path}: cannot be read: No such file or directory; its earlier content stays in use"
    assert looks(watched, 3) == ([], [gone])
    assert watched.items() == ["one", "two"]
    path.write_bytes(b"three end")
    assert looks(watched) == ([(str(path), ["three"])], [])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("pipe", "is not a regular file"),
        ("device", "is not a regular file"),
        ("directory", ("cannot be read: Is a directory")),
    ],
)
def test_a_pipe_a_device_or_a_directory_instead_of_a_file_blocks_nothing(path, kind, problem):
    """Reading would otherwise wait for a writer endlessly, and no file would be followed any more."""
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


def test_a_file_that_cannot_be_read_at_the_start_is_an_error(tmp_path):
    """A service does not start without its files."""
    with pytest.raises(ConfigError, match="cannot be read"):
        Watched([tmp_path / "gone"], words)


class Ticker:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


def pair(contents: Sequence[bytes]) -> tuple[bytes, ...]:
    """Two files that belong together: both say the same."""
    if len(set(contents)) > 1:
        raise ConfigError(f"{contents[0]!r} and {contents[1]!r} do not belong together")
    return tuple(contents)


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("cert", "key"):
        (tmp_path / name).write_bytes(b"old")
    return tmp_path / "cert", tmp_path / "key"


def test_files_that_change_together_are_read_together(both, caplog):
    """While only one of them is new the old pair stays, and the log says so once."""
    clock = Ticker()
    renewed = Renewed(both, pair, clock)
    replace(both[0], b"new")
    for _ in range(4):
        clock.at += LOOK_SECONDS
        assert (renewed.value, renewed.generation) == ((b"old", b"old"), 0)
    assert [each.levelno for each in caplog.records] == [logging.WARNING]
    assert "do not belong together; the earlier content stays in use" in caplog.text
    replace(both[1], b"new")
    clock.at += LOOK_SECONDS
    assert renewed.value == (b"old", b"old")  # perhaps somebody is still writing
    clock.at += LOOK_SECONDS
    assert (renewed.value, renewed.generation) == ((b"new", b"new"), 1)


def test_an_old_change_is_read_at_the_first_look(both, monkeypatch):
    """A user that looks once an hour does not use the old content for an hour more."""
    clock = Ticker()
    renewed = Renewed(both, pair, clock)
    for each in both:
        replace(each, b"new")
    monkeypatch.setattr(files, "have_settled", lambda _stamps: True)
    assert renewed.value == (b"old", b"old")  # looked at less than a second ago
    clock.at += LOOK_SECONDS
    assert renewed.value == (b"new", b"new")


def test_files_have_settled_when_nobody_wrote_to_them_for_a_second(path, monkeypatch):
    """By what the file system says; one that is gone has not."""
    stamp = files.stamp(path)
    assert not files.have_settled([stamp])
    monkeypatch.setattr(files.time, "time_ns", lambda: stamp.changed + 10**9)
    assert files.have_settled([stamp])
    assert not files.have_settled([stamp, None])


def test_a_missing_file_or_a_pipe_changes_nothing(both, caplog):
    """And it is not waited for."""
    clock = Ticker()
    renewed = Renewed(both, pair, clock)
    both[0].unlink()
    for _ in range(3):
        clock.at += LOOK_SECONDS
        assert renewed.value == (b"old", b"old")
    os.mkfifo(both[0])
    for _ in range(3):
        clock.at += LOOK_SECONDS
        assert renewed.value == (b"old", b"old")
    assert len(caplog.messages) == 2
    assert all(each.endswith("; the earlier content stays in use") for each in caplog.messages)


def test_a_change_that_a_user_refuses_is_not_used(both, caplog):
    """A configuration has a say in what comes; what is there already must pass too."""
    clock = Ticker()
    renewed = Renewed(both, pair, clock)

    def check(value: Sequence[bytes]) -> None:
        if value[0] == b"odd":
            raise ConfigError("odd ones are not used here")

    renewed.accept_only(check)
    for content in (b"odd", b"new"):
        for each in both:
            replace(each, content)
        clock.at += 2 * LOOK_SECONDS
        _ = renewed.value
        clock.at += 2 * LOOK_SECONDS
        _ = renewed.value
    assert "odd ones are not used here" in caplog.text
    assert (renewed.value, renewed.generation) == ((b"new", b"new"), 1)
    with pytest.raises(ConfigError, match="odd"):
        Renewed(both, lambda _: (b"odd",), clock).accept_only(check)


def test_a_defect_of_ours_keeps_what_was_read_before(both, caplog):
    """And the log has its place."""
    clock, outcomes = Ticker(), iter([1])
    renewed = Renewed(both, lambda _: next(outcomes), clock)
    replace(both[0], b"new")
    for _ in range(3):
        clock.at += LOOK_SECONDS
        assert renewed.value == 1
    assert [each.levelno for each in caplog.records] == [logging.ERROR]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
def test_a_forked_process_goes_on_to_look(both):
    """It needs no thread of the process that it came from."""
    clock = Ticker()
    renewed = Renewed(both, pair, clock)
    child = os.fork()
    if child == 0:
        for each in both:
            replace(each, b"new")
        clock.at += LOOK_SECONDS
        _ = renewed.value
        clock.at += LOOK_SECONDS
        os._exit(0 if renewed.value == (b"new", b"new") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    clock.at += LOOK_SECONDS
    _ = renewed.value
    clock.at += LOOK_SECONDS
    assert renewed.value == (b"new", b"new")
