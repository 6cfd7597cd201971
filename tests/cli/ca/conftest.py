"""An empty folder to make authorities in."""

from __future__ import annotations

from pathlib import Path

import pytest

from bothways.ca.home import key_encryption


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BOTHWAYS_CA_PASSPHRASE", raising=False)
    monkeypatch.setattr(key_encryption, "COST", 2)  # a passphrase is quick to try
    return tmp_path
