"""What the register remembers, and what it notices."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bothways.ca.register import SCHEMA_VERSION, Register, SerialTaken
from bothways.errors import ConfigError

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
END = datetime(2026, 9, 1, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'register.db'}"


@pytest.fixture
def register(url: str) -> Iterator[Register]:
    with Register.create(url, "a" * 64, "CN=Test", b"certificate") as made:
        yield made


def record(register: Register, serial: int, name: str = "alice") -> None:
    with register.change("tester", AT) as change:
        change.reserve(serial, "client", name)
        change.record(serial, b"der", (AT, END), {"cn": [name]}, "issue", {})


def tamper(url: str, statement: str) -> None:
    connection = sqlite3.connect(url.removeprefix("sqlite:///"))
    with connection:
        connection.execute(statement)
    connection.close()


def test_a_certificate_is_found_by_serial_and_by_name(register: Register) -> None:
    record(register, 2**128 - 1)
    found = register.find(2**128 - 1)
    assert found is not None
    assert (found.name, found.not_before, found.not_after, found.certificate) == ("alice", AT, END, b"der")
    assert found.names == {"cn": ["alice"]}
    assert register.named("alice") == [found] == list(register.all())
    assert register.find(1) is None
    assert register.named("bob") == []


def test_a_serial_number_is_never_taken_twice(register: Register) -> None:
    record(register, 7)
    with pytest.raises(SerialTaken), register.change("tester", AT) as change:
        change.reserve(7, "client", "bob")
    assert [entry.name for entry in register.all()] == ["alice"]


def test_what_was_not_committed_never_happened(register: Register) -> None:
    with pytest.raises(RuntimeError), register.change("tester", AT) as change:
        change.reserve(7, "client", "alice")
        change.record(7, b"der", (AT, END), {}, "issue", {})
        raise RuntimeError("the lights go out")
    assert list(register.all()) == []
    assert register.audit() == []
    record(register, 7)


def test_crl_numbers_rise(register: Register) -> None:
    for number in (1, 2, 3):
        with register.change("tester", AT) as change:
            assert change.next_crl_number == number
            change.publish(b"crl %d" % number, AT, END, 0)
    assert register.crl_numbers() == [1, 2, 3]
    assert register.last_crl() == b"crl 3"


def test_two_registers_see_each_others_work(register: Register, url: str) -> None:
    other = Register.open(url, "a" * 64)
    record(register, 1)
    record(other, 2, "bob")
    assert [entry.number for entry in register.audit()] == [1, 2]
    other.close()


def test_authorities_in_one_store_do_not_mix(register: Register, url: str) -> None:
    other = Register.create(url, "b" * 64, "CN=Other", b"certificate")
    record(register, 7)
    record(other, 7, "bob")
    assert [entry.name for entry in register.all()] == ["alice"]
    assert [entry.name for entry in other.all()] == ["bob"]
    assert len(other.audit()) == 1
    other.close()


TAMPERED = [
    ("UPDATE audit SET actor = 'somebody else' WHERE number = 2", "broken at entry 2: it was altered"),
    ("UPDATE audit SET at = at + 1 WHERE number = 1", "broken at entry 1"),
    ("UPDATE audit SET details = '{}' WHERE number = 3", "broken at entry 3"),
    ("DELETE FROM audit WHERE number = 1", "broken at entry 1"),
    ("DELETE FROM audit WHERE number = 3", "was cut: it has 2 entries and 3 were written"),
    ("DELETE FROM certificates WHERE name = 'bob'", "disagree about the certificate 0+2"),
]


@pytest.mark.parametrize(("statement", "problem"), TAMPERED)
def test_the_audit_log_shows_what_was_altered(
    register: Register, url: str, statement: str, problem: str
) -> None:
    record(register, 1)
    record(register, 2, "bob")
    with register.change("tester", AT) as change:
        change.revoke(1, "superseded")
    assert [entry.action for entry in register.audit()] == ["issue", "issue", "revoke"]
    tamper(url, statement)
    with pytest.raises(ConfigError, match=problem):
        register.audit()


def test_a_store_of_a_later_version_is_left_alone(register: Register, url: str) -> None:
    register.close()
    tamper(url, f"UPDATE schema SET version = {SCHEMA_VERSION + 1}")
    with pytest.raises(ConfigError, match="update it"):
        Register.open(url, "a" * 64)


def test_a_store_that_is_none_is_told(tmp_path: Path, register: Register, url: str) -> None:
    (tmp_path / "text.db").write_text("this is no database, and it is long enough to look like one " * 20)
    for bad, problem in (
        (f"sqlite:///{tmp_path / 'text.db'}", "not a database"),
        (f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}", "unable to open"),
        (f"sqlite:///{tmp_path / 'empty.db'}", "no such table"),
        ("nonsense", "the store cannot be used"),
        ("nosuchdatabase://user:secret@host/x", "the store cannot be used"),
    ):
        with pytest.raises(ConfigError, match=problem) as caught:
            Register.open(bad, "a" * 64)
        assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="does not know this authority"):
        Register.open(url, "c" * 64)
