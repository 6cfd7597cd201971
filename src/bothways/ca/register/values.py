"""The values that stand in the register, and how rows of its tables become them.

It asks nothing of a store: `register` reads, `change` writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select
from sqlalchemy.engine import Row as Found

from bothways.ca.register.schema import CRLS


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
class PublishedCRL:
    """The newest list of a series. `base`: the number of the list that a delta amends."""

    series: Series
    number: int
    this_update: datetime
    next_update: datetime
    entries: int
    base: int | None


@dataclass(frozen=True, slots=True)
class CRLState:
    """How the lists of an authority stand.

    Attributes: `newest` of each series; `changed`: after which list something last changed in a partition
    (None: among all certificates), where some list lacks it; `partitions` of which not all certificates have ended.
    """

    newest: Mapping[Series, PublishedCRL]
    changed: Mapping[int | None, int]
    partitions: tuple[int, ...]


def serial_text(serial: int) -> str:
    """A serial number as the register writes it."""
    return f"{serial:040x}"


def seconds(at: datetime) -> int:
    """A moment as the register writes it."""
    return int(at.timestamp())


def moment(at: int) -> datetime:
    """A moment as the register has written it."""
    return datetime.fromtimestamp(at, UTC)


def of_series(authority: str, series: Series) -> tuple[ColumnElement[bool], ...]:
    """What is true of the lists of one series."""
    kind = CRLS.c.base.is_not(None) if series.delta else CRLS.c.base.is_(None)
    return CRLS.c.authority == authority, CRLS.c.partition.is_not_distinct_from(series.partition), kind


def without_bodies(query: Select[Any]) -> Select[Any]:
    """Ask for lists, but not for what they hold, which may be long."""
    return query.with_only_columns(*(column for column in CRLS.c if column is not CRLS.c.crl))


def published_crl_from(row: Found[Any]) -> PublishedCRL:
    """A list from its row."""
    series = Series(row.partition, row.base is not None)
    times = moment(row.this_update), moment(row.next_update)
    return PublishedCRL(series, row.number, *times, row.entries, row.base)


def entry_from(row: Found[tuple[object, ...]]) -> Entry:
    """A certificate from its row."""
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
