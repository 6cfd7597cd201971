"""Opens the connections of an examination: one after another, each counted, timed, limited and closed."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from bothways.addresses import TCPAddress
from bothways.doctor.probes import ProbeOffer, offer_record
from bothways.doctor.replies import CLOSED, LIMIT, HelloReply, ReplyReader
from bothways.errors import StartTLSFailed
from bothways.net.connecting import connected_socket
from bothways.net.starttls import request_tls
from bothways.starttls import Protocol, StartTLS
from bothways.trust.path.name_matching import ServerName

PROXY_FAMILIES = {socket.AF_INET: "TCP4", socket.AF_INET6: "TCP6"}
CLOSE_NOTIFY = bytes.fromhex("15030100020100")
CHUNK = 16 * 1024
BEGINNING = 64  # bytes: a status line of HTTP, or an alert
NO_SERVER_NAME = ServerName("ip", "")  # of this kind a hello contains no server_name
SOME_NAME = ServerName("dns", "name.invalid")  # which no server has (RFC 2606 2)
LINES = (
    b"PING\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
)  # requests of protocols whose servers wait for the end of a line
CONNECTION_LOST = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)
ENDED = frozenset({errno.ENOTCONN, errno.ECONNRESET})  # reset by the peer before anything was sent


class ConnectionsUsedUp(Exception):
    """The allowed number of connections is used up, or their time."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server as the user names it: its address, and the name that it must prove."""

    host: str
    port: int
    name: ServerName

    @property
    def requested_host(self) -> str:
        """The host name to use before TLS, as in STARTTLS."""
        return self.host if self.name.kind == "uri" else self.name.text

    def __str__(self) -> str:
        return str(TCPAddress(self.host, self.port))


