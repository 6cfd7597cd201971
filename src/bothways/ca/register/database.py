"""The database of a register: SQLite for one machine, PostgreSQL if several machines issue.

Connections, transactions and their errors; nothing about tables. An error of the database is raised as a
DatabaseUnavailable, which names the database without its password, or as a `Conflict`, after which the transaction may
be repeated.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import URL, Row, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from bothways.ca.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from bothways.ca.register.read_only import ReadOnlyFile, may_write
from bothways.errors import ConfigError

T = TypeVar("T")

SQLITE, POSTGRESQL = "sqlite", "postgresql+psycopg"
ATTEMPTS = 5
CHUNK = 1000  # rows in one fetch
LOCK_SECONDS = 30  # how long an issuer waits for the lock of a CA
IDLE_SECONDS = 60  # after which PostgreSQL ends an idle transaction
CONNECT_SECONDS = 10
# SQLSTATE of transactions that must be repeated: serialization failure, deadlock.
MUST_RETRY = frozenset({"40001", "40P01"})
LOCK_NOT_AVAILABLE = "55P03"
PRIMARY_CODE = 0xFF  # mask for the primary result code within an extended one of SQLite
# The advisory lock of transactions that create or change tables: one at a time.
SCHEMA_LOCK = 0x626F7468


class Conflict(Exception):
    """The transaction was rolled back because of another one; it may be repeated."""


class Database:
    """One database, and the transactions on it. lock_seconds: how long others are waited for; None for the usual.

    reads: nothing will be written, so that a file of SQLite is enough that can only be read.  `is_read_only`: it is so.
    """

    def __init__(self, url: str, lock_seconds: float | None = None, *, reads: bool = False) -> None:
        parsed = _read_url(url)
        self._label = f"the database {_public(parsed)}"
        self._file: ReadOnlyFile | None = None
        if reads and parsed.drivername == SQLITE and parsed.database and not may_write(parsed.database):
            self._file = ReadOnlyFile(parsed.database)
        self.is_read_only = self._file is not None
        with _database_errors(self._label):
            seconds = LOCK_SECONDS if lock_seconds is None else lock_seconds
            self._engine = _engine(parsed, seconds) if self._file is None else _reading_engine(self._file)
        self._read_engine = self._autocommit_engine = self._engine
        if self._engine.dialect.name == "postgresql":
            self._autocommit_engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            self._read_engine = self._engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def read_transaction(self) -> Iterator[Connection]:
        """Begin a read transaction, which sees one snapshot of the database."""
        with _database_errors(self._label), self._read_engine.connect() as connection, connection.begin():
            yield connection
        if self._file is not None:
            self._file.check()

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Run a single query; on PostgreSQL without the round trips of a transaction."""
        with (
            _database_errors(self._label),
            self._autocommit_engine.connect() as connection,
            connection.begin(),
        ):
            yield connection
        if self._file is not None:
            self._file.check()

    @contextmanager
    def write_transaction(self, *, schema: bool = False) -> Iterator[Connection]:
        """Begin a transaction that is committed after the block, or rolled back by an exception.

        schema: it creates or changes tables, and so takes the advisory lock. Raises Conflict.
        """
        with (
            _database_errors(self._label),
            self._engine.connect().execution_options(writing=True) as connection,
        ):
            transaction = connection.begin()
            try:
                if schema and connection.dialect.name == "postgresql":
                    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({SCHEMA_LOCK})")
                yield connection
            except BaseException:
                transaction.rollback()
                raise
            with _commit_errors(self._label):
                transaction.commit()

    def transact(self, work: Callable[[Connection], T], *, schema: bool = False) -> T:
        """Run `work` in a transaction, at most ATTEMPTS times if there are conflicts; raises DatabaseBusy."""
        attempt = 0
        while True:
            attempt += 1
            try:
                with self.write_transaction(schema=schema) as connection:
                    return work(connection)
            except Conflict as conflict:
                if attempt == ATTEMPTS:
                    raise DatabaseBusy(
                        f"{self._label}: {conflict} ({ATTEMPTS} times in a row); nothing was changed"
                    ) from None


