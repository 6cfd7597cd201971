"""Worker processes of a command, which share its ports: each serves on listening sockets of its own."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from typing import Generic, TypeVar

import click

from bothways.addresses import TCPAddress
from bothways.cli.output.terminal import report_error, reported, say
from bothways.errors import ConfigError, TLSError
from bothways.servers.listening import tcp_socket, tcp_sockets
from bothways.workers.supervisor import MOST_WORKERS, Supervisor

T = TypeVar("T")
Sockets = Sequence[socket.socket]
Ready = Callable[[], None]

workers_option = click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    metavar="N",
    help="The number of worker processes that share the port.",
)


class Reloadable(Generic[T]):
    """What the workers of a command use: `current`, read from files again when a signal asks for that.

    load: reads the files. Raises ConfigError, or exits with status 2 after it has said why; so does the first reading.
    """

    def __init__(self, load: Callable[[], T]) -> None:
        self._load = load
        self.current = load()

    def read_again(self) -> bool:
        """Read the files again; if they cannot be used, say why, keep what is in use and return False."""
        try:
            self.current = self._load()
        except (ConfigError, SystemExit) as error:  # what exits has printed why
            why = f": {error}" if isinstance(error, ConfigError) else ""
            report_error(f"the workers are not replaced{why}")
            return False
        return True


def listening_sockets(
    address: TCPAddress, workers: int | None, *, one_queue: bool = False
) -> list[socket.socket]:
    """Return a listening socket for each worker, on one port. Raises OSError.

    Port 0 is any free one.  workers: None for one process, whose port nobody shares.  one_queue: all workers accept
    from one queue, so that nobody waits for a worker that is busy while another is idle: for programs of others, which
    may keep a worker busy. Otherwise each worker has a queue of its own, so that clients that come at once are spread
    over all workers.
    """
    if one_queue:
        first = tcp_socket(address)
        return [first, *(first.dup() for _ in range(1, workers or 1))]
    return tcp_sockets(address, workers or 1, shared=workers is not None)


def serve_in_workers(
    places: Sequence[Sockets],
    serve: Callable[[Sockets, Ready], int | None],
    *,
    ready: Ready,
    may_replace: Callable[[], bool] = lambda: True,
    start_seconds: float = 60.0,
    grace_seconds: float = 30.0,
) -> int:
    """Run a worker process for each of `places`, the listening sockets of one; return the exit status at a signal.

    serve: serves on the sockets of a worker until SIGTERM, calls what it is given when it does, and returns the exit
    status, None for 0. ready: called when all workers serve. The rest is as for `Supervisor`. Raises ConfigError where
    this system cannot fork.
    """
    next_place: list[Sockets] = []

    def prepare(number: int) -> None:
        next_place[:] = [places[number - 1]]

    def work(is_ready: Ready) -> int | None:
        (mine,) = next_place
        _close(each for each in places if each is not mine)
        try:
            return serve(mine, is_ready)
        except (TLSError, OSError) as error:
            return reported(error)

    try:
        return Supervisor(
            work,
            len(places),
            tell=say,
            on_ready=ready,
            may_replace=may_replace,
            prepare=prepare,
            on_stop=lambda: _close(places),
            start_seconds=start_seconds,
            grace_seconds=grace_seconds,
        ).run()
    finally:
        _close(places)


def _close(places: Iterable[Sockets]) -> None:
    for place in places:
        for each in place:
            each.close()
