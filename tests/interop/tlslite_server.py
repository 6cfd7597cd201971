"""A server of tlslite-ng for one connection."""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable

from interop.programs import PATIENCE

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports asyncore, which nobody here needs
    from tlslite.api import TLSConnection


def one_connection(talk: Callable[[TLSConnection], None]) -> tuple[int, threading.Thread]:
    """Have a server talk on one connection; gives its port and its thread."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with listener:
            sock, _ = listener.accept()
            with sock:
                sock.settimeout(PATIENCE)
                talk(TLSConnection(sock))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener.getsockname()[1], thread
