"""From every older version of the register's tables to this one, on each kind of database."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect
from sqlalchemy.engine import make_url

from bothways.audit_chain import Head
from bothways.ca.errors import RegisterUnusable
from bothways.ca.register import schema
from bothways.ca.register.register import Register
from bothways.errors import ConfigError
from ca.databases import execute
from ca.issuers import NOW
from ca.records import new_register, record

# Written by the first version of this program, with the issuing authority of each.
OLD = Path(__file__).with_name("old_databases")
ISSUING = {
    "sqlite": "8c77d8f4f266eacfae2737c6f19076e1488684dc5fe8dba63a5a0f0d6e2c451a",
    "postgresql": "7626a407035360cc23bd09a735d7debd0d6f9c3fba4ea2c7209ad78c0715ced7",
}


@pytest.fixture
def kind(url: str) -> str:
    return make_url(url).drivername


@pytest.fixture
def old(url: str, kind: str) -> str:
    """A store of version 1; the identifier of the authority that stands in it."""
    execute(url, (OLD / f"version1.{kind}.sql").read_text())
    return ISSUING[kind]


def engine(url: str) -> Engine:
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def tables(url: str) -> dict[str, object]:
    """What the store says of its tables: columns with types, keys and indices."""
    made = engine(url)
    reported = inspect(made)
    found: dict[str, object] = {}
    for name in sorted(reported.get_table_names()):
        columns = [(c["name"], _type(c["type"]), c["nullable"]) for c in reported.get_columns(name)]
        indices = sorted((str(i["name"]), tuple(i["column_names"])) for i in reported.get_indexes(name))
        found[name] = (columns, reported.get_pk_constraint(name)["constrained_columns"], indices)
    made.dispose()
    return found


def _type(kind: object) -> str:
    # In SQLite every integer has 64 bits, whatever it is called.
    return str(kind).replace("INTEGER", "BIGINT")


def test_a_database_of_the_first_version_is_read_and_written(url: str, old: str) -> None:
    with Register.open(url, old) as register:
        entries = register.audit()
        assert [entry.action for entry in entries] == [
            "issue", "issue", "issue", "issue", "revoke", "revoke", "crl", "release", "renew", "crl",
        ]  # fmt: skip
        assert {entry.name: entry.reason for entry in register.all()} == {
            "alice": "keyCompromise", "bob": None, "carol": None, "www.example.com": None,
        }  # fmt: skip
        assert [entry.replaced_by is None for entry in register.find_by_name("carol")] == [False, True]
        assert register.crl_numbers() == [1, 2]
        record(register, 7, "dave")
        with register.transaction("tester", NOW) as transaction:
            assert transaction.next_crl_number == 3
        assert register.check_audit().number == 11


def test_a_migrated_database_has_the_schema_of_a_new_one(url: str, old: str, tmp_path: Path) -> None:
    Register.open(url, old).close()
    migrated = tables(url)
    if url.startswith("sqlite"):
        url = f"sqlite:///{tmp_path / 'new.db'}"
    else:
        execute(url, "DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    new_register(url).close()
    assert tables(url) == migrated


def test_a_new_ca_in_an_old_database_migrates_it(url: str, old: str) -> None:
    with new_register(url) as register, Register.open(url, old) as older:
        record(register, 7)
        assert len(older.audit()) == 10
    assert version(url) == schema.VERSION


def test_a_step_that_fails_leaves_the_old_version(
    url: str, old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(connection: object) -> None:
        raise ConfigError("the lights go out")

    before = tables(url)
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, failing))
    with pytest.raises(ConfigError, match="the lights go out"):
        Register.open(url, old)
    assert version(url) == 1
    assert tables(url) == before


def test_an_old_database_is_migrated_once_by_concurrent_programs(url: str, old: str) -> None:
    found: list[Head | Exception] = []

    def work() -> None:
        try:
            with Register.open(url, old) as register:
                found.append(register.check_audit())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
            found.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert [each.number for each in found if isinstance(each, Head)] == [10] * 6
    assert version(url) == schema.VERSION


def test_the_tables_are_created_once_by_concurrent_programs(url: str) -> None:
    failed: list[Exception] = []

    def work(identifier: str) -> None:
        try:
            new_register(url, identifier).close()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(letter * 64,)) for letter in "abcdef"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for letter in "abcdef":
        Register.open(url, letter * 64).close()


@pytest.mark.parametrize("later", [schema.VERSION + 1, 0])
def test_a_database_of_another_program_is_left_alone(url: str, later: int) -> None:
    new_register(url).close()
    execute(url, f"UPDATE schema SET version = {later}")
    with pytest.raises(
        RegisterUnusable, match=f"register has version {later}, .*{schema.VERSION}: update the program"
    ):
        Register.open(url, "a" * 64)
    with pytest.raises(RegisterUnusable, match="update the program"):
        new_register(url, "b" * 64)
    assert version(url) == later


def test_a_database_without_a_register_is_reported(url: str) -> None:
    with pytest.raises(RegisterUnusable, match="contains no register: is --store the right database"):
        Register.open(url, "a" * 64)


def version(url: str) -> int:
    made = engine(url)
    with made.connect() as connection:
        found = connection.exec_driver_sql("SELECT version FROM schema").scalar_one()
    made.dispose()
    return int(found)
