"""An `ssl.SSLObject` over two memory BIOs, which asyncio, uvloop, trio, anyio and TLS within TLS use."""

from __future__ import annotations

import ssl
from typing import Any, Self

from bothways.adapters.configured import checked_context
from bothways.adapters.conversation import SSLConversation, writable
from bothways.adapters.described import Described
from bothways.adapters.exceptions import want_read, zero_return
from bothways.adapters.records import BIORecords
from bothways.adapters.refusing import NoOpenSSL
from bothways.tls.record.protection import FRAGMENT_LIMIT


class SSLObject(Described, ssl.SSLObject):  # type: ignore[misc]
    """Created by `SSLContext.wrap_bio`. `peer` is the authenticated peer: names, path and verdict."""

    _talk: SSLConversation
    _sslobj: object
    _records: BIORecords
    _outgoing: ssl.MemoryBIO
    _is_refusal_told: bool

    @classmethod
    def _create(
        cls,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: object = None,
        context: object = None,
    ) -> Self:
        """Start a connection of `context` over the BIOs."""
        talk = checked_context(context).begin(server_side, server_hostname, session, without_io=True)
        self = cls.__new__(cls)
        self._talk = talk
        self._sslobj = NoOpenSSL(self)
        self._records, self._outgoing = BIORecords(incoming), outgoing
        self._is_refusal_told = False
        return self

    @property
    def server_side(self) -> bool:
        """Whether we are the server."""
        return self._talk.is_server

    @property
    def server_hostname(self) -> str | None:
        """The name that the server's certificate must contain; None for a server."""
        return self._talk.server_name

    # -- the handshake ---------------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """Continue the handshake as far as the received bytes allow.

        Raises SSLWantReadError for more bytes, and SSLError for the handshake's failure.
        """
        talk = self._talk
        self._flush()
        if not talk.status.established:
            talk.check_if_due()
        while not talk.status.established:
            if talk.has_failed():
                self._end_handshake()
            self._process(self._records.take_flight())
        talk.note_established()

    def _end_handshake(self) -> None:
        """Raise the handshake's failure; a server's alert is sent first.

        asyncio sends an object's bytes when it asks for more data, but drops them when it fails (cpython#98078).
        """
        talk = self._talk
        self._flush()
        is_news, self._is_refusal_told = not self._is_refusal_told, True
        if talk.is_server and is_news:
            talk.log_refusal()
            if talk.driver.must_linger:
                raise want_read()
        talk.raise_failure()

    # -- data ------------------------------------------------------------------------------------------

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - ssl's name
        """Return up to `len` bytes, or write them into `buffer` and return their number; b"" or 0 after the peer's end.

        Raises SSLWantReadError if there are none, SSLZeroReturnError if both sides have closed.
        """
        talk = self._talk
        if talk.is_plain and buffer is None and not talk.incoming and len > 0:
            return self._next_record(len)
        if not talk.status.established:
            self.do_handshake()
        if buffer is None:
            return self._next(len)
        view = writable(buffer)
        size = min(len, view.nbytes) if len and len > 0 else view.nbytes
        data = self._next(size)
        view[: data.__len__()] = data
        return data.__len__()

    def _next_record(self, size: int) -> bytes:
        """Return the data of the next record on the fast path, for an open connection without other work."""
        record = self._records.take()
        if not record:
            return self._next(size)
        content = self._talk.receive_data(record)
        if content is None:
            self._flush()
            return self._next(size)
        if content.__len__() <= size:
            return content
        self._talk.incoming.append(content)
        return self._talk.read(size)

    def _next(self, size: int) -> bytes:
        talk = self._talk
        if talk.judges_again:
            self._judge_if_due()
        if size < 0:
            raise ValueError("size should not be negative")
        if size == 0:
            return b""
        while not talk.incoming:
            talk.raise_failure()
            if talk.status.peer_closed:
                if talk.has_closed:
                    raise zero_return()
                return b""
            self._advance()
        return talk.read(size)

    def write(self, data: Any) -> int:
        """Encrypt all of the data, and return its length."""
        talk = self._talk
        if talk.is_plain and type(data) is bytes and len(data) <= FRAGMENT_LIMIT and not talk.has_failed():
            self._outgoing.write(talk.connection.send_data(data))
            return len(data)
        if not talk.status.established:
            self.do_handshake()
        if talk.judges_again:
            self._judge_if_due()
        talk.raise_failure()
        if talk.has_closed:
            raise zero_return()
        with memoryview(data) as view, view.cast("B") as content:
            talk.driver.send_in_records(content, self._outgoing.write)
            return content.nbytes

    def pending(self) -> int:
        """Return the number of bytes that `read` has at once."""
        return self._talk.pending

    # -- the end ---------------------------------------------------------------------------------------

    def unwrap(self) -> None:
        """Send close_notify and wait for the peer's. Raises SSLWantReadError until it is there.

        Raises SSLError if data was not read, or comes before it; `read` still returns that data.
        """
        talk = self._talk
        talk.raise_failure()
        talk.check_established()
        if not talk.has_closed:
            talk.close()
            self._flush()
        while not talk.status.peer_closed:
            talk.check_all_read()
            talk.raise_failure()
            self._advance()
        talk.check_all_read()

    # -- internals -------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Process the next record, or the end of file; SSLWantReadError if there is neither."""
        self._process(self._records.take())

    def _process(self, records: bytes) -> None:
        driver = self._talk.driver
        if records:
            requests = driver.receive(records)
        elif self._records.at_end:
            requests = driver.receive_end()
        else:
            raise want_read()
        if requests:
            self._talk.answer_requests(requests)
        self._flush()

    def _judge_if_due(self) -> None:
        """Verify the peer again if that is due, and send the alert that may follow."""
        self._talk.check_if_due()
        self._flush()
        self._talk.raise_failure()

    def _flush(self) -> None:
        data = self._talk.driver.data_to_send()
        if data:
            self._outgoing.write(data)
