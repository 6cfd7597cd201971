"""What a caller of `bothways.aio` has given: checked once, and not by the first client or after a long wait."""

from __future__ import annotations

from bothways.arguments import number, whole
from bothways.errors import ConfigError


def check_limits(*, limit: object = 1, idle_timeout: object = None, handshakes: object = 1) -> None:
    """Check the limits of a connection or a server. Raises ConfigError.

    limit: bytes.  idle_timeout: seconds, or None.  handshakes: their number.
    """
    for name, count in (("limit", limit), ("handshakes", handshakes)):
        if whole(name, count) < 1:
            raise ConfigError(f"{name}: expected 1 or more, not {count}")
    if idle_timeout is not None and not number("idle_timeout", idle_timeout) > 0:
        raise ConfigError(f"idle_timeout: expected seconds above 0, or None for no limit, not {idle_timeout}")
