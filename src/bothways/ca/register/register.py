"""The register of a CA: the certificates that it issued, their revocations, its CRLs and its audit log.

Each change is one transaction, which first locks the row of the CA, so that issuers on several machines work one after
the other. A certificate is returned after its transaction was committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, func, insert, select

from bothways.audit_chain import Head
from bothways.ca.errors import AlreadyExists, RegisterUnusable
from bothways.ca.register.audit_log import CRL, AuditEntry, Visit, check_audit
from bothways.ca.register.database import Database, streamed
from bothways.ca.register.schema import (
    AUDIT,
    AUTHORITIES,
    CERTIFICATES,
    CRLS,
    PARTITIONS,
    create_tables,
    migrate,
)
from bothways.ca.register.transaction import Transaction
from bothways.ca.register.values import (
    WHOLE,
    CRLState,
    RegisterEntry,
    Series,
    entry_from,
    of_series,
    published_crl_from,
    seconds,
    serial_text,
    without_bodies,
)

T = TypeVar("T")


class Register:
    """The certificates, CRLs and audit log of one CA, in a database that several CAs may share."""

    def __init__(self, database: Database, authority: str) -> None:
        self._database = database
        self.authority = authority

    @classmethod
    def create(
        cls, url: str, authority: str, name: str, certificate: bytes, *, known: bool = False
    ) -> Register:
        """Create the tables if they are missing, and add a CA.

        url: of the database. authority: the identifier of the CA. known: the CA may be in the database already.
        Raises AlreadyExists and DatabaseUnavailable.
        """
        row = {"id": authority, "name": name, "certificate": certificate}

        def add(connection: Connection) -> None:
            create_tables(connection)
            if not _is_known(connection, authority):
                connection.execute(insert(AUTHORITIES).values(row))
            elif not known:
                raise AlreadyExists("the database already has a register of this CA; nothing was changed")

        with _closed_on_failure(Database(url)) as database:
            database.transact(add, schema=True)
        return cls(database, authority)

    @classmethod
    def open(
        cls, url: str, authority: str, lock_seconds: float | None = None, *, reads: bool = False
    ) -> Register:
        """Open the register of a CA and migrate its tables to this version; raises RegisterUnusable.

        lock_seconds: how long other issuers are waited for; None for the usual time.  reads: see `Database`.
        """
        with _closed_on_failure(Database(url, lock_seconds, reads=reads)) as database:
            migrate(database)
            with database.read_transaction() as connection:
                if not _is_known(connection, authority):
                    raise RegisterUnusable(
                        "the database has no register of this CA: is --store the right database?"
                    )
        return cls(database, authority)

    def __enter__(self) -> Register:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection to the database."""
        self._database.close()

    @contextmanager
    def transaction(self, actor: str, at: datetime) -> Iterator[Transaction]:
        """Begin a transaction, one at a time among all issuers; it is committed after the block."""
        with self._database.write_transaction() as connection:
            transaction = Transaction(connection, self.authority, actor, at)
            yield transaction
            transaction.finish()

    def transact(self, actor: str, at: datetime, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction; repeat it after a conflict, or if a new serial number is in use."""

        def attempt(connection: Connection) -> T:
            transaction = Transaction(connection, self.authority, actor, at)
            result = work(transaction)
            transaction.finish()
            return result

        return self._database.transact(attempt)

    def find(self, serial: int) -> RegisterEntry | None:
        """Find a certificate by its serial number."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.serial == serial_text(serial)
        )
        with self._database.autocommit() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else entry_from(row)

    def find_by_name(self, name: str) -> list[RegisterEntry]:
        """Find certificates by their holder's name, the latest last."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.name == name
        )
        return list(self._entries(query.order_by(CERTIFICATES.c.not_before, CERTIFICATES.c.not_after)))

    def all(self) -> Iterator[RegisterEntry]:
        """All certificates, ordered by name, the oldest of each name first."""
        query = select(CERTIFICATES).where(CERTIFICATES.c.authority == self.authority)
        yield from self._entries(
            query.order_by(CERTIFICATES.c.name, CERTIFICATES.c.not_before, CERTIFICATES.c.serial)
        )

    def expiring(self, before: datetime, now: datetime) -> list[RegisterEntry]:
        """The valid certificates that expire before a time and were not renewed yet."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority,
            CERTIFICATES.c.not_after >= seconds(now),
            CERTIFICATES.c.not_after < seconds(before),
            CERTIFICATES.c.revoked_at.is_(None),
            CERTIFICATES.c.replaced_by.is_(None),
        )
        return list(self._entries(query.order_by(CERTIFICATES.c.not_after)))

    def unexpired(self, at: datetime, limit: int) -> list[int]:
        """The serial numbers of certificates that have not expired, those that expire last first."""
        query = select(CERTIFICATES.c.serial).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.not_after >= seconds(at)
        )
        with self._database.read_transaction() as connection:
            rows = connection.scalars(query.order_by(CERTIFICATES.c.not_after.desc()).limit(limit))
            return [int(serial, 16) for serial in rows]

    def newest_crl(self, series: Series = WHOLE) -> bytes | None:
        """The newest CRL of a series, in DER."""
        query = select(CRLS.c.crl).where(*of_series(self.authority, series))
        with self._database.autocommit() as connection:
            crl: bytes | None = connection.scalar(query.order_by(CRLS.c.number.desc()).limit(1))
        return crl

    def crl_state(self, at: datetime) -> CRLState:
        """The state of all CRLs; takes time proportional to the partitions and the changes since the oldest CRL."""
        newest = select(CRLS).where(CRLS.c.authority == self.authority)
        partitions = select(PARTITIONS.c.number).where(
            PARTITIONS.c.authority == self.authority, PARTITIONS.c.not_after >= seconds(at)
        )
        with self._database.read_transaction() as connection:
            published = [published_crl_from(row) for row in connection.execute(without_bodies(newest))]
            # Changes before the oldest of these CRLs are in all of them.
            oldest = min((each.number for each in published), default=0)
            numbers = self._changed_since(connection, oldest)
            unexpired = tuple(connection.scalars(partitions.order_by(PARTITIONS.c.number)))
        if numbers:
            numbers[None] = max(numbers.values())
        return CRLState({each.series: each for each in published}, numbers, unexpired)

    def _changed_since(self, connection: Connection, number: int) -> dict[int | None, int]:
        """For each partition the number of the CRL after which it last changed, if that is at least `number`."""
        query = (
            select(CERTIFICATES.c.partition, func.max(CERTIFICATES.c.changed).label("number"))
            .where(CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.changed >= number)
            .group_by(CERTIFICATES.c.partition)
        )
        return {row.partition: row.number for row in connection.execute(query)}

    def crl_numbers(self) -> list[int]:
        """The numbers of all CRLs that were ever published, in that order."""
        query = select(AUDIT.c.subject).where(AUDIT.c.authority == self.authority, AUDIT.c.action == CRL)
        with self._database.autocommit() as connection:
            return [int(number) for number in connection.scalars(query.order_by(AUDIT.c.number))]

    def log_since(self, number: int, limit: int) -> list[tuple[int, str, str]]:
        """Entries of the log after a number, not verified: number, action, subject."""
        query = select(AUDIT.c.number, AUDIT.c.action, AUDIT.c.subject).where(
            AUDIT.c.authority == self.authority, AUDIT.c.number > number
        )
        with self._database.autocommit() as connection:
            rows = connection.execute(query.order_by(AUDIT.c.number).limit(limit))
            return [(row.number, row.action, row.subject) for row in rows]

    def log_length(self) -> int:
        """The number of entries in the log."""
        query = select(AUTHORITIES.c.audit_length).where(AUTHORITIES.c.id == self.authority)
        with self._database.autocommit() as connection:
            return int(connection.scalar(query) or 0)

    def audit(self) -> list[AuditEntry]:
        """Verify the audit log and return it; `check_audit` does not load it into memory."""
        entries: list[AuditEntry] = []
        self.check_audit(entries.append)
        return entries

    def check_audit(self, visit: Visit | None = None, noted: Head | None = None) -> Head:
        """Verify the audit log, compare the register with it, and return the log's head.

        visit: called with each entry after its hash was verified. noted: a head that must be in the log. Raises
        AuditFailed, which names the first entry, certificate or CRL that is wrong.
        """
        with self._database.read_transaction() as connection:
            return check_audit(connection, self.authority, visit, noted)

    def _entries(self, query: Select[Any]) -> Iterator[RegisterEntry]:
        with self._database.read_transaction() as connection, streamed(connection, query) as rows:
            for row in rows:
                yield entry_from(row)


def _is_known(connection: Connection, authority: str) -> bool:
    known = connection.scalar(select(AUTHORITIES.c.id).where(AUTHORITIES.c.id == authority))
    return known is not None


@contextmanager
def _closed_on_failure(database: Database) -> Iterator[Database]:
    """Close a database if the block fails."""
    try:
        yield database
    except BaseException:
        database.close()
        raise
