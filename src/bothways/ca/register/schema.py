"""The register's tables, their version, and the migrations from older versions.

Serial numbers are 40 hexadecimal digits and times are seconds since 1970, so that every database sorts them alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    insert,
    inspect,
    select,
    text,
    update,
)

from bothways.audit_chain import GENESIS
from bothways.ca.errors import RegisterUnusable
from bothways.ca.register.database import Database

METADATA = MetaData()

SCHEMA = Table("schema", METADATA, Column("version", Integer, nullable=False))

AUTHORITIES = Table(
    "authorities",
    METADATA,
    Column("id", String(64), primary_key=True),  # SHA-256 of its certificate
    Column("name", Text, nullable=False),
    Column("certificate", LargeBinary, nullable=False),
    # A transaction locks this row before it changes anything.
    Column("crl_number", BigInteger, nullable=False, default=0),
    Column("audit_length", BigInteger, nullable=False, default=0),
    Column("audit_hash", String(64), nullable=False, default=GENESIS),
)

CERTIFICATES = Table(
    "certificates",
    METADATA,
    Column("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Column("serial", String(40), primary_key=True),
    Column("profile", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("names", Text, nullable=False),
    Column("not_before", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("certificate", LargeBinary),
    Column("replaced_by", String(40)),
    Column("revoked_at", BigInteger),
    Column("reason", String(32)),
    # The number of the newest CRL when it was revoked or released: only later CRLs contain the change.
    Column("changed", BigInteger),
    # The partition, if the certificate contains the URL of one.
    Column("partition", BigInteger),
    Index("certificates_by_name", "authority", "name"),
    Index("certificates_by_end", "authority", "not_after"),
)


def _partial_index(name: str, decisive: Column[Any], *columns: Column[Any]) -> None:
    """Index only the certificates in which one column is set, with all columns that queries need."""
    is_set = decisive.is_not(None)
    Index(name, CERTIFICATES.c.authority, *columns, sqlite_where=is_set, postgresql_where=is_set)


# The columns that a CRL needs: of all certificates, of one partition, or of changes since another CRL.
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

# A fixed number of certificates is assigned to each partition, in the order of issue; this bounds the size of a CRL.
PARTITIONS = Table(
    "partitions",
    METADATA,
    Column("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("not_after", BigInteger, nullable=False),  # the latest of its certificates
)

# The newest CRL of each series: of all certificates or of one partition, complete or a delta CRL.
CRLS = Table(
    "crls",
    METADATA,
    Column("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("this_update", BigInteger, nullable=False),
    Column("next_update", BigInteger, nullable=False),
    Column("crl", LargeBinary, nullable=False),
    Column("partition", BigInteger),
    Column("base", BigInteger),
    Column("entries", BigInteger, nullable=False),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("subject", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("hash", String(64), nullable=False),
)


def create_tables(connection: Connection) -> None:
    """Create the tables in an empty database, or migrate existing ones to this version."""
    if _version(connection) is None:
        METADATA.create_all(connection, checkfirst=False)
        connection.execute(insert(SCHEMA).values(version=VERSION))
    else:
        _migrate(connection)


def migrate(database: Database) -> None:
    """Migrate the tables to this version in one transaction; raises RegisterUnusable.

    Other programs that open the database meanwhile wait, and then find it migrated.
    """
    with database.read_transaction() as connection:
        version = _version(connection)
    if database.is_read_only and version in range(1, VERSION):
        raise RegisterUnusable(
            f"the register has version {version} and has to be migrated to {VERSION}, which needs permission to write: "
            "run `bothways ca list` as its owner first"
        )
    if version != VERSION:
        database.transact(_migrate, schema=True)


def _migrate(connection: Connection) -> None:
    version = _version(connection)
    if version is None:
        raise RegisterUnusable("the database contains no register: is --store the right database?")
    if version not in range(1, VERSION + 1):
        raise RegisterUnusable(
            f"the register has version {version}, and this program knows versions up to {VERSION}: update the program"
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


def _widen_numbers_and_index_revoked(connection: Connection) -> None:
    """From 1 to 2. Integers of SQLite always have 64 bits."""
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
    """From 2 to 3. Earlier revocations count as changed now, so that no delta CRL lacks them."""
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


# The step at index n migrates from version n + 1 to the next. A released step is never changed.
STEPS: tuple[Callable[[Connection], None], ...] = (
    _widen_numbers_and_index_revoked,
    _partitions_and_changes,
)
VERSION = len(STEPS) + 1
