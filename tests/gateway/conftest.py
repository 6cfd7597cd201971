"""A folder with the identities and the file of a gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_talk import Setting, setting_in


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    with setting_in(tmp_path) as made:
        yield made
