"""The one who calls the server: one connection after the other, each counted, timed, bounded and closed."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass

from bothways.doctor.probes import Question, question
from bothways.doctor.replies import LIMIT, Answer, Ear
from bothways.errors import StartTLSFailed
from bothways.net.starttls import turn_to_tls
from bothways.starttls import Protocol, StartTLS
from bothways.trust.names import ServerName

PROXY_HEADER = b"PROXY UNKNOWN\r\n"  # version 1; a receiver takes the connection's own addresses
CLOSE_NOTIFY = bytes.fromhex("15030100020100")
PIECE = 16 * 1024
NAMELESS = ServerName("ip", "")  # of which a hello has no server name
CUT = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


class Spent(Exception):
    """There are no connections left of those that were allowed, or no time for another."""


@dataclass(frozen=True, slots=True)
class Place:
    """A server as its user names it: where to call, and whom it must prove to be."""

    host: str
    port: int
    name: ServerName

    @property
    def asked(self) -> str:
        """The host as a service is asked for it before TLS."""
        return self.host if self.name.kind == "uri" else self.name.text

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Caller:
    """Calls one server. `made` counts the connections, `address` is the one that answered first.

    timeout: seconds for each connection, from its beginning to its end.  limit: how many there may be.  starttls: in
    the words of which protocol each connection asks for TLS before it speaks it.  seconds: for all of them together.
    """

    def __init__(
        self,
        place: Place,
        *,
        timeout: float,
        limit: int,
        starttls: Protocol | None = None,
        seconds: float | None = None,
    ) -> None:
        self.place = place
        self.timeout = timeout
        self.limit = limit
        self.until = None if seconds is None else time.monotonic() + seconds
        self.made = 0
        self.address: tuple[str, int] | None = None
        self.seconds = 0.0
        self.starttls = starttls
        self.through_proxy_header = False

    @contextlib.contextmanager
    def connected(self) -> Iterator[tuple[socket.socket, float]]:
        """Open a connection for the block, with the moment by which all has to be done.

        The first call tries each address that the name has; all others go where that one came to. Raises
        OSError, StartTLSFailed and Spent.
        """
        began = time.monotonic()
        deadline = began + self.timeout if self.until is None else min(began + self.timeout, self.until)
        if self.made >= self.limit or deadline <= began:
            raise Spent
        self.made += 1
        target = self.address or (self.place.host, self.place.port)
        with socket.create_connection(target, deadline - began) as sock:
            if self.address is None:
                self.seconds = time.monotonic() - began
                self.address = sock.getpeername()[:2]
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.through_proxy_header:
                sock.sendall(PROXY_HEADER)
            if self.starttls is not None:
                turn_to_tls(sock, StartTLS(self.starttls, self.place.asked), deadline)
            sock.settimeout(max(0.1, deadline - time.monotonic()))
            yield sock, deadline

    def ask_in_words_of(self, protocol: Protocol) -> StartTLSFailed | None:
        """Ask whether it turns to TLS in the words of a protocol, as every connection does from then on if it does.

        Returns why it does not. Raises OSError where it cannot be reached, and Spent.
        """
        before, self.starttls = self.starttls, protocol
        try:
            with self.connected():
                return None
        except StartTLSFailed as error:
            self.starttls = before
            return error

    def closes_at_once(self, seconds: float) -> bool:
        """Whether the server closes a connection within this time on which nothing is sent."""
        with self.connected() as (sock, deadline):
            sock.settimeout(max(0.1, min(seconds, deadline - time.monotonic())))
            try:
                return not sock.recv(1)
            except CUT:
                return True
            except TimeoutError:
                return False

    def ask(self, asked: Question, *, to_the_share: bool = False, named: bool = True) -> Answer:
        """Ask what the server would choose, and go. Raises OSError where it cannot be reached, and Spent.

        named: whether the hello has the server's name.
        """
        with self.connected() as (sock, deadline):
            name = self.place.name if named else NAMELESS
            answer = self._answer(sock, deadline, question(name, asked), to_the_share)
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
