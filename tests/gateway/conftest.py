"""A folder with the identities and the file of a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.testing import MutualTLS
from gateway_talk import Setting


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    (tmp_path / "pki").mkdir()
    with MutualTLS(tmp_path / "pki") as mutual:
        yield Setting(mutual, tmp_path)
