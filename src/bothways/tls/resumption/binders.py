"""Where the binders of a ClientHello stand: at its very end, behind what they cover (RFC 9846 4.3.11.2)."""

from __future__ import annotations

from bothways.tls.wire.extensions import PreSharedKeys


def binders_octets(offered: PreSharedKeys) -> int:
    """Return how many bytes at the end of a ClientHello are its list of binders."""
    return 2 + sum(1 + len(each) for each in offered.binders)
