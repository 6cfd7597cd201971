"""What was issued and taken back: the certificates and lists of one authority, and how they change.

Everything that changes the register happens in one transaction that first takes the authority's head row, so
issuers on different machines stand in a queue; what was not committed was never handed out. Each transaction
adds to the audit log.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, case, delete, func, insert, select, update
from sqlalchemy.engine import Row as Found
from sqlalchemy.exc import IntegrityError

from bothways.ca.audit import CRL, IMPORT, AuditEntry, Head, Visit, chained, check_audit
from bothways.ca.crl import REMOVED, Revoked
from bothways.ca.schema import (
    AUDIT,
    AUTHORITIES,
    CERTIFICATES,
    CRLS,
    PARTITIONS,
    bring_up_to_date,
    make_tables,
)
from bothways.ca.store import Conflict, Store, streamed
from bothways.errors import ConfigError

T = TypeVar("T")

ADOPTED_AT_ONCE = 500
CRL_NUMBERS = 2**62


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate of the register. `revoked_at` and `reason` are None while it is good.

    `certificate` is empty where no more is known than that an earlier list named its serial number.
    """

    serial: int
    profile: str
    name: str
    names: Mapping[str, Sequence[str]]
    not_before: datetime
    not_after: datetime
    certificate: bytes = field(repr=False)
    replaced_by: int | None
    revoked_at: datetime | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Series:
    """Lists that replace each other: of all certificates or of one partition, whole or as deltas."""

    partition: int | None = None
    delta: bool = False


WHOLE = Series()


@dataclass(frozen=True, slots=True)
class Published:
    """The newest list of a series. `base`: the number of the list that a delta amends."""

    series: Series
    number: int
    this_update: datetime
    next_update: datetime
    entries: int
    base: int | None


@dataclass(frozen=True, slots=True)
class Lists:
    """How the lists of an authority stand.

    Attributes: `newest` of each series; `changed`: after which list something last changed in a partition
    (None: among all certificates); `partitions` of which not all certificates have ended.
    """

    newest: Mapping[Series, Published]
    changed: Mapping[int | None, int]
    partitions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Adopted:
    """What was issued before this register was: a certificate, or of one that is not here what a list says."""

    serial: int
    profile: str
    name: str
    names: Mapping[str, Sequence[str]]
    validity: tuple[datetime, datetime]
    certificate: bytes | None = field(default=None, repr=False)
    revoked_at: datetime | None = None
    reason: str | None = None


class SerialTaken(Conflict):
    """A serial number that was drawn is in use already; draw another."""

    def __init__(self) -> None:
        super().__init__("the serial number that was drawn is in use: is the entropy sound?")


