"""Files of CRLs that change while they are in use: replaced at once, cut while being written, gone, older."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from bothways.trust.anchors import TrustStore
from bothways.trust.crl_files import CRLFiles
from bothways.trust.revocation import Revocation
from bothways.trust.verdict import Purpose, Trusted
from bothways.trust.verification import verify as judge
from pki import DAY, NOW, crl, intermediate, issuing_point, key, leaf, root
from trust.test_watched import replace

ROOT = root()
CA = intermediate(ROOT)
SERVER = leaf(CA)
OLDER = NOW - 3 * DAY
ANCHORS = TrustStore.from_pem(ROOT.pem)
FORGER = key("P-256", 4300)


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
    return [line for _ in range(count) for line in files.read_changed()]


def in_use(path: Path) -> CRLFiles:
    """The CRLs of a file, after a verification by them."""
    files = CRLFiles([path])
    assert passes(files)
    return files


def passes(files: CRLFiles) -> bool:
    policy = Revocation(crls=files.store, unknown="accept")
    asked = {"purpose": Purpose.SERVER, "name": None, "at": NOW}
    return isinstance(judge(SERVER.chain, ANCHORS, revocation=policy, **asked), Trusted)


def test_a_file_that_is_replaced_is_read_again_and_the_store_follows(path):
    """A change is taken when the file looks the same in two looks."""
    files = in_use(path)
    store, seen = files.store, files.store.generation
    assert looks(files) == [] and store.generation == seen
    replace(path, SECOND)
    assert files.read_changed() == [] and numbers(files) == [1, 1]
    assert files.read_changed() == [
        f"{path}: read again: a CRL of CN=Root with 0 entries, of 2026-05-31 12:00",
        f"{path}: read again: a CRL of CN=Intermediate with 1 entry, of 2026-06-01 12:00",
    ]
    assert files.store is store and numbers(files) == [1, 2] and store.generation != seen
    assert looks(files, 3) == []


@pytest.mark.parametrize("cut", [0, 10, 100, -40, -2])
def test_a_truncated_file_keeps_its_last_content_and_is_reported_once(path, cut):
    """It is being replaced; the complete file is read when it is there."""
    files = in_use(path)
    seen = files.store.generation
    path.write_bytes(SECOND[:cut])
    [line] = looks(files, 3)
    assert line.startswith(f"{path}: ") and line.endswith("; its earlier content stays in use")
    assert numbers(files) == [1, 1] and files.store.generation == seen
    path.write_bytes(SECOND)
    assert len(looks(files)) == 2 and numbers(files) == [1, 2]


def test_an_older_crl_does_not_replace_a_newer_one(path):
    """The file of last week was restored, or replayed."""
    files = in_use(path)
    replace(path, pem(crl(ROOT), crl(CA, number=0, this_update=OLDER)))
    lines = looks(files)
    assert lines[1] == f"{path}: its CRL of CN=Intermediate is older than the one in use, which is kept"
    assert numbers(files) == [1, 1]


NOT_THE_CAS = {
    "newer": ({}, "is not signed by the signer of the one in use, which is kept"),
    "is not valid before": (
        {"this_update": NOW + 3650 * DAY, "next_update": NOW + 3660 * DAY},
        "is not signed by the signer of the one in use, which is kept",
    ),
    "from the future, by the CA itself": (
        {"this_update": NOW + 3650 * DAY, "next_update": NOW + 3660 * DAY, "signed_by": CA.key},
        "is not valid before 2036-05-29 12:00, unlike the one in use, which is kept",
    ),
    "of another scope": ({"point": issuing_point(["URI:http://a.example/"])}, None),
}


@pytest.mark.parametrize("what", NOT_THE_CAS)
def test_a_crl_that_does_not_replace_the_used_one_is_reported_and_the_cas_next_one_does(path, what):
    """A writer of the file, or an attacker on the network, can end no revocation."""
    path.write_bytes(SECOND)
    files = CRLFiles([path])
    assert not passes(files)
    options, words = NOT_THE_CAS[what]
    replace(path, pem(crl(CA, **{"number": 99, "this_update": NOW, "signed_by": FORGER} | options)))
    lines = [line for _ in range(2) for line in files.read_changed(NOW)]
    reported = words or "read again: a CRL of CN=Intermediate with 0 entries, of 2026-06-01 12:00"
    assert lines[0] == f"{path}: {'its CRL of CN=Intermediate ' if words else ''}{reported}"
    gone = f"{path}: its CRL of CN=Root is not there any more; the one in use is kept"
    assert lines[1:] == [gone] if words else len(lines) == 3
    assert not passes(files)
    replace(path, pem(crl(ROOT), crl(CA, SERVER, number=3, this_update=NOW)))
    assert "read again: a CRL of CN=Intermediate with 1 entry" in looks(files)[1]
    assert not passes(files)
    replace(path, pem(crl(ROOT), crl(CA, number=4, this_update=NOW)))
    looks(files)
    assert passes(files)


def test_an_expired_crl_is_reported_once_and_again_after_another_one(path):
    """By the clock of the caller."""
    files = CRLFiles([path])
    expired = (
        "expired on 2026-06-08 12:00; from 2026-06-08 12:05 on it proves nothing until a newer one is there"
    )
    reported = [f"{path}: its CRL of CN={each} {expired}" for each in ("Intermediate", "Root")]
    assert files.read_changed(NOW) == [] and looks(files) == []
    assert sorted(files.read_changed(NOW + 9 * DAY)) == reported
    assert files.read_changed(NOW + 10 * DAY) == []
    replace(
        path,
        pem(crl(ROOT, number=2, next_update=NOW + 20 * DAY), crl(CA, number=2, next_update=NOW + 40 * DAY)),
    )
    assert not any("expired on" in line for _ in range(2) for line in files.read_changed(NOW + 10 * DAY))
    assert "CN=Root expired on 2026-06-21" in files.read_changed(NOW + 30 * DAY)[0]


def test_a_crl_that_is_missing_from_its_file_stays_in_use(path):
    """Until it expires."""
    path.write_bytes(SECOND)
    files = CRLFiles([path])
    assert not passes(files)
    replace(path, pem(crl(root("Somebody"))))
    lines = looks(files)
    assert sorted(lines[1:]) == [
        f"{path}: its CRL of CN={each} is not there any more; the one in use is kept"
        for each in ("Intermediate", "Root")
    ]
    assert looks(files) == [] and not passes(files)
