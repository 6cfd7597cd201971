"""The audit file: whole entries of several processes, and every change to it is found."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import stat
import sys
from pathlib import Path

import pytest

from bothways import ConfigError
from bothways.audit_chain import ChainBroken, Head
from bothways.gateway.observe.audit_file import SHORTENED, AuditFile, NotRecorded, check_usable, verified


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "audit.log")


def written(path: str, count: int = 4) -> list[bytes]:
    file = AuditFile(path, "worker 1")
    for number in range(count):
        file.append("allowed", f"client {number}", {"rule": "dns ä\n", "route": None, "seconds": 0.5})
    file.close()
    return Path(path).read_bytes().splitlines(keepends=True)


def test_entries_are_lines_of_json_for_this_user_only_and_go_on_where_they_were(path: str) -> None:
    lines = written(path) + written(path, 2)[4:]
    first = json.loads(lines[0])
    assert list(first) == ["authority", "number", "at", "actor", "action", "subject", "details", "hash"]
    assert (first["number"], first["actor"], first["details"]["rule"]) == (1, "worker 1", "dns ä\n")
    seen: list[dict] = []
    head = verified(path, visit=seen.append)
    assert head == Head(6, json.loads(lines[-1])["hash"])
    assert [each["number"] for each in seen] == [1, 2, 3, 4, 5, 6]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    check_usable(path)


def test_whatever_is_changed_in_a_file_is_found(path: str) -> None:
    """Every field, the order, a line that is missing or twice, spaces, keys, and an end that is cut."""
    lines = written(path)
    head = verified(path)
    changed = [
        [*lines[:1], lines[1].replace(b"client 1", b"client 9"), *lines[2:]],
        [*lines[:1], lines[1].replace(b"allowed", b"refused"), *lines[2:]],
        [*lines[:1], lines[1].replace(b'"route": null', b'"route": "x"'), *lines[2:]],
        [*lines[:1], lines[1].replace(b": ", b":"), *lines[2:]],
        [*lines[:1], lines[1].replace(b'"number": 2', b'"number": 2.0'), *lines[2:]],
        [*lines[:1], lines[1].replace(b"}\n", b', "more": 1}\n'), *lines[2:]],
        [lines[0], lines[2], lines[1], lines[3]],
        [lines[0], *lines[2:]],
        [lines[0], lines[0], *lines[1:]],
        lines[1:],
        [*lines[:3], lines[3][:-1]],
        [*lines[:3], lines[3][:40]],
        [*lines[:3], b"x" * 20_000 + b"\n"],
        [*lines[:3], b"[" * 10_000 + b"\n"],
        [*lines[:3], b"\n"],
    ]
    for each in changed:
        assert each != lines
        Path(path).write_bytes(b"".join(each))
        with pytest.raises(ChainBroken, match="entry [1-5]|too long"):
            verified(path)
    Path(path).write_bytes(b"".join(lines[:3]))
    assert verified(path).number == 3  # a shorter file is whole by itself: that is what a noted head is for
    with pytest.raises(ChainBroken, match="shortened"):
        verified(path, head)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_processes_write_to_one_file_and_none_of_their_entries_is_lost(path: str) -> None:
    children = []
    for number in range(4):
        pid = os.fork()
        if not pid:
            status = 1
            try:
                file, done = AuditFile(path, f"worker {number}"), 0
                while done < 50:
                    try:
                        file.append("allowed", f"{number} {done}", {})
                        done += 1
                    except NotRecorded:  # the others had the lock for too long
                        continue
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 4
    seen: list[dict] = []
    assert verified(path, visit=seen.append).number == 200
    assert len({each["subject"] for each in seen}) == 200


def test_a_file_that_was_moved_away_is_followed_by_another_that_names_its_end(path: str) -> None:
    """As logrotate does it."""
    file = AuditFile(path, "worker 1")
    file.append("allowed", "one", {})
    os.rename(path, path + ".1")
    file.append("allowed", "two", {})
    file.close()
    seen: list[dict] = []
    verified(path, visit=seen.append)
    assert [each["action"] for each in seen] == ["continue", "allowed"]
    assert seen[0]["subject"] == str(verified(path + ".1"))


def test_a_broken_file_that_was_moved_away_is_followed_by_another_too(path: str) -> None:
    """That is what its message says to do; and no attempt before it leaves anything open."""
    file = AuditFile(path, "worker 1")
    file.append("allowed", "one", {})
    head = verified(path)
    with open(path, "ab") as other:
        other.write(b"not an entry\n")
    descriptors = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(NotRecorded, match="move it away"):
            file.append("allowed", "two", {})
    os.rename(path, path + ".1")
    with open(path, "ab") as new:
        fcntl.flock(new, fcntl.LOCK_EX)
        for _ in range(3):
            with pytest.raises(NotRecorded, match="another process holds its lock"):
                file.append("allowed", "three", {})
        assert len(os.listdir("/dev/fd")) == descriptors + 1
    file.append("allowed", "four", {})
    file.close()
    seen: list[dict] = []
    verified(path, visit=seen.append)
    assert [each["subject"] for each in seen] == [str(head), "four"]
    assert seen[0]["details"] == {
        "problem": "it does not end with a whole entry; move it away, and another one is begun"
    }


def test_a_file_that_is_repaired_is_gone_on_with_where_it_was(path: str) -> None:
    file = AuditFile(path, "worker 1")
    file.append("allowed", "one", {})
    size = os.stat(path).st_size
    with open(path, "ab") as other:
        other.write(b"not an entry\n")
    with pytest.raises(NotRecorded):
        file.append("allowed", "two", {})
    os.truncate(path, size)
    file.append("allowed", "three", {})
    file.close()
    assert verified(path).number == 2


@pytest.mark.parametrize("kept", [0, 1])
def test_the_next_entry_says_that_entries_are_missing(path: str, kept: int) -> None:
    """Whoever empties the file, such as logrotate with copytruncate, does not do it unnoticed; it is noted once."""
    one, two = AuditFile(path, "worker 1"), AuditFile(path, "worker 2")
    for number in range(3):
        one.append("allowed", str(number), {})
    two.append("allowed", "3", {})
    head, lines = verified(path), Path(path).read_bytes().splitlines(keepends=True)
    os.truncate(path, sum(map(len, lines[:kept])))
    two.append("allowed", "4", {})
    if not kept:
        one.append("allowed", "5", {})
    for each in (one, two):
        each.close()
    seen: list[dict] = []
    verified(path, visit=seen.append)
    noted = [
        (each["number"], each["subject"], each["details"]) for each in seen if each["action"] == "continue"
    ]
    assert noted == [(kept + 1, str(head), {"problem": SHORTENED})]


def test_a_file_that_others_have_emptied_and_filled_to_the_same_size_is_read_again(path: str) -> None:
    """Such as by logrotate with copytruncate."""
    one, two = AuditFile(path, "worker 1"), AuditFile(path, "worker 2")
    one.append("allowed", "one", {})
    os.truncate(path, 0)
    two.append("allowed", "two", {})
    one.append("allowed", "three", {})
    for each in (one, two):
        each.close()
    assert verified(path).number == 2


def test_an_entry_is_in_the_file_before_or_in_the_next_one_and_never_behind_the_end_that_is_named(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that looked before the file was moved away, and has its lock after that."""
    slow, fast = AuditFile(path, "worker 1"), AuditFile(path, "worker 2")
    slow.append("allowed", "one", {})
    lock = fcntl.flock

    def moved_before_the_lock(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        os.rename(path, path + ".1")
        fast.append("allowed", "two", {})
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", moved_before_the_lock)
    slow.append("allowed", "three", {})
    for each in (slow, fast):
        each.close()
    seen: list[dict] = []
    assert verified(path, visit=seen.append).number == 3
    assert seen[0]["subject"] == str(verified(path + ".1"))


def test_an_entry_that_cannot_be_recorded_is_reported_and_leaves_the_file_whole(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that another process holds, an entry that is too long, a disk that is full."""
    file = AuditFile(path, "worker 1")
    file.append("allowed", "one", {})
    with open(path, "rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(NotRecorded, match="another process holds its lock"):
            file.append("allowed", "two", {})
    with pytest.raises(NotRecorded, match="at most 16384 are possible"):
        file.append("allowed", "x" * 20_000, {})
    size = os.stat(path).st_size
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # an import would leave a file that is cut off
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, before[1]))
    try:
        with pytest.raises(NotRecorded, match="no space is left"):
            file.append("allowed", "three", {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    file.append("allowed", "four", {})
    file.close()
    assert verified(path).number == 2


def test_a_file_that_cannot_be_gone_on_with_is_refused(path: str, tmp_path: Path) -> None:
    lines = written(path)
    Path(path).write_bytes(b"".join(lines)[:-3])
    for use in (check_usable, lambda each: AuditFile(each, "x")):
        with pytest.raises(ConfigError, match="does not end with a whole entry; move it away"):
            use(path)
        with pytest.raises(ConfigError):
            use(str(tmp_path / "missing" / "audit.log"))
    os.symlink(path, tmp_path / "link")
    os.mkfifo(tmp_path / "pipe")
    descriptors = len(os.listdir("/dev/fd"))
    for name in ("link", "pipe"):
        for use in (check_usable, lambda each: AuditFile(each, "x")):
            with pytest.raises(ConfigError):
                use(str(tmp_path / name))
    with pytest.raises(ConfigError):
        AuditFile(path, "x")
    assert len(os.listdir("/dev/fd")) == descriptors
    with pytest.raises(ConfigError, match="no such file"):
        verified(str(tmp_path / "nothing"))
