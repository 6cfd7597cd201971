"""An office for tests: on disk, without passphrase, with a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bothways.ca.founding import Terms
from bothways.ca.office import Office
from bothways.ca.profiles import Holder, Profile

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Clock:
    """Stands still until a test moves it."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


def new_office(path: Path, clock: Clock, **terms: object) -> Office:
    return Office.create(path, Terms("Test", **terms), None, actor="tester", now=clock)  # type: ignore[arg-type]


def client(office: Office, name: str) -> int:
    return office.issue(Profile.CLIENT, Holder(name)).serial
