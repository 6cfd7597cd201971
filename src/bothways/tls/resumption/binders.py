"""The position of the binders: at the end of a ClientHello, after everything that they cover (RFC 9846 4.3.11.2)."""

from __future__ import annotations

from bothways.tls.wire.extensions import PreSharedKeys


def binders_octets(offered: PreSharedKeys) -> int:
    """Return the size of the list of binders at the end of a ClientHello, in bytes."""
    return 2 + sum(1 + len(each) for each in offered.binders)
