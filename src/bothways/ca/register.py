"""What was issued and taken back: SQLite for one machine, PostgreSQL by its URL where several issue.

Everything that changes the register happens in one transaction that first takes the authority's head row, so
issuers on different machines stand in a queue; what was not committed was never handed out. Each transaction
adds to the audit log, whose entries are chained by their hashes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    String,
    Text,
    create_engine,
    event,
    insert,
    select,
    update,
)
from sqlalchemy import Column as Col
from sqlalchemy import Table as Rows
from sqlalchemy.engine import Row as Found
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from bothways.errors import ConfigError

SCHEMA_VERSION = 1
GENESIS = "0" * 64

_metadata = MetaData()

SCHEMA = Rows("schema", _metadata, Col("version", Integer, nullable=False))

AUTHORITIES = Rows(
    "authorities",
    _metadata,
    Col("id", String(64), primary_key=True),  # SHA-256 of its certificate
    Col("name", Text, nullable=False),
    Col("certificate", LargeBinary, nullable=False),
    # The head: what a transaction takes before it changes anything.
    Col("crl_number", Integer, nullable=False, default=0),
    Col("audit_length", Integer, nullable=False, default=0),
    Col("audit_hash", String(64), nullable=False, default=GENESIS),
)

# Serials are 40 hexadecimal digits, times are seconds since 1970: both sort and compare alike everywhere.
CERTIFICATES = Rows(
    "certificates",
    _metadata,
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
    Index("certificates_by_name", "authority", "name"),
    Index("certificates_by_end", "authority", "not_after"),
    Index("certificates_by_revocation", "authority", "revoked_at"),
)

CRLS = Rows(
    "crls",
    _metadata,
    Col("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Col("number", Integer, primary_key=True),
    Col("this_update", BigInteger, nullable=False),
    Col("next_update", BigInteger, nullable=False),
    Col("crl", LargeBinary, nullable=False),
)

AUDIT = Rows(
    "audit",
    _metadata,
    Col("authority", String(64), ForeignKey("authorities.id"), primary_key=True),
    Col("number", Integer, primary_key=True),
    Col("at", BigInteger, nullable=False),
    Col("actor", Text, nullable=False),
    Col("action", String(32), nullable=False),
    Col("subject", Text, nullable=False),
    Col("details", Text, nullable=False),
    Col("hash", String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One certificate of the register. `revoked_at` and `reason` are None while it is good."""

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
class AuditEntry:
    """One line of the audit log: who did what to which certificate or list, and when."""

    number: int
    at: datetime
    actor: str
    action: str
    subject: str
    details: Mapping[str, object]


class SerialTaken(Exception):
    """A serial number that was drawn is in use already; draw another."""


