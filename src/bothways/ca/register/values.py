"""The values of the register, and their conversion from rows of its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select
from sqlalchemy.engine import Row

from bothways.ca.register.schema import CRLS


@dataclass(frozen=True, slots=True)
class RegisterEntry:
    """One certificate of the register. `revoked_at` and `reason` are None unless it is revoked.

    `certificate` is empty if only an imported CRL mentioned the serial number.
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
    """CRLs that replace each other: of all certificates or of one partition, complete or delta CRLs."""

    partition: int | None = None
    delta: bool = False


WHOLE = Series()


@dataclass(frozen=True, slots=True)
class PublishedCRL:
    """The newest CRL of a series. `base`: for a delta CRL the number of its base CRL."""

    series: Series
    number: int
    this_update: datetime
    next_update: datetime
    entries: int
    base: int | None


@dataclass(frozen=True, slots=True)
class CRLState:
    """The state of all CRLs of a CA.

    Attributes: `newest` of each series; `changed`: for each partition (None: all certificates) the number of the CRL
    after which a certificate was last revoked or released, if some CRL lacks it; `partitions` with certificates that
    have not expired.
    """

    newest: Mapping[Series, PublishedCRL]
    changed: Mapping[int | None, int]
    partitions: tuple[int, ...]


def serial_text(serial: int) -> str:
    """A serial number as the register stores it."""
    return f"{serial:040x}"


def seconds(at: datetime) -> int:
    """A time as the register stores it."""
    return int(at.timestamp())


def moment(at: int) -> datetime:
    """A time that the register stores."""
    return datetime.fromtimestamp(at, UTC)


def of_series(authority: str, series: Series) -> tuple[ColumnElement[bool], ...]:
    """The conditions for the CRLs of one series."""
    kind = CRLS.c.base.is_not(None) if series.delta else CRLS.c.base.is_(None)
    return CRLS.c.authority == authority, CRLS.c.partition.is_not_distinct_from(series.partition), kind


def without_bodies(query: Select[Any]) -> Select[Any]:
    """Query CRLs without their contents, which may be large."""
    return query.with_only_columns(*(column for column in CRLS.c if column is not CRLS.c.crl))


def published_crl_from(row: Row[Any]) -> PublishedCRL:
    """Convert a row of a CRL."""
    series = Series(row.partition, row.base is not None)
    times = moment(row.this_update), moment(row.next_update)
    return PublishedCRL(series, row.number, *times, row.entries, row.base)


def entry_from(row: Row[tuple[object, ...]]) -> RegisterEntry:
    """Convert a row of a certificate."""
    return RegisterEntry(
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
