"""What processes say of their open connections."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bothways.gateway.observe.board import Board
from bothways.gateway.observe.snapshot import IDENTITIES, identities, identity_text, publish
from bothways.trust.verdict import Names

pytestmark = pytest.mark.network
ROUTE = 'backend = "127.0.0.1:1"\nallow = "any verified client"'
NOW = datetime.now(UTC)


def test_identities_are_bounded_in_number_and_in_length() -> None:
    """Those that have most are named, of all workers together; the others are counted."""
    board = Board(2)
    for number in (1, 2):
        many = {
            Names(f"CN={each}", (), (f"{each:03}.example",), (), ()): 1 for each in range(IDENTITIES + 20)
        }
        many[Names("CN=most", (), ("x" * 1000,), (), ())] = 7
        publish(board.worker(number), {identity_text(names): count for names, count in many.items()})
    named, others = identities(board)
    assert len(named) == IDENTITIES and sum(named.values()) + others == 2 * (IDENTITIES + 20 + 7)
    assert max(named.values()) == 14 and max(map(len, named)) <= 130
