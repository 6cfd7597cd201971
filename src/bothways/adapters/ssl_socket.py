"""An `ssl.SSLSocket`, blocking or not. It sends nothing unprotected, not even after `shutdown` or `unwrap`."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Self, TypeVar

from bothways.adapters import forks
from bothways.adapters.bare_socket import address_of, is_connected
from bothways.adapters.carrier import LayeredCarrier, OwnCarrier, check_open, close_below, released
from bothways.adapters.configured import ConfiguredContext, checked_context
from bothways.adapters.conversation import SSLConversation, writable
from bothways.adapters.described import Described
from bothways.adapters.exceptions import want_read, want_write, zero_return
from bothways.adapters.refusing import NoOpenSSL, Refusing
from bothways.errors import ConfigError, TLSError
from bothways.net.carrier import soonest
from bothways.net.pipe import Pipe
from bothways.tls.driver import LINGER_SECONDS

T = TypeVar("T")
SEND_SIZE = 64 * 1024
_plain = socket.socket


class SSLSocket(Described, Refusing, ssl.SSLSocket):  # type: ignore[misc]
    """Made by `SSLContext.wrap_socket`; `peer` is the verified peer. One thread may receive while another sends."""

    _talk: SSLConversation | None
    _pipe: Pipe | None
    _context: ConfiguredContext
    _name: str | None
    _connected: bool
    _sslobj: object
    _closed: bool
    do_handshake_on_connect: bool
    suppress_ragged_eofs: bool
    _owed: bytes  # the data encrypted for a `send` that has to be repeated
    _forks: int  # the number of forks when this process last used the connection
    _below: Any  # the connection below this one
    _unwrapped: socket.socket | None  # closed with this one: programs drop what `unwrap` returns

    @classmethod
    def _create(
        cls,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        context: object = None,
        session: object = None,
    ) -> Self:
        """Take over a socket for a connection of `context`."""
        ours = checked_context(context)
        ours.check_side(server_side, server_hostname, session)
        name = None if server_side else ours.server_name(server_hostname)
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) != socket.SOCK_STREAM:
            raise NotImplementedError("only stream sockets are supported")
        self = cls._adopt(sock)
        self._context, self._name = ours, name
        self.server_side = server_side
        self.do_handshake_on_connect = do_handshake_on_connect
        self.suppress_ragged_eofs = suppress_ragged_eofs
        try:
            self._connected = is_connected(self)
            if self._connected:
                self._begin()
                if do_handshake_on_connect:
                    self._check_blocking()
                    self.do_handshake()
        except BaseException:
            self.close()
            raise
        return self

    @classmethod
    def _adopt(cls, sock: Any) -> Self:
        """Return a socket of this class with the descriptor of `sock`, or over a connection that stays open below."""
        is_bare = isinstance(sock, socket.socket) and not isinstance(sock, ssl.SSLSocket)
        timeout = sock.gettimeout()
        if is_bare:
            kind = {"family": sock.family, "type": sock.type, "proto": sock.proto}
            self = cls.__new__(cls)
            _plain.__init__(self, **kind, fileno=sock.fileno())
            sock.detach()
        else:
            descriptor = os.dup(sock.fileno())
            self = cls.__new__(cls)
            _plain.__init__(self, fileno=descriptor)
        self._below = None if is_bare else sock
        self._sslobj = NoOpenSSL(self)
        self._talk = self._pipe = self._unwrapped = None
        self._owed = b""
        self._forks = forks.count()
        self._closed = False
        self.settimeout(timeout)
        return self

    @property
    def context(self) -> Any:
        """The SSLContext of this socket."""
        return self._context

    @context.setter
    def context(self, context: object) -> None:
        if context is not self._context:
            raise ConfigError("context: a connection keeps the context that it was made by")

    @property
    def server_hostname(self) -> Any:  # type: ignore[override]
        """The name that the server's certificate must contain; None for a server."""
        return self._name

    # -- start -----------------------------------------------------------------------------------------

    def _begin(self) -> None:
        address = address_of(self)
        talk = self._context.begin(self.server_side, self._name, None, address=lambda: address)
        carrier = OwnCarrier(self) if self._below is None else LayeredCarrier(self, self._below)
        self._pipe = Pipe(carrier, talk.driver, talk.answers, talk.config.clock, judges=talk.judges_again)
        self._pipe.incoming = talk.incoming
        self._talk, talk.send_request = talk, self._pipe.send_request

    def connect(self, addr: Any) -> None:
        """Connect to `addr`, and do the handshake unless the caller does it."""
        self._connect(addr, _plain.connect)

    def connect_ex(self, addr: Any) -> int:
        """As `connect`, but return the number of a network error."""
        return self._connect(addr, _plain.connect_ex) or 0

    def _connect(self, addr: Any, act: Callable[[socket.socket, Any], int | None]) -> int | None:
        if self.server_side:
            raise ValueError("can't connect in server-side mode")
        if self._connected or self._talk is not None:
            raise ValueError("attempt to connect already-connected SSLSocket!")
        result = act(self, addr)
        if not result:
            self._connected = True
            self._begin()
            if self.do_handshake_on_connect:
                self._check_blocking()
                self.do_handshake()
        return result

    def accept(self) -> Any:
        """Wait for a client; return its connection and its address. The handshake is done unless the caller does it."""
        sock, address = _plain.accept(self)
        return (
            self._context.wrap_socket(
                sock,
                server_side=True,
                do_handshake_on_connect=self.do_handshake_on_connect,
                suppress_ragged_eofs=self.suppress_ragged_eofs,
            ),
            address,
        )

    def do_handshake(self, block: bool = False) -> None:
        """Do the handshake; on a non-blocking socket, as far as possible.

        Raises SSLWantReadError and SSLWantWriteError there, TimeoutError, and SSLError for its failure.
        """
        timeout = self.gettimeout()
        if timeout == 0 and block:
            self.settimeout(None)
        try:
            self._finish_handshake()
        finally:
            self.settimeout(timeout)

    def _finish_handshake(self) -> None:
        talk, pipe = self._wrapped("do_handshake")
        if not talk.status.established:
            pipe.timeout = self.gettimeout()
            self._driven(lambda: pipe.do_handshake(pipe.timeout), "The handshake operation timed out")
        if talk.status.failure is not None and not talk.incoming:
            if talk.is_server and not talk.status.established:
                talk.log_refusal()
            talk.raise_failure()

    # -- data ------------------------------------------------------------------------------------------

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - ssl's name
        """Return up to `len` bytes, or write them into `buffer` and return their number; b"" or 0 after the peer's end.

        Raises SSLWantReadError or TimeoutError if none come in time, SSLEOFError for a truncation.
        """
        self._check_not_closed("Read")
        if buffer is None:
            return self._next(len)
        view = writable(buffer)
        data = self._next(min(len, view.nbytes) if len and len > 0 else view.nbytes)
        view[: data.__len__()] = data
        return data.__len__()

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """As `read`."""
        self._check_flags("recv", flags)
        return self._next(buflen)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """As `read`, into `buffer`."""
        self._check_flags("recv_into", flags)
        view = writable(buffer)
        data = self._next(min(nbytes, view.nbytes) if nbytes and nbytes > 0 else view.nbytes)
        view[: len(data)] = data
        return len(data)

    def _next(self, size: int) -> bytes:
        talk, pipe = self._wrapped("read")
        self._ensure_established(talk)
        if size < 0:
            raise ValueError("negative buffersize in recv")
        if size == 0:
            return b""
        with pipe.reading:
            pipe.timeout = self.gettimeout()
            if talk.judges_again:
                self._judge(talk, pipe)
            while not (data := talk.read(size)):
                talk.raise_failure()
                if talk.has_ended:
                    return b""
                check_open(pipe.carrier)
                self._await_data(talk, pipe)
            return data

    def _await_data(self, talk: SSLConversation, pipe: Pipe) -> None:
        """Wait for received data; an error of sending meanwhile does not prevent that it is returned."""
        try:
            self._driven(pipe.await_peer, "The read operation timed out", want_read)
        except (TimeoutError, ssl.SSLWantReadError):
            if not talk.incoming:
                raise

    def send(self, data: Any, flags: int = 0) -> int:
        """Send a part of `data`, and return its length.

        After SSLWantWriteError or TimeoutError the call has to be repeated with the same data, as with OpenSSL.
        """
        self._check_flags("send", flags)
        return self._write(data)

    def write(self, data: Any) -> int:
        """As `send`."""
        self._check_not_closed("Write")
        return self._write(data)

    def _write(self, data: Any) -> int:
        talk, pipe = self._wrapped("write")
        self._ensure_established(talk)
        pipe.timeout = self.gettimeout()
        with memoryview(data) as view, view.cast("B") as content:
            if self._owed:
                return self._resend(talk, pipe, content)
            if talk.judges_again:
                self._judge(talk, pipe)
            self._process_received_alert(talk, pipe)
            talk.raise_failure()
            check_open(pipe.carrier)
            if talk.has_closed:
                raise zero_return()
            piece = content[:SEND_SIZE]
            self._send(talk, pipe, piece)
            return piece.nbytes

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of `data`."""
        self._check_flags("sendall", flags)
        with memoryview(data) as view, view.cast("B") as content:
            done = 0
            while done < content.nbytes:
                done += self._write(content[done:])

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """Send a file by reading it; return the number of bytes."""
        sent: int = self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined]
        return sent

    def pending(self) -> int:
        """Return the number of bytes that can be read at once."""
        here = 0 if self._talk is None else self._talk.pending
        return here or (self._below.pending() if hasattr(self._below, "pending") else 0)

    def _send(self, talk: SSLConversation, pipe: Pipe, piece: memoryview) -> None:
        try:
            self._flush_engine(pipe)
            sealed = True
            try:
                self._driven(lambda: pipe.write(piece), "The write operation timed out")
                sealed = False
            finally:
                if sealed and pipe.has_unsent:
                    self._owed = bytes(piece)
        except OSError:
            talk.raise_failure()
            raise

    def _flush_engine(self, pipe: Pipe) -> None:
        """Send earlier bytes of the engine, such as a key update, before more data."""
        if pipe.has_unsent:
            self._driven(pipe.flush, "The write operation timed out")
        self._check_all_sent(pipe)

    def _check_all_sent(self, pipe: Pipe) -> None:
        if pipe.has_unsent and self.gettimeout() == 0:
            raise want_write()

    def _resend(self, talk: SSLConversation, pipe: Pipe, content: memoryview) -> int:
        """Continue a `send` that is repeated with the same data."""
        owed = self._owed
        if content[: len(owed)] != owed:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "bad write retry: the same data has to be sent again")
        self._driven(pipe.flush, "The write operation timed out")
        talk.raise_failure()
        self._check_all_sent(pipe)
        self._owed = b""
        return len(owed)

    def _judge(self, talk: SSLConversation, pipe: Pipe) -> None:
        """Verify the peer again if that is due; if it is no longer accepted, no more data is returned."""
        if not talk.has_failed():
            with contextlib.suppress(TimeoutError):
                pipe.judge_if_due()
            if talk.has_failed():
                talk.incoming.clear()
        if not talk.incoming:
            talk.raise_failure()

    def _process_received_alert(self, talk: SSLConversation, pipe: Pipe) -> None:
        """Process an alert of the server that has arrived, before more data is sent."""
        if talk.driver.may_be_refused():
            with contextlib.suppress(TimeoutError):
                pipe.process_received_alert()

    # -- the end ---------------------------------------------------------------------------------------

    def unwrap(self) -> Any:
        """Send close_notify, wait for the peer's, and return the plain socket.

        This one can only be closed then, which closes the plain socket too, as with `ssl`, where both are one.
        Raises SSLError if data was not read, or comes before that, and in a signal handler that interrupted a call.
        """
        talk, pipe = self._wrapped("unwrap")
        talk.raise_failure()
        talk.check_established()
        self._driven(pipe.use.check_unused, "")
        pipe.timeout = self.gettimeout()
        talk.has_closed = True
        self._driven(pipe.send_close_notify, "The shutdown operation timed out")
        with pipe.reading:
            while not talk.status.peer_closed:
                talk.check_all_read()
                talk.raise_failure()
                self._driven(pipe.await_peer, "The shutdown operation timed out")
            talk.check_all_read()
        return self._bare()

    def _bare(self) -> Any:
        if self._below is not None:
            below, self._below, self._talk, self._pipe = self._below, None, None, None
            below.settimeout(self.gettimeout())
            self.close()
            return below
        bare = self._unwrapped = _plain(self.family, self.type, self.proto, fileno=self.detach())
        bare.settimeout(self.timeout)
        return bare

    def shutdown(self, how: int) -> None:
        """Shut down one direction or both; close_notify is sent first (RFC 9846 6.1)."""
        if self._talk is not None:
            self._talk.has_stopped_reading |= how in (socket.SHUT_RD, socket.SHUT_RDWR)
            if how != socket.SHUT_RD:
                self._send_close_notify(self._talk)
        if self._below is None:
            _plain.shutdown(self, how)
        elif how != socket.SHUT_WR:
            self._below.shutdown(how)

    def _send_close_notify(self, talk: SSLConversation) -> None:
        """Send close_notify, and wait for a limited time until it is sent."""
        pipe = self._pipe
        if pipe is None or talk.status.failure is not None or talk.has_closed or pipe.carrier.is_closed:
            return
        talk.has_closed = True
        pipe.timeout = soonest(self.gettimeout(), LINGER_SECONDS)
        with contextlib.suppress(OSError, TLSError):
            pipe.send_close_notify()

    def _real_close(self) -> None:  # type: ignore[override, unused-ignore]
        talk = self._talk
        if talk is not None and self.fileno() >= 0 and self._forks == forks.count():
            with contextlib.suppress(OSError):
                self._send_close_notify(talk)
                if self._pipe is not None and self._pipe.has_unsent:
                    self._pipe.carrier.abort()  # wakes a thread that waits for the peer
        below, self._below = self._below, None
        released(self._pipe, partial(_plain._real_close, self))  # type: ignore[attr-defined]
        if below is not None:
            close_below(below, self.timeout)
        bare, self._unwrapped = self._unwrapped, None
        if bare is not None:
            bare.close()

    def detach(self) -> int:
        """Release the descriptor, without TLS."""
        pipe, self._talk, self._pipe = self._pipe, None, None
        return released(pipe, partial(_plain.detach, self))

    # -- internals -------------------------------------------------------------------------------------

    def _wrapped(self, what: str) -> tuple[SSLConversation, Pipe]:
        """Return the connection; start it if the socket was connected without `connect`."""
        self._forks = forks.count()
        if self._talk is None and not self._connected:
            self.getpeername()  # raises OSError if there is no peer
            self._connected = True
            self._begin()
        if self._talk is None or self._pipe is None:
            raise ValueError(f"{what} on closed or unwrapped SSL socket.")
        return self._talk, self._pipe

    def _ensure_established(self, talk: SSLConversation) -> None:
        if not talk.status.established:
            self._finish_handshake()

    def _established(self) -> SSLConversation:
        if self._talk is None:
            self.getpeername()  # raises OSError if there is no peer
        return super()._established()

    def _driven(self, act: Callable[[], T], late: str, again: Callable[[], ssl.SSLError] | None = None) -> T:
        """Call `act`, and convert its exceptions into those of `ssl`."""
        talk, _ = self._wrapped("TLS")
        return talk.drive(act, late, (again or self._again) if self.gettimeout() == 0 else None)

    def _again(self) -> ssl.SSLError:
        return want_write() if self._pipe is not None and self._pipe.has_unsent else want_read()
