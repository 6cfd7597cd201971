"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from bothways.ca.errors import AlreadyExists, FileUnusable
from bothways.ca.home import files


def test_a_new_directory_is_complete_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "ca"
    with files.new_directory(target) as draft:
        (draft / "file").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["file"]
    assert target.stat().st_mode & 0o777 == 0o700
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    with files.new_directory(tmp_path / "ca") as draft:
        (draft / "file").write_text("x")
    assert (tmp_path / "ca" / "file").exists()


def test_a_failure_leaves_no_directory(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), files.new_directory(tmp_path / "ca") as draft:
        (draft / "file").write_text("x")
        raise RuntimeError("the lights go out")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("mine")
    with pytest.raises(AlreadyExists, match="nothing was changed"), files.new_directory(tmp_path / "ca"):
        pass
    assert (tmp_path / "ca").read_text() == "mine"


def test_a_written_file_replaces_another_with_its_own_mode(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("before")
    path.chmod(0o644)
    files.write(path, b"after", files.PRIVATE)
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("can_link", [True, False])
def test_a_new_file_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, can_link: bool) -> None:
    """Also on a file system that has no links."""
    if not can_link:
        monkeypatch.setattr(os, "link", _no_links)
    files.write(tmp_path / "key", b"first", files.PRIVATE, replaces=False)
    with pytest.raises(FileUnusable, match="key: File exists; it was not changed"):
        files.write(tmp_path / "key", b"second", files.PRIVATE, replaces=False)
    assert (tmp_path / "key").read_bytes() == b"first"
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "key"]


def _no_links(*arguments: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="there is no such file or directory"):
        files.write(tmp_path / "nowhere" / "key", b"x", files.PRIVATE)
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileUnusable, match=r"taken: .*it was not changed"):
        files.write(tmp_path / "taken", b"x", files.PRIVATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]
    with pytest.raises(FileUnusable, match="there is no such file"):
        files.read(tmp_path / "absent")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_reported_as_such() -> None:
    full = Path("/dev/full")
    with pytest.raises(FileUnusable, match="the disk is full"), files.file_errors(full):
        full.write_bytes(b"x")


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    settings = files.CASettings("Example", "postgresql://host/x", "http://ca.example")
    files.write_settings(tmp_path, settings)
    assert files.read_settings(tmp_path) == settings


def test_the_file_of_settings_keeps_the_names_that_it_always_had(tmp_path: Path) -> None:
    """Directories of every released version are read, and older programs read this version's."""
    settings = files.CASettings("Example", "postgresql://host/x", "http://ca.example", 100, "pkcs11:token=a")
    files.write_settings(tmp_path, settings)
    assert json.loads((tmp_path / "authority.json").read_bytes()) == {
        "name": "Example",
        "store": "postgresql://host/x",
        "url": "http://ca.example",
        "partition": 100,
        "key": "pkcs11:token=a",
        "version": 2,
    }


BAD_SETTINGS = [
    ("no json", "is damaged: these are not the settings of a CA"),
    ("[]", "is damaged: these are not the settings of a CA"),
    ('{"version": 1, "name": 3, "store": "", "url": ""}', "is damaged: these are not the settings of a CA"),
    ('{"version": 1, "name": "x"}', "is damaged: these are not the settings of a CA"),
    ('{"version": 99, "name": "x", "store": "", "url": ""}', "a later version"),
]


@pytest.mark.parametrize(("text", "problem"), BAD_SETTINGS)
def test_malformed_settings_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / files.SETTINGS).write_text(text)
    with pytest.raises(FileUnusable, match=problem):
        files.read_settings(tmp_path)


def test_a_directory_without_a_ca_is_reported_with_the_command_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="contains no CA; `bothways ca init"):
        files.read_settings(tmp_path)
    (tmp_path / files.SETTINGS).mkdir()
    with pytest.raises(FileUnusable, match="cannot be read"):
        files.read_settings(tmp_path)


def test_a_link_a_pipe_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    """/dev/null stays a device, also for root."""
    (tmp_path / "before").write_text("before")
    (tmp_path / "link").symlink_to("before")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name, problem in {
        "link": "a symbolic link",
        "dangling": "a symbolic link",
        "pipe": "not a regular file",
    }.items():
        kind = (tmp_path / name).lstat().st_mode
        with pytest.raises(FileUnusable, match=problem):
            files.write(tmp_path / name, b"x", files.PUBLIC)
        assert (tmp_path / name).lstat().st_mode == kind
    with pytest.raises(FileUnusable, match="not a regular file; it was not changed"):
        files.check_target(Path("/dev/null"))
    with pytest.raises(FileUnusable, match="is not a file name"):
        files.check_target(Path("/"))
    assert (tmp_path / "before").read_text() == "before"
    assert not (tmp_path / "nowhere").exists()
