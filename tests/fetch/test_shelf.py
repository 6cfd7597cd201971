"""Evidence in a directory: whole or not at all, and never more than it may be."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bothways.errors import ConfigError
from bothways.fetch import shelf as source
from bothways.fetch.shelf import Shelf


def test_what_was_saved_is_loaded_with_when_it_was_written(tmp_path: Path) -> None:
    """By any process, after any time."""
    Shelf(tmp_path).save("a.crl", b"list")
    os.utime(tmp_path / "a.crl", (1_000_000_000, 1_000_000_000))
    assert Shelf(tmp_path).load("a.crl", 100) == (b"list", datetime.fromtimestamp(1_000_000_000, UTC))
    assert Shelf(tmp_path).load("b.crl", 100) is None


def test_the_directory_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """It tells whom we talk to."""
    Shelf(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    """ConfigError, before any handshake."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot keep evidence there"):
        Shelf(tmp_path / "file" / "b")


def test_a_file_that_is_larger_than_allowed_is_none(tmp_path: Path) -> None:
    """Somebody may have put it there."""
    Shelf(tmp_path).save("a.crl", b"12345")
    assert Shelf(tmp_path).load("a.crl", 4) is None and Shelf(tmp_path).load("a.crl", 5) is not None


def test_a_file_is_replaced_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """Whoever reads meanwhile has the old one."""
    shelf = Shelf(tmp_path)
    shelf.save("a.crl", b"old")
    with open(tmp_path / "a.crl", "rb") as reading:
        shelf.save("a.crl", b"new")
        assert reading.read() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.crl"]
    assert (tmp_path / "a.crl").read_bytes() == b"new"


def test_a_disk_that_will_not_is_for_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A handshake goes on without a cache, and nothing half-written stays."""
    (tmp_path / "a.crl").mkdir()
    with caplog.at_level(logging.WARNING, "bothways"):
        Shelf(tmp_path).save("a.crl", b"list")
    assert "evidence cannot be kept in" in caplog.text
    assert [each.name for each in tmp_path.iterdir()] == ["a.crl"]


def test_the_files_written_longest_ago_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory is bounded too."""
    monkeypatch.setattr(source, "MOST_FILES", 2)
    shelf = Shelf(tmp_path)
    for at, name in enumerate("abc"):
        shelf.save(name, b"x")
        if (tmp_path / name).exists():
            os.utime(tmp_path / name, (at, at))
    shelf.save("d", b"x")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["c", "d"]
