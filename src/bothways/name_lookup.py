"""The addresses of a host, looked up by the system in threads that nobody has to wait for.

A resolver may take minutes, and nothing ends it. So a lookup takes no thread that other work needs, a name has few of
them however many clients ask for it, and none keeps a program from ending.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import socket
import threading
import weakref
from collections.abc import Callable
from time import monotonic
from typing import Any

MOST_LOOKUPS = 512
LOOKUPS = threading.BoundedSemaphore(MOST_LOOKUPS)  # a place for each lookup that is running
MOST_OF_A_NAME = 4
AGAIN_SECONDS = 1.0  # after which another lookup of the same name is begun: a packet of the first may be lost

Found = tuple[int, int, int, str, Any]  # as getaddrinfo returns it
_Result = list[Found] | OSError
_Names = dict[tuple[str, int], "_Name"]

_of_loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Names] = weakref.WeakKeyDictionary()


async def addresses_of(host: str, port: int) -> list[Found]:
    """Return the addresses of a host for TCP, in the order in which to try them. Raises OSError."""
    if is_number(host):
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    names = _of_loops.setdefault(asyncio.get_running_loop(), {})
    name = names.get((host, port))
    if name is None:
        name = names[host, port] = _Name((host, port), names)
    return await name.found()


def addresses_within(host: str, port: int, seconds: float) -> list[Found]:
    """Return the addresses of a host as `addresses_of` does, for callers without an event loop. Raises OSError.

    seconds: the time for it.
    """
    if is_number(host):
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    results: queue.SimpleQueue[_Result] = queue.SimpleQueue()
    _look_up((host, port), results.put)
    try:
        result = results.get(timeout=seconds)
    except queue.Empty:
        raise OSError(f"its name was not resolved within {seconds:g} seconds") from None
    if isinstance(result, OSError):
        raise result
    return result


def is_number(host: str) -> bool:
    """Whether a host is an IP address, for which nothing is looked up."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with contextlib.suppress(OSError, ValueError):
            socket.inet_pton(family, host.partition("%")[0])
            return True
    return False


class _Name:
    """One name, for all who wait for its addresses. It is among `names` until nobody waits and nothing runs."""

    def __init__(self, address: tuple[str, int], names: _Names) -> None:
        self._address = address
        self._names = names
        self._waiting: set[asyncio.Future[_Result]] = set()
        self._running = 0
        self._began = 0.0

    async def found(self) -> list[Found]:
        """Return the addresses that a lookup finds, which runs or is begun. Raises OSError."""
        waiter: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting.add(waiter)
        try:
            is_due = self._running < MOST_OF_A_NAME and monotonic() - self._began >= AGAIN_SECONDS
            if not self._running or is_due:
                self._begin()
            result = await waiter
        finally:
            self._waiting.discard(waiter)
            self._forget_if_idle()
        if isinstance(result, OSError):
            raise type(result)(*result.args)
        return result

    def _begin(self) -> None:
        loop = asyncio.get_running_loop()

        def deliver(result: _Result) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, so nobody waits for the result
                loop.call_soon_threadsafe(self._take, result)

        try:
            _look_up(self._address, deliver)
        except OSError:
            if not self._running:
                raise
        else:
            self._running += 1
            self._began = monotonic()

    def _take(self, result: _Result) -> None:
        self._running -= 1
        if isinstance(result, OSError) and self._running:
            return  # another lookup may find it
        for each in self._waiting:
            if not each.done():
                each.set_result(result)
        self._forget_if_idle()

    def _forget_if_idle(self) -> None:
        if not self._waiting and not self._running and self._names.get(self._address) is self:
            del self._names[self._address]


def _look_up(address: tuple[str, int], deliver: Callable[[_Result], None]) -> None:
    """Look an address up in a thread, and deliver the result there. Raises OSError where too many are running."""
    places = LOOKUPS
    if not places.acquire(blocking=False):
        raise OSError("too many names are being looked up already")

    def run() -> None:
        try:
            result = _looked_up(*address)
        finally:
            places.release()
        deliver(result)

    try:
        threading.Thread(target=run, name="bothways-resolve", daemon=True).start()
    except RuntimeError:
        places.release()
        raise OSError("no thread is left to look its name up") from None


def _looked_up(host: str, port: int) -> _Result:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except OSError as error:
        return error
    except (ValueError, OverflowError):  # UnicodeError is one
        return OSError("no name of a host")
