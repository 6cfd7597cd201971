"""A row of the catalogue is played: the peer's program on one side, and us on the other."""

from __future__ import annotations

from typing import Any

from bothways import ClientConfig
from bothways.diagnosis import Explanation
from catalogue import people
from catalogue.row import CLIENT, Row, Settings
from catalogue.stage import HOST, Stage, as_client, as_server, cut
from catalogue.stage import REQUEST as HTTP
from processes import free_port


def play(
    row: Row, stage: Stage, settings: Settings | None = None, enough: bytes | None = None
) -> Explanation | None:
    """Produce a failure, and have it explained to us; None if it did not fail.

    settings: ours, in place of the row's.  enough: what is in an answer that serves us, so that no more is awaited.
    """
    ours = row.ours() if settings is None else settings
    if row.role != CLIENT:
        return as_server(
            ours,
            lambda port: stage.calling(row.command, row.says, port, row.setup),
            browser=row.program == "chromium",
            content=enough is not None,
        )
    if row.program == "nobody":
        return as_client(free_port(), ours)
    port = stage.start(row.command, row.setup)
    if row.cut is not None:
        with cut(port, *limits(row.cut, ours)) as device:
            return as_client(device, ours)
    then = (lambda: stage.say(row.command, row.setup, row.says)) if row.says else None
    return as_client(port, ours, row.asked, then=then, patience=row.patience, probing=row.probe,
        request=row.request or HTTP, before=row.before, starttls=row.starttls, enough=enough,
    )  # fmt: skip


def limits(cut: tuple[int, int], ours: Any) -> tuple[int, int]:
    """After how many bytes the line is cut; a negative number is a place that depends on our hello."""
    hello = len(ClientConfig(**{"anchors": people.anchors(), **ours}).connection(HOST).data_to_send())
    to_server, to_client = cut
    return hello - to_server if to_server < 0 else to_server, to_client
