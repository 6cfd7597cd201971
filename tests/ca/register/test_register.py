"""What the register remembers, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509

from bothways.ca.errors import AlreadyExists, RegisterUnusable
from bothways.ca.register.register import Register
from ca.issuers import NOW
from ca.records import KEY, certificate, new_register, publish, record, revoke


@pytest.fixture
def register(url: str) -> Iterator[Register]:
    with new_register(url) as made:
        yield made


def test_a_certificate_is_found_by_serial_and_by_name(register: Register) -> None:
    serial = 2**128 - 1
    record(register, serial)
    found = register.find(serial)
    made = certificate(serial)
    assert found is not None
    assert (found.serial, found.name, found.names) == (serial, "alice", {"cn": ["alice"]})
    assert (found.not_before, found.not_after) == (made.not_valid_before_utc, made.not_valid_after_utc)
    assert (found.revoked_at, found.reason, found.replaced_by) == (None, None, None)
    assert register.find_by_name("alice") == [found] == list(register.all())
    assert register.find(1) is None
    assert register.find_by_name("bob") == []


def test_certificates_of_one_name_come_in_their_order(register: Register) -> None:
    for serial in (2, 1, 3):
        record(register, serial)
    with register.transaction("tester", NOW) as transaction:
        transaction.replace(1, by=3)
    assert {entry.serial: entry.replaced_by for entry in register.find_by_name("alice")} == {
        1: 3,
        2: None,
        3: None,
    }
    far = NOW + timedelta(days=365)
    assert {entry.serial for entry in register.expiring(far, NOW)} == {2, 3}
    assert register.expiring(NOW, NOW) == []


def test_two_registers_see_each_others_changes(register: Register, url: str) -> None:
    with Register.open(url, "a" * 64) as other:
        record(register, 1)
        record(other, 2, "bob")
    assert [entry.number for entry in register.audit()] == [1, 2]


def test_authorities_in_one_database_do_not_mix(register: Register, url: str) -> None:
    with new_register(url, "b" * 64) as other:
        record(register, 7)
        record(other, 7, "bob")
        publish(other)
        assert [entry.name for entry in register.all()] == ["alice"]
        assert [entry.name for entry in other.all()] == ["bob"]
        assert [entry.action for entry in other.audit()] == ["issue", "crl"]
        assert register.crl_numbers() == []


def test_a_ca_is_added_once(register: Register, url: str) -> None:
    record(register, 7)
    with pytest.raises(AlreadyExists, match="already has a register of this CA; nothing was changed"):
        new_register(url)
    assert [entry.name for entry in register.all()] == ["alice"]


def test_a_register_of_another_authority_is_not_opened(register: Register, url: str) -> None:
    with pytest.raises(RegisterUnusable, match="has no register of this CA: is --store the right database"):
        Register.open(url, "c" * 64)


def test_a_recorded_certificate_is_returned_byte_for_byte(register: Register) -> None:
    record(register, 7, "Zoë \N{GREEK SMALL LETTER ALPHA} '; DROP TABLE certificates --")
    (found,) = register.all()
    assert found.name == "Zoë \N{GREEK SMALL LETTER ALPHA} '; DROP TABLE certificates --"
    leaf = x509.load_der_x509_certificate(found.certificate)
    assert (leaf.serial_number, leaf.public_key()) == (7, KEY)
    assert len(register.audit()) == 1


def test_changes_that_every_crl_has_are_not_reported(register: Register) -> None:
    record(register, 1)
    assert register.crl_state(NOW).changed == {}
    revoke(register, 1)
    assert register.crl_state(NOW).changed == {None: 0}
    publish(register)
    assert register.crl_state(NOW).changed == {}
    record(register, 2, "bob")
    revoke(register, 2)
    assert register.crl_state(NOW).changed == {None: 1}
    assert {each.number for each in register.crl_state(NOW).newest.values()} == {1}
