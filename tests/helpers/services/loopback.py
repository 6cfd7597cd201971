"""Marks of tests that need more of loopback than 127.0.0.1, which is all that some machines have."""

from __future__ import annotations

import socket
import sys

import pytest


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


NEEDS_IPV6 = pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6 on loopback")
NEEDS_127_8 = pytest.mark.skipif(
    sys.platform != "linux", reason="only there all of 127.0.0.0/8 is this machine"
)
