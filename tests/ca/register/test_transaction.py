"""One transaction: what it does whole, and what it refuses, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from bothways.ca.errors import DatabaseBusy
from bothways.ca.register.register import Register
from bothways.ca.register.transaction import SerialTaken
from ca.issuers import NOW
from ca.records import certificate, new_register, publish, record, record_in, revoke


@pytest.fixture
def register(url: str) -> Iterator[Register]:
    with new_register(url) as made:
        yield made


def test_a_serial_number_is_never_used_twice(register: Register) -> None:
    record(register, 7)
    with pytest.raises(SerialTaken), register.transaction("tester", NOW) as transaction:
        transaction.reserve(7, "client", "bob")
    assert [entry.name for entry in register.all()] == ["alice"]


def test_a_transaction_with_a_used_serial_number_is_repeated_a_few_times(register: Register) -> None:
    record(register, 7)
    drawn = iter([7, 7, 8])
    register.transact("tester", NOW, lambda transaction: record_in(transaction, next(drawn), "bob"))
    assert [(entry.serial, entry.name) for entry in register.all()] == [(7, "alice"), (8, "bob")]
    with pytest.raises(
        DatabaseBusy, match=r"is in use already: is the random source broken\? \(5 times in a row\)"
    ):
        register.transact("tester", NOW, lambda transaction: record_in(transaction, 7, "carol"))
    assert [entry.subject for entry in register.audit()] == [f"{7:040x}", f"{8:040x}"]


def test_an_uncommitted_transaction_changes_nothing(register: Register) -> None:
    with pytest.raises(RuntimeError), register.transaction("tester", NOW) as transaction:
        record_in(transaction, 7)
        raise RuntimeError("the lights go out")
    assert list(register.all()) == []
    assert register.audit() == []
    record(register, 7)


def test_crl_numbers_rise(register: Register) -> None:
    for number in (1, 2, 3):
        with register.transaction("tester", NOW) as transaction:
            assert transaction.next_crl_number == number
        publish(register)
    assert register.crl_numbers() == [1, 2, 3]
    assert register.newest_crl() == b"crl 3"


def test_revoked_certificates_are_listed_until_they_expire(register: Register) -> None:
    for serial in (3, 1, 2):
        record(register, serial, f"client {serial}")
    revoke(register, 3)
    revoke(register, 1, "keyCompromise")
    end = certificate(1).not_valid_after_utc
    with register.transaction("tester", NOW) as transaction:
        assert transaction.revoked(end) == [(1, NOW, "keyCompromise"), (3, NOW, "superseded")]
        assert transaction.revoked(end + timedelta(seconds=1)) == []
        transaction.release(3)
        assert transaction.revoked(NOW) == [(1, NOW, "keyCompromise")]
