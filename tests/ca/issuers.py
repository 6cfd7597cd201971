"""An issuer for tests: on disk, without passphrase, with a clock that the test moves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bothways.ca.home.init import InitOptions
from bothways.ca.issuer import Issuer
from bothways.ca.profiles import Holder, Profile

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Clock:
    """Stands still until a test moves it."""

    at: datetime = NOW

    def __call__(self) -> datetime:
        return self.at


def new_issuer(path: Path, clock: Clock, **options: object) -> Issuer:
    return Issuer.create(path, InitOptions("Test", **options), None, actor="tester", now=clock)  # type: ignore[arg-type]


def client(issuer: Issuer, name: str) -> int:
    return issuer.issue(Profile.CLIENT, Holder(name)).serial
