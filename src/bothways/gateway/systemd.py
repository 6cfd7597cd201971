"""What a service manager is told: systemd, and others that speak its protocol (sd_notify(3)).

Without NOTIFY_SOCKET nobody is told.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

READY, STOPPING = "READY=1", "STOPPING=1"


def notify(state: str) -> None:
    """Tell the manager about our state, once; what cannot be told is not."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if path[:1] not in ("/", "@"):
        return
    address = "\0" + path[1:] if path[0] == "@" else path
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.setblocking(False)
        sock.sendto(state.encode(), address)


def forget() -> None:
    """Tell nothing from here on: of several processes only the first one speaks."""
    os.environ.pop("NOTIFY_SOCKET", None)
