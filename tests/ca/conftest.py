"""An office to issue from, and its clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.ca.office import Office
from ca.offices import Clock, new_office


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def office(tmp_path: Path, clock: Clock) -> Iterator[Office]:
    made = new_office(tmp_path / "ca", clock)
    yield made
    made.close()