@contextmanager
def streamed(connection: Connection, query: Select[Any]) -> Iterator[Iterable[Row[Any]]]:
    """Read rows in chunks, so that they are never all in memory."""
    with connection.execution_options(yield_per=CHUNK).execute(query) as result:
        yield result


def has_password(url: str) -> bool:
    """Whether a database URL contains a password, so that a file with the URL must be private."""
    parsed = _read_url(url)
    return parsed.password is not None or "password" in parsed.query


def _read_url(text: str) -> URL:
    """Read a database URL. The URLs of PostgreSQL name no driver; psycopg is used."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the database URL is malformed: write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername=POSTGRESQL)
    if url.drivername in (SQLITE, POSTGRESQL):
        return url
    raise ConfigError(f"the database URL has the scheme {url.drivername!a}; it must be sqlite or postgresql")


def _public(url: URL) -> str:
    """A database URL without its password."""
    shown = url.difference_update_query(["password"]).render_as_string(hide_password=True)
    return shown.replace(POSTGRESQL, "postgresql", 1)


def _engine(url: URL, lock_seconds: float) -> Engine:
    if url.drivername == SQLITE:
        engine = create_engine(url)
        event.listen(engine, "connect", partial(_prepare_sqlite, lock_seconds))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # The server may be restarted while a service runs: connections are tested before they are used.
    engine = create_engine(
        url,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS},
    )
    event.listen(engine, "connect", partial(_prepare_postgresql, lock_seconds))
    return engine


def _reading_engine(file: ReadOnlyFile) -> Engine:
    engine = create_engine(f"{SQLITE}://", creator=file.connect, poolclass=QueuePool)
    event.listen(engine, "connect", _without_implicit_transactions)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _without_implicit_transactions(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is sent explicitly


def _prepare_sqlite(
    lock_seconds: float, connection: sqlite3.Connection, _record: ConnectionPoolEntry
) -> None:
    """Make commits durable, and let readers and one writer work at the same time."""
    connection.isolation_level = None  # BEGIN is sent explicitly
    connection.execute(f"PRAGMA busy_timeout = {lock_seconds * 1000:.0f}")
    _write_ahead(connection, lock_seconds)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection, lock_seconds: float) -> None:
    """Switch to the write-ahead log; SQLite itself does not wait for another connection that does the same."""
    deadline = time.monotonic() + lock_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= deadline:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare_postgresql(
    lock_seconds: float, connection: DBAPIConnection, _record: ConnectionPoolEntry
) -> None:
    """Make commits durable, and limit how long a lock is awaited and an idle transaction is kept."""
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = {lock_seconds * 1000:.0f}")
    cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000}")
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
    cursor.close()
    connection.commit()


@contextmanager
def _database_errors(label: str) -> Iterator[None]:
    """Raise an error of the database as a DatabaseUnavailable that names it, or as a Conflict."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise DatabaseUnavailable(
            f"{label}: needs {error.name}: pip install 'bothways[postgresql]'"
        ) from None
    except DBAPIError as error:
        if _sqlstate(error) in MUST_RETRY:
            raise Conflict("a conflict with another transaction") from None
        raise _unavailable(label, error) from None
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(f"{label}: cannot be used: {error}") from None


@contextmanager
def _commit_errors(label: str) -> Iterator[None]:
    """Raise OutcomeUnknown if the connection is lost during the commit."""
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise OutcomeUnknown(
            f"{label}: the connection was lost during the commit; no certificate was written, "
            "and `bothways ca list` and `ca audit` show whether it was recorded"
        ) from None


def _unavailable(label: str, error: DBAPIError) -> DatabaseUnavailable:
    if _is_locked(error):
        return DatabaseBusy(
            f"{label}: another issuer has locked it for too long; nothing was changed, try again"
        )
    reason = " ".join(str(error.orig).split()) or type(error.orig).__name__
    lost = "; the connection was lost and nothing was changed" if error.connection_invalidated else ""
    return DatabaseUnavailable(f"{label}: {reason}{lost}")


def _is_locked(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
    return _sqlstate(error) == LOCK_NOT_AVAILABLE


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state
