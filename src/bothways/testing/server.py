"""A server for tests of a user's client: on loopback, with threads; it records the result of each handshake."""

from __future__ import annotations

import contextlib
import http.server
import json
import queue
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any, Self

from bothways.diagnosis import Explanation, HandshakeFacts, explain
from bothways.errors import TimedOut, TLSError
from bothways.net.channel import Channel
from bothways.net.connecting import wrap
from bothways.tls.config import ServerConfig
from bothways.tls.events import Peer

Respond = Callable[[Channel], None]

HOST = "127.0.0.1"
CONNECTIONS_AT_ONCE = 64
HANDSHAKE_SECONDS = IDLE_SECONDS = 10.0
END_SECONDS = 5.0
BODY_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Handshake:
    """The result of one handshake: `peer`, None for an anonymous client, or `error` with its `explanation`."""

    peer: Peer | None = None
    error: Exception | None = None
    explanation: Explanation | None = field(default=None, repr=False)

    def __str__(self) -> str:
        if self.error is None:
            return f"accepted: {self._who}"
        lines = [] if self.explanation is None else self.explanation.lines()
        return "\n".join([f"refused: {self.error}", *lines])

    @property
    def _who(self) -> str:
        if self.peer is None:
            return "an anonymous client"
        return str(self.peer.verdict.by_key or self.peer.names.subject)


class Server:
    """Listens on loopback from its construction until `close`.

    Attributes: `host`, `port`, `url` (https://localhost:PORT/), `config`.
    """

    def __init__(self, config: ServerConfig, respond: Respond) -> None:
        self.config = config
        self._respond = respond
        self._listener = socket.create_server((HOST, 0), backlog=CONNECTIONS_AT_ONCE)
        self._waker, self._woken = socket.socketpair()
        self._places = threading.BoundedSemaphore(CONNECTIONS_AT_ONCE)
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._handshakes: queue.Queue[Handshake] = queue.Queue()
        self._closing = False
        self.host: str = HOST
        self.port: int = self._listener.getsockname()[1]
        self._begin(self._accept)

    @property
    def url(self) -> str:
        """The URL where it answers HTTP."""
        return f"https://localhost:{self.port}/"

    def handshake(self, timeout: float = 10.0) -> Handshake:
        """Return the result of the next handshake, in the order in which they ended.

        timeout: seconds to wait for it. Raises TimeoutError.
        """
        try:
            return self._handshakes.get(timeout=timeout)
        except queue.Empty:
            raise TimedOut(f"no connection to port {self.port} within {timeout:g} seconds") from None

    def close(self) -> None:
        """Stop accepting connections, and end the open ones."""
        with self._lock:
            self._closing = True
            for sock in self._open:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
            threads = list(self._threads)
        with contextlib.suppress(OSError):
            self._waker.send(b".")
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(END_SECONDS)
        for each in (self._listener, self._waker, self._woken):
            each.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closing:
            ready = select.select([self._listener, self._woken], [], [])[0]
            if self._woken in ready:
                return
            with contextlib.suppress(OSError):
                self._admit(self._listener.accept()[0])

    def _admit(self, sock: socket.socket) -> None:
        """Serve a connection in its own thread, if the limit allows."""
        if not self._places.acquire(blocking=False):
            sock.close()
            return
        with self._lock:
            if self._closing:
                sock.close()
                return
            self._open.add(sock)
        self._begin(self._serve, sock)

    def _begin(self, work: Callable[..., None], *arguments: object) -> None:
        def run() -> None:
            try:
                work(*arguments)
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name="bothways-testing", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            channel = self._shaken(sock)
            if channel is not None:
                with channel, contextlib.suppress(TLSError, OSError):
                    self._respond(channel)
        finally:
            with self._lock:
                self._open.discard(sock)
            self._places.release()
            sock.close()

    def _shaken(self, sock: socket.socket) -> Channel | None:
        """Do the handshake, and record its result."""
        facts = HandshakeFacts(self.config)
        try:
            channel = wrap(sock, self.config, timeout=HANDSHAKE_SECONDS, observer=facts)
        except (TLSError, OSError) as error:
            self._handshakes.put(Handshake(None, error, explain(error, facts.situation())))
            return None
        channel.settimeout(IDLE_SECONDS)
        self._handshakes.put(Handshake(channel.peer))
        return channel


def echo(channel: Channel) -> None:
    """Send back what arrives on `channel` until the peer's end."""
    while data := channel.recv(64 * 1024):
        channel.sendall(data)


def answer_http(channel: Channel) -> None:
    """Answer HTTP/1.1 requests on `channel` by JSON: `method`, `path`, `headers`, `body`, `client` (or null)."""
    handler: Any = _Answer
    handler(channel, (HOST, 0), None)  # the handler uses only socket methods that a channel has too


class _Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS

    def __getattr__(self, name: str) -> Callable[[], None]:
        """Handle every HTTP method in the same way."""
        if name.startswith("do_"):
            return self._tell
        raise AttributeError(name)

    def _tell(self) -> None:
        """Respond with the request and the client as JSON."""
        body = self._body()
        if body is None:
            self.close_connection = True
            self.send_error(413)
            return
        connection: Any = self.connection
        peer = connection.peer
        told = {
            "method": self.command,
            "path": self.path,
            "headers": dict(self.headers.items()),
            "body": body.decode("latin-1"),
            "client": None if peer is None else asdict(peer.names),
        }
        answer = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > BODY_LIMIT or "Transfer-Encoding" in self.headers:
            return None
        return self.rfile.read(int(length))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
        """Log nothing, so that the output of tests stays clean."""
