"""What an operator can ask for: `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from bothways.gateway.files.held import Held
from bothways.gateway.observe.board import Board
from bothways.gateway.observe.health import problems

METRICS = b"/metrics"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class PageAnswer:
    """An answer. fields: more header fields."""

    status: int
    media_type: str
    content: bytes
    fields: tuple[tuple[str, str], ...] = ()


Answer = Callable[[], PageAnswer]


def operator_pages(board: Board, held: Callable[[], Held]) -> dict[bytes, Answer]:
    """Return the answers by their paths, for a thread. held: returns the files in use."""

    def metrics() -> PageAnswer:
        from bothways.gateway.observe.exposition import (  # loaded where it is asked for
            CONTENT_TYPE,
            exposition,
        )

        return PageAnswer(200, CONTENT_TYPE, exposition(board, held()))

    def ready() -> PageAnswer:
        found = problems(board, held(), datetime.now(UTC))
        if found:
            return PageAnswer(503, TEXT, "".join(f"not ready: {each}\n" for each in found).encode())
        return PageAnswer(200, TEXT, b"ready\n")

    return {METRICS: metrics, b"/healthz": lambda: PageAnswer(200, TEXT, b"ok\n"), b"/readyz": ready}
