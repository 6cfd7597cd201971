"""Which threads use a connection of blocking sockets: one in its engine, one that reads, one that sends.

A signal handler runs in a thread that may do one of that: it must not wait for it. What it wants to do to the
connection is postponed, or refused.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from bothways.errors import TLSError, UsageError

IN_USE = "this thread uses the connection: a signal handler, or a function that it calls, may only end it"

T = TypeVar("T")


class Use:
    """The locks of one connection. reading: held while a thread waits for data of the peer."""

    def __init__(self) -> None:
        self.reading = threading.RLock()
        self._writing = threading.RLock()  # held while a thread waits until the peer reads
        self._engine = threading.RLock()  # held only briefly; the engine itself has no locks
        # The threads that hold them and have begun.
        self._in_engine = self._sends = self._reads = 0
        self._postponed: deque[Callable[[], object]] = deque()

    def check_unused(self) -> None:
        """Raise `UsageError` in a signal handler that interrupted a use of the connection, for which it would wait."""
        if threading.get_ident() in (self._in_engine, self._sends, self._reads):
            raise UsageError(IN_USE)

    @property
    def is_in_engine(self) -> bool:
        """Whether this thread calls the engine."""
        return self._in_engine == threading.get_ident()

    @property
    def is_sending(self) -> bool:
        """Whether this thread sends."""
        return self._sends == threading.get_ident()

    @property
    def is_reading(self) -> bool:
        """Whether this thread reads."""
        return self._reads == threading.get_ident()

    def in_engine(self, act: Callable[[], T]) -> T:
        """Call the engine under its lock.

        Raises `UsageError` where it calls us itself, and in a signal handler that has interrupted it.
        """
        if self.is_in_engine:
            raise UsageError(IN_USE)
        try:
            with self._engine:
                try:
                    self._in_engine = threading.get_ident()
                    return act()
                finally:
                    self._in_engine = 0
        finally:
            self._do_postponed()

    def read(self, act: Callable[[], T]) -> T:
        """Call what receives and processes bytes; the caller holds `reading`.

        Raises `UsageError` in a signal handler that has interrupted it: what it has received comes first.
        """
        if self.is_in_engine or self.is_reading:
            raise UsageError(IN_USE)
        try:
            self._reads = threading.get_ident()
            return act()
        finally:
            self._reads = 0

    def send_alone(self, send: Callable[[], None], seconds: float = -1) -> bool:
        """Call `send` while no other thread sends; False if that was not possible within so many seconds, -1 for any.

        False, too, in a signal handler whose thread sends: it sends what was added since, too.
        """
        if self.is_sending or not self._writing.acquire(timeout=seconds):
            return False
        try:
            self._sends = threading.get_ident()
            send()
        finally:
            self._sends = 0
            self._writing.release()
            self._do_postponed()
        return True

    def postpone(self, act: Callable[[], object]) -> None:
        """Do something when this thread is done with the connection."""
        self._postponed.append(act)

    def _do_postponed(self) -> None:
        """Do what a signal handler wanted while its own thread was busy with the connection, if that is over."""
        while self._postponed and not (self.is_in_engine or self.is_sending):
            with contextlib.suppress(IndexError, OSError, TLSError):
                self._postponed.popleft()()
