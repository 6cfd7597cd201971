"""What the conversations with other stacks share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway_talk import Setting, setting_in


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where identities lie as files, for stacks that read nothing else."""
    return tmp_path_factory.mktemp("identities")


@pytest.fixture
def setting(tmp_path: Path) -> Iterator[Setting]:
    """A gateway's folder and the identities in it."""
    with setting_in(tmp_path) as made:
        yield made
