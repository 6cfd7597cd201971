"""Keys of tickets: what opens, what does not, and how long."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from bothways import ConfigError, TicketKeys
from bothways.tls.resumption.ticket_keys import NAME_SIZE, OVERHEAD
from pair import NOON

DAY = timedelta(days=1)
CONTEXT = b"one configuration"


def sealed(keys: TicketKeys, later: timedelta = timedelta(0), content: bytes = b"content") -> bytes:
    return keys.seal(content, CONTEXT, NOON + later, os.urandom)


def opened(keys: TicketKeys, ticket: bytes, later: timedelta = timedelta(0)) -> bytes | None:
    return keys.open(ticket, CONTEXT, NOON + later, os.urandom)


def test_a_ticket_opens_where_it_was_sealed() -> None:
    keys = TicketKeys()
    assert opened(keys, sealed(keys)) == b"content"


def test_a_ticket_opens_in_no_other_context() -> None:
    """The virtual-host bypass, CVE-2025-23419: what one configuration issued means nothing to another."""
    keys = TicketKeys()
    ticket = sealed(keys)
    assert keys.open(ticket, b"another one", NOON, os.urandom) is None


def test_a_ticket_opens_under_no_other_keys() -> None:
    assert opened(TicketKeys(), sealed(TicketKeys())) is None


def test_a_ticket_that_was_altered_does_not_open() -> None:
    """Every byte: the name of its key, the nonce, the content, the tag."""
    keys = TicketKeys()
    ticket = sealed(keys)
    for place in range(len(ticket)):
        altered = ticket[:place] + bytes([ticket[place] ^ 1]) + ticket[place + 1 :]
        assert opened(keys, altered) is None


@pytest.mark.parametrize("size", [0, 1, NAME_SIZE, OVERHEAD - 1, OVERHEAD])
def test_a_ticket_that_was_cut_does_not_open(size: int) -> None:
    keys = TicketKeys()
    assert opened(keys, sealed(keys)[:size]) is None


def test_tickets_of_one_session_have_nothing_in_common_but_the_name_of_their_key() -> None:
    """RFC 9846 C.4: which is that of everybody's tickets."""
    keys = TicketKeys()
    one, other = sealed(keys, content=bytes(256)), sealed(keys, content=bytes(256))
    assert one[:NAME_SIZE] == other[:NAME_SIZE]
    same = sum(a == b for a, b in zip(one[NAME_SIZE:], other[NAME_SIZE:], strict=True))
    assert same < 16


def test_keys_change_and_the_one_before_still_opens() -> None:
    keys = TicketKeys(max_age=DAY)
    first = sealed(keys)
    second = sealed(keys, DAY)
    assert first[:NAME_SIZE] != second[:NAME_SIZE]
    assert opened(keys, first, DAY) == b"content"
    assert opened(keys, first, 2 * DAY) is None
    assert opened(keys, second, 3 * DAY - timedelta(seconds=1)) == b"content"
    assert opened(keys, second, 3 * DAY) is None


def test_a_ticket_opens_for_as_long_as_it_may_live_whenever_it_was_sealed() -> None:
    keys = TicketKeys(max_age=DAY)
    sealed(keys)
    late = sealed(keys, DAY - timedelta(seconds=1))
    assert opened(keys, late, 2 * DAY - timedelta(seconds=1)) == b"content"


def test_the_next_key_opens_already() -> None:
    """Whoever shares the keys may be ahead of us by the clock."""
    keys = TicketKeys(max_age=DAY)
    sealed(keys)
    ring = keys.ring(NOON, os.urandom)
    ticket = sealed(keys, DAY)
    assert ticket[:NAME_SIZE] == ring.next.name
    behind = TicketKeys(max_age=DAY)
    behind.ring = lambda now, random: ring  # type: ignore[method-assign]
    assert opened(behind, ticket) == b"content"


@pytest.mark.parametrize("later", [2 * DAY, 400 * DAY, -400 * DAY])
def test_keys_that_are_too_old_are_deleted(later: timedelta) -> None:
    """Nobody used them for long, or the clock was set."""
    keys = TicketKeys(max_age=DAY)
    ticket = sealed(keys)
    assert opened(keys, ticket, later) is None
    assert opened(keys, sealed(keys, later), later) == b"content"


def test_a_forked_process_draws_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = TicketKeys()
    ticket = sealed(keys)
    monkeypatch.setattr("bothways.tls.resumption.ticket_keys.process_id", lambda: -1)
    assert opened(keys, ticket) is None
    assert sealed(keys)[:NAME_SIZE] != ticket[:NAME_SIZE]
    monkeypatch.undo()
    assert opened(keys, ticket) is None, "the keys of the parent are gone there"


def test_an_age_beyond_seven_days_is_a_config_error() -> None:
    """RFC 9846 4.7.1."""
    with pytest.raises(ConfigError, match="max_age"):
        TicketKeys(max_age=8 * DAY)


def test_no_key_shows() -> None:
    keys = TicketKeys()
    sealed(keys)
    assert repr(keys) == "TicketKeys(max_age=datetime.timedelta(days=1))"
    ring = repr(keys.ring(NOON, os.urandom))
    assert "AESGCM" not in ring and "\\x" not in ring
