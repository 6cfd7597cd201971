"""What a caller of `bothways.aio` has given: checked once, and not by the first client or after a long wait."""

from __future__ import annotations

from typing import NamedTuple

from bothways.arguments import number, whole
from bothways.errors import ConfigError


class StreamLimits(NamedTuple):
    """The bytes that are buffered, the seconds without data (None: no limit), and the handshakes at the same time."""

    limit: int
    idle_timeout: float | None
    handshakes: int


def checked_limits(*, limit: object = 1, idle_timeout: object = None, handshakes: object = 1) -> StreamLimits:
    """Return the limits of a connection or a server. Raises ConfigError.

    limit: bytes.  idle_timeout: seconds, or None.  handshakes: their number.
    """
    counts = {"limit": whole("limit", limit), "handshakes": whole("handshakes", handshakes)}
    for name, count in counts.items():
        if count < 1:
            raise ConfigError(f"{name}: expected 1 or more, not {count}")
    seconds = None if idle_timeout is None else number("idle_timeout", idle_timeout)
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"idle_timeout: expected seconds above 0, or None for no limit, not {idle_timeout}")
    return StreamLimits(idle_timeout=seconds, **counts)
