"""Issuers that are killed at any moment, and issuers that work at once: nothing handed out is lost.

On SQLite and on PostgreSQL alike.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from cryptography import x509

from bothways.ca.home.init import InitOptions
from bothways.ca.issuer import Issuer

LOOP = Path(__file__).with_name("issuing_loop.py")
SOURCES = Path(__file__).resolve().parents[2] / "src"
ENDLESS = 1_000_000
PARTITION = 3


def start(path: Path, count: int, issuers: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(LOOP), str(path), str(count), str(issuers)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )


def reported(lines: Iterable[str], word: str) -> list[int]:
    """The numbers that whole lines of a process's output tell after a word."""
    return [int(line.split()[1]) for line in lines if line.startswith(word) and line.endswith("\n")]


def check(path: Path, lines: list[str]) -> None:
    """All that was reported is in the register, once, and the audit log is complete."""
    issuer = Issuer.open(path, None)
    entries = {entry.serial: entry for entry in issuer.register.all()}
    issued, revoked, numbers = (reported(lines, word) for word in ("issued", "revoked", "crl"))
    assert len(set(issued)) == len(issued)
    assert set(issued) <= set(entries)
    assert all(entries[serial].certificate for serial in entries)
    assert {serial for serial in revoked if entries[serial].revoked_at is None} == set()
    assert numbers == sorted(set(numbers))
    published = issuer.register.crl_numbers()
    assert published == list(range(1, len(published) + 1))
    assert set(numbers) <= set(published)
    issuer.audit()
    issuer.close()
    lists = Counter(named_list(entry.certificate) for entry in entries.values())
    assert max(lists.values(), default=0) <= PARTITION
    assert sum(size < PARTITION for size in lists.values()) <= 1  # the last one alone has room


def named_list(certificate: bytes) -> str:
    """The list that a certificate names, which is that of its partition."""
    extensions = x509.load_der_x509_certificate(certificate).extensions
    (point,) = extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return str((point.full_name or [])[0].value)


@pytest.fixture
def path(tmp_path: Path, url: str) -> Path:
    options = InitOptions("Test", database_url=url, url="http://ca.example", partition=PARTITION)
    Issuer.create(tmp_path / "ca", options, None).close()
    return tmp_path / "ca"


def test_an_issuer_killed_at_any_time_loses_nothing_that_it_issued(path: Path, full: bool) -> None:
    chance = random.Random(2026)
    lines: list[str] = []
    for turn in range(300 if full else 2):
        process = start(path, ENDLESS)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        if turn == 0:
            lines.append(process.stdout.readline())  # on a busy machine no other may come in time
        time.sleep(chance.uniform(0.0, 0.3))
        process.send_signal(signal.SIGKILL)
        rest, _nothing = process.communicate()
        lines += rest.splitlines(keepends=True)
        check(path, lines)
    assert reported(lines, "issued")


@pytest.mark.parametrize("issuers", [pytest.param(2, marks=pytest.mark.full), 4])
def test_concurrent_issuers_never_use_one_serial_or_crl_number_twice(
    path: Path, full: bool, issuers: int
) -> None:
    count = 200 if full else 5
    process = start(path, count, issuers)
    output, _ = process.communicate(timeout=600)
    lines = output.splitlines(keepends=True)
    assert process.returncode == 0
    assert len(reported(lines, "issued")) == count * issuers
    numbers = reported(lines, "crl")
    assert len(set(numbers)) == len(numbers)
    check(path, [line for line in lines if not line.startswith("crl")])
