"""One transaction: what it does whole, and what it refuses, on each kind of store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bothways.ca.errors import StoreBusy
from bothways.ca.register.register import Register
from bothways.ca.register.transaction import SerialTaken
from ca.issuers import NOW
from ca.records import certificate, new_register, publish, record, record_in, revoke


@pytest.fixture
def register(url: str) -> Iterator[Register]:
    with new_register(url) as made:
        yield made


def test_a_serial_number_is_never_taken_twice(register: Register) -> None:
    record(register, 7)
    with pytest.raises(SerialTaken), register.change("tester", NOW) as change:
        change.reserve(7, "client", "bob")
    assert [entry.name for entry in register.all()] == ["alice"]


def test_work_that_drew_a_serial_in_use_is_done_again_but_not_for_ever(register: Register) -> None:
    record(register, 7)
    drawn = iter([7, 7, 8])
    register.transact("tester", NOW, lambda change: record_in(change, next(drawn), "bob"))
    assert [(entry.serial, entry.name) for entry in register.all()] == [(7, "alice"), (8, "bob")]
    with pytest.raises(StoreBusy, match=r"is in use: is the entropy sound\? \(5 times in a row\)"):
        register.transact("tester", NOW, lambda change: record_in(change, 7, "carol"))
    assert [entry.subject for entry in register.audit()] == [f"{7:040x}", f"{8:040x}"]


def test_what_was_not_committed_never_happened(register: Register) -> None:
    with pytest.raises(RuntimeError), register.change("tester", NOW) as change:
        record_in(change, 7)
        raise RuntimeError("the lights go out")
    assert list(register.all()) == []
    assert register.audit() == []
    record(register, 7)


def test_crl_numbers_rise(register: Register) -> None:
    for number in (1, 2, 3):
        with register.change("tester", NOW) as change:
            assert change.next_crl_number == number
        publish(register)
    assert register.crl_numbers() == [1, 2, 3]
    assert register.newest_list() == b"crl 3"


def test_what_is_revoked_is_told_by_serial_until_its_certificate_has_ended(register: Register) -> None:
    for serial in (3, 1, 2):
        record(register, serial, f"client {serial}")
    revoke(register, 3)
    revoke(register, 1, "keyCompromise")
    end = certificate(1).not_valid_after_utc
    with register.change("tester", NOW) as change:
        assert change.revoked(end) == [(1, NOW, "keyCompromise"), (3, NOW, "superseded")]
        assert change.revoked(end + timedelta(seconds=1)) == []
        change.release(3)
        assert change.revoked(NOW) == [(1, NOW, "keyCompromise")]
