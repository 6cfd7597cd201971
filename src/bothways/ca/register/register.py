"""What was issued and taken back: the certificates, lists and audit log of one authority.

Everything that changes the register happens in one transaction that first takes the authority's head row, so
issuers on different machines stand in a queue; what was not committed was never handed out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, func, insert, select

from bothways.ca.errors import AlreadyExists, RegisterUnusable
from bothways.ca.register.audit_log import CRL, AuditEntry, Head, Visit, check_audit
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
    Entry,
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
    """The certificates, lists and audit log of one authority in a store that several may share."""

    def __init__(self, store: Database, authority: str) -> None:
        self._store = store
        self.authority = authority

    @classmethod
    def create(
        cls, url: str, authority: str, name: str, certificate: bytes, *, known: bool = False
    ) -> Register:
        """Make the tables where they are missing, and enter an authority.

        url: of a SQLAlchemy database. authority: the identifier to enter it under. known: it may be there
        already. Raises StoreUnavailable if it cannot be used.
        """
        row = {"id": authority, "name": name, "certificate": certificate}

        def enter(connection: Connection) -> None:
            create_tables(connection)
            if not _is_known(connection, authority):
                connection.execute(insert(AUTHORITIES).values(row))
            elif not known:
                raise AlreadyExists(
                    "the store has a register of this authority already; nothing was changed there"
                )

        with _closed_on_failure(Database(url)) as store:
            store.transact(enter, schema=True)
        return cls(store, authority)

    @classmethod
    def open(cls, url: str, authority: str) -> Register:
        """Open the register of an authority, brought to this version of its tables, or raise RegisterUnusable."""
        with _closed_on_failure(Database(url)) as store:
            migrate(store)
            with store.read_transaction() as connection:
                if not _is_known(connection, authority):
                    raise RegisterUnusable(
                        "the register does not know this authority: does --store name another one?"
                    )
        return cls(store, authority)

    def __enter__(self) -> Register:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection to the store."""
        self._store.close()

    @contextmanager
    def transaction(self, actor: str, at: datetime) -> Iterator[Transaction]:
        """Begin a transaction, alone among all issuers; it commits at the end of the block."""
        with self._store.write_transaction() as connection:
            transaction = Transaction(connection, self.authority, actor, at)
            yield transaction
            transaction.finish()

    def transact(self, actor: str, at: datetime, work: Callable[[Transaction], T]) -> T:
        """Do work in a transaction, and again where it must give way or drew a serial number that is in use."""

        def attempt(connection: Connection) -> T:
            transaction = Transaction(connection, self.authority, actor, at)
            result = work(transaction)
            transaction.finish()
            return result

        return self._store.transact(attempt)

    def find(self, serial: int) -> Entry | None:
        """Look a certificate up by its serial number."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.serial == serial_text(serial)
        )
        with self._store.autocommit() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else entry_from(row)

    def find_by_name(self, name: str) -> list[Entry]:
        """Look certificates up by their holder's name, the latest last."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.name == name
        )
        return list(self._entries(query.order_by(CERTIFICATES.c.not_before, CERTIFICATES.c.not_after)))

    def all(self) -> Iterator[Entry]:
        """Every certificate, by name, the older one of a name first."""
        query = select(CERTIFICATES).where(CERTIFICATES.c.authority == self.authority)
        yield from self._entries(
            query.order_by(CERTIFICATES.c.name, CERTIFICATES.c.not_before, CERTIFICATES.c.serial)
        )

    def expiring(self, before: datetime, now: datetime) -> list[Entry]:
        """Certificates that are good, end before a moment, and were not replaced yet."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority,
            CERTIFICATES.c.not_after >= seconds(now),
            CERTIFICATES.c.not_after < seconds(before),
            CERTIFICATES.c.revoked_at.is_(None),
            CERTIFICATES.c.replaced_by.is_(None),
        )
        return list(self._entries(query.order_by(CERTIFICATES.c.not_after)))

    def unexpired(self, at: datetime, limit: int) -> list[int]:
        """Serial numbers of certificates that have not ended at a moment, those that end last first."""
        query = select(CERTIFICATES.c.serial).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.not_after >= seconds(at)
        )
        with self._store.read_transaction() as connection:
            rows = connection.scalars(query.order_by(CERTIFICATES.c.not_after.desc()).limit(limit))
            return [int(serial, 16) for serial in rows]

    def newest_crl(self, series: Series = WHOLE) -> bytes | None:
        """The newest list of a series, in DER."""
        query = select(CRLS.c.crl).where(*of_series(self.authority, series))
        with self._store.autocommit() as connection:
            crl: bytes | None = connection.scalar(query.order_by(CRLS.c.number.desc()).limit(1))
        return crl

    def crl_state(self, at: datetime) -> CRLState:
        """How the lists stand at a moment; costs as much as there are partitions and changes that are news."""
        newest = select(CRLS).where(CRLS.c.authority == self.authority)
        partitions = select(PARTITIONS.c.number).where(
            PARTITIONS.c.authority == self.authority, PARTITIONS.c.not_after >= seconds(at)
        )
        with self._store.read_transaction() as connection:
            published = [published_crl_from(row) for row in connection.execute(without_bodies(newest))]
            # What changed before the oldest of these stands in all of them: it is not looked at again.
            oldest = min((each.number for each in published), default=0)
            numbers = self._changed_since(connection, oldest)
            unexpired = tuple(connection.scalars(partitions.order_by(PARTITIONS.c.number)))
        if numbers:
            numbers[None] = max(numbers.values())
        return CRLState({each.series: each for each in published}, numbers, unexpired)

    def _changed_since(self, connection: Connection, number: int) -> dict[int | None, int]:
        """For each partition after which list, not before one of this number, something in it last changed."""
        query = (
            select(CERTIFICATES.c.partition, func.max(CERTIFICATES.c.changed).label("number"))
            .where(CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.changed >= number)
            .group_by(CERTIFICATES.c.partition)
        )
        return {row.partition: row.number for row in connection.execute(query)}

    def crl_numbers(self) -> list[int]:
        """The numbers of all lists that were ever published, in the order of their publication."""
        query = select(AUDIT.c.subject).where(AUDIT.c.authority == self.authority, AUDIT.c.action == CRL)
        with self._store.autocommit() as connection:
            return [int(number) for number in connection.scalars(query.order_by(AUDIT.c.number))]

    def log_since(self, number: int, limit: int) -> list[tuple[int, str, str]]:
        """Entries of the log after a number, unverified: number, action, subject. Tells what changed."""
        query = select(AUDIT.c.number, AUDIT.c.action, AUDIT.c.subject).where(
            AUDIT.c.authority == self.authority, AUDIT.c.number > number
        )
        with self._store.autocommit() as connection:
            rows = connection.execute(query.order_by(AUDIT.c.number).limit(limit))
            return [(row.number, row.action, row.subject) for row in rows]

    def log_length(self) -> int:
        """How many entries the log has."""
        query = select(AUTHORITIES.c.audit_length).where(AUTHORITIES.c.id == self.authority)
        with self._store.autocommit() as connection:
            return int(connection.scalar(query) or 0)

    def audit(self) -> list[AuditEntry]:
        """Verify the audit log and return it, whole in memory; `check_audit` takes one of any length."""
        entries: list[AuditEntry] = []
        self.check_audit(entries.append)
        return entries

    def check_audit(self, visit: Visit | None = None, noted: Head | None = None) -> Head:
        """Verify the audit log, hold the register against it, and return the log's head.

        visit: is given each entry once its link is checked. noted: a head that must still stand in the log.
        Raises AuditFailed that names the first entry, certificate or list that is wrong.
        """
        with self._store.read_transaction() as connection:
            return check_audit(connection, self.authority, visit, noted)

    def _entries(self, query: Select[Any]) -> Iterator[Entry]:
        with self._store.read_transaction() as connection, streamed(connection, query) as rows:
            for row in rows:
                yield entry_from(row)


def _is_known(connection: Connection, authority: str) -> bool:
    known = connection.scalar(select(AUTHORITIES.c.id).where(AUTHORITIES.c.id == authority))
    return known is not None


@contextmanager
def _closed_on_failure(store: Database) -> Iterator[Database]:
    """Close what a store has open if the block fails."""
    try:
        yield store
    except BaseException:
        store.close()
        raise
