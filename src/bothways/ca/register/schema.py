"""The register's tables, their version, and the way from each older version to this one.

Serials are 40 hexadecimal digits and times are seconds since 1970: both sort and compare alike everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy import Column as Col
from sqlalchemy import Table as Rows

from bothways.ca.errors import RegisterUnusable
from bothways.ca.register.database import Database

GENESIS = "0" * 64

METADATA = MetaData()

SCHEMA = Rows("schema", METADATA, Col("version", Integer, nullable=False))

AUTHORITIES = Rows(
    "authorities",
    METADATA,
    Col("id", String(64), primary_key=True),  # SHA-256 of its certificate
    Col("name", Text, nullable=False),
    Col("certificate", LargeBinary, nullable=False),
    # The head: what a transaction takes before it changes anything.
    Col("crl_number", BigInteger, nullable=False, default=0),
    Col("audit_length", BigInteger, nullable=False, default=0),
    Col("audit_hash", String(64), nullable=False, default=GENESIS),
)

CERTIFICATES = Rows(
    "certificates",
    METADATA,
    Col("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Col("serial", String(40), primary_key=True),
    Col("profile", String(16), nullable=False),
    Col("name", Text, nullable=False),
    Col("names", Text, nullable=False),
    Col("not_before", BigInteger, nullable=False),
    Col("not_after", BigInteger, nullable=False),
    Col("certificate", LargeBinary),
    Col("replaced_by", String(40)),
    Col("revoked_at", BigInteger),
    Col("reason", String(32)),
    # The number of the newest list when it was revoked or released: later lists know of it, earlier ones do not.
    Col("changed", BigInteger),
    # In which of the authority's partitions it is, if its certificate names one.
    Col("partition", BigInteger),
    Index("certificates_by_name", "authority", "name"),
    Index("certificates_by_end", "authority", "not_after"),
)


def _partial_index(name: str, decisive: Col[Any], *columns: Col[Any]) -> None:
    """Index the certificates of which one column is set: few of many, with all that is asked of them."""
    there = decisive.is_not(None)
    Index(name, CERTIFICATES.c.authority, *columns, sqlite_where=there, postgresql_where=there)


# What a list asks for: of all certificates, of one partition, and what changed since another list.
_CRL_COLUMNS = (
    CERTIFICATES.c.serial,
    CERTIFICATES.c.revoked_at,
    CERTIFICATES.c.not_after,
    CERTIFICATES.c.reason,
)
_partial_index("certificates_revoked", CERTIFICATES.c.revoked_at, *_CRL_COLUMNS)
_partial_index(
    "certificates_revoked_of_a_partition",
    CERTIFICATES.c.revoked_at,
    CERTIFICATES.c.partition,
    *_CRL_COLUMNS,
)
_partial_index(
    "certificates_changed", CERTIFICATES.c.changed, CERTIFICATES.c.changed, CERTIFICATES.c.partition
)

# Certificates in the order of their issue, a fixed number to each partition, so that no list of one outgrows it.
PARTITIONS = Rows(
    "partitions",
    METADATA,
    Col("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Col("number", BigInteger, primary_key=True),
    Col("size", BigInteger, nullable=False),
    Col("not_after", BigInteger, nullable=False),  # when the last of its certificates ends
)

# The newest list of each series: of everything or of one partition, whole or the changes since a base.
CRLS = Rows(
    "crls",
    METADATA,
    Col("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Col("number", BigInteger, primary_key=True),
    Col("this_update", BigInteger, nullable=False),
    Col("next_update", BigInteger, nullable=False),
    Col("crl", LargeBinary, nullable=False),
    Col("partition", BigInteger),
    Col("base", BigInteger),
    Col("entries", BigInteger, nullable=False),
)

AUDIT = Rows(
    "audit",
    METADATA,
    Col("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Col("number", BigInteger, primary_key=True),
    Col("at", BigInteger, nullable=False),
    Col("actor", Text, nullable=False),
    Col("action", String(32), nullable=False),
    Col("subject", Text, nullable=False),
    Col("details", Text, nullable=False),
    Col("hash", String(64), nullable=False),
)


def create_tables(connection: Connection) -> None:
    """Make the tables in an empty store, or bring those that are there to this version."""
    if _version(connection) is None:
        METADATA.create_all(connection, checkfirst=False)
        connection.execute(insert(SCHEMA).values(version=VERSION))
    else:
        _migrate(connection)


def migrate(store: Database) -> None:
    """Bring a register's tables to this version in one transaction, or raise RegisterUnusable.

    Whoever else opens the store at the same time waits and then finds it done.
    """
    with store.read_transaction() as connection:
        version = _version(connection)
    if version != VERSION:
        store.transact(_migrate, schema=True)


def _migrate(connection: Connection) -> None:
    version = _version(connection)
    if version is None:
        raise RegisterUnusable("the store holds no register; does --store name another one?")
    if version not in range(1, VERSION + 1):
        raise RegisterUnusable(
            f"the store has version {version} of the register, and this program knows {VERSION}: update it"
        )
    for step in STEPS[version - 1 :]:
        step(connection)
    if version < VERSION:
        connection.execute(update(SCHEMA).values(version=VERSION))


def _version(connection: Connection) -> int | None:
    if not inspect(connection).has_table(SCHEMA.name):
        return None
    version: int | None = connection.scalar(select(SCHEMA.c.version))
    return version


def _wider_numbers_and_an_index_of_what_is_revoked(connection: Connection) -> None:
    """From 1 to 2. SQLite's integers have 64 bits whatever they are called."""
    _each(
        connection,
        "DROP INDEX certificates_by_revocation",
        "CREATE INDEX certificates_revoked ON certificates "
        "(authority, serial, revoked_at, not_after, reason) WHERE revoked_at IS NOT NULL",
    )
    if connection.dialect.name == "postgresql":
        _each(
            connection,
            "ALTER TABLE authorities ALTER crl_number TYPE BIGINT, ALTER audit_length TYPE BIGINT",
            "ALTER TABLE crls ALTER number TYPE BIGINT",
            "ALTER TABLE audit ALTER number TYPE BIGINT",
        )


