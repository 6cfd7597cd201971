"""Runs a function that signs and blocks in threads of its own, so that no event loop and no other handshake waits.

So many signatures are made at once, so many others wait; beyond that, and after a time, there is an error.
"""

from __future__ import annotations

import os
import queue
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future

from bothways.arguments import function, number, whole
from bothways.errors import ConfigError

AT_ONCE = 4
WAITING = 256
SECONDS = 10.0

_Work = tuple[Future[bytes], str, bytes]


class SignerBusy(OSError):
    """Too many signatures are waited for already."""


class SigningPool:
    """Signs with a function that may block: `Credentials.external(cert, holder=SigningPool(sign))`.

    sign: called in a thread with the IANA name of a signature scheme and the data; returns the signature as TLS has it,
    and raises whatever it wants, which ends that handshake.  at_once: how many threads call it.  waiting: how many more
    signatures may be waited for; one more raises `SignerBusy` at once.  seconds: how long a handshake waits for its
    signature. A function that never returns keeps its thread: `at_once` such calls, and every handshake fails in time.
    A forked process has threads of its own. Raises ConfigError for a number that cannot be.
    """

    def __init__(
        self,
        sign: Callable[[str, bytes], bytes],
        *,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
        seconds: float = SECONDS,
    ) -> None:
        function("sign", sign)
        at_once, waiting = whole("at_once", at_once), whole("waiting", waiting)
        seconds = number("seconds", seconds)
        if at_once < 1 or waiting < 0 or not 0 < seconds <= threading.TIMEOUT_MAX:
            raise ConfigError(
                "SigningPool: at_once is 1 or more, waiting 0 or more, seconds above zero and not without end"
            )
        self._sign = sign
        self._at_once = at_once
        self._most = at_once + waiting
        self.seconds = seconds
        self.forget_threads()
        _POOLS.add(self)

    def submit(self, scheme: str, data: bytes) -> Future[bytes]:
        """Have `data` signed in a thread; return the future of the signature. Raises `SignerBusy`.

        scheme: the IANA name of a signature scheme.  data: what to sign.
        """
        work: Future[bytes] = Future()
        with self._lock:
            if self._pending >= self._most:
                raise SignerBusy(f"{self._pending} signatures are waited for already")
            if self._threads < min(self._pending + 1, self._at_once):
                threading.Thread(
                    target=self._run, args=(self._work,), daemon=True, name="bothways-signer"
                ).start()
                self._threads += 1
            self._pending += 1
            self._work.put((work, scheme, data))
        return work

    def forget_threads(self) -> None:
        """Begin anew, without threads and without anything that is waited for."""
        self._lock = threading.Lock()
        self._work: queue.SimpleQueue[_Work] = queue.SimpleQueue()
        self._pending = self._threads = 0

    def _run(self, work: queue.SimpleQueue[_Work]) -> None:
        while True:
            future, scheme, data = work.get()
            try:
                if future.set_running_or_notify_cancel():  # nobody waits any more for one that was cancelled
                    future.set_result(self._sign(scheme, data))
            except BaseException as error:  # noqa: BLE001 - whatever a signer raises is told to who waits
                future.set_exception(_told(error))
            finally:
                with self._lock:
                    self._pending -= 1
            del future, data


def _told(error: BaseException) -> Exception:
    """Return what the handshake gets: what would end an event loop or a generator ends the handshake alone."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    return RuntimeError(f"the signer raised {type(error).__name__}")


_POOLS: weakref.WeakSet[SigningPool] = weakref.WeakSet()


def _after_fork() -> None:
    """Begin anew: none of the threads of the parent is here, and one of them may have had a lock."""
    for pool in tuple(_POOLS):
        pool.forget_threads()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
