"""What is written to the transport below: at once, in turns where it is much, or together with the first data.

A peer may limit records to 64 bytes (RFC 8449), so that their number counts besides the bytes.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable

from bothways.aio.app_calls import AppCalls
from bothways.aio.idleness import Idleness
from bothways.aio.turns import Turns
from bothways.errors import TLSError, UsageError
from bothways.tls.connection import Connection
from bothways.tls.driver import Driver
from bothways.tls.guards import as_bytes
from bothways.tls.handshake.message_io import SEALED_AT_ONCE

SEALED_A_TURN = (
    1024 * 1024
)  # bytes of a connection that are encrypted in one turn of the loop; what is beyond waits
UNTIMED = 32 * 1024  # bytes that are encrypted without regard to what other connections do in the same turn
SECONDS_A_BYTE = 1e-9  # that encryption and the system take, about
WRITTEN_A_TURN = 64 * 1024  # bytes after which a task that only writes yields to others
SHORT_WRITE = 4096  # the least that one call counts for, and each of many records


# asyncio's `writelines` then calls no `pause_writing` (CVE-2024-12254).
FORGETS_TO_PAUSE = (3, 12) <= sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2)


class Backlog:
    """What was written beyond what one turn encrypts, in its order. size: in bytes.  then: what follows it, if any."""

    __slots__ = ("_pieces", "size", "then")

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self.size = 0
        self.then: Callable[[], None] | None = None

    def add(self, data: memoryview) -> None:
        """Keep data, as it is now."""
        kept = data if isinstance(data.obj, bytes) else memoryview(bytes(data))
        self._pieces.append(kept)
        self.size += len(kept)

    def take(self, size: int) -> memoryview:
        """Return the next bytes, up to `size`, of one piece."""
        first = self._pieces.popleft()
        if len(first) > size:
            self._pieces.appendleft(first[size:])
            first = first[:size]
        self.size -= len(first)
        return first


class Sending(AppCalls):
    """A base class of `TLSProtocol`, which has the transport below since it is connected."""

    __slots__ = ("_turns",)  # instances with over 30 names in their dict share none

    connection: Connection
    driver: Driver
    _turns: Turns
    _idleness: Idleness
    _follows_evidence: bool
    _lost: bool
    _transport: asyncio.Transport | None = None
    _was_open = False
    _written = 0  # since the last turn of the event loop: bytes, more than there were for small records
    _weight = 1  # what a byte counts for
    _backlog: Backlog | None = None
    _below_is_full = _writing_paused = False
    has_end = False  # `write_eof` was called

    @property
    def closing(self) -> bool:
        """Whether `close` was called or the connection is gone."""
        raise NotImplementedError

    @property
    def has_room(self) -> bool:
        """Whether this turn of the loop has room for further work."""
        return self._turns.has_room

    # -- calls of the application ------------------------------------------------------------------------

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt data and write it to the transport below; raise the error that ended the connection.

        What is more than one turn of the event loop has room for follows in the next ones.
        """
        if self._follows_evidence and self.driver.has_new_evidence:
            self._judge_before_sending()
        backlog, status = self._backlog, self.driver.status
        if self._closing or self._lost or self.has_end or status.failure is not None:
            status.raise_failure()
            raise UsageError(
                f"write: {'it follows write_eof' if self.has_end else 'the connection is closed'}"
            )
        if type(data) is not bytes:
            data = as_bytes(data)
        cost = len(data) * self._weight
        if cost < SHORT_WRITE:
            cost = SHORT_WRITE
        written = self._written + cost
        if (
            backlog is None
            and cost <= SEALED_AT_ONCE
            and written <= SEALED_A_TURN
            and (written % UNTIMED >= cost or self._turns.takes(cost * SECONDS_A_BYTE))
        ):
            self._pass_on(self.connection.send_data(data))
        else:
            self._send_in_turns(memoryview(data), SEALED_A_TURN - self._written)
        self._written = written
        if self._idleness.seconds is not None:
            self._idleness.note_activity()

    async def until_writable(self) -> None:
        """Wait until there is room for more, or raise the error that ended the connection.

        A task that only writes yields to others, too.
        """
        status = self.driver.status
        if self._writing_paused:
            await self.until(lambda: not self._writing_paused or self._is_gone)
            self._written = 0
        status.raise_failure()
        if self._written >= WRITTEN_A_TURN:
            self._written = 0
            await asyncio.sleep(0)

    async def until_encrypted(self) -> None:
        """Wait until all that was written is encrypted, or the connection is gone."""
        await self.until(lambda: self._backlog is None)

    @property
    def unsent(self) -> int:
        """The number of bytes that are written and not yet passed to the system."""
        waiting = 0 if self._backlog is None else self._backlog.size
        return waiting + (0 if self._transport is None else self._transport.get_write_buffer_size())

    # -- turns -------------------------------------------------------------------------------------------

    def _weigh(self) -> None:
        """Note what a byte counts for: more than one where the peer takes small records only."""
        if self.connection.fragment_limit < SHORT_WRITE:
            self._weight = -(-SHORT_WRITE // self.connection.fragment_limit)

    def _send_in_turns(self, data: memoryview, room: int) -> None:
        """Encrypt as much as this turn has room for, of this connection and of the loop, and keep the rest."""
        if self._backlog is None and self._turns.has_room:
            self._turns.run(self._seal, data, max(room // self._weight, 0))
            return
        if self._backlog is None:
            self._wait_for_turn()
        if self._backlog is not None:
            self._backlog.add(data)
        self._regulate_app()

    def _seal(self, data: memoryview, fits: int) -> None:
        """Encrypt so many of these bytes, and keep the rest for the next turns.

        The transport below may call `pause_writing` meanwhile, and the application may then write more, or close: that
        follows.
        """
        backlog = self._backlog = Backlog()
        backlog.add(data[fits:])
        try:
            self.driver.send_in_pieces(data[:fits], self._pass_parts)
        finally:
            if self._backlog is backlog:
                if backlog.size or backlog.then is not None:
                    self._turns.do_soon(self._seal_next)
                else:
                    self._backlog = None
                self._regulate_app()

    def _wait_for_turn(self) -> None:
        """Keep what is written from here on for one of the next turns."""
        self._backlog = Backlog()
        self._turns.do_soon(self._seal_next)

    def _judge_before_sending(self) -> None:
        """Verify the peer before it gets more data: now, or in one of the next turns, for which the data waits."""
        if self._turns.has_room:
            self._turns.run(self._judge_first)
        elif self._backlog is None and self._may_send:
            self._wait_for_turn()

    def _seal_next(self) -> None:
        """Encrypt as much of the backlog as one turn has room for; after the last of it, do what follows."""
        self._judge_first()
        backlog = self._backlog
        if backlog is None or self._is_gone:
            self._drop_backlog()
            return
        self._idleness.note_activity()
        self._written, room = 0, SEALED_A_TURN // self._weight
        try:
            while room > 0 and backlog.size:
                piece = backlog.take(room)
                self.driver.send_in_pieces(piece, self._pass_parts)
                room -= max(len(piece), SHORT_WRITE // self._weight)
        except TLSError as error:  # no more may be encrypted
            self.fail(error)
            return
        if backlog.size:
            self._turns.do_soon(self._seal_next)
            return
        if backlog.then is not None:
            backlog.then()
        self._drop_backlog()

    def _after_backlog(self, act: Callable[[], None]) -> None:
        """Call `act` when all that was written is encrypted; nothing more can be written."""
        if self._backlog is None:
            act()
        else:
            self._backlog.then = act

    def discard_unsent(self) -> None:
        """Encrypt nothing of what waits for a turn; what follows it, if any, is done now."""
        backlog = self._backlog
        if backlog is not None:
            self._drop_backlog()
            if backlog.then is not None:
                backlog.then()

    def _drop_backlog(self) -> None:
        self._backlog = None
        self._regulate_app()
        self.wake()

    # -- the transport below -------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        """The buffer of the transport below is full."""
        self._below_is_full = True
        self._regulate_app()

    def resume_writing(self) -> None:
        """The buffer of the transport below has room again."""
        self._below_is_full = False
        self._regulate_app()
        self.wake()

    def _regulate_app(self) -> None:
        """Tell the application to stop writing, or to go on."""
        paused = self._below_is_full or self._backlog is not None
        if paused is self._writing_paused:
            return
        self._writing_paused = paused
        if self.driver.status.established and not self._ended:
            self.notify_app("pause_writing" if paused else "resume_writing")

    def _flush(self) -> None:
        """Write what is ready for the peer."""
        self._pass_on(self.driver.data_to_send())

    def _flush_gathered(self) -> None:
        """Write what is ready; what completes the handshake only after the tasks that were woken by its end.

        What they write at once goes with it: a client's Finished and its first request are one packet, and so are a
        server's session ticket and its first reply.
        """
        status = self.driver.status
        if status.established and not self._was_open and status.failure is None:
            self._loop.call_soon(self._flush)
        else:
            self._flush()
        self._was_open = status.established

    def _pass_on(self, data: bytes) -> None:
        """Write data for the peer to the transport below."""
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _pass_parts(self, parts: list[bytes]) -> None:
        """Write data in parts. uvloop does not join them, and asyncio not since Python 3.12."""
        if FORGETS_TO_PAUSE:
            self._pass_on(b"".join(parts))
        elif self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(parts)

    # -- of the protocol -----------------------------------------------------------------------------------

    @property
    def _is_gone(self) -> bool:
        """Whether nothing can be sent any more."""
        raise NotImplementedError

    @property
    def _may_send(self) -> bool:
        """Whether the peer may still get data."""
        raise NotImplementedError

    def _judge_first(self) -> None:
        """Verify the peer before it gets more data, if anything has changed."""
        raise NotImplementedError

    def fail(self, error: TLSError | OSError) -> None:
        """End at once with an error of our own."""
        raise NotImplementedError
