"""Evidence in a directory: whole or not at all, and never more than it may be."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bothways.errors import ConfigError
from bothways.fetch import disk_cache as source
from bothways.fetch.disk_cache import DiskCache


def test_stored_evidence_is_loaded_with_the_time_of_writing(tmp_path: Path) -> None:
    """By any process, after any time."""
    DiskCache(tmp_path).save("a.crl", b"list")
    os.utime(tmp_path / "a.crl", (1_000_000_000, 1_000_000_000))
    assert DiskCache(tmp_path).load("a.crl", 100) == (b"list", datetime.fromtimestamp(1_000_000_000, UTC))
    assert DiskCache(tmp_path).load("b.crl", 100) is None


def test_the_directory_is_accessible_to_its_owner_only(tmp_path: Path) -> None:
    """Its files show who our peers are."""
    DiskCache(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").stat().st_mode & 0o777 == 0o700


def test_a_directory_that_cannot_be_made_is_a_config_error(tmp_path: Path) -> None:
    """ConfigError, before any handshake."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="cannot keep evidence there"):
        DiskCache(tmp_path / "file" / "b")


def test_a_too_large_file_is_ignored(tmp_path: Path) -> None:
    """Another program may have written it."""
    DiskCache(tmp_path).save("a.crl", b"12345")
    assert DiskCache(tmp_path).load("a.crl", 4) is None and DiskCache(tmp_path).load("a.crl", 5) is not None


def test_a_file_is_replaced_atomically(tmp_path: Path) -> None:
    """A concurrent reader has the old one."""
    disk_cache = DiskCache(tmp_path)
    disk_cache.save("a.crl", b"old")
    with open(tmp_path / "a.crl", "rb") as reading:
        disk_cache.save("a.crl", b"new")
        assert reading.read() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.crl"]
    assert (tmp_path / "a.crl").read_bytes() == b"new"


def test_an_error_of_the_disk_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A handshake continues without the cache, and no incomplete file stays."""
    (tmp_path / "a.crl").mkdir()
    with caplog.at_level(logging.WARNING, "bothways"):
        DiskCache(tmp_path).save("a.crl", b"list")
    assert "evidence cannot be kept in" in caplog.text
    assert [each.name for each in tmp_path.iterdir()] == ["a.crl"]


def keys(count: int) -> list[str]:
    return [f"{number:064x}.crl" for number in range(count)]


@pytest.mark.parametrize(("bound", "most"), [("MOST_FILES", 2), ("MOST_BYTES", 20)])
def test_the_oldest_files_are_deleted_first(
    bound: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory is bounded too."""
    monkeypatch.setattr(source, bound, most)
    disk_cache = DiskCache(tmp_path)
    for at, name in enumerate(keys(4)):
        disk_cache.save(name, b"0123456789")
        os.utime(tmp_path / name, (at, at))
    disk_cache.save(keys(5)[4], b"0123456789")
    assert sorted(each.name for each in tmp_path.iterdir()) == keys(5)[3:]


def test_other_files_in_the_directory_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The configured directory may contain other files."""
    monkeypatch.setattr(source, "MOST_FILES", 1)
    others = [tmp_path / name for name in ("thesis.txt", "ca.crl", ".new", "0.ocsp", "new-1")]
    for each in others:
        each.write_bytes(b"")
        os.utime(each, (0, 0))
    left = tmp_path / ".new-abcdef12"  # of a process that was killed while it wrote
    left.write_bytes(b"")
    os.utime(left, (0, 0))
    for name in keys(2):
        DiskCache(tmp_path).save(name, b"x")
        os.utime(tmp_path / name, (1, 1))
    DiskCache(tmp_path).save(keys(3)[2], b"x")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / keys(3)[2]])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are of POSIX")
def test_a_pipe_or_a_device_blocks_nothing(tmp_path: Path) -> None:
    """A pipe would be waited for, a device has no end."""
    disk_cache = DiskCache(tmp_path)
    os.mkfifo(tmp_path / "a.crl")
    (tmp_path / "b.crl").symlink_to("/dev/zero")
    (tmp_path / "c.crl").mkdir()
    assert [disk_cache.load(name, 100) for name in ("a.crl", "b.crl", "c.crl")] == [None, None, None]


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners are of POSIX")
@pytest.mark.parametrize("mode", [0o720, 0o702, 0o1777])
def test_a_directory_to_which_others_may_write_is_refused(mode: int, tmp_path: Path) -> None:
    """An older CRL in the place of a newer one would hide a revocation until the older one's end."""
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match="others than its owner may write there: chmod 700 it"):
        DiskCache(tmp_path)
    tmp_path.chmod(0o755)
    DiskCache(tmp_path)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners are of POSIX")
def test_a_directory_of_another_owner_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner may always write there."""
    owner = tmp_path.stat().st_uid
    if owner == 0:
        os.chown(tmp_path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.raises(ConfigError, match="it belongs to somebody else"):
        DiskCache(tmp_path)
