"""A TLS connection over a blocking socket, with the manners of a socket.

One thread may receive while another sends. Whatever the engine has to say to the peer, an alert above all,
is on its way before an error is raised. A refusal that comes after our own Finished (TLS 1.3) is raised by
whichever call meets it, as the failure of the handshake that it is.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self

from bothways.errors import TLSError, UsageError, logged
from bothways.net.files import open_file
from bothways.tls.config import ClientConfig, ServerConfig
from bothways.tls.connection import Connection
from bothways.tls.driver import Answers, ConnectionStatus
from bothways.tls.events import Caution, Event, EvidenceWanted, Observer, Peer, Request, SignatureWanted
from bothways.tls.handshake.settings import Settings
from bothways.trust.evidence.http_exchange import EvidenceReply

Confirmation = Literal["accepted", "refused", "unknown"]
Signer = Callable[[SignatureWanted], bytes]
Finder = Callable[[EvidenceWanted], Sequence[EvidenceReply] | None]

logger = logging.getLogger("bothways")

READ_SIZE = 64 * 1024
SEND_SIZE = 64 * 1024
LINGER_SECONDS = 2.0
LINGER_BYTES = 1024 * 1024
LOOK_SECONDS = 1.0
_AT_ONCE = getattr(socket, "MSG_DONTWAIT", 0)
CUT = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError)


def connect(
    host: str,
    port: int,
    config: ClientConfig,
    server_name: str | None = None,
    *,
    timeout: float | None = 30.0,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
) -> Channel:
    """Connect to `host` and authenticate both peers.

    server_name: whom the server must prove to be; by default `host`.  timeout: seconds for connecting and the
    handshake together; the channel has no time limit afterwards (see `Channel.settimeout`).
    The rest is as for `wrap`. Raises `OSError` (`TimeoutError` among them) where the network fails.
    """
    name = host if server_name is None else server_name
    config.target(name)
    evidence = evidence or _own_finder(config)
    deadline = _deadline(timeout)
    sock = socket.create_connection((host, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(None)
    try:
        return wrap(
            sock, config, name, timeout=_left(deadline), signer=signer, evidence=evidence, observer=observer
        )
    except TimeoutError as late:
        raise TimeoutError(f"no connection within {timeout:g} seconds") from late


def wrap(
    sock: socket.socket,
    config: ClientConfig | ServerConfig,
    server_name: str | None = None,
    *,
    timeout: float | None = None,
    signer: Signer | None = None,
    evidence: Finder | None = None,
    observer: Observer | None = None,
) -> Channel:
    """Do the handshake over a connected socket, as the kind of `config` says, and return the channel.

    server_name: for a client, whom the server must prove to be.  timeout: seconds for the handshake, beside
    the configuration's own limit.  signer: answers a `SignatureWanted` with a signature, for keys that are
    elsewhere.  evidence: answers an `EvidenceWanted`, in the place of the fetching that the configuration
    allows.  observer: is told of every step.
    The socket belongs to the channel; when the handshake fails it is closed and the `TLSError` raised.
    """
    try:
        finder = evidence or _own_finder(config)
        if isinstance(config, ClientConfig):
            connection = config.connection(server_name=server_name, observer=observer)
        else:
            connection = config.connection(observer=observer)
        channel = Channel(sock, connection, config.settings, Answers(signer, finder))
        channel._handshake(timeout)
    except BaseException:
        sock.close()
        raise
    return channel


class Channel:
    """What `connect` and `wrap` return: a socket whose peer is known and whose bytes nobody else reads."""

    def __init__(
        self,
        sock: socket.socket,
        connection: Connection,
        settings: Settings,
        answers: Answers[bytes, Sequence[EvidenceReply] | None],
    ) -> None:
        self._sock = sock
        self._connection = connection
        self._clock = settings.clock
        self._judges_again = settings.judges_again
        self._answers = answers
        self._timeout = sock.gettimeout()
        self._engine = threading.Lock()  # held for moments: the engine itself has no locks
        self._reading = threading.RLock()  # held while waiting for the peer to send
        self._writing = threading.Lock()  # held while waiting for the peer to read
        self._incoming: deque[bytes] = deque()
        self._outgoing = bytearray()
        self._status = ConnectionStatus(self._incoming.append)
        self._closed = False
        self._handshake_ends: float | None = None
        self._files = 0

    # -- who and how -----------------------------------------------------------------------------------

    @property
    def peer(self) -> Peer | None:
        """Who the peer proved to be; None for a client that showed no certificate.

        It stays known after the end: what came before the end came from this peer.
        """
        return self._status.peer

    @property
    def warnings(self) -> list[Caution]:
        """What a user should know although nothing failed."""
        return self._status.warnings

    @property
    def version(self) -> str | None:
        """The version of TLS, such as "1.3"."""
        return self._connection.version

    @property
    def suite(self) -> str | None:
        """The IANA name of the cipher suite."""
        return self._connection.suite

    @property
    def group(self) -> str | None:
        """The IANA name of the key exchange group."""
        return self._connection.group

    @property
    def alpn(self) -> str | None:
        """The application protocol that was agreed, if any (RFC 7301)."""
        return self._connection.alpn

    @property
    def resumed(self) -> bool:
        """Whether an earlier session was resumed."""
        return self._connection.resumed

    def confirmed(self, timeout: float | None = None) -> Confirmation:
        """Say whether the peer has accepted us, waiting up to `timeout` seconds (None: until it is known).

        In TLS 1.3 a client learns this only from the first protected record after the server's Finished.
        Data that comes meanwhile is kept; after "refused" every other call raises the refusal.
        """
        deadline = _deadline(timeout)
        with self._reading:
            while True:
                if self._connection.confirmed:
                    return "accepted"
                if self._status.refused:
                    return "refused"
                if self._over() or not _readable(self._sock, _left(deadline)):
                    return "unknown"
                self._read_once()

    # -- data --------------------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to `size` bytes from the peer; b"" after its close_notify.

        Raises `Truncated` where the connection was cut instead, after all that came before was handed out.
        """
        if flags:
            raise UsageError("recv: flags mean nothing above TLS")
        if size <= 0:
            return b""
        with self._reading:
            while not self._incoming:
                self._status.raise_failure()
                if self._status.peer_closed:
                    return b""
                self._check_open()
                self._await_peer()
            return self._take(size)

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0, flags: int = 0) -> int:
        """Receive into `buffer`; return how many bytes came."""
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        """Send all of `data`, as `sendall` does, and return its length."""
        self.sendall(data, flags)
        return len(memoryview(data).cast("B"))

    def sendall(self, data: bytes | bytearray | memoryview, flags: int = 0) -> None:
        """Send all of `data`; returns when the network has taken it.

        After a `TimeoutError` the first 64 KiB of `data` are not lost: they go out with what is sent next, be it b"".
        """
        if flags:
            raise UsageError("send: flags mean nothing above TLS")
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SEND_SIZE):
            with contextlib.suppress(TimeoutError):  # what takes too long to go out does so below, too
                self._look()
                self._judge_if_due()
            with self._writing:
                self._status.raise_failure()
                self._check_open()
                with self._engine:
                    self._connection.send(view[start : start + SEND_SIZE])
                    self._collect()
                self._push()
        self._flush()

    def pending(self) -> int:
        """Return how many bytes `recv` can hand out without asking the network."""
        return sum(map(len, self._incoming))

    def makefile(self, mode: str = "r", buffering: int | None = None, **text: Any) -> Any:
        """Return a file as `socket.makefile` does; the channel stays open until the file is closed too."""
        self._check_open()
        self._files += 1
        try:
            return open_file(self, self._file_closed, mode, buffering, **text)
        except UsageError:
            self._files -= 1
            raise

    # -- the end -----------------------------------------------------------------------------------------

    def shutdown(self, how: int = socket.SHUT_WR) -> None:
        """Say that we shall send no more (close_notify, RFC 9846 6.1); the peer may go on."""
        if how == socket.SHUT_RD:
            raise UsageError("shutdown: there is no way to tell a TLS peer that we stopped reading")
        self._status.raise_failure()
        self._check_open()
        self._say_goodbye()

    def close(self, linger: float = 0.0) -> None:
        """Send close_notify, unless that was done, and close.

        linger: seconds to wait for the peer's own end. A socket closed while the peer still sends may
        destroy what we sent last, so a server that has just answered should wait a little.
        """
        if self._closed:
            return
        self._closed = True
        if not self._files:
            self._close_socket(linger)

    def abort(self) -> None:
        """End at once, also from another thread: whoever waits in a call is woken with an error.

        Without close_notify, so that the peer does not take a part for the whole; before the handshake
        is done the peer is told that we gave up (user_canceled, RFC 9846 6.1).
        """
        if self._sock.fileno() < 0:
            return
        if not self._status.established and self._status.failure is None:
            with contextlib.suppress(OSError), self._engine:
                self._connection.close()
                self._sock.settimeout(0)
                self._sock.send(self._connection.data_to_send())
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the socket below --------------------------------------------------------------------------------

    def settimeout(self, timeout: float | None) -> None:
        """Set how many seconds one call may wait, None for any; `TimeoutError` leaves the channel usable."""
        if timeout == 0:
            raise UsageError("settimeout: a channel cannot be non-blocking; use bothways.aio")
        self._timeout = timeout
        if self._sock.fileno() >= 0:
            self._sock.settimeout(timeout)

    def gettimeout(self) -> float | None:
        """Return what `settimeout` set."""
        return self._timeout

    def fileno(self) -> int:
        """Return the descriptor of the socket below, -1 when closed."""
        return self._sock.fileno()

    def stop_observing(self) -> None:
        """Tell the observer nothing more: data passes as fast from here on as if nobody had watched."""
        with self._engine:
            self._connection.stop_observing()

    def getpeername(self) -> object:
        """Return the network address of the peer."""
        return self._sock.getpeername()

    def getsockname(self) -> object:
        """Return our own network address."""
        return self._sock.getsockname()

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option of the socket below."""
        self._sock.setsockopt(level, option, value)

    # -- the handshake -----------------------------------------------------------------------------------

    def _handshake(self, timeout: float | None) -> None:
        try:
            self._exchange(timeout)
        except BaseException:
            if self._status.failure is None:
                self.abort()
            raise
        if not self._incoming:
            self._status.raise_failure()

    def _exchange(self, timeout: float | None) -> None:
        ours = self._handshake_ends = _deadline(timeout)
        self._collect_and_flush()
        while not self._status.established and self._status.failure is None:
            theirs = self._engine_deadline()
            soonest = min((each for each in (ours, theirs) if each is not None), default=None)
            if _readable(self._sock, _left(soonest)):
                self._read_once()
            elif soonest == theirs:
                with self._engine:
                    events = self._connection.tick()
                self._settle(events)
            else:
                raise TimeoutError("the handshake did not finish in time")

    # -- judging again -----------------------------------------------------------------------------------

    def judge_again(self) -> None:
        """Judge the peer by the evidence now at hand, as `Connection.judge_again`; raise if it no longer passes.

        Where evidence has to be fetched for that, it goes on by itself, and whatever call is next raises.
        """
        with self._engine:
            events = self._connection.judge_again()
        self._heed(events)
        self._status.raise_failure()

    def _judge_if_due(self) -> None:
        """Judge the peer again if its verdict has lapsed or evidence changed, where that was asked for."""
        if not self._judges_again or self._status.failure is not None or self._sock.fileno() < 0:
            return
        with self._engine:
            changed = self._connection.evidence_changed
            events = self._connection.judge_again() if changed else self._connection.tick()
        self._heed(events)

    def _heed(self, events: list[Event]) -> None:
        """Take what came of judging again; another thread that waits for the peer ends the connection itself."""
        known = len(self._status.warnings)
        requests = self._status.take(events)
        for warning in self._status.warnings[known:]:
            logger.warning("connection with %s: %s", self._address(), logged(warning))
        for request in requests:
            self._find(request)
        try:
            self._collect_and_flush()
        finally:
            if self._status.failure is not None:
                self._end_reading()

    def _find(self, request: Request) -> None:
        """Have what an open connection wants looked for in a thread; where none is to be had, nothing is found."""
        try:
            threading.Thread(target=self._answer, args=(request,), daemon=True).start()
        except RuntimeError as error:
            logger.error("no thread is left: %s: %s", self._answers.without(request), error)
            self._heed(self._provide(request, None))

    def _address(self) -> object:
        try:
            return self._sock.getpeername()
        except OSError:
            return "a peer that is gone"

    def _end_reading(self) -> None:
        """Close after a failure; where another thread waits for the peer, that does so when it wakes."""
        if self._reading.acquire(blocking=False):
            try:
                self._wind_up()
            finally:
                self._reading.release()
        elif not self._judges_again:
            with contextlib.suppress(OSError):
                self._sock.shutdown(socket.SHUT_RD)  # it takes no looks, and sleeps

    def _answer(self, request: Request) -> None:
        """Find what an open connection wants, in a thread of its own: data and time limits go on meanwhile."""
        try:
            events = self._provide(request, self._answers.answer(request))
        except Exception as error:  # noqa: BLE001 - our own side's finder may raise anything
            logger.error("%s: %r", self._answers.without(request), error)
            events = self._provide(request, None)
        with contextlib.suppress(TLSError, OSError):
            self._heed(events)

    def _provide(self, request: Request, answer: bytes | Sequence[EvidenceReply] | None) -> list[Event]:
        with self._engine:
            awaited = self._connection.is_awaited(request)
            return self._connection.provide(request, answer) if awaited else []

    def _looks(self) -> Iterator[float | None]:
        """Yield how long to wait at a stretch, until the time limit of one call is over."""
        ours = _deadline(self._timeout)
        while True:
            self._judge_if_due()
            look = time.monotonic() + LOOK_SECONDS
            yield _left(min(each for each in (ours, self._engine_deadline(), look) if each is not None))
            if ours is not None and time.monotonic() >= ours:
                raise TimeoutError("timed out")

    def _engine_deadline(self) -> float | None:
        deadline = self._connection.next_deadline()
        return None if deadline is None else time.monotonic() + deadline - self._clock.monotonic()

    # -- reading -----------------------------------------------------------------------------------------

    def _await_peer(self) -> None:
        """Read what the peer sends next, and see meanwhile that it still may; the caller holds `_reading`."""
        if not self._judges_again:
            self._read_once()
            return
        for wait in self._looks():
            if self._status.failure is not None:
                self._wind_up()
                return
            if _readable(self._sock, wait) and self._status.failure is None:
                self._read_once()
                return

    def _read_once(self) -> None:
        """Read what the network has and let the engine judge it; the caller holds `_reading`."""
        try:
            data = self._sock.recv(READ_SIZE)
        except CUT:
            data = b""
        with self._engine:
            events = self._connection.receive(data) if data else self._connection.receive_eof()
        self._settle(events)

    def _settle(self, events: list[Event]) -> None:
        self._note(events)
        try:
            self._collect_and_flush()
        finally:
            if self._status.failure is not None:
                self._wind_up()

    def _note(self, events: list[Event]) -> None:
        requests = deque(self._status.take(events))
        while requests:
            request = requests.popleft()
            if self._status.established:
                self._find(request)
                continue
            answer = self._answers.answer(self._in_time(request))
            with self._engine:
                events = self._connection.provide(request, answer)
            requests += self._status.take(events)

    def _in_time(self, request: Request) -> Request:
        """Have evidence looked for no longer than the handshake may take."""
        left = _left(self._handshake_ends)
        if left is None or not isinstance(request, EvidenceWanted):
            return request
        return replace(request, seconds=min(request.seconds, left))

    def _take(self, size: int) -> bytes:
        first = self._incoming.popleft()
        if len(first) > size:
            self._incoming.appendleft(first[size:])
            first = first[:size]
        return first

    def _look(self) -> None:
        """Meet a refusal that is already here, so that it is raised before more is sent in vain."""
        if not self._unsure() or not self._reading.acquire(blocking=False):
            return
        try:
            while self._unsure() and _readable(self._sock, 0):
                self._read_once()
        finally:
            self._reading.release()

    # -- writing -----------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Keep what the engine wants to send; the caller holds `_engine`."""
        self._outgoing += self._connection.data_to_send()

    def _collect_and_flush(self) -> None:
        with self._engine:
            self._collect()
        self._flush()

    def _flush(self) -> None:
        """Send what waits, unless another thread is sending: it will take ours along."""
        while self._outgoing and self._writing.acquire(blocking=False):
            try:
                self._push()
            finally:
                self._writing.release()

    def _push(self) -> None:
        """Send all that waits; what a time limit interrupts stays in order. The caller holds `_writing`."""
        while self._outgoing:
            with self._engine:
                chunk = bytes(self._outgoing)
                self._outgoing.clear()
            sent = 0
            try:
                with memoryview(chunk) as view:
                    while sent < len(chunk):
                        self._await_room()
                        sent += self._send_some(view[sent:])
            except CUT:
                self._after_broken_pipe()
                raise
            finally:
                if sent < len(chunk) and self._status.failure is None:
                    with self._engine:
                        self._outgoing[:0] = chunk[sent:]

    def _await_room(self) -> None:
        """Wait until the peer takes more, and see meanwhile that it still may; the caller holds `_writing`.

        A last alert is not waited with for long.
        """
        if self._status.failure is not None:
            if not _is_ready(self._sock, LINGER_SECONDS, writing=True):
                raise BrokenPipeError("the peer takes nothing more")
        elif self._judges_again:
            for wait in self._looks():
                self._status.raise_failure()
                if _is_ready(self._sock, wait, writing=True):
                    return

    def _send_some(self, data: memoryview) -> int:
        """Send what there is room for; only who judges nobody again may wait in the system for more room."""
        if not self._judges_again and self._status.failure is None:
            return self._sock.send(data)
        try:
            return self._sock.send(data, _AT_ONCE)
        except BlockingIOError:
            return 0

    def _after_broken_pipe(self) -> None:
        """Read what the peer said before it went away: its alert tells more than a broken pipe."""
        self._outgoing.clear()
        if self._status.failure is None and self._reading.acquire(timeout=LINGER_SECONDS):
            try:
                with contextlib.suppress(OSError):
                    for _ in self._bounded_reads():
                        self._read_once()
            finally:
                self._reading.release()
        self._status.raise_failure()

    def _bounded_reads(self) -> Iterator[None]:
        deadline = time.monotonic() + LINGER_SECONDS
        for _ in range(LINGER_BYTES // READ_SIZE):
            if self._over() or not _readable(self._sock, _left(deadline)):
                return
            yield

    # -- ending ------------------------------------------------------------------------------------------

    def _say_goodbye(self) -> None:
        with self._engine:
            self._connection.close()
            self._collect()
        with self._writing:
            self._push()

    def _wind_up(self) -> None:
        """Let our alert reach the peer, then close: closing with unread data would destroy it."""
        if not self._status.ended_by_peer:
            self._finish_writing()
            self._discard(LINGER_SECONDS)
        self._sock.close()

    def _close_socket(self, linger: float) -> None:
        if self._sock.fileno() < 0:
            return
        if self._status.failure is None:
            self._sock.settimeout(
                LINGER_SECONDS if self._timeout is None else min(self._timeout, LINGER_SECONDS)
            )
            with contextlib.suppress(OSError, TLSError):
                self._say_goodbye()
            if self._sock.fileno() >= 0:
                self._finish_writing()
                self._discard(linger)
        self._sock.close()

    def _finish_writing(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)

    def _discard(self, seconds: float) -> None:
        """Throw away what still comes until the peer ends, for a bounded time and number of bytes."""
        deadline, discarded = time.monotonic() + seconds, 0
        with contextlib.suppress(OSError):
            while discarded < LINGER_BYTES and _readable(self._sock, _left(deadline)):
                data = self._sock.recv(READ_SIZE)
                if not data:
                    return
                discarded += len(data)

    def _file_closed(self) -> None:
        self._files -= 1
        if self._closed and not self._files:
            self._close_socket(0.0)

    # -- what may be asked -------------------------------------------------------------------------------

    def _unsure(self) -> bool:
        """Whether the peer may yet refuse us."""
        return not self._connection.confirmed and not self._over()

    def _over(self) -> bool:
        return self._status.failure is not None or self._status.peer_closed or self._sock.fileno() < 0

    def _check_open(self) -> None:
        if self._sock.fileno() < 0 or (self._closed and not self._files):
            raise UsageError("the channel is closed")


def _own_finder(config: ClientConfig | ServerConfig) -> Finder | None:
    """Return who fetches what a configuration allows; `ConfigError` where that cannot work."""
    policy = config.settings.fetch
    if policy is None:
        return None
    from bothways.fetch import blocking  # HTTP is loaded only where something is to be fetched

    return blocking.finder(policy)


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


def _readable(sock: socket.socket, timeout: float | None) -> bool:
    """Wait until there is something to read, or the end; False when the time is over."""
    return _is_ready(sock, timeout, writing=False)


def _is_ready(sock: socket.socket, timeout: float | None, *, writing: bool) -> bool:
    if sock.fileno() < 0:
        return False
    if not hasattr(select, "poll"):
        mine = [sock]
        return any(select.select([] if writing else mine, mine if writing else [], [], timeout))
    waiter = select.poll()
    waiter.register(sock, select.POLLOUT if writing else select.POLLIN)
    return bool(waiter.poll(None if timeout is None else timeout * 1000))
