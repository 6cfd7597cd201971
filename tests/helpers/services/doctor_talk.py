"""Servers for the doctor to examine: ours by a configuration, and those that speak anything else."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import identities
from bothways import ClientConfig, ServerConfig, TLSError
from bothways.doctor.dial import Dialer, Target
from bothways.doctor.examination import Examination, examine
from bothways.gateway.proxy_protocol.reading import V1_MOST, BadHeader, HeaderReader
from bothways.net import Channel, wrap
from bothways.trust.path.name_matching import server_name

Talk = Callable[[socket.socket], None]


class Listener:
    """Accepts on loopback, one connection after the other, and counts them."""

    def __init__(self, talk: Talk) -> None:
        self.accepted = 0
        self.open = 0
        self.most_open = 0
        self._talk = talk
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(20)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            with sock, contextlib.suppress(OSError, TLSError):
                sock.settimeout(20)
                self._talk(sock)


def has_proxy_header(sock: socket.socket) -> bool:
    """Whether a connection begins with a PROXY header that says where it comes from and goes to."""
    line = bytearray()
    while not line.endswith(b"\r\n") and len(line) < V1_MOST:
        received = sock.recv(1)
        if not received:
            return False
        line += received
    try:
        announced = HeaderReader().read(bytes(line))
    except BadHeader:
        return False
    return (
        announced is not None
        and announced.client == sock.getpeername()
        and announced.local == sock.getsockname()
    )


@contextmanager
def listening(talk: Talk) -> Iterator[Listener]:
    listener = Listener(talk)
    try:
        yield listener
    finally:
        listener.close()


def saying(*parts: bytes) -> Talk:
    """Hear a hello and answer with these bytes, whatever it says."""

    def talk(sock: socket.socket) -> None:
        sock.recv(65536)
        for part in parts:
            sock.sendall(part)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
            while sock.recv(65536):
                pass

    return talk


def ours(config: ServerConfig, answer: bytes = b"") -> Talk:
    """Speak TLS as this configuration says; answer the first data."""

    def talk(sock: socket.socket) -> None:
        with wrap(sock, config, timeout=20) as channel:
            converse(channel, answer)

    return talk


def converse(channel: Channel, answer: bytes) -> None:
    channel.settimeout(20)
    while channel.recv(65536):
        if answer:
            channel.sendall(answer)
            channel.shutdown()


def target(port: int, name: str = "localhost", host: str = "127.0.0.1") -> Target:
    return Target(host, port, server_name(name))


def dialer_to(port: int, *, timeout: float = 10, limit: int = 50) -> Dialer:
    return Dialer(target(port), timeout=timeout, limit=limit)


def examined(port: int, config: ClientConfig | None = None, **options: Any) -> Examination:
    timeout = options.pop("timeout", 10)
    name = options.pop("name", "localhost")
    options.setdefault("patience", 1.0)  # what is silent is silent
    return examine(target(port, name), config or identities.client_config(), timeout=timeout, **options)
