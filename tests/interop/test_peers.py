"""How the tests find other people's software."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from interop import peers


def test_a_peer_that_is_missing_skips_the_test_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "nobody", peers.Peer(("no-such-program",), (), (1,), "nothing"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="nobody is not on PATH; it comes with nothing"):
        peers.find("nobody")


def test_a_peer_that_is_missing_fails_the_test_under_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(peers.PEERS, "nobody", peers.Peer(("no-such-program",), (), (1,), "nothing"))
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="nobody is not on PATH"):
        peers.find("nobody")


def test_a_peer_that_is_too_old_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path(sys.executable).name
    monkeypatch.setitem(peers.PEERS, "ancient", peers.Peer((python,), ("--version",), (99, 1), "nothing"))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"ancient is version 3\.\d+\.\d+, older than 99\.1"):
        peers.find("ancient")


def test_a_peer_that_will_do_is_named_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    python = Path(sys.executable).name
    monkeypatch.setitem(peers.PEERS, "fine", peers.Peer((python,), ("--version",), (3, 11), "nothing"))
    assert Path(peers.find("fine")).name == python
