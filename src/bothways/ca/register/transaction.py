"""A transaction on the register: reserves, records, revokes and publishes, and writes the audit log.

It locks the row of the CA first, so that no other issuer changes anything meanwhile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import ColumnElement, Connection, case, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from bothways.audit_chain import chained
from bothways.ca.crl import REMOVED, RevokedEntry
from bothways.ca.errors import ImportRefused
from bothways.ca.register.audit_log import CRL, IMPORT
from bothways.ca.register.database import Conflict
from bothways.ca.register.schema import AUDIT, AUTHORITIES, CERTIFICATES, CRLS, PARTITIONS
from bothways.ca.register.values import (
    WHOLE,
    PublishedCRL,
    Series,
    moment,
    of_series,
    published_crl_from,
    seconds,
    serial_text,
    without_bodies,
)

T = TypeVar("T")

IMPORT_BATCH = 500
CRL_NUMBERS = 2**62


@dataclass(frozen=True, slots=True)
class ImportedRecord:
    """A certificate that was issued before the import, or a CRL entry of one that is not known."""

    serial: int
    profile: str
    name: str
    names: Mapping[str, Sequence[str]]
    validity: tuple[datetime, datetime]
    certificate: bytes | None = field(default=None, repr=False)
    revoked_at: datetime | None = None
    reason: str | None = None


class SerialTaken(Conflict):
    """A new serial number is in use already; the transaction is repeated with another."""

    def __init__(self) -> None:
        super().__init__("a random serial number is in use already: is the random source broken?")


class Transaction:
    """A transaction on the register of one CA; `Register.transaction` and `transact` commit it."""

    def __init__(self, connection: Connection, authority: str, actor: str, at: datetime) -> None:
        self._connection = connection
        self._authority = authority
        self._actor = actor
        self._at = at
        head = select(*_HEAD).where(AUTHORITIES.c.id == authority).with_for_update()
        self._crl_number, self._length, self._hash = connection.execute(head).one()
        self._logged: list[dict[str, object]] = []

    def finish(self) -> None:
        """Write the new entries of the audit log and its head, before the commit."""
        if not self._logged:
            return
        self._connection.execute(insert(AUDIT), self._logged)
        head = {"crl_number": self._crl_number, "audit_length": self._length, "audit_hash": self._hash}
        self._connection.execute(
            update(AUTHORITIES).where(AUTHORITIES.c.id == self._authority).values(**head)
        )

    def assign(self, size: int) -> int:
        """Return the partition of the next certificate: the last one, or a new one if that has `size` certificates."""
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
        """Reserve a serial number before a certificate is signed; raises SerialTaken if it is in use."""
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
            raise SerialTaken from None

    def record(
        self,
        certificate: x509.Certificate,
        names: Mapping[str, Sequence[str]],
        action: str,
        details: Mapping[str, object],
        partition: int | None = None,
    ) -> None:
        """Record the certificate with a reserved serial number, in its partition."""
        serial, der = certificate.serial_number, certificate.public_bytes(Encoding.DER)
        end = seconds(certificate.not_valid_after_utc)
        self._set(
            serial,
            certificate=der,
            names=json.dumps(names),
            not_before=seconds(certificate.not_valid_before_utc),
            not_after=end,
            partition=partition,
        )
        if partition is not None:
            self._count_in_partition(partition, end)
        logged: dict[str, object] = {"sha256": hashlib.sha256(der).hexdigest(), **details}
        if partition is not None:
            logged["partition"] = partition
        self._log(action, serial_text(serial), logged)

    def import_records(self, records: Iterable[ImportedRecord]) -> int:
        """Record what was issued and revoked before the import; return how many records were new.

        A certificate completes an earlier CRL entry, and a CRL entry revokes a certificate. Raises ImportRefused for
        two certificates with one serial number.
        """
        count = 0
        for batch in batched(records, IMPORT_BATCH):
            known = self._known_rows([each.serial for each in batch])
            new = [each for each in batch if each.serial not in known]
            if new:
                self._connection.execute(insert(CERTIFICATES), [self._imported_row(each) for each in new])
            for each in new:
                self._log_import(each)
            count += len(new) + sum(
                self._complete(each, *known[each.serial]) for each in batch if each.serial in known
            )
        return count

    def _known_rows(self, serials: Sequence[int]) -> dict[int, tuple[bytes | None, str | None]]:
        query = select(CERTIFICATES.c.serial, CERTIFICATES.c.certificate, CERTIFICATES.c.reason).where(
            CERTIFICATES.c.authority == self._authority,
            CERTIFICATES.c.serial.in_([serial_text(serial) for serial in serials]),
        )
        rows = self._connection.execute(query)
        return {int(row.serial, 16): (row.certificate, row.reason) for row in rows}

    def _complete(self, each: ImportedRecord, certificate: bytes | None, reason: str | None) -> bool:
        if certificate is not None and each.certificate not in (None, certificate):
            raise ImportRefused(
                f"there are two certificates with the serial number {each.serial:x}; nothing was imported"
            )
        values: dict[str, object] = {}
        if certificate is None and each.certificate is not None:
            row = self._imported_row(each)
            values = {name: row[name] for name in _CERTIFICATE_COLUMNS}
        if reason is None and each.reason is not None and each.revoked_at is not None:
            values |= {
                "revoked_at": seconds(each.revoked_at),
                "reason": each.reason,
                "changed": self._crl_number,
            }
        if values:
            self._set(each.serial, **values)
            self._log_import(each)
        return bool(values)

    def _imported_row(self, each: ImportedRecord) -> dict[str, object]:
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

    def _log_import(self, each: ImportedRecord) -> None:
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

    def continue_crl_numbers(self, crl_number: int) -> None:
        """Continue the CRL numbers above that of a CRL that was published before the import."""
        if crl_number not in range(CRL_NUMBERS):
            raise ImportRefused(
                f"the CRL number {crl_number} is larger than {CRL_NUMBERS - 1}, the largest supported"
            )
        if crl_number > self._crl_number:
            self._crl_number = crl_number
            self._log("continue", str(crl_number), {})

    def replace(self, serial: int, by: int) -> None:
        """Record which certificate renewed this one."""
        self._set(serial, replaced_by=serial_text(by))

    def revoke(self, serial: int, reason: str) -> None:
        """Revoke a certificate, now."""
        self._set(serial, revoked_at=seconds(self._at), reason=reason, changed=self._crl_number)
        self._log("revoke", serial_text(serial), {"reason": reason, "after": self._crl_number})

    def release(self, serial: int) -> None:
        """Release a certificate from certificateHold."""
        self._set(serial, revoked_at=None, reason=None, changed=self._crl_number)
        self._log("release", serial_text(serial), {"after": self._crl_number})

    def revocation(self, serial: int) -> tuple[bool, str | None]:
        """Whether a certificate is in the register, and the reason if it is revoked."""
        query = select(CERTIFICATES.c.reason).where(
            CERTIFICATES.c.authority == self._authority, CERTIFICATES.c.serial == serial_text(serial)
        )
        row = self._connection.execute(query).one_or_none()
        return row is not None, row.reason if row is not None else None

    def revoked(self, since: datetime, partition: int | None = None) -> list[RevokedEntry]:
        """The revoked certificates, of a partition or all, that had not expired at `since`; by serial number."""
        query = select(*_REVOCATION).where(
            *_within(self._authority, partition, since), CERTIFICATES.c.revoked_at.is_not(None)
        )
        rows = self._connection.execute(query.order_by(CERTIFICATES.c.serial))
        return [RevokedEntry(int(row.serial, 16), moment(row.revoked_at), row.reason) for row in rows]

    def changed(self, base: int, since: datetime, partition: int | None = None) -> list[RevokedEntry]:
        """The certificates that were revoked or released after CRL number `base`; as for `revoked`."""
        query = select(*_REVOCATION).where(
            *_within(self._authority, partition, since), CERTIFICATES.c.changed >= base
        )
        rows = self._connection.execute(query.order_by(CERTIFICATES.c.serial))
        return [
            RevokedEntry(int(row.serial, 16), None, REMOVED)
            if row.revoked_at is None
            else RevokedEntry(int(row.serial, 16), moment(row.revoked_at), row.reason)
            for row in rows
        ]

    def newest(self, series: Series) -> PublishedCRL | None:
        """The newest CRL of a series."""
        query = without_bodies(select(CRLS).where(*of_series(self._authority, series)))
        row = self._connection.execute(query.order_by(CRLS.c.number.desc()).limit(1)).one_or_none()
        return None if row is None else published_crl_from(row)

    def last_update(self) -> datetime | None:
        """The thisUpdate of the last CRL of any series."""
        query = select(func.max(CRLS.c.this_update)).where(CRLS.c.authority == self._authority)
        at = self._connection.scalar(query)
        return None if at is None else moment(at)

    @property
    def next_crl_number(self) -> int:
        """The number of the next CRL."""
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
        """Record a CRL under the next number; it replaces the one before in its series."""
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
        self._connection.execute(delete(CRLS).where(*of_series(self._authority, series)))
        self._connection.execute(insert(CRLS).values(row))
        details: dict[str, object] = {"entries": entries, "sha256": hashlib.sha256(crl).hexdigest()}
        if series.partition is not None:
            details["partition"] = series.partition
        if base is not None:
            details["base"] = base
        self._log(CRL, str(self._crl_number), details)

    def note(self, action: str, subject: str, details: Mapping[str, object]) -> None:
        """Add an entry to the audit log."""
        self._log(action, subject, details)

    def _count_in_partition(self, partition: int, not_after: int) -> None:
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
_CERTIFICATE_COLUMNS = ("profile", "name", "names", "not_before", "not_after", "certificate")
_HEAD = (AUTHORITIES.c.crl_number, AUTHORITIES.c.audit_length, AUTHORITIES.c.audit_hash)


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Group items into lists of at most `size`."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def _within(authority: str, partition: int | None, since: datetime) -> tuple[ColumnElement[bool], ...]:
    conditions = (CERTIFICATES.c.authority == authority, CERTIFICATES.c.not_after >= seconds(since))
    return conditions if partition is None else (*conditions, CERTIFICATES.c.partition == partition)
