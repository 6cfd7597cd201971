"""Servers on loopback answer at once, so the waiting times are short."""

from __future__ import annotations

import pytest

from bothways.doctor import attempts


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "WAIT_SECONDS", 0.4)
