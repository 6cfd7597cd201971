"""A listener that starts a thread for a connection when its first record is complete, up to a limit."""

from __future__ import annotations

import contextlib
import errno
import selectors
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from types import FrameType

from bothways.cli.admission import Admission, Client, reset
from bothways.cli.options import Address
from bothways.errors import TimedOut, Truncated
from bothways.iana import ContentType

Conversation = Callable[[Client], None]

BACKLOG = 1024
ACCEPT_AGAIN_SECONDS = 0.1
ACCEPTED_AT_ONCE = 64  # connections accepted in one turn, so that earlier ones are read in time
HEADER_LENGTH, RECORD_LIMIT = 5, 5 + 2**14  # RFC 9846 5.1
SPARE_DESCRIPTORS = 128
SPARE_THREADS = 64  # descriptors for connections that are being closed
_SHORTAGES = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_ENDS = frozenset({errno.EBADF, errno.EINVAL, errno.ENOTSOCK})


def listen(address: Address) -> socket.socket:
    """Bind a socket and listen. Port 0 selects a free port."""
    family, kind, protocol, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def allow_descriptors(count: int) -> None:
    """Raise the limit of open descriptors for `count` sockets, as far as the system allows."""
    try:
        import resource
    except ImportError:  # this system has no such limits
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = (
        count + SPARE_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(count + SPARE_DESCRIPTORS, hard)
    )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Acceptor:
    """Accepts connections, and starts a thread for each when its first record is complete.

    conversation: runs in the thread.  hello_seconds: the time for a client to send a ClientHello. unheard: called with
    a client that sent none, and with what ended its connection.
    """

    def __init__(
        self,
        listener: socket.socket,
        conversation: Conversation,
        admission: Admission,
        hello_seconds: float,
        unheard: Callable[[Client, Exception], None],
    ) -> None:
        self._listener = listener
        self._conversation = conversation
        self._admission = admission
        self._hello_seconds = hello_seconds
        self._unheard = unheard
        self._threads = threading.BoundedSemaphore(admission.limit + SPARE_THREADS)
        self._selector = selectors.DefaultSelector()
        self._waiting: dict[Client, float] = {}  # the time limits, in the order of arrival

    def run(self, stop: socket.socket) -> None:
        """Accept connections until `stop` is readable."""
        self._listener.setblocking(False)
        with self._selector:
            self._selector.register(self._listener, selectors.EVENT_READ)
            self._selector.register(stop, selectors.EVENT_READ, stop)
            try:
                while self._run_once():
                    self._drop_silent_clients()
            finally:
                for client in list(self._waiting):
                    self._close(client)

    def _run_once(self) -> bool:
        """Wait for events and process them; False when `stop` is readable."""
        first = next(iter(self._waiting.values()), None)
        left = None if first is None else max(first - time.monotonic(), 0.0)
        for key, _ in self._selector.select(left):
            if key.data is None:
                self._accept_several()
            elif isinstance(key.data, Client):
                self._read_header(key.data)
            else:
                return False
        return True

    def _accept_several(self) -> None:
        """Accept a limited number of connections, so that the earlier ones are read in time."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                sock, name = self._listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _ENDS:
                    raise
                # The client has closed already, or there are no descriptors left; neither may end the server.
                time.sleep(ACCEPT_AGAIN_SECONDS if error.errno in _SHORTAGES else 0)
                return
            self._arrive(sock, Address(name[0], name[1]))

    def _arrive(self, sock: socket.socket, address: Address) -> None:
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setblocking(False)
        client = self._admission.arrive(sock, address)
        if client is None:
            reset(sock)
            sock.close()
            return
        _wake_at(sock, HEADER_LENGTH)
        self._selector.register(sock, selectors.EVENT_READ, client)
        self._waiting[client] = time.monotonic() + self._hello_seconds

    def _read_header(self, client: Client) -> None:
        """Start the thread when the first record is complete, or is no handshake record."""
        try:
            header = client.sock.recv(HEADER_LENGTH, socket.MSG_PEEK)
        except BlockingIOError:
            return
        except OSError:
            header = b""
        if client.ended or not header:
            self._drop(client, Truncated("client"))
            return
        heard_before, client.place.moved = client.place.moved, len(header)
        if not heard_before and _is_awaited(client.sock, header):
            return
        self._stop_waiting(client)
        _wake_at(client.sock, 1)
        client.sock.setblocking(True)
        self._begin(client)

    def _begin(self, client: Client) -> None:
        if self._threads.acquire(timeout=ACCEPT_AGAIN_SECONDS):
            try:
                threading.Thread(target=self._converse, args=(client,), daemon=True).start()
            except RuntimeError:  # no thread can be started: end this connection and continue
                self._threads.release()
            else:
                return
        self._close(client)

    def _converse(self, client: Client) -> None:
        try:
            with client.sock:
                self._conversation(client)
        finally:
            client.leave()
            self._threads.release()

    def _drop_silent_clients(self) -> None:
        now = time.monotonic()
        for client, until in list(islice(self._waiting.items(), ACCEPTED_AT_ONCE)):
            if until > now:
                return
            self._drop(
                client, TimedOut(f"the client sent no ClientHello within {self._hello_seconds:g} seconds")
            )

    def _drop(self, client: Client, error: Exception) -> None:
        self._stop_waiting(client)
        self._unheard(client, error)
        self._close(client)

    def _stop_waiting(self, client: Client) -> None:
        del self._waiting[client]
        self._selector.unregister(client.sock)

    def _close(self, client: Client) -> None:
        client.leave()
        client.sock.close()


def _is_awaited(sock: socket.socket, header: bytes) -> bool:
    """Whether the rest of the first record is missing; the system then wakes us when it is complete.

    False after the end of file, and if the first bytes are not a handshake record.
    """
    length = HEADER_LENGTH + int.from_bytes(header[3:])
    if len(header) < HEADER_LENGTH or header[0] != ContentType.handshake or length > RECORD_LIMIT:
        return False
    with contextlib.suppress(OSError):
        return len(sock.recv(length, socket.MSG_PEEK)) < length and _wake_at(sock, length)
    return False


def _wake_at(sock: socket.socket, count: int) -> bool:
    """Set SO_RCVLOWAT, so that the socket becomes readable only with so many bytes, if the system supports it."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
    except (OSError, AttributeError):
        return False
    return True


@contextlib.contextmanager
def until_stopped() -> Iterator[socket.socket]:
    """Yield a socket that becomes readable at SIGINT or SIGTERM; no other code is interrupted."""
    woken, waker = socket.socketpair()
    with woken, waker:
        waker.setblocking(False)
        wakeup = signal.set_wakeup_fd(waker.fileno(), warn_on_full_buffer=False)
        before = {number: signal.signal(number, _noted) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield woken
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(wakeup)


def _noted(number: int, frame: FrameType | None) -> None:
    """Do nothing: the signal is reported by the wakeup socket."""
