"""Files of lists that change while they are in use: replaced at once, cut while being written, gone, older."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.errors import ConfigError
from bothways.trust.crl_files import CRLFiles
from pki import DAY, NOW, crl, intermediate, leaf, root

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
OLDER = NOW - 3 * DAY


def pem(*ders: bytes) -> bytes:
    return b"".join(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in ders)


FIRST = pem(crl(ROOT), crl(CA))
SECOND = pem(crl(ROOT), crl(CA, SERVER, number=2, this_update=NOW))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "lists.pem"
    path.write_bytes(FIRST)
    return path


def replace(path: Path, content: bytes) -> None:
    """As tools do that never leave a part: write beside, then rename."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content)
    beside.replace(path)


def numbers(files: CRLFiles) -> list[int]:
    return sorted(each.number for each in files.store)


def looks(files: CRLFiles, count: int = 2) -> list[str]:
    return [line for _ in range(count) for line in files.look()]


def test_a_file_that_is_replaced_is_read_again_and_the_store_follows(path):
    """A change is taken when the file looks the same in two looks."""
    files = CRLFiles([path])
    store, seen = files.store, files.store.generation
    assert looks(files) == [] and store.generation == seen
    replace(path, SECOND)
    assert files.look() == [] and numbers(files) == [1, 1]
    assert files.look() == [
        f"{path}: read again: a list of CN=Root with 0 entries, of 2026-05-31 12:00",
        f"{path}: read again: a list of CN=Intermediate with 1 entry, of 2026-06-01 12:00",
    ]
    assert files.store is store and numbers(files) == [1, 2] and store.generation != seen
    assert looks(files, 3) == []


@pytest.mark.parametrize("cut", [0, 10, len(FIRST) // 4, len(FIRST) - 40, len(FIRST) - 2])
def test_a_file_that_is_cut_keeps_what_was_read_before_and_says_so_once(path, cut):
    """Truncated while being replaced: no list is lost, and the whole file is taken when it is there."""
    files = CRLFiles([path])
    seen = files.store.generation
    path.write_bytes(SECOND[:cut])
    [line] = looks(files, 3)
    assert line.startswith(f"{path}: ") and line.endswith("; the lists that it had stay in use")
    assert numbers(files) == [1, 1] and files.store.generation == seen
    path.write_bytes(SECOND)
    assert len(looks(files)) == 2 and numbers(files) == [1, 2]


def test_a_file_that_grows_is_left_alone_until_it_rests(path):
    """Whoever writes slowly is not read half way, even at the end of a list."""
    files = CRLFiles([path])
    parts = [SECOND[:100], SECOND[: len(pem(crl(ROOT)))], SECOND]
    for part in parts:
        path.write_bytes(part)
        assert files.look() == []
    assert len(files.look()) == 2 and numbers(files) == [1, 2]


def test_a_file_that_changes_while_it_is_read_is_read_again(path, monkeypatch):
    """What came of it may be of both."""
    files = CRLFiles([path])
    replace(path, SECOND)
    files.look()
    reading = files._read

    def interrupted(which: str):
        crls = reading(which)
        os.utime(path, ns=(1, 1))
        return crls

    monkeypatch.setattr(files, "_read", interrupted)
    assert files.look() == [] and numbers(files) == [1, 1]
    monkeypatch.undo()
    assert len(looks(files)) == 2 and numbers(files) == [1, 2]


def test_a_file_that_is_gone_keeps_its_lists_and_may_come_back(path):
    """It is said once."""
    files = CRLFiles([path])
    path.unlink()
    [line] = looks(files, 3)
    assert line == f"{path}: cannot be read: No such file or directory; the lists that it had stay in use"
    assert numbers(files) == [1, 1]
    path.write_bytes(SECOND)
    assert len(looks(files)) == 2 and numbers(files) == [1, 2]


def test_an_older_list_does_not_take_the_place_of_a_newer_one(path):
    """Somebody put back a file of last week, or replays it."""
    files = CRLFiles([path])
    replace(path, pem(crl(ROOT), crl(CA, number=0, this_update=OLDER)))
    lines = looks(files)
    assert lines[1] == f"{path}: its list of CN=Intermediate is older than the one in use, which stays"
    assert numbers(files) == [1, 1]


def test_each_file_is_looked_at_by_itself(tmp_path):
    """One that cannot be read keeps no other from being renewed."""
    one, other = tmp_path / "root.crl", tmp_path / "ca.crl"
    one.write_bytes(crl(ROOT))
    other.write_bytes(crl(CA))
    files = CRLFiles([one, str(other)])
    one.write_bytes(b"garbage")
    replace(other, crl(CA, SERVER, number=2, this_update=NOW))
    lines = looks(files)
    assert len(lines) == 2 and "no CRL in it" in lines[0] and "read again" in lines[1]
    assert numbers(files) == [1, 2]


def test_a_file_that_cannot_be_read_at_first_is_an_error(tmp_path):
    """Nobody begins to serve without what was asked for."""
    with pytest.raises(ConfigError, match="cannot be read"):
        CRLFiles([tmp_path / "gone.crl"])
