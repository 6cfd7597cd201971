"""A TLS connection over a blocking socket, with the interface of a socket.

One thread may receive while another sends. A refusal that arrives after our own Finished (TLS 1.3) is raised by the
next call, as a failure of the handshake.
"""

from __future__ import annotations

import contextlib
import socket
from operator import index
from types import TracebackType
from typing import Any, Self

from bothways.errors import TLSError, UsageError
from bothways.net.carrier import carrier_of, deadline_in, left
from bothways.net.files import open_file
from bothways.net.pipe import Answering, Pipe
from bothways.tls.connection import Connection
from bothways.tls.driver import ClientAnswer, Confirmation, Driver
from bothways.tls.events import Caution, Peer
from bothways.tls.handshake.settings import Settings
from bothways.tls.post_handshake.certificate_requests import DATA_LIMIT

SEND_SIZE = 64 * 1024


class Channel:
    """The result of `connect` and `wrap`: a socket with an authenticated peer and encrypted data."""

    def __init__(self, sock: Any, connection: Connection, settings: Settings, answers: Answering) -> None:
        self._sock = sock
        self._connection = connection
        timeout = sock.gettimeout() if hasattr(sock, "gettimeout") else None
        driver = Driver(connection, self._keep, answered=self._note_answer, address=self._address)
        carrier = carrier_of(sock)
        self._pipe = Pipe(carrier, driver, answers, settings.clock, judges=settings.judges_again)
        self._pipe.timeout = timeout
        self._status = driver.status
        self._answer: ClientAnswer | None = None
        self._closed = False
        self._files = 0

    # -- peer and parameters ---------------------------------------------------------------------------

    @property
    def peer(self) -> Peer | None:
        """The authenticated peer; None for a client without a certificate.

        It is still available after the end of the connection.
        """
        return self._status.peer

    @property
    def warnings(self) -> list[Caution]:
        """Warnings: what a user should know although nothing failed."""
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
        """Return whether the peer has accepted us, waiting up to `timeout` seconds (None: until it is known).

        In TLS 1.3 a client learns this only from the first protected record after the server's Finished.
        Data that arrives meanwhile is kept; after "refused" every other call raises the refusal.
        """
        deadline = deadline_in(timeout)
        pipe = self._pipe
        with pipe.reading:
            while pipe.driver.confirmation == "unknown" and not pipe.is_over and pipe.read(left(deadline)):
                pass
        return pipe.driver.confirmation

    def authenticate_client(
        self, *, required: bool = True, seconds: float | None = None, max_data: int = DATA_LIMIT
    ) -> ClientAnswer:
        """Request the client's certificate (TLS 1.3), wait for it and verify it; see `Connection.authenticate_client`.

        required, seconds, max_data: as there. Data that arrives meanwhile is kept; `ClientAnswer.unread` says how much
        of it came before the answer. Raises the `TLSError` of a client that is not accepted,
        `AuthenticationUnavailable` for one that cannot be asked, and `UsageError` while another thread receives.
        """
        pipe = self._pipe
        if not pipe.reading.acquire(blocking=False):
            raise UsageError("authenticate_client: another thread is receiving")
        try:
            self._check_open()
            before, ask = self._answer, pipe.driver.authenticate_client
            pipe.await_answer(lambda: ask(required=required, seconds=seconds, max_data=max_data))
        finally:
            pipe.reading.release()
        if self._answer is None or self._answer is before:
            self._status.raise_failure()
            raise UsageError("authenticate_client: the channel was closed")
        return self._answer

    def situate(self, error: TLSError | OSError) -> None:
        """Attach to an error what was observed of this connection, for `explain_failure`, unless it has that."""
        _attach_facts(error, self._connection)

    # -- data --------------------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Return up to `size` bytes from the peer; b"" after its close_notify.

        Raises `Truncated`, after all data was returned, where the connection ended without close_notify, the `TLSError`
        that ended it, `TimeoutError`, and `UsageError` for `flags` other than 0.
        """
        if flags:
            raise UsageError("recv: flags are not supported over TLS")
        if size <= 0:
            return b""
        pipe = self._pipe
        with pipe.reading:
            while not pipe.incoming:
                self._status.raise_failure()
                if self._status.peer_closed:
                    return b""
                self._check_open()
                pipe.await_peer()
            return self._take(size)

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0, flags: int = 0) -> int:
        """Receive into `buffer`; return the number of bytes. Raises as `recv` does."""
        view = memoryview(buffer).cast("B")
        if view.readonly:
            raise TypeError("recv_into: expected a buffer that can be written to")
        data = self.recv(min(size, len(view)) if size > 0 else len(view), flags)
        view[: len(data)] = data
        return len(data)

    def send(self, data: bytes | bytearray | memoryview, flags: int = 0) -> int:
        """Send all of `data`, as `sendall` does, and return its length."""
        self.sendall(data, flags)
        return len(memoryview(data).cast("B"))

    def sendall(self, data: bytes | bytearray | memoryview, flags: int = 0) -> None:
        """Send all of `data`; returns when the operating system has taken it. Raises as `recv` does.

        After a `TimeoutError` the first 64 KiB of `data` are not lost: they are sent with the next data, even b"".
        `UsageError` for `flags` other than 0.
        """
        if flags:
            raise UsageError("send: flags are not supported over TLS")
        view = memoryview(data).cast("B")
        for start in range(0, len(view), SEND_SIZE):
            with contextlib.suppress(TimeoutError):  # what takes too long to go out does so below, too
                self._pipe.process_received_alert()
                self._pipe.judge_if_due()
            self._status.raise_failure()
            self._check_open()
            self._pipe.write(view[start : start + SEND_SIZE])
        self._pipe.flush()

    def pending(self) -> int:
        """Return how many bytes `recv` can return without reading from the network."""
        return sum(map(len, self._pipe.incoming))

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
        """Send close_notify (RFC 9846 6.1); the peer may continue to send. `UsageError` for a `how` of SHUT_RD."""
        if how == socket.SHUT_RD:
            raise UsageError("shutdown: TLS has no message by which a peer learns that we stopped reading")
        self._status.raise_failure()
        self._check_open()
        self._pipe.send_close_notify()

    def close(self, linger: float = 0.0) -> None:
        """Send close_notify, unless that was done, and close; also from a signal handler.

        linger: seconds to wait for the peer's own end. A socket closed while the peer still sends may
        destroy what we sent last, so a server that has just answered should wait a little.
        """
        if self._closed:
            return
        self._closed = True
        if not self._files:
            self._pipe.close(linger)

    def abort(self) -> None:
        """End at once, also from another thread: a call that waits ends with an error.

        No close_notify is sent, so that the peer can see that data may be missing; before the end of the handshake
        the peer gets the alert user_canceled (RFC 9846 6.1).
        """
        self._pipe.abort()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- the underlying socket -----------------------------------------------------------------------------

    def settimeout(self, timeout: float | None) -> None:
        """Set the seconds that one call may wait (None: no limit); the channel stays usable after a `TimeoutError`.

        Raises `UsageError` for 0.
        """
        if timeout == 0:
            raise UsageError("settimeout: a channel cannot be non-blocking; use bothways.aio")
        self._pipe.timeout = timeout

    def gettimeout(self) -> float | None:
        """Return the time limit of `settimeout`, in seconds; None for none."""
        return self._pipe.timeout

    def fileno(self) -> int:
        """Return the file descriptor of the socket; -1 when closed, or where there is none."""
        return self._pipe.carrier.fileno()

    def stop_observing(self) -> None:
        """Send no more notes to the observer, which makes sending and receiving faster."""
        self._pipe.stop_observing()

    def getpeername(self) -> object:
        """Return the network address of the peer."""
        return self._sock.getpeername()

    def getsockname(self) -> object:
        """Return our own network address."""
        return self._sock.getsockname()

    def setsockopt(self, level: int, option: int, value: int | bytes) -> None:
        """Set an option of the underlying socket."""
        self._sock.setsockopt(level, option, value)

    def judge_again(self) -> None:
        """Verify the peer again by the current evidence, as `Connection.judge_again`; raise if it is not valid now.

        Where evidence has to be fetched for that, this continues in the background, and the next call raises.
        """
        self._pipe.judge_again()
        self._status.raise_failure()

    # -- internals ---------------------------------------------------------------------------------------

    def _handshake(self, timeout: float | None) -> None:
        try:
            self._pipe.do_handshake(timeout)
        except BaseException:
            if self._status.failure is None:
                self._pipe.abort()
            raise
        if not self._pipe.incoming:
            self._status.raise_failure()

    def _keep(self, data: bytes) -> None:
        self._pipe.incoming.append(data)

    def _note_answer(self, peer: Peer | None) -> None:
        self._answer = ClientAnswer(peer, self.pending())

    def _take(self, size: int) -> bytes:
        size = index(size)  # before any data is taken, which an exception would lose
        first = self._pipe.incoming.popleft()
        if len(first) > size:
            self._pipe.incoming.appendleft(first[size:])
            first = first[:size]
        return first

    def _address(self) -> object:
        try:
            return self._sock.getpeername()
        except (OSError, AttributeError):
            return "a peer that is gone"

    def _file_closed(self) -> None:
        self._files -= 1
        if self._closed and not self._files:
            self._pipe.close(0.0)

    def _check_open(self) -> None:
        if self._pipe.carrier.is_closed or (self._closed and not self._files):
            raise UsageError("the channel is closed")


def _attach_facts(error: TLSError | OSError, connection: Connection) -> None:
    if getattr(error, "situation", None) is None:
        error.situation = connection.history.facts()  # type: ignore[union-attr]


def established(
    sock: Any, connection: Connection, settings: Settings, answers: Answering, timeout: float | None
) -> Channel:
    """Do the handshake of a connection over a socket, and return its channel; if it fails, close the socket.

    timeout: seconds, in addition to the limit of the configuration. A network error says how far it had come.
    """
    try:
        channel = Channel(sock, connection, settings, answers)
        channel._handshake(timeout)
    except BaseException as error:
        if isinstance(error, OSError):
            _attach_facts(error, connection)
        if hasattr(sock, "close"):
            sock.close()
        raise
    return channel
