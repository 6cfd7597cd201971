"""What the conversations with other stacks share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where identities lie as files, for stacks that read nothing else."""
    return tmp_path_factory.mktemp("identities")