class Register:
    """The certificates, lists and audit log of one authority in a store that several may share."""

    def __init__(self, engine: Engine, authority: str) -> None:
        self._engine = engine
        self.authority = authority

    @classmethod
    def create(cls, url: str, authority: str, name: str, certificate: bytes) -> Register:
        """Make the tables where they are missing, and enter an authority.

        url: of a SQLAlchemy database. authority: the identifier to enter it under. Raises ConfigError if the
        store cannot be used.
        """
        with _told(url), _disposed_on_failure(_engine(url)) as engine, _writing(engine) as connection:
            _metadata.create_all(connection)
            version = connection.scalar(select(SCHEMA.c.version))
            if version is None:
                connection.execute(insert(SCHEMA).values(version=SCHEMA_VERSION))
            _check_version(version or SCHEMA_VERSION)
            row = {"id": authority, "name": name, "certificate": certificate}
            connection.execute(insert(AUTHORITIES).values(row))
        return cls(engine, authority)

    @classmethod
    def open(cls, url: str, authority: str) -> Register:
        """Open the register of an authority, or raise ConfigError."""
        with _told(url), _disposed_on_failure(_engine(url)) as engine:
            with engine.connect() as connection:
                version = connection.scalar(select(SCHEMA.c.version))
                _check_version(version)
                known = connection.scalar(select(AUTHORITIES.c.id).where(AUTHORITIES.c.id == authority))
            if known is None:
                raise ConfigError("the register does not know this authority: does --store name another one?")
        return cls(engine, authority)

    def __enter__(self) -> Register:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection to the store."""
        self._engine.dispose()

    @contextmanager
    def change(self, actor: str, at: datetime) -> Iterator[Change]:
        """Begin a transaction, alone among all issuers; it commits at the end of the block."""
        with _told(str(self._engine.url)), _writing(self._engine) as connection:
            yield Change(connection, self.authority, actor, at)

    def find(self, serial: int) -> Entry | None:
        """Look a certificate up by its serial number."""
        query = select(CERTIFICATES).where(
            CERTIFICATES.c.authority == self.authority, CERTIFICATES.c.serial == serial_text(serial)
        )
        return next(iter(self._entries(query)), None)

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

    def last_crl(self) -> bytes | None:
        """The list that was published last, in DER."""
        query = select(CRLS.c.crl).where(CRLS.c.authority == self.authority)
        with _told(str(self._engine.url)), self._engine.connect() as connection:
            crl: bytes | None = connection.scalar(query.order_by(CRLS.c.number.desc()).limit(1))
        return crl

    def crl_numbers(self) -> list[int]:
        """The numbers of all lists, in the order of their publication."""
        query = select(CRLS.c.number).where(CRLS.c.authority == self.authority)
        with _told(str(self._engine.url)), self._engine.connect() as connection:
            return list(connection.scalars(query.order_by(CRLS.c.this_update, CRLS.c.number)))

    def audit(self) -> list[AuditEntry]:
        """Read the audit log, and raise ConfigError where its chain is broken or the register disagrees."""
        query = select(AUDIT).where(AUDIT.c.authority == self.authority).order_by(AUDIT.c.number)
        head = select(AUTHORITIES).where(AUTHORITIES.c.id == self.authority)
        serials = select(CERTIFICATES.c.serial).where(CERTIFICATES.c.authority == self.authority)
        with _told(str(self._engine.url)), self._engine.connect() as connection:
            rows = connection.execute(query).all()
            length, last = connection.execute(head.with_only_columns(*_HEAD)).one()[1:]
            issued = set(connection.scalars(serials))
        previous = GENESIS
        for number, row in enumerate(rows, 1):
            values = dict(row._mapping)
            if values["number"] != number or values["hash"] != _chained(previous, values):
                raise ConfigError(f"the audit log is broken at entry {number}: it was altered")
            previous = values["hash"]
        if (len(rows), previous) != (length, last):
            raise ConfigError(f"the audit log was cut: it has {len(rows)} entries and {length} were written")
        logged = {row.subject for row in rows if row.action in ("issue", "renew", "sign")}
        if logged != issued:
            odd = min(logged ^ issued)
            raise ConfigError(f"register and audit log disagree about the certificate {odd}")
        return [_audit_entry(row) for row in rows]

    def _entries(self, query: Select[Any]) -> Iterator[Entry]:
        with _told(str(self._engine.url)), self._engine.connect() as connection:
            for row in connection.execution_options(yield_per=1000).execute(query):
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
            with self._connection.begin_nested():
                self._connection.execute(insert(CERTIFICATES).values(row))
        except IntegrityError:
            raise SerialTaken from None

    def record(
        self,
        serial: int,
        certificate: bytes,
        validity: tuple[datetime, datetime],
        names: Mapping[str, Sequence[str]],
        action: str,
        details: Mapping[str, object],
    ) -> None:
        """Record the certificate that was signed under a reserved serial number."""
        self._set(
            serial,
            certificate=certificate,
            names=json.dumps(names),
            not_before=seconds(validity[0]),
            not_after=seconds(validity[1]),
        )
        digest = hashlib.sha256(certificate).hexdigest()
        self._log(action, serial_text(serial), {"sha256": digest, **details})

    def replace(self, serial: int, by: int) -> None:
        """Note that another certificate was issued in the place of this one."""
        self._set(serial, replaced_by=serial_text(by))

    def revoke(self, serial: int, reason: str) -> None:
        """Mark a certificate as revoked, now."""
        self._set(serial, revoked_at=seconds(self._at), reason=reason)
        self._log("revoke", serial_text(serial), {"reason": reason})

    def release(self, serial: int) -> None:
        """Take back a revocation that was a hold."""
        self._set(serial, revoked_at=None, reason=None)
        self._log("release", serial_text(serial), {})

    def revocation(self, serial: int) -> tuple[bool, str | None]:
        """Whether a certificate is in the register, and for which reason it is revoked, if it is."""
        query = select(CERTIFICATES.c.reason).where(
            CERTIFICATES.c.authority == self._authority, CERTIFICATES.c.serial == serial_text(serial)
        )
        row = self._connection.execute(query).one_or_none()
        return row is not None, row.reason if row is not None else None

    def revoked(self, since: datetime) -> list[tuple[int, datetime, str]]:
        """All revoked certificates that had not ended at a moment: serial, time, reason; by serial."""
        query = select(CERTIFICATES.c.serial, CERTIFICATES.c.revoked_at, CERTIFICATES.c.reason).where(
            CERTIFICATES.c.authority == self._authority,
            CERTIFICATES.c.revoked_at.is_not(None),
            CERTIFICATES.c.not_after >= seconds(since),
        )
        rows = self._connection.execute(query.order_by(CERTIFICATES.c.serial))
        return [(int(row.serial, 16), moment(row.revoked_at), row.reason) for row in rows]

    def last_update(self) -> datetime | None:
        """When the last list was published."""
        query = select(CRLS.c.this_update).where(CRLS.c.authority == self._authority)
        at = self._connection.scalar(query.order_by(CRLS.c.number.desc()).limit(1))
        return None if at is None else moment(at)

    @property
    def next_crl_number(self) -> int:
        """The number that the list of this transaction gets."""
        return int(self._crl_number) + 1

    def publish(self, crl: bytes, this_update: datetime, next_update: datetime, entries: int) -> None:
        """Record a list under the next number."""
        self._crl_number = self.next_crl_number
        row = {
            "authority": self._authority,
            "number": self._crl_number,
            "this_update": seconds(this_update),
            "next_update": seconds(next_update),
            "crl": crl,
        }
        self._connection.execute(insert(CRLS).values(row))
        self._log("crl", str(self._crl_number), {"entries": entries})

    def note(self, action: str, subject: str, details: Mapping[str, object]) -> None:
        """Add to the audit log what changes nothing else."""
        self._log(action, subject, details)

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
        self._hash = row["hash"] = _chained(self._hash, row)
        self._connection.execute(insert(AUDIT).values(row))
        head = {"crl_number": self._crl_number, "audit_length": self._length, "audit_hash": self._hash}
        self._connection.execute(
            update(AUTHORITIES).where(AUTHORITIES.c.id == self._authority).values(**head)
        )


_HEAD = (AUTHORITIES.c.crl_number, AUTHORITIES.c.audit_length, AUTHORITIES.c.audit_hash)
_CHAINED = ("authority", "number", "at", "actor", "action", "subject", "details")


def serial_text(serial: int) -> str:
    """A serial number as the register writes it."""
    return f"{serial:040x}"


def seconds(at: datetime) -> int:
    """A moment as the register writes it."""
    return int(at.timestamp())


def moment(at: int) -> datetime:
    """A moment as the register has written it."""
    return datetime.fromtimestamp(at, UTC)


def _chained(previous: str, row: Mapping[str, object]) -> str:
    text = json.dumps([previous, *(row[name] for name in _CHAINED)])
    return hashlib.sha256(text.encode()).hexdigest()


def _entry(row: Found[tuple[object, ...]]) -> Entry:
    return Entry(
        serial=int(row.serial, 16),
        profile=row.profile,
        name=row.name,
        names=json.loads(row.names),
        not_before=moment(row.not_before),
        not_after=moment(row.not_after),
        certificate=row.certificate,
        replaced_by=None if row.replaced_by is None else int(row.replaced_by, 16),
        revoked_at=None if row.revoked_at is None else moment(row.revoked_at),
        reason=row.reason,
    )


def _audit_entry(row: Found[tuple[object, ...]]) -> AuditEntry:
    return AuditEntry(row.number, moment(row.at), row.actor, row.action, row.subject, json.loads(row.details))


def _engine(url: str) -> Engine:
    engine = create_engine(make_url(url))
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    """Make a commit outlive a power cut, and let readers and one writer work at once."""
    connection.isolation_level = None  # we say BEGIN ourselves
    connection.execute("PRAGMA busy_timeout = 20000")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def _disposed_on_failure(engine: Engine) -> Iterator[Engine]:
    """Close what an engine has open if the block fails."""
    try:
        yield engine
    except BaseException:
        engine.dispose()
        raise


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(writing=True) as connection, connection.begin():
        yield connection


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turn what the store says into a ConfigError that names it, without its password."""
    try:
        yield
    except (SerialTaken, ConfigError):
        raise
    except (ArgumentError, ModuleNotFoundError) as error:
        raise ConfigError(f"the store cannot be used: {error}") from None
    except DBAPIError as error:
        where = make_url(url).render_as_string(hide_password=True)
        words = str(error.orig).strip() or type(error.orig).__name__
        raise ConfigError(f"the store {where}: {words}") from None
    except SQLAlchemyError as error:
        raise ConfigError(f"the store cannot be used: {error}") from None


def _check_version(version: int | None) -> None:
    if version is None:
        raise ConfigError("the store holds no register")
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"the store has version {version} of the register, "
            f"and this program knows {SCHEMA_VERSION}: update it"
        )
