"""When a gateway is ready, and when not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bothways.gateway.files.held import Held
from bothways.gateway.observe.board import DRAINING, GENERATION, SERVING, Board
from bothways.gateway.observe.health import problems
from gateway_talk import Setting

pytestmark = pytest.mark.network
ROUTE = 'backend = "127.0.0.1:1"\nallow = "any verified client"'
NOW = datetime.now(UTC)


def test_gateway_is_not_ready_before_every_worker_has_the_newest_configuration(setting: Setting) -> None:
    """Nor with one that has died, one that drains, or a certificate of ours that is not valid."""
    board = Board(2)
    board.supervisor.state.set(GENERATION, 2)
    assert problems(board, Held(), NOW) == ["worker 1 does not serve", "worker 2 does not serve"]
    for number in (1, 2):
        board.worker(number).state.set(SERVING, 1)
        board.worker(number).state.set(GENERATION, 1)
    board.worker(2).state.set(GENERATION, 2)
    assert problems(board, Held(), NOW) == ["worker 1 has not taken the newest configuration yet"]
    board.worker(1).state.set(GENERATION, 2)
    assert problems(board, Held(), NOW) == []
    setting.write(ROUTE)
    held = setting.load().held
    assert problems(board, held, NOW) == []
    for at, what in (
        (NOW + timedelta(days=40000), "has expired"),
        (NOW - timedelta(days=40000), "is not valid"),
    ):
        [problem] = problems(board, held, at)
        assert what in problem and "our certificate in" in problem
    board.worker(1).state.set(DRAINING, 1)
    assert problems(board, Held(), NOW) == ["worker 1 is draining"]
    board.worker(1).clear_state()
    assert problems(board, Held(), NOW) == ["worker 1 does not serve"]
    board.supervisor.state.set(DRAINING, 1)
    assert problems(board, Held(), NOW) == ["draining: no new connections are accepted"]
