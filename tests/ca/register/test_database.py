"""Databases that fail: unreachable, full, locked, lost during a transaction; what is reported and stored."""

from __future__ import annotations

import socket
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, Pool

from bothways.ca.errors import AuthorityError, DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from bothways.ca.register import database as databases
from bothways.ca.register.database import Database, has_password
from bothways.ca.register.register import Register
from bothways.ca.register.transaction import Transaction
from bothways.errors import ConfigError
from ca.databases import execute
from ca.issuers import NOW
from ca.records import new_register, record, record_in

pytestmark = pytest.mark.interop
A = "a" * 64


def prefer(url: str, setting: str) -> None:
    """What the server takes for sessions that do not say otherwise."""
    execute(url, f"ALTER DATABASE {make_url(url).database} SET {setting}")


def test_an_invalid_database_url_is_reported_without_its_password(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, and it is long enough to look like one " * 20)
    for bad, problem in (
        (f"sqlite:///{tmp_path / 'text.db'}", "not a database"),
        (f"sqlite:///{tmp_path / 'nowhere' / 'x.db'}", "unable to open"),
        ("nonsense", "the database URL is malformed: write sqlite:///FILE or postgresql://"),
        ("mysql://user:secret@host/x", "the scheme 'mysql'; it must be sqlite or postgresql"),
        ("postgresql://user:secret@host:port/x", "the database URL is malformed"),
    ):
        with pytest.raises((AuthorityError, ConfigError), match=problem) as caught:
            Register.open(bad, A)
        assert "secret" not in str(caught.value)


@pytest.mark.network
def test_an_unreachable_server_is_reported_without_its_password() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for url in (
        f"postgresql://user:secret@127.0.0.1:{port}/x",
        f"postgres://user@127.0.0.1:{port}/x?password=secret",
    ):
        with pytest.raises(DatabaseUnavailable, match="the database postgresql.*onnection refused") as caught:
            Register.open(url, A)
        assert "secret" not in str(caught.value)


def test_a_missing_driver_is_reported_with_the_package_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")

    monkeypatch.setattr(databases, "create_engine", missing)
    with pytest.raises(DatabaseUnavailable, match=r"pip install 'bothways\[postgresql\]'"):
        Register.open("postgresql://localhost/x", A)


def test_a_password_in_a_database_url_is_recognised() -> None:
    assert has_password("postgresql://user:secret@host/x")
    assert has_password("postgresql://user@host/x?password=secret")
    assert not has_password("postgresql://user@host/x")
    assert not has_password("sqlite:////var/lib/register.db")
    with pytest.raises(ConfigError, match="the database URL is malformed"):
        has_password("nonsense")


def test_a_transaction_is_repeated_after_a_conflict(postgresql: str) -> None:
    """A deadlock: we hold the head and want a certificate, another holds the certificate and wants the head."""
    with new_register(postgresql) as register:
        record(register, 1)
    tries = 0
    prefer(postgresql, "deadlock_timeout = '10ms'")
    with Register.open(postgresql, A) as register, psycopg.connect(postgresql) as other:
        other.execute("SET deadlock_timeout = '60s'")
        other.execute("SELECT 1 FROM certificates FOR UPDATE")

        def want_the_head() -> None:
            try:
                other.execute(f"SELECT 1 FROM authorities WHERE id = '{A}' FOR UPDATE")
            except psycopg.errors.QueryCanceled:
                pass
            other.rollback()

        waiting = threading.Thread(target=want_the_head)

        def revoke(transaction: Transaction) -> None:
            nonlocal tries
            tries += 1
            if tries == 1:
                waiting.start()
                _until_somebody_waits(postgresql)
            elif waiting.is_alive():
                other.cancel()
                waiting.join()
            transaction.revoke(1, "superseded")

        register.transact("tester", NOW, revoke)
        waiting.join()
        assert tries == 2
        assert [entry.action for entry in register.audit()] == ["issue", "revoke"]


def _until_somebody_waits(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as looking:
        query = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not looking.execute(query).fetchone()[0]:  # type: ignore[index]
            pass


def test_a_transaction_whose_connection_is_lost_leaves_nothing(postgresql: str) -> None:
    with new_register(postgresql) as register:
        with (
            pytest.raises(DatabaseUnavailable, match="the connection was lost and nothing was changed"),
            register.transaction("tester", NOW) as transaction,
        ):
            record_in(transaction, 1)
            _end_all_sessions(postgresql)
            record_in(transaction, 2)
        assert list(register.all()) == []
        assert register.audit() == []
        record(register, 1)


def test_a_connection_lost_at_the_commit_raises_outcome_unknown(postgresql: str) -> None:
    new_register(postgresql).close()
    database = Database(postgresql)
    with (
        pytest.raises(OutcomeUnknown, match="was lost during the commit; no certificate was written"),
        database.write_transaction() as connection,
    ):
        connection.exec_driver_sql("UPDATE authorities SET name = 'somebody else'")
        _end_all_sessions(postgresql)
    with database.read_transaction() as connection:
        assert connection.exec_driver_sql("SELECT name FROM authorities").scalar_one() == "CN=Test"
    database.close()


def test_a_service_outlives_a_restart_of_its_database(postgresql: str) -> None:
    with new_register(postgresql) as register:
        record(register, 1)
        _end_all_sessions(postgresql)
        assert register.find(1) is not None


def _end_all_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as ending:
        ending.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_an_issuer_that_hangs_blocks_others_for_a_limited_time(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "LOCK_SECONDS", 0.05)
    with new_register(url) as register, Register.open(url, A) as other:
        with register.transaction("tester", NOW) as transaction:
            record_in(transaction, 1)
            with pytest.raises(
                DatabaseBusy, match="another issuer has locked it for too long; nothing was changed"
            ):
                record(other, 2)
        assert [entry.serial for entry in other.all()] == [1]


def test_commits_are_durable_and_serializable_whatever_the_servers_settings(postgresql: str) -> None:
    """A server may be set to acknowledge commits before they are on disk, or to isolate more than we need."""
    prefer(postgresql, "synchronous_commit = off")
    prefer(postgresql, "default_transaction_isolation = 'serializable'")
    database = Database(postgresql)
    with database.write_transaction() as connection:
        ask = connection.exec_driver_sql
        assert ask("SHOW synchronous_commit").scalar_one() == "on"
        assert ask("SHOW transaction_isolation").scalar_one() == "read committed"
        assert ask("SHOW idle_in_transaction_session_timeout").scalar_one() == "1min"
    with database.read_transaction() as connection:
        assert connection.exec_driver_sql("SHOW transaction_read_only").scalar_one() == "on"
    database.close()


def test_sqlite_synchronizes_its_commits_to_the_disk(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'register.db'}")
    with database.write_transaction() as connection:
        ask = connection.exec_driver_sql
        assert ask("PRAGMA synchronous").scalar_one() == 2
        assert ask("PRAGMA journal_mode").scalar_one() == "wal"
    database.close()


def _no_more_pages(connection: DBAPIConnection, _record: ConnectionPoolEntry, _proxy: object) -> None:
    connection.execute("PRAGMA max_page_count = 1")  # type: ignore[attr-defined]


def test_a_full_database_is_reported_and_keeps_its_content(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'register.db'}"
    with new_register(url) as register:
        record(register, 1)
    with Register.open(url, A) as register:
        event.listen(Pool, "checkout", _no_more_pages)
        try:
            with (
                pytest.raises(DatabaseUnavailable, match="database or disk is full"),
                register.transaction("tester", NOW) as transaction,
            ):
                for serial in range(2, 1000):
                    record_in(transaction, serial)
        finally:
            event.remove(Pool, "checkout", _no_more_pages)
        assert [entry.serial for entry in register.all()] == [1]
        assert register.check_audit().number == 1


def test_a_read_only_database_is_reported(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'register.db'}"
    new_register(url).close()
    with closing(sqlite3.connect(tmp_path / "register.db")) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    with pytest.raises(DatabaseUnavailable, match="readonly database"):
        Register.open(f"sqlite:///file:{tmp_path / 'register.db'}?mode=ro&uri=true", A)
