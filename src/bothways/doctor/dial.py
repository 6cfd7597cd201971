"""The one who calls the server: one connection after the other, each counted, timed, bounded and closed."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bothways.doctor.probes import Question, question
from bothways.doctor.replies import LIMIT, Answer, Ear
from bothways.trust.names import ServerName

SSL_REQUEST = bytes.fromhex("0000000804d2162f")  # by which PostgreSQL is asked for TLS
PROXY_HEADER = b"PROXY UNKNOWN\r\n"  # version 1; a receiver takes the connection's own addresses
CLOSE_NOTIFY = bytes.fromhex("15030100020100")
PIECE = 16 * 1024
CUT = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


class Spent(Exception):
    """There are no connections left of those that were allowed."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server as its user names it: where to call, and whom it must prove to be."""

    host: str
    port: int
    name: ServerName

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Caller:
    """Calls one server. `made` counts the connections, `address` is the one that answered first.

    `through_postgresql`: each connection asks for TLS in the words of PostgreSQL before it speaks it.
    timeout: seconds for each connection, from its beginning to its end.  limit: how many there may be.
    """

    def __init__(self, place: Place, *, timeout: float, limit: int) -> None:
        self.place = place
        self.timeout = timeout
        self.limit = limit
        self.made = 0
        self.address: tuple[str, int] | None = None
        self.seconds = 0.0
        self.through_postgresql = False
        self.through_proxy_header = False

    @contextlib.contextmanager
    def connected(self) -> Iterator[tuple[socket.socket, float]]:
        """Open a connection for the block, with the moment by which all has to be done.

        The first call tries each address that the name has; all others go where that one came to. Raises
        OSError, and Spent.
        """
        if self.made >= self.limit:
            raise Spent
        self.made += 1
        began = time.monotonic()
        deadline = began + self.timeout
        target = self.address or (self.place.host, self.place.port)
        with socket.create_connection(target, self.timeout) as sock:
            if self.address is None:
                self.seconds = time.monotonic() - began
                self.address = sock.getpeername()[:2]
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.through_postgresql and _answer_of_postgresql(sock) != b"S":
                raise ConnectionAbortedError("PostgreSQL does not turn to TLS any more")
            if self.through_proxy_header:
                sock.sendall(PROXY_HEADER)
            yield sock, deadline

    def ask_postgresql(self) -> bytes:
        """Ask in the words of PostgreSQL whether it turns to TLS: b"S" or b"N", else that is not who is there."""
        with self.connected() as (sock, _):
            answer = _answer_of_postgresql(sock)
        self.through_postgresql = answer == b"S"
        return answer

    def ask(self, asked: Question, *, to_the_share: bool = False) -> Answer:
        """Ask what the server would choose, and go. Raises OSError where it cannot be reached, and Spent."""
        with self.connected() as (sock, deadline):
            answer = self._answer(sock, deadline, question(self.place.name, asked), to_the_share)
            if answer.kind == "choice":
                with contextlib.suppress(OSError):
                    sock.sendall(CLOSE_NOTIFY)
        return answer

    def _answer(self, sock: socket.socket, deadline: float, hello: bytes, to_the_share: bool) -> Answer:
        ear = Ear(to_the_share=to_the_share)
        try:
            sock.sendall(hello)
        except CUT:
            return ear.end()
        heard = 0
        while heard <= LIMIT:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            sock.settimeout(left)
            try:
                data = sock.recv(PIECE)
            except CUT:
                return ear.end()
            except TimeoutError:
                break
            if not data:
                return ear.end()
            heard += len(data)
            answer = ear.hear(data)
            if answer is not None:
                return answer
        return ear.end(late=True)


def _answer_of_postgresql(sock: socket.socket) -> bytes:
    try:
        sock.sendall(SSL_REQUEST)
        return sock.recv(1)
    except (*CUT, TimeoutError):
        return b""
