"""A server of blocking sockets in a thread, for clients that are tested: it answers with what it gets."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any


def echo(sock: ssl.SSLSocket) -> None:
    """Send back what comes, until the peer's end."""
    while data := sock.recv(65536):
        sock.sendall(data)


class Server:
    """Serves one connection after another; `outcomes` has what each ended with, `talk` is called with each."""

    def __init__(self, context: ssl.SSLContext, talk: Callable[[Any], None] = echo) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self._listener = context.wrap_socket(listener, server_side=True)
        self._talk = talk
        self.port = self._listener.getsockname()[1]
        self.outcomes: list[object] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def connect(self, timeout: float | None = 60) -> socket.socket:
        """A bare connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def close(self) -> None:
        """End it, when what goes on has ended."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except ssl.SSLError as error:
                self.outcomes.append(error)
                continue
            except OSError:
                return
            with sock:
                try:
                    self._talk(sock)
                    self.outcomes.append(None)
                except Exception as error:  # noqa: BLE001 - a test looks at it
                    self.outcomes.append(error)
