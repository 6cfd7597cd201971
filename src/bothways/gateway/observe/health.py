"""Whether a gateway is ready: every worker serves the newest configuration, with certificates that are valid."""

from __future__ import annotations

from datetime import datetime

from bothways.gateway.files.held import Held
from bothways.gateway.observe.board import DRAINING, GENERATION, SERVING, Board
from bothways.gateway.observe.evidence import expiring


def problems(board: Board, held: Held, at: datetime) -> list[str]:
    """Return why it is not ready; nothing if it is. at: the time."""
    supervisor = board.supervisor.state.read()
    if supervisor.get(DRAINING):
        return ["draining: no new connections are accepted"]
    newest, found = supervisor.get(GENERATION, 0.0), []
    for number, slot in enumerate(board.workers, 1):
        state = slot.state.read()
        if state.get(DRAINING):
            found.append(f"worker {number} is draining")
        elif not state.get(SERVING):
            found.append(f"worker {number} does not serve")
        elif state.get(GENERATION, 0.0) != newest:
            found.append(f"worker {number} has not taken the newest configuration yet")
    for each in expiring(held):
        if each.use == "own" and not each.begin <= at <= each.end:
            what = "has expired" if at > each.end else "is not valid yet"
            found.append(f"our certificate in {each.file} {what}")
    return found
