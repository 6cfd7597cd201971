"""The audit log: changes of written entries are detected, on each kind of database."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest

from bothways.audit_chain import chained
from bothways.ca.errors import AuditFailed
from bothways.ca.register.audit_log import AuditEntry
from bothways.ca.register.register import Register
from ca.databases import execute
from ca.issuers import NOW
from ca.records import new_register, publish, record, revoke

A = "a" * 64
ONE, TWO = f"{1:040x}", f"{2:040x}"


@pytest.fixture
def register(url: str) -> Iterator[Register]:
    """Entries: 1 issue, 2 issue, 3 revoke, 4 crl, 5 release."""
    with new_register(url) as made:
        record(made, 1)
        record(made, 2, "bob")
        revoke(made, 1, "certificateHold")
        publish(made)
        with made.transaction("tester", NOW) as transaction:
            transaction.release(1)
        yield made


def test_the_log_has_actor_action_and_time(register: Register) -> None:
    entries = register.audit()
    assert [(entry.number, entry.action, entry.subject) for entry in entries] == [
        (1, "issue", ONE),
        (2, "issue", TWO),
        (3, "revoke", ONE),
        (4, "crl", "1"),
        (5, "release", ONE),
    ]
    assert {(entry.actor, entry.at) for entry in entries} == {("tester", NOW)}
    assert entries[2].details == {"reason": "certificateHold", "after": 0}
    assert entries[3].details == {"entries": 0, "sha256": hashlib.sha256(b"crl 1").hexdigest()}


TAMPERED = [
    # edited
    ("UPDATE audit SET actor = 'somebody else' WHERE number = 2", "broken at entry 2: it was altered"),
    ("UPDATE audit SET at = at + 1 WHERE number = 1", "broken at entry 1"),
    ("UPDATE audit SET details = '{}' WHERE number = 3", "broken at entry 3"),
    (f"UPDATE audit SET hash = '{A}' WHERE number = 3", "broken at entry 3"),
    # deleted
    ("DELETE FROM audit WHERE number = 1", "broken at entry 1"),
    ("DELETE FROM audit WHERE number = 3", "broken at entry 3"),
    # reordered
    (
        (
            "UPDATE audit SET number = 99 WHERE number = 1;"
            "UPDATE audit SET number = 1 WHERE number = 2; UPDATE audit SET number = 2 WHERE number = 99"
        ),
        "broken at entry 1",
    ),
    # cut
    ("DELETE FROM audit WHERE number = 5", "was shortened: it has 4 entries and 5 were written"),
    ("DELETE FROM audit", "was shortened: it has 0 entries and 5 were written"),
    (f"UPDATE authorities SET audit_hash = '{A}'", "entry 5 is not the one that was written last"),
    # the register behind the log's back
    (
        "DELETE FROM certificates WHERE name = 'bob'",
        f"disagree about certificate {TWO}: it is missing in one of them",
    ),
    (
        (
            "INSERT INTO certificates (authority, serial, profile, name, names, not_before, not_after) "
            f"SELECT authority, '{'0' * 40}', profile, name, names, not_before, not_after FROM certificates "
            "WHERE name = 'bob'"
        ),
        f"disagree about certificate {'0' * 40}: it is missing in one of them",
    ),
    ("UPDATE certificates SET certificate = NULL WHERE name = 'bob'", f"{TWO}: it was altered"),
    (f"UPDATE certificates SET revoked_at = 1 WHERE serial = '{ONE}'", f"{ONE}: it was altered"),
    ("UPDATE certificates SET not_after = 0 WHERE name = 'bob'", f"{TWO}: it was altered"),
    # which would keep it from the list of its partition, and from a delta
    ("UPDATE certificates SET partition = 7 WHERE name = 'bob'", f"{TWO}: it was altered"),
    (f"UPDATE certificates SET changed = NULL WHERE serial = '{ONE}'", f"{ONE}: it was altered"),
    ("DELETE FROM crls", "disagree about CRL number 1"),
    ("UPDATE crls SET number = 7", "disagree about CRL number 7"),
    ("UPDATE authorities SET crl_number = 0", "next CRL would have number 1, but number 1 was published"),
]


@pytest.mark.parametrize(("statement", "problem"), TAMPERED)
def test_an_altered_entry_is_named(register: Register, url: str, statement: str, problem: str) -> None:
    execute(url, statement)
    with pytest.raises(AuditFailed, match=problem):
        register.check_audit()


def test_a_revocation_undone_in_the_register_is_found(register: Register, url: str) -> None:
    revoke(register, 2)
    execute(url, "UPDATE certificates SET revoked_at = NULL, reason = NULL")
    with pytest.raises(AuditFailed, match=f"disagree about certificate {TWO}"):
        register.check_audit()


def test_entries_are_shown_until_the_altered_one(register: Register, url: str) -> None:
    shown: list[AuditEntry] = []
    execute(url, "UPDATE audit SET actor = 'somebody else' WHERE number = 3")
    with pytest.raises(AuditFailed, match="broken at entry 3"):
        register.check_audit(shown.append)
    assert [entry.number for entry in shown] == [1, 2]


def test_an_earlier_head_is_found_in_a_longer_log(register: Register) -> None:
    noted = register.check_audit()
    assert noted.number == 5
    record(register, 3, "carol")
    assert register.check_audit(noted=noted).number == 6
    assert str(noted) == f"5:{noted.hash}"


def test_a_log_shortened_with_its_head_verifies_and_is_found_by_a_noted_head(
    register: Register, url: str
) -> None:
    noted = register.check_audit()
    entries = register.audit()[:4]
    execute(url, "DELETE FROM audit WHERE number = 5")
    undone = f"revoked_at = {int(NOW.timestamp())}, reason = 'certificateHold', changed = 0"
    execute(url, f"UPDATE certificates SET {undone} WHERE serial = '{ONE}'")
    previous = "0" * 64
    for entry in entries:
        previous = chained(previous, _fields(entry))
    execute(url, f"UPDATE authorities SET audit_length = 4, audit_hash = '{previous}'")
    assert register.check_audit().number == 4
    with pytest.raises(AuditFailed, match="was shortened: it has 4 entries and had 5 before"):
        register.check_audit(noted=noted)


def test_a_rewritten_log_verifies_and_is_found_by_a_noted_head(register: Register, url: str) -> None:
    noted = register.check_audit()
    _write_anew(register, url, actor="somebody else")
    assert {entry.actor for entry in register.audit()} == {"somebody else"}
    with pytest.raises(AuditFailed, match=f"was replaced: entry 5 had the hash {noted.hash}"):
        register.check_audit(noted=noted)


def _write_anew(register: Register, url: str, actor: str) -> None:
    previous = "0" * 64
    for row in register.audit():
        previous = chained(previous, _fields(row) | {"actor": actor})
        execute(url, f"UPDATE audit SET actor = '{actor}', hash = '{previous}' WHERE number = {row.number}")
    execute(url, f"UPDATE authorities SET audit_hash = '{previous}'")


def _fields(row: AuditEntry) -> dict[str, object]:
    return {
        "authority": A,
        "number": row.number,
        "at": int(row.at.timestamp()),
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "details": json.dumps(dict(row.details), sort_keys=True),
    }
