"""Ladders of real engines that tests of the explain room share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import identities
from bothways.describe.recorder import Recorder
from bothways.ladder.layout import lay_out
from bothways.ladder.model import Ladder
from pair import NOON, Pair


def recorded(
    name: str = "localhost",
    to_client: Callable[[bytes], bytes] | None = None,
    server: dict[str, Any] | None = None,
    who: Any = None,
    **client: Any,
) -> tuple[Pair, Recorder, Recorder]:
    """Let two engines talk, send data and close; return them with what each side noted."""
    ours, theirs = Recorder(), Recorder()
    mine = identities.client() if who is None else who or None
    config = identities.client_config(mine, **{"versions": ("1.3",)} | client)
    serving = identities.server_config(**server or {})
    pair = Pair(config.connection(name, observer=ours), serving.connection(observer=theirs))
    if to_client is not None:
        pair.to_client = to_client
    pair.exchange()
    if pair.client_failure is None and pair.server_failure is None:
        pair.client.send(b"from the client: a secret word")
        pair.client.send(b"and another")
        pair.exchange()
        pair.client.close()
        pair.exchange()
    return pair, ours, theirs


def ladder_of(*arguments: Any, **options: Any) -> Ladder:
    pair, ours, theirs = recorded(*arguments, **options)
    return lay_out(
        ours.notes,
        theirs.notes,
        NOON,
        client_error=pair.client_failure,
        server_error=pair.server_failure,
    )


def swapped(data: bytes) -> bytes:
    """A device on the way that turns a bit of the server's random."""
    return data[:44] + bytes((data[44] ^ 1,)) + data[45:]