class Dialer:
    """Connects to one server. `connections` is the number of connections, `address` the first one that answered.

    target: the server.  timeout: seconds for each connection.  limit: the number of connections.  starttls: the
    protocol by which each connection requests TLS.  seconds: for all connections together.
    """

    def __init__(
        self,
        target: Target,
        *,
        timeout: float,
        limit: int,
        starttls: Protocol | None = None,
        seconds: float | None = None,
    ) -> None:
        self.target = target
        self.timeout = timeout
        self.limit = limit
        self.end = None if seconds is None else time.monotonic() + seconds
        self.connections = 0
        self.address: tuple[str, int] | None = None
        self.seconds = 0.0
        self.starttls = starttls
        self.through_proxy_header = False

    @contextlib.contextmanager
    def connected(self) -> Iterator[tuple[socket.socket, float]]:
        """Open a connection, and yield it with its deadline; close it at the end of the block.

        The first call tries each address of the name, later ones use the one that answered. Raises OSError,
        StartTLSFailed and ConnectionsUsedUp.
        """
        started = time.monotonic()
        deadline = started + self.timeout if self.end is None else min(started + self.timeout, self.end)
        if self.connections >= self.limit or deadline <= started:
            raise ConnectionsUsedUp
        self.connections += 1
        host, port = self.address or (self.target.host, self.target.port)
        with connected_socket(host, port, deadline - started) as sock:
            if self.address is None:
                self.seconds = time.monotonic() - started
                self.address = sock.getpeername()[:2]
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.through_proxy_header:
                sock.sendall(proxy_header(sock))
            if self.starttls is not None:
                request_tls(sock, StartTLS(self.starttls, self.target.requested_host), deadline)
            sock.settimeout(max(0.1, deadline - time.monotonic()))
            yield sock, deadline

    def request_tls(self, protocol: Protocol) -> StartTLSFailed | None:
        """Request TLS by a protocol; if that succeeds, all further connections do so.

        Returns why it failed. Raises OSError where the server cannot be reached, and ConnectionsUsedUp.
        """
        previous, self.starttls = self.starttls, protocol
        try:
            with self.connected():
                return None
        except StartTLSFailed as error:
            self.starttls = previous
            return error

    def unasked(self, seconds: float) -> bytes | None:
        """Return what the server sends first if nothing is sent to it: b"" if it closes; None if it waits so long."""
        try:
            with self.connected() as (sock, deadline):
                return _first_bytes(sock, min(seconds, deadline - time.monotonic()))
        except OSError as error:
            if error.errno in ENDED:
                return b""
            raise

    def request_in_plain(self) -> bytes:
        """Send a request of HTTP without TLS, and return the first bytes of the answer; b"" for none."""
        host = self.target.requested_host
        request = (
            f"GET / HTTP/1.1\r\nHost: {f'[{host}]' if ':' in host else host}\r\nConnection: close\r\n\r\n"
        )
        with self.connected() as (sock, deadline):
            with contextlib.suppress(*CONNECTION_LOST):
                sock.sendall(request.encode("ascii", "replace"))
            return _first_bytes(sock, deadline - time.monotonic()) or b""

    def answer_to_lines(self, seconds: float) -> bytes:
        """Return the first bytes of the answer to `LINES`, which are sent one after the other; b"" for none.

        seconds: how long to wait for the answer to the first.
        """
        with self.connected() as (sock, deadline):
            for line in LINES:
                with contextlib.suppress(*CONNECTION_LOST):
                    sock.sendall(line)
                wait = deadline - time.monotonic()
                answer = _first_bytes(sock, min(seconds, wait) if line is LINES[0] else wait)
                if answer is not None:
                    return answer
        return b""

    def closes_for_hello(self, offer: ProbeOffer, seconds: float) -> Literal["early", "whole"] | None:
        """Return when the server closes a connection for a hello: before the last byte, after it, or not at all.

        One that waits for the last byte has read the hello, as TLS servers and routers by name do; services of other
        protocols close after its first bytes.
        seconds: how long it has to wait.
        """
        hello = offer_record(self.target.name, offer)
        with self.connected() as (sock, deadline):
            try:
                sock.sendall(hello[:-1])
                if _ends(sock, min(seconds, deadline - time.monotonic())):
                    return "early"
                sock.sendall(hello[-1:])
            except CONNECTION_LOST:
                return "early"
            return "whole" if _ends(sock, deadline - time.monotonic()) else None

    def ask(
        self, offer: ProbeOffer, *, until_key_exchange: bool = False, name: ServerName | None = None
    ) -> HelloReply:
        """Send a hello and return the reply. Raises OSError for an unreachable server, and ConnectionsUsedUp.

        offer: the content of the hello.  until_key_exchange: whether to read up to the ServerKeyExchange of TLS 1.2.
        name: the server name in the hello; by default the target's.
        """
        try:
            with self.connected() as (sock, deadline):
                hello = offer_record(name or self.target.name, offer)
                answer = self._answer(sock, deadline, hello, until_key_exchange)
                if answer.kind == "choice":
                    with contextlib.suppress(OSError):
                        sock.sendall(CLOSE_NOTIFY)
        except OSError as error:
            if error.errno in ENDED:
                return CLOSED
            raise
        return answer

    def _answer(
        self, sock: socket.socket, deadline: float, hello: bytes, until_key_exchange: bool
    ) -> HelloReply:
        reader = ReplyReader(until_key_exchange=until_key_exchange)
        try:
            sock.sendall(hello)
        except CONNECTION_LOST:
            return reader.end()
        received = 0
        while received <= LIMIT:
            seconds_left = deadline - time.monotonic()
            if seconds_left <= 0:
                break
            sock.settimeout(seconds_left)
            try:
                data = sock.recv(CHUNK)
            except CONNECTION_LOST:
                return reader.end()
            except TimeoutError:
                break
            if not data:
                return reader.end()
            received += len(data)
            answer = reader.feed(data)
            if answer is not None:
                return answer
        return reader.end(timed_out=True)


def _ends(sock: socket.socket, seconds: float) -> bool:
    """Whether a connection is closed within this time, without a byte."""
    return _first_bytes(sock, seconds) == b""


def _first_bytes(sock: socket.socket, seconds: float) -> bytes | None:
    """Return what arrives first on a connection: b"" for its end, None for nothing within this time."""
    sock.settimeout(max(0.1, seconds))
    try:
        return sock.recv(BEGINNING)
    except CONNECTION_LOST:
        return b""
    except TimeoutError:
        return None


def proxy_header(sock: socket.socket) -> bytes:
    """Return a header of the PROXY protocol, version 1, that says what is true of a connection of ours.

    Apache (mod_remoteip) closes for one of an unknown family.
    """
    (source, source_port), (target, target_port) = sock.getsockname()[:2], sock.getpeername()[:2]
    family = PROXY_FAMILIES[sock.family]
    addresses = (each.partition("%")[0] for each in (source, target))
    return f"PROXY {family} {' '.join(addresses)} {source_port} {target_port}\r\n".encode("ascii")
