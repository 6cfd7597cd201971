"""Servers on loopback answer at once: nobody waits for them as long as for those that are far away."""

from __future__ import annotations

import pytest

from bothways.doctor import attempts


@pytest.fixture(autouse=True)
def _near(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "WAIT_SECONDS", 0.4)
