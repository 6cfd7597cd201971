"""Which event loops our servers run on."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from bothways.servers.event_loops import loop_factory


def test_uvloop_is_used_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    made: Callable[[], asyncio.AbstractEventLoop] = asyncio.SelectorEventLoop
    monkeypatch.setitem(sys.modules, "uvloop", SimpleNamespace(new_event_loop=made))
    assert loop_factory() is made
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory() is None
