"""Sessions that a server of TLS 1.2 keeps: found by their IDs, few, and never shown."""

from __future__ import annotations

import os

from bothways.tls.resumption.session_ids import ID_SIZE, SessionIds, new_id


def test_a_session_is_found_by_its_id_alone() -> None:
    ids = SessionIds()
    ids.keep(b"one", b"sealed")
    assert ids.find(b"one") == b"sealed" and ids.find(b"other") is None and ids.find(b"") is None
    assert repr(ids) == "<SessionIds of 1>"


def test_the_oldest_goes_for_the_newest() -> None:
    """A server's memory does not grow with its clients."""
    ids = SessionIds(most=3)
    for number in range(5):
        ids.keep(bytes([number]), b"sealed")
    assert len(ids) == 3
    assert [ids.find(bytes([number])) is not None for number in range(5)] == [False, False, True, True, True]


def test_ids_are_long_and_new() -> None:
    assert len({new_id(os.urandom) for _ in range(100)}) == 100
    assert len(new_id(os.urandom)) == ID_SIZE == 32
