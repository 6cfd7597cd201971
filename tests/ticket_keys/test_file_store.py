"""Ticket keys in a file: whole, of one user, and replaced by whoever comes first."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from bothways.ticket_keys.file_store import FileStore, StoreFailed
from bothways.ticket_keys.shared_ring import LARGEST

DAY = timedelta(days=1)


def test_a_file_is_made_replaced_and_read(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "keys")
    assert store.load() is None
    assert store.replace(None, b"one", DAY)
    assert store.load() == b"one"
    assert store.replace(b"one", b"two", DAY)
    assert store.load() == b"two"
    assert os.listdir(tmp_path) == ["keys"]
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o600


@pytest.mark.parametrize("before", [None, b"one"])
def test_the_second_writer_replaces_nothing(before: bytes | None, tmp_path: Path) -> None:
    store = FileStore(tmp_path / "keys")
    store.replace(None, b"of another", DAY)
    assert not store.replace(before, b"ours", DAY)
    assert store.load() == b"of another"
    assert os.listdir(tmp_path) == ["keys"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "keys")
    store = FileStore(tmp_path / "link")
    assert store.replace(None, b"one", DAY) and store.replace(b"one", b"two", DAY)
    assert (tmp_path / "link").is_symlink() and (tmp_path / "keys").read_bytes() == b"two"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o666])
def test_a_file_that_others_can_use_is_not_used(mode: int, tmp_path: Path) -> None:
    """Whoever has a key can make himself any client."""
    path = tmp_path / "keys"
    path.write_bytes(b"keys")
    path.chmod(mode)
    with pytest.raises(
        StoreFailed, match="it can be read by users other than its owner and group: use chmod 600"
    ):
        FileStore(path).load()
    path.chmod(0o640)
    assert FileStore(path).load() == b"keys"


def test_a_file_that_cannot_be_read_or_written_is_reported_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(StoreFailed, match="not a regular file|Is a directory"):
        FileStore(tmp_path).load()
    with pytest.raises(StoreFailed, match="it cannot be written: No such file"):
        FileStore(tmp_path / "none" / "keys").replace(None, b"keys", DAY)
    large = FileStore(tmp_path / "large")
    large.replace(None, bytes(LARGEST + 1), DAY)
    with pytest.raises(StoreFailed, match="larger than 4096 bytes"):
        large.load()
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(StoreFailed, match="not a regular file"):
        FileStore(tmp_path / "pipe").load()
