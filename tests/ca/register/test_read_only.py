"""Registers that another user may read and not write: what only reads works, and never reads a mixture."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bothways.ca.errors import AuthorityError, DatabaseBusy
from bothways.ca.home.layout import register_of, root_register_of
from bothways.ca.issuer import Issuer
from bothways.ca.register.database import Database
from bothways.ca.register.read_only import LOG, ReadOnlyFile, may_write
from ca.issuers import Clock, client, new_issuer

NOBODY = 65534


@pytest.fixture
def home() -> Iterator[Path]:
    """A directory that others can reach, unlike those of pytest."""
    folder = tempfile.mkdtemp()
    os.chmod(folder, 0o755)
    yield Path(folder) / "ca"
    os.chmod(folder, 0o700)
    shutil.rmtree(folder)


@pytest.fixture
def issuer(home: Path) -> Iterator[Issuer]:
    with new_issuer(home, Clock()) as made:
        client(made, "ada")
        yield made


def _told(work: Callable[[Path], Any], path: Path, told: Any) -> None:
    """Do something as a user who may only read, and send what came of it."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    try:
        told.send(work(path))
    except AuthorityError as error:
        told.send(error)


def as_reader(work: Callable[[Path], Any], path: Path) -> Any:
    ours, its = multiprocessing.Pipe()
    for each in (path, *path.iterdir()):
        is_secret = each.suffix == ".key"
        os.chmod(each, 0o555 if each.is_dir() else 0o400 if is_secret else 0o444)
    process = multiprocessing.get_context("fork").Process(target=_told, args=(work, path, its))
    process.start()
    try:
        assert ours.poll(60)
        return ours.recv()
    finally:
        process.join(60)
        for each in (path, *path.iterdir()):
            os.chmod(each, 0o755 if each.is_dir() else 0o644)


def names(path: Path) -> list[str]:
    """As `ca list` and `ca audit` read."""
    with root_register_of(path) as root:
        root.check_audit()
    with register_of(path) as register:
        register.check_audit()
        return [entry.name for entry in register.all()]


def test_who_may_only_read_reads_a_register_that_nobody_has_open(issuer: Issuer) -> None:
    """SQLite needs to create files beside a database with a write-ahead log, also to read it."""
    issuer.close()
    before = sorted(issuer.path.iterdir())
    assert as_reader(names, issuer.path) == ["ada"]
    assert sorted(issuer.path.iterdir()) == before


def test_who_may_only_read_reads_what_an_issuer_has_just_committed(issuer: Issuer) -> None:
    client(issuer, "bob")
    assert (issuer.path / f"register.db{LOG}").stat().st_size
    assert as_reader(names, issuer.path) == ["ada", "bob"]


def test_changes_that_only_the_owner_can_read_are_not_left_out(issuer: Issuer, home: Path) -> None:
    """An issuer that was killed leaves its log."""
    log = home / f"register.db{LOG}"
    client(issuer, "bob")
    kept = log.read_bytes()
    issuer.close()
    log.write_bytes(kept)
    error = as_reader(names, home)
    assert "as its owner first" in str(error)
    assert names(home) == ["ada", "bob"]
    assert as_reader(names, home) == ["ada", "bob"]


def _written(path: Path) -> None:
    with Issuer.open(path, None, lock_seconds=0.1) as issuer:
        client(issuer, "eve")


def test_who_may_only_read_issues_nothing(issuer: Issuer) -> None:
    issuer.close()
    os.chmod(issuer.path / "issuing.key", 0o644)
    assert isinstance(as_reader(_written, issuer.path), (AuthorityError, OSError))
    assert names(issuer.path) == ["ada"]


def test_a_file_that_changes_while_it_is_read_without_a_lock_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "register.db"
    connect = sqlite3.connect

    def without_locks(name: str, **options: Any) -> sqlite3.Connection:
        if "immutable" not in name:
            raise sqlite3.OperationalError("unable to open database file")
        return connect(name, **options)

    with closing(connect(path)) as writer:
        writer.execute("CREATE TABLE numbers (number)")
        writer.commit()
        monkeypatch.setattr(sqlite3, "connect", without_locks)
        file = ReadOnlyFile(str(path))
        with closing(file.connect()):
            file.check()
            writer.execute("INSERT INTO numbers VALUES (1)")
            writer.commit()
            with pytest.raises(DatabaseBusy, match="while it was read"):
                file.check()


def test_who_may_write_opens_a_register_as_before(issuer: Issuer) -> None:
    file = str(issuer.path / "register.db")
    assert may_write(file)
    with closing(Database(f"sqlite:///{file}", reads=True)) as database:
        assert not database.is_read_only
