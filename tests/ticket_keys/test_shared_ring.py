"""Shared ticket keys as a value: their form, their time, and who comes after whom."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bothways.ticket_keys.shared_ring import LARGEST, BadTicketKeys, decoded, encoded, new_ring, renewed
from bothways.tls.resumption.ticket_keys import KeyRing
from pair import NOON

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def names(ring: KeyRing | None) -> tuple[bytes | None, ...]:
    assert ring is not None
    return tuple(None if key is None else key.name for key in (ring.previous, ring.current, ring.next))


def test_keys_are_the_same_after_they_were_stored() -> None:
    first = new_ring(NOON, DAY, os.urandom)
    for ring in (first, renewed(first, os.urandom)):
        assert decoded(encoded(ring), DAY) == ring
        assert len(encoded(ring)) < LARGEST


def test_the_next_keys_take_over_with_their_period() -> None:
    """Each server does so by its own clock, without looking at the store."""
    ring = new_ring(NOON, DAY, os.urandom)
    current, after = ring.current.name, ring.next.name
    for now in (NOON - DAY + SECOND, NOON, NOON + DAY - SECOND):
        assert names(ring.at(now)) == (None, current, after)
    for now in (NOON + DAY, NOON + 2 * DAY - SECOND):
        assert names(ring.at(now)) == (current, after, None)
    for now in (NOON - DAY, NOON + 2 * DAY, NOON + 400 * DAY):
        assert ring.at(now) is None


def test_renewed_keys_begin_with_those_that_were_next() -> None:
    ring = new_ring(NOON, DAY, os.urandom)
    later = renewed(ring, os.urandom)
    assert (later.since, later.previous, later.current) == (NOON + DAY, ring.current, ring.next)
    assert later.next.name not in {ring.current.name, ring.next.name}


def test_no_key_shows() -> None:
    ring = new_ring(NOON, DAY, os.urandom)
    for secret in (ring.current.secret, ring.next.secret):
        assert secret.hex() not in repr(ring) and repr(secret) not in repr(ring)
        assert repr(secret) not in repr(ring.at(NOON))


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "another format": lambda form: form | {"format": "bothways ticket keys 2"},
    "a field too many": lambda form: form | {"more": 1},
    "a field too few": lambda form: {name: form[name] for name in form if name != "next"},
    "another max_age": lambda form: form | {"max_age": 3600},
    "no time": lambda form: form | {"since": "yesterday"},
    "a time of no year that can be": lambda form: form | {"since": "9999-12-31T00:00:00Z"},
    "no current key": lambda form: form | {"current": None},
    "a short key": lambda form: form | {"current": {"name": "00" * 16, "key": "00" * 16}},
    "a key in capitals": lambda form: form | {"next": {"name": "00" * 16, "key": "AA" * 32}},
    "a number for a key": lambda form: form | {"next": 7},
    "one name twice": lambda form: form | {"next": form["current"]},
    "the previous name again": lambda form: form | {"previous": form["current"]},
    "a list": lambda form: [form],
    "nothing": lambda form: None,
}


@pytest.mark.parametrize("what", WRONG)
def test_keys_in_another_form_are_not_used(what: str) -> None:
    form = json.loads(encoded(new_ring(NOON, DAY, os.urandom)))
    with pytest.raises(BadTicketKeys):
        decoded(json.dumps(WRONG[what](form)).encode(), DAY)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * LARGEST, b" " * (LARGEST + 1) + b"{}"])
def test_invalid_json_is_not_used(data: bytes) -> None:
    with pytest.raises(BadTicketKeys):
        decoded(data, DAY)