class Register:
    """The certificates, lists and audit log of one authority in a store that several may share."""

    def __init__(self, store: Store, authority: str) -> None:
        self._store = store
        self.authority = authority

    @classmethod
    def create(
        cls, url: str, authority: str, name: str, certificate: bytes, *, known: bool = False
    ) -> Register:
        """Make the tables where they are missing, and enter an authority.

        url: of a SQLAlchemy database. authority: the identifier to enter it under. known: it may be there
        already. Raises ConfigError if the store cannot be used.
        """
        row = {"id": authority, "name": name, "certificate": certificate}

        def enter(connection: Connection) -> None:
            make_tables(connection)
            if not _is_known(connection, authority):
                connection.execute(insert(AUTHORITIES).values(row))
            elif not known:
                raise ConfigError(
                    "the store has a register of this authority already; nothing was changed there"
                )

        with _closed_on_failure(Store(url)) as store:
            store.transact(enter, schema=True)
        return cls(store, authority)

    @classmethod
    def open(cls, url: str, authority: str) -> Register:
        """Open the register of an authority, brought to this version of its tables, or raise ConfigError."""
        with _closed_on_failure(Store(url)) as store:
            bring_up_to_date(store)
            with store.reading() as connection:
                if not _is_known(connection, authority):
                    raise ConfigError(
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
    def change(self, actor: str, at: datetime) -> Iterator[Change]:
        """Begin a transaction, alone among all issuers; it commits at the end of the block."""
        with self._store.writing() as connection:
            change = Change(connection, self.authority, actor, at)
            yield change
            change.finish()

    def transact(self, actor: str, at: datetime, work: Callable[[Change], T]) -> T:
        """Do work in a transaction, and again where it must give way or drew a serial number that is in use."""

        def attempt(connection: Connection) -> T:
            change = Change(connection, self.authority, actor, at)
            result = work(change)
            change.finish()
            return result

        return self._store.transact(attempt)

    def find(self, serial: int) -> Entry | None:
        """Look a certificate up by its serial number."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.serial == serial_text(serial)
        )
        with self._store.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _entry(row)

    def named(self, name: str) -> list[Entry]:
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

    def living(self, at: datetime, limit: int) -> list[int]:
        """Serial numbers of certificates that have not ended at a moment, those that end last first."""
        query = select(CERTIFICATES.c.serial).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.not_after >= seconds(at)
        )
        with self._store.reading() as connection:
            rows = connection.scalars(query.order_by(CERTIFICATES.c.not_after.desc()).limit(limit))
            return [int(serial, 16) for serial in rows]

    def newest_list(self, series: Series = WHOLE) -> bytes | None:
        """The newest list of a series, in DER."""
        query = select(CRLS.c.crl).where(*_of(self.authority, series))
        with self._store.reading() as connection:
            crl: bytes | None = connection.scalar(query.order_by(CRLS.c.number.desc()).limit(1))
        return crl

    def lists(self, at: datetime) -> Lists:
        """How the lists stand at a moment; costs as much as there are partitions, not certificates."""
        newest = select(CRLS).where(CRLS.c.authority == self.authority)
        changed = (
            select(CERTIFICATES.c.partition, func.max(CERTIFICATES.c.changed).label("number"))
            .where(CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.changed.is_not(None))
            .group_by(CERTIFICATES.c.partition)
        )
        partitions = select(PARTITIONS.c.number).where(
            PARTITIONS.c.authority == self.authority, PARTITIONS.c.not_after >= seconds(at)
        )
        with self._store.reading() as connection:
            published = [_published(row) for row in connection.execute(_without_bodies(newest))]
            numbers: dict[int | None, int] = {
                row.partition: row.number for row in connection.execute(changed)
            }
            living = tuple(connection.scalars(partitions.order_by(PARTITIONS.c.number)))
        if numbers:
            numbers[None] = max(numbers.values())
        return Lists({each.series: each for each in published}, numbers, living)

    def crl_numbers(self) -> list[int]:
        """The numbers of all lists that were ever published, in the order of their publication."""
        query = select(AUDIT.c.subject).where(AUDIT.c.authority == self.authority, AUDIT.c.action == CRL)
        with self._store.reading() as connection:
            return [int(number) for number in connection.scalars(query.order_by(AUDIT.c.number))]

    def log_since(self, number: int, limit: int) -> list[tuple[int, str, str]]:
        """Entries of the log after a number, unverified: number, action, subject. Tells what changed."""
        query = select(AUDIT.c.number, AUDIT.c.action, AUDIT.c.subject).where(
            AUDIT.c.authority == self.authority, AUDIT.c.number > number
        )
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(AUDIT.c.number).limit(limit))
            return [(row.number, row.action, row.subject) for row in rows]

    def log_length(self) -> int:
        """How many entries the log has."""
        query = select(AUTHORITIES.c.audit_length).where(AUTHORITIES.c.id == self.authority)
        with self._store.reading() as connection:
            return int(connection.scalar(query) or 0)

    def audit(self) -> list[AuditEntry]:
        """Verify the audit log and return it, whole in memory; `check_audit` takes one of any length."""
        entries: list[AuditEntry] = []
        self.check_audit(entries.append)
        return entries

    def check_audit(self, visit: Visit | None = None, noted: Head | None = None) -> Head:
        """Verify the audit log, hold the register against it, and return the log's head.

        visit: is given each entry once its link is checked. noted: a head that must still stand in the log.
        Raises ConfigError that names the first entry, certificate or list that is wrong.
        """
        with self._store.reading() as connection:
            return check_audit(connection, self.authority, visit, noted)

    def _entries(self, query: Select[Any]) -> Iterator[Entry]:
        with self._store.reading() as connection, streamed(connection, query) as rows:
            for row in rows:
                yield _entry(row)


class Change:
    """A transaction on the register: nobody else changes it, and nothing holds before it ends."""

    def __init__(self, connection: Connection, authority: str, actor: str, at: datetime) -> None:
        self._connection = connection
        self._authority = authority
        self._actor = actor
        self._at = at
        head = select(*_HEAD).where(AUTHORITIES.c.id == authority).with_for_update()
        self._crl_number, self._length, self._hash = connection.execute(head).one()
        self._logged: list[dict[str, object]] = []

    def finish(self) -> None:
        """Write the audit log's new entries and its head: the last that is done in a transaction."""
        if not self._logged:
            return
        self._connection.execute(insert(AUDIT), self._logged)
        head = {"crl_number": self._crl_number, "audit_length": self._length, "audit_hash": self._hash}
        self._connection.execute(
            update(AUTHORITIES).where(AUTHORITIES.c.id == self._authority).values(**head)
        )

    def assign(self, size: int) -> int:
        """Choose the partition of the next certificate: the last one, or a new one when that has `size`."""
        query = select(PARTITIONS.c.number, PARTITIONS.c.size).where(
            PARTITIONS.c.authority == self._authority
        )
        last = self._connection.execute(query.order_by(PARTITIONS.c.number.desc()).limit(1)).one_or_none()
        if last is not None and last.size < size:
            return int(last.number)
        number = 0 if last is None else int(last.number) + 1
        row = {"authority": self._authority, "number": number, "size": 0, "not_after": 0}
        self._connection.execute(insert(PARTITIONS).values(row))
        return number

    def reserve(self, serial: int, profile: str, name: str) -> None:
        """Take a serial number before anything is signed with it; raise SerialTaken if it is in use."""
        row = {
            "authority": self._authority,
            "serial": serial_text(serial),
            "profile": profile,
            "name": name,
            "names": "{}",
            "not_before": 0,
            "not_after": 0,
        }
        try:
            self._connection.execute(insert(CERTIFICATES).values(row))
        except IntegrityError:
            raise SerialTaken from None  # this transaction is over; the next one draws again

    def record(
        self,
        serial: int,
        certificate: bytes,
        validity: tuple[datetime, datetime],
        names: Mapping[str, Sequence[str]],
        action: str,
        details: Mapping[str, object],
        partition: int | None = None,
    ) -> None:
        """Record the certificate that was signed under a reserved serial number, in its partition."""
        self._set(
            serial,
            certificate=certificate,
            names=json.dumps(names),
            not_before=seconds(validity[0]),
            not_after=seconds(validity[1]),
            partition=partition,
        )
        if partition is not None:
            self._fill(partition, seconds(validity[1]))
        noted: dict[str, object] = {"sha256": hashlib.sha256(certificate).hexdigest(), **details}
        if partition is not None:
            noted["partition"] = partition
        self._log(action, serial_text(serial), noted)

    def adopt(self, found: Iterable[Adopted]) -> int:
        """Enter what was issued before, and return how many of it were news.

        A certificate completes what a list said of it, and a list revokes a certificate. Raises ConfigError for
        two certificates of one serial number.
        """
        news = 0
        for batch in batched(found, ADOPTED_AT_ONCE):
            known = self._known([each.serial for each in batch])
            new = [each for each in batch if each.serial not in known]
            if new:
                self._connection.execute(insert(CERTIFICATES), [self._adopted_row(each) for each in new])
            for each in new:
                self._log_adopted(each)
            news += len(new) + sum(
                self._complete(each, *known[each.serial]) for each in batch if each.serial in known
            )
        return news

    def _known(self, serials: Sequence[int]) -> dict[int, tuple[bytes | None, str | None]]:
        query = select(CERTIFICATES.c.serial, CERTIFICATES.c.certificate, CERTIFICATES.c.reason).where(
            CERTIFICATES.c.authority == self._authority,
            CERTIFICATES.c.serial.in_([serial_text(serial) for serial in serials]),
        )
        rows = self._connection.execute(query)
        return {int(row.serial, 16): (row.certificate, row.reason) for row in rows}

    def _complete(self, each: Adopted, certificate: bytes | None, reason: str | None) -> bool:
        if certificate is not None and each.certificate not in (None, certificate):
            raise ConfigError(
                f"two certificates have the serial number {each.serial:x}; nothing was imported"
            )
        values: dict[str, object] = {}
        if certificate is None and each.certificate is not None:
            row = self._adopted_row(each)
            values = {name: row[name] for name in _OF_A_CERTIFICATE}
        if reason is None and each.reason is not None and each.revoked_at is not None:
            values |= {
                "revoked_at": seconds(each.revoked_at),
                "reason": each.reason,
                "changed": self._crl_number,
            }
        if values:
            self._set(each.serial, **values)
            self._log_adopted(each)
        return bool(values)

    def _adopted_row(self, each: Adopted) -> dict[str, object]:
        return {
            "authority": self._authority,
            "serial": serial_text(each.serial),
            "profile": each.profile,
            "name": each.name,
            "names": json.dumps(each.names),
            "not_before": seconds(each.validity[0]),
            "not_after": seconds(each.validity[1]),
            "certificate": each.certificate,
            "revoked_at": None if each.revoked_at is None else seconds(each.revoked_at),
            "reason": each.reason,
            "changed": None if each.revoked_at is None else self._crl_number,
        }

    def _log_adopted(self, each: Adopted) -> None:
        details: dict[str, object] = {}
        if each.certificate is not None:
            details["sha256"] = hashlib.sha256(each.certificate).hexdigest()
        if each.revoked_at is not None:
            details |= {
                "at": seconds(each.revoked_at),
                "reason": each.reason,
                "after": self._crl_number,
            }
        self._log(IMPORT, serial_text(each.serial), details)

    def continue_after(self, crl_number: int) -> None:
        """Let the numbers of lists go on above one that was published before this register was."""
        if crl_number not in range(CRL_NUMBERS):
            raise ConfigError(
                f"the list number {crl_number} is beyond {CRL_NUMBERS - 1}, after which none fits"
            )
        if crl_number > self._crl_number:
            self._crl_number = crl_number
            self._log("continue", str(crl_number), {})

    def replace(self, serial: int, by: int) -> None:
        """Note that another certificate was issued in the place of this one."""
        self._set(serial, replaced_by=serial_text(by))

    def revoke(self, serial: int, reason: str) -> None:
        """Mark a certificate as revoked, now."""
        self._set(serial, revoked_at=seconds(self._at), reason=reason, changed=self._crl_number)
        self._log("revoke", serial_text(serial), {"reason": reason, "after": self._crl_number})

    def release(self, serial: int) -> None:
        """Take back a revocation that was a hold."""
        self._set(serial, revoked_at=None, reason=None, changed=self._crl_number)
        self._log("release", serial_text(serial), {"after": self._crl_number})

    def revocation(self, serial: int) -> tuple[bool, str | None]:
        """Whether a certificate is in the register, and for which reason it is revoked, if it is."""
        query = select(CERTIFICATES.c.reason).where(
            CERTIFICATES.c.authority == self._authority, CERTIFICATES.c.serial == serial_text(serial)
        )
        row = self._connection.execute(query).one_or_none()
        return row is not None, row.reason if row is not None else None

    def revoked(self, since: datetime, partition: int | None = None) -> list[Revoked]:
        """All revoked certificates, or those of a partition, that had not ended at a moment; by serial."""
        query = select(*_REVOCATION).where(
            *_within(self._authority, partition, since), CERTIFICATES.c.revoked_at.is_not(None)
        )
        rows = self._connection.execute(query.order_by(CERTIFICATES.c.serial))
        return [Revoked(int(row.serial, 16), moment(row.revoked_at), row.reason) for row in rows]

    def changed(self, base: int, since: datetime, partition: int | None = None) -> list[Revoked]:
        """What was revoked or released after the list of a number was published; as for `revoked`."""
        query = select(*_REVOCATION).where(
            *_within(self._authority, partition, since), CERTIFICATES.c.changed >= base
        )
        rows = self._connection.execute(query.order_by(CERTIFICATES.c.serial))
        return [
            Revoked(int(row.serial, 16), None, REMOVED)
            if row.revoked_at is None
            else Revoked(int(row.serial, 16), moment(row.revoked_at), row.reason)
            for row in rows
        ]

    def newest(self, series: Series) -> Published | None:
        """The newest list of a series."""
        query = _without_bodies(select(CRLS).where(*_of(self._authority, series)))
        row = self._connection.execute(query.order_by(CRLS.c.number.desc()).limit(1)).one_or_none()
        return None if row is None else _published(row)

    def last_update(self) -> datetime | None:
        """When the last list of any series was published."""
        query = select(func.max(CRLS.c.this_update)).where(CRLS.c.authority == self._authority)
        at = self._connection.scalar(query)
        return None if at is None else moment(at)

    @property
    def next_crl_number(self) -> int:
        """The number that the list of this transaction gets."""
        return int(self._crl_number) + 1

    def publish(
        self,
        crl: bytes,
        this_update: datetime,
        next_update: datetime,
        entries: int,
        series: Series = WHOLE,
        base: int | None = None,
    ) -> None:
        """Record a list under the next number, in the place of the one before in its series."""
        self._crl_number = self.next_crl_number
        row = {
            "authority": self._authority,
            "number": self._crl_number,
            "this_update": seconds(this_update),
            "next_update": seconds(next_update),
            "crl": crl,
            "partition": series.partition,
            "base": base,
            "entries": entries,
        }
        self._connection.execute(delete(CRLS).where(*_of(self._authority, series)))
        self._connection.execute(insert(CRLS).values(row))
        details: dict[str, object] = {"entries": entries, "sha256": hashlib.sha256(crl).hexdigest()}
        if series.partition is not None:
            details["partition"] = series.partition
        if base is not None:
            details["base"] = base
        self._log(CRL, str(self._crl_number), details)

    def note(self, action: str, subject: str, details: Mapping[str, object]) -> None:
        """Add to the audit log what changes nothing else."""
        self._log(action, subject, details)

    def _fill(self, partition: int, not_after: int) -> None:
        later = case((PARTITIONS.c.not_after < not_after, not_after), else_=PARTITIONS.c.not_after)
        self._connection.execute(
            update(PARTITIONS)
            .where(PARTITIONS.c.authority == self._authority, PARTITIONS.c.number == partition)
            .values(size=PARTITIONS.c.size + 1, not_after=later)
        )

    def _set(self, serial: int, **values: object) -> None:
        self._connection.execute(
            update(CERTIFICATES)
            .where(CERTIFICATES.c.authority == self._authority, CERTIFICATES.c.serial == serial_text(serial))
            .values(**values)
        )

    def _log(self, action: str, subject: str, details: Mapping[str, object]) -> None:
        self._length += 1
        row: dict[str, object] = {
            "authority": self._authority,
            "number": self._length,
            "at": seconds(self._at),
            "actor": self._actor,
            "action": action,
            "subject": subject,
            "details": json.dumps(details, sort_keys=True),
        }
        self._hash = row["hash"] = chained(self._hash, row)
        self._logged.append(row)


_REVOCATION = (CERTIFICATES.c.serial, CERTIFICATES.c.revoked_at, CERTIFICATES.c.reason)
_OF_A_CERTIFICATE = ("profile", "name", "names", "not_before", "not_after", "certificate")
_HEAD = (AUTHORITIES.c.crl_number, AUTHORITIES.c.audit_length, AUTHORITIES.c.audit_hash)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Cut what may be without end into lists of a size."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def serial_text(serial: int) -> str:
    """A serial number as the register writes it."""
    return f"{serial:040x}"


def seconds(at: datetime) -> int:
    """A moment as the register writes it."""
    return int(at.timestamp())


def moment(at: int) -> datetime:
    """A moment as the register has written it."""
    return datetime.fromtimestamp(at, UTC)


def _of(authority: str, series: Series) -> tuple[ColumnElement[bool], ...]:
    kind = CRLS.c.base.is_not(None) if series.delta else CRLS.c.base.is_(None)
    return CRLS.c.authority == authority, CRLS.c.partition.is_not_distinct_from(series.partition), kind


def _within(authority: str, partition: int | None, since: datetime) -> tuple[ColumnElement[bool], ...]:
    conditions = (CERTIFICATES.c.authority == authority, CERTIFICATES.c.not_after >= seconds(since))
    return conditions if partition is None else (*conditions, CERTIFICATES.c.partition == partition)


def _without_bodies(query: Select[Any]) -> Select[Any]:
    return query.with_only_columns(*(column for column in CRLS.c if column is not CRLS.c.crl))


def _published(row: Found[Any]) -> Published:
    series = Series(row.partition, row.base is not None)
    times = moment(row.this_update), moment(row.next_update)
    return Published(series, row.number, *times, row.entries, row.base)


def _entry(row: Found[tuple[object, ...]]) -> Entry:
    return Entry(
        serial=int(row.serial, 16),
        profile=row.profile,
        name=row.name,
        names=json.loads(row.names),
        not_before=moment(row.not_before),
        not_after=moment(row.not_after),
        certificate=row.certificate or b"",
        replaced_by=None if row.replaced_by is None else int(row.replaced_by, 16),
        revoked_at=None if row.revoked_at is None else moment(row.revoked_at),
        reason=row.reason,
    )


def _is_known(connection: Connection, authority: str) -> bool:
    known = connection.scalar(select(AUTHORITIES.c.id).where(AUTHORITIES.c.id == authority))
    return known is not None


@contextmanager
def _closed_on_failure(store: Store) -> Iterator[Store]:
    """Close what a store has open if the block fails."""
    try:
        yield store
    except BaseException:
        store.close()
        raise
