"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bothways.ca.errors import AlreadyExists, FileUnusable
from bothways.ca.home import files as directory


def test_a_new_directory_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "ca"
    with directory.new_directory(target) as draft:
        (draft / "file").write_text("x")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["file"]
    assert target.stat().st_mode & 0o777 == 0o700
    assert list(target.parent.iterdir()) == [target]


def test_an_empty_directory_may_be_taken(tmp_path: Path) -> None:
    (tmp_path / "ca").mkdir()
    with directory.new_directory(tmp_path / "ca") as draft:
        (draft / "file").write_text("x")
    assert (tmp_path / "ca" / "file").exists()


def test_what_goes_wrong_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), directory.new_directory(tmp_path / "ca") as draft:
        (draft / "file").write_text("x")
        raise RuntimeError("the lights go out")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "ca").write_text("mine")
    with pytest.raises(AlreadyExists, match="nothing was changed"), directory.new_directory(tmp_path / "ca"):
        pass
    assert (tmp_path / "ca").read_text() == "mine"


def test_a_written_file_replaces_another_with_its_own_mode(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("before")
    path.chmod(0o644)
    directory.write(path, b"after", directory.PRIVATE)
    assert path.read_bytes() == b"after"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="there is no such file or directory"):
        directory.write(tmp_path / "nowhere" / "key", b"x", directory.PRIVATE)
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileUnusable, match=r"taken: .*nothing was changed there"):
        directory.write(tmp_path / "taken", b"x", directory.PRIVATE)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["taken"]
    with pytest.raises(FileUnusable, match="there is no such file"):
        directory.read(tmp_path / "absent")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_is_called_so() -> None:
    full = Path("/dev/full")
    with pytest.raises(FileUnusable, match="the disk is full"), directory.file_errors(full):
        full.write_bytes(b"x")


def test_settings_are_read_as_they_were_written(tmp_path: Path) -> None:
    settings = directory.Settings("Example", "postgresql://host/x", "http://ca.example")
    directory.write_settings(tmp_path, settings)
    assert directory.read_settings(tmp_path) == settings


BAD_SETTINGS = [
    ("no json", "is not what was written there"),
    ("[]", "is not what was written there"),
    ('{"version": 1, "name": 3, "store": "", "url": ""}', "is not what was written there"),
    ('{"version": 1, "name": "x"}', "is not what was written there"),
    ('{"version": 99, "name": "x", "store": "", "url": ""}', "a later version"),
]


@pytest.mark.parametrize(("text", "problem"), BAD_SETTINGS)
def test_settings_that_are_none_are_told(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / directory.SETTINGS).write_text(text)
    with pytest.raises(FileUnusable, match=problem):
        directory.read_settings(tmp_path)


def test_a_directory_without_an_authority_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="holds no authority; `bothways ca init"):
        directory.read_settings(tmp_path)
    (tmp_path / directory.SETTINGS).mkdir()
    with pytest.raises(FileUnusable, match="cannot be read"):
        directory.read_settings(tmp_path)


def test_a_link_a_pipe_or_a_device_is_not_replaced(tmp_path: Path) -> None:
    """Who names /dev/null as root still has one afterwards."""
    (tmp_path / "before").write_text("before")
    (tmp_path / "link").symlink_to("before")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    for name, problem in {
        "link": "a symbolic link",
        "dangling": "a symbolic link",
        "pipe": "no file",
    }.items():
        kind = (tmp_path / name).lstat().st_mode
        with pytest.raises(FileUnusable, match=problem):
            directory.write(tmp_path / name, b"x", directory.PUBLIC)
        assert (tmp_path / name).lstat().st_mode == kind
    with pytest.raises(FileUnusable, match="no file; nothing was changed there"):
        directory.check_target(Path("/dev/null"))
    with pytest.raises(FileUnusable, match="no name of a file"):
        directory.check_target(Path("/"))
    assert (tmp_path / "before").read_text() == "before"
    assert not (tmp_path / "nowhere").exists()
