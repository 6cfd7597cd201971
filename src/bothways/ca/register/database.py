"""Where a register is kept: SQLite for one machine, PostgreSQL by its URL where several issue.

It knows connections, transactions and what goes wrong with them; not what stands in the tables. Whatever a store
says ends as a StoreUnavailable that names it without its password, or as a `Conflict`, after which the same work may
be tried again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine import Row as Found
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from bothways.ca.errors import DatabaseBusy, DatabaseUnavailable, OutcomeUnknown
from bothways.errors import ConfigError

T = TypeVar("T")

SQLITE, POSTGRESQL = "sqlite", "postgresql+psycopg"
ATTEMPTS = 5
CHUNK = 1000  # rows that are fetched at once
LOCK_SECONDS = 30  # how long an issuer stands in the queue before it gives up
IDLE_SECONDS = 60  # after which PostgreSQL ends a transaction whose issuer says nothing more
CONNECT_SECONDS = 10
# What PostgreSQL reports when one of two transactions must give way: serialization failure, deadlock.
MUST_RETRY = frozenset({"40001", "40P01"})
LOCK_NOT_AVAILABLE = "55P03"
PRIMARY_CODE = 0xFF  # of what SQLite reports: above it stands which kind of it
# One number for all who make or change tables here, so that they do it one after the other.
SCHEMA_LOCK = 0x626F7468


class Conflict(Exception):
    """This transaction had to give way to another, and nothing of it holds; the same work may be tried again."""


class Database:
    """One database, and the transactions on it."""

    def __init__(self, url: str) -> None:
        parsed = _read_url(url)
        self._label = f"the store {_public(parsed)}"
        with _database_errors(self._label):
            self._engine = _engine(parsed)
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
        """Begin a transaction in which everything is seen as it was at one moment."""
        with _database_errors(self._label), self._read_engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def autocommit(self) -> Iterator[Connection]:
        """Ask one thing, without the ways to and fro that a transaction takes."""
        with (
            _database_errors(self._label),
            self._autocommit_engine.connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def write_transaction(self, *, schema: bool = False) -> Iterator[Connection]:
        """Begin a transaction that commits at the end of the block, or leaves nothing.

        schema: it makes or changes tables, alone among all who do. Raises Conflict if it had to give way.
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
        """Do work in a transaction, again and again while it must give way, but not for ever."""
        attempt = 0
        while True:
            attempt += 1
            try:
                with self.write_transaction(schema=schema) as connection:
                    return work(connection)
            except Conflict as conflict:
                if attempt == ATTEMPTS:
                    raise DatabaseBusy(
                        f"{self._label}: {conflict} ({ATTEMPTS} times in a row); nothing was done"
                    ) from None


@contextmanager
def streamed(connection: Connection, query: Select[Any]) -> Iterator[Iterable[Found[Any]]]:
    """Read rows a thousand at a time, so that they are never all in memory."""
    with connection.execution_options(yield_per=CHUNK).execute(query) as result:
        yield result


def has_password(url: str) -> bool:
    """Whether a store's URL carries a password, so that whatever holds the URL must be private."""
    parsed = _read_url(url)
    return parsed.password is not None or "password" in parsed.query


def _read_url(text: str) -> URL:
    """Read a store's URL. PostgreSQL's own name no driver, and ours is psycopg."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigError(
            "the store cannot be used: write sqlite:///FILE or postgresql://USER@HOST/DATABASE"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername=POSTGRESQL)
    if url.drivername in (SQLITE, POSTGRESQL):
        return url
    raise ConfigError(f"the store cannot be used: {url.drivername!a} is neither sqlite nor postgresql")


def _public(url: URL) -> str:
    """A store's URL as it may be shown, without its password."""
    shown = url.difference_update_query(["password"]).render_as_string(hide_password=True)
    return shown.replace(POSTGRESQL, "postgresql", 1)


def _engine(url: URL) -> Engine:
    if url.drivername == SQLITE:
        engine = create_engine(url)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # A server may be restarted while a service runs: connections are looked at before they are used.
    engine = create_engine(
        url,
        pool_pre_ping=True,
        isolation_level="READ COMMITTED",
        connect_args={} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_SECONDS},
    )
    event.listen(engine, "connect", _prepare_postgresql)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: ConnectionPoolEntry) -> None:
    """Make a commit outlive a power cut, and let readers and one writer work at once."""
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000:.0f}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Write ahead, so that readers and a writer work at once; SQLite waits for nobody who makes the same change."""
    give_up = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() >= give_up:
                raise
        time.sleep(0.02)


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _prepare_postgresql(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    """Make a commit outlive a crash of the server, and let no dead issuer hold up the others for ever."""
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = {LOCK_SECONDS * 1000:.0f}")
    cursor.execute(f"SET idle_in_transaction_session_timeout = {IDLE_SECONDS * 1000}")
    cursor.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )
    cursor.close()
    connection.commit()


@contextmanager
def _database_errors(label: str) -> Iterator[None]:
    """Turn what a store says into a StoreUnavailable that names it, or into a Conflict."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise DatabaseUnavailable(
            f"{label}: needs {error.name}: pip install 'bothways[postgresql]'"
        ) from None
    except DBAPIError as error:
        if _sqlstate(error) in MUST_RETRY:
            raise Conflict("another transaction was in the way") from None
        raise _unavailable(label, error) from None
    except SQLAlchemyError as error:
        raise DatabaseUnavailable(f"{label}: cannot be used: {error}") from None


@contextmanager
def _commit_errors(label: str) -> Iterator[None]:
    """Say of a connection that was lost while it committed that nobody knows what became of it."""
    try:
        yield
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
        raise OutcomeUnknown(
            f"{label}: the connection was lost before the store confirmed; nothing was handed out, "
            "and `bothways ca list` and `ca audit` say whether it was recorded"
        ) from None


def _unavailable(label: str, error: DBAPIError) -> DatabaseUnavailable:
    if _is_locked(error):
        return DatabaseBusy(f"{label}: is held by another issuer for too long; nothing was done, try again")
    reason = " ".join(str(error.orig).split()) or type(error.orig).__name__
    lost = "; the connection was lost and nothing was done" if error.connection_invalidated else ""
    return DatabaseUnavailable(f"{label}: {reason}{lost}")


def _is_locked(error: DBAPIError) -> bool:
    if isinstance(error.orig, sqlite3.Error):
        return error.orig.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
    return _sqlstate(error) == LOCK_NOT_AVAILABLE


def _sqlstate(error: DBAPIError) -> str | None:
    state: str | None = getattr(error.orig, "sqlstate", None)
    return state