def _partitions_and_changes(connection: Connection) -> None:
    """From 2 to 3. What was revoked before counts as changed just now: then no delta list lacks it."""
    _each(
        connection,
        "ALTER TABLE certificates ADD COLUMN changed BIGINT",
        "ALTER TABLE certificates ADD COLUMN partition BIGINT",
        "ALTER TABLE crls ADD COLUMN partition BIGINT",
        "ALTER TABLE crls ADD COLUMN base BIGINT",
        "ALTER TABLE crls ADD COLUMN entries BIGINT NOT NULL DEFAULT 0",
        "DELETE FROM crls WHERE number < "
        "(SELECT MAX(newer.number) FROM crls AS newer WHERE newer.authority = crls.authority)",
        "UPDATE certificates SET changed = (SELECT crl_number FROM authorities "
        "WHERE authorities.id = certificates.authority) WHERE revoked_at IS NOT NULL",
        "CREATE TABLE partitions (authority VARCHAR(64) NOT NULL REFERENCES authorities (id), "
        "number BIGINT NOT NULL, size BIGINT NOT NULL, not_after BIGINT NOT NULL, "
        "PRIMARY KEY (authority, number))",
        "CREATE INDEX certificates_revoked_of_a_partition ON certificates "
        "(authority, partition, serial, revoked_at, not_after, reason) WHERE revoked_at IS NOT NULL",
        "CREATE INDEX certificates_changed ON certificates "
        "(authority, changed, partition) WHERE changed IS NOT NULL",
    )


def _each(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement))


# The step at n leads from version n + 1 to the next. A step that was released is never changed.
STEPS: tuple[Callable[[Connection], None], ...] = (
    _wider_numbers_and_an_index_of_what_is_revoked,
    _partitions_and_changes,
)
VERSION = len(STEPS) + 1
