"""An issuer whose certificates a server tells about, and its clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.ca.issuer import Issuer
from ca.issuers import Clock, new_issuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(tmp_path: Path, clock: Clock) -> Iterator[Issuer]:
    made = new_issuer(tmp_path / "ca", clock)
    yield made
    made.close()
