"""Files of lists that change while they are in use: replaced at once, cut while being written, gone, older."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.trust.crl_files import CRLFiles
from pki import DAY, NOW, crl, intermediate, leaf, root
from trust.test_watched import replace

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


@pytest.mark.parametrize("cut", [0, 10, 100, -40, -2])
def test_a_file_that_is_cut_keeps_what_was_read_before_and_says_so_once(path, cut):
    """Truncated while being replaced: no list is lost, and the whole file is taken when it is there."""
    files = CRLFiles([path])
    seen = files.store.generation
    path.write_bytes(SECOND[:cut])
    [line] = looks(files, 3)
    assert line.startswith(f"{path}: ") and line.endswith("; what it held before stays in use")
    assert numbers(files) == [1, 1] and files.store.generation == seen
    path.write_bytes(SECOND)
    assert len(looks(files)) == 2 and numbers(files) == [1, 2]


def test_an_older_list_does_not_take_the_place_of_a_newer_one(path):
    """Somebody put back a file of last week, or replays it."""
    files = CRLFiles([path])
    replace(path, pem(crl(ROOT), crl(CA, number=0, this_update=OLDER)))
    lines = looks(files)
    assert lines[1] == f"{path}: its list of CN=Intermediate is older than the one in use, which stays"
    assert numbers(files) == [1, 1]
