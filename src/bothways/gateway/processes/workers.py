"""Several worker processes that serve one file: a supervisor holds the listening sockets and reads all files for all.

A worker that dies is started again with its sockets, whose queues have kept the waiting clients. What has changed is
checked here once and passed to all workers as one generation; they apply it, keep their connections and acknowledge
it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import replace

from bothways.addresses import UNIX, TCPAddress, UnixAddress
from bothways.gateway.config.gateway import suffix
from bothways.gateway.config.listener import ListenerConfig
from bothways.gateway.listeners.listening import (
    bound_address,
    change_modes,
    check_kept,
    give_mode,
    narrow_mode,
    open_listeners,
)
from bothways.gateway.listeners.systemd import STOPPING, notify
from bothways.gateway.log.log import Log
from bothways.gateway.observe.audit_file import AuditFile
from bothways.gateway.observe.auditor import Auditor
from bothways.gateway.observe.board import DRAINING, GENERATION, Board
from bothways.gateway.observe.meter import Meter, Metric
from bothways.gateway.processes.generation import TAKE_SECONDS, SealedGeneration, channel_pair, progressed
from bothways.gateway.processes.handover import Successor, handed_on
from bothways.gateway.processes.process import serve_as_worker
from bothways.gateway.reload.current import LOOK_SECONDS, LOOKS_FAIL, LOOKS_GO_ON, Change, Current
from bothways.servers.addresses import ListenerAddress
from bothways.servers.lasting_problem import LastingProblem
from bothways.servers.listening import remove_socket_file
from bothways.tls.resumption.ticket_keys import TicketKeys
from bothways.workers.supervisor import Supervisor

SPARE_SECONDS = 5.0  # beyond the time to drain, before a worker is killed


class Workers:
    """The supervisor's side. count: how many workers.  ready: is called with the addresses when all serve.

    The rest is as for `process.serve`. Raises ConfigError where this system cannot fork.
    """

    def __init__(
        self,
        path: str,
        log: Log,
        current: Current,
        tickets: TicketKeys | None,
        count: int,
        ready: Callable[[list[str]], None],
    ) -> None:
        self._handed = handed_on()
        handed = {} if self._handed is None else self._handed.sockets
        count = max(count, *(len(set(map(socket.socket.fileno, each))) for each in handed.values()), 1)
        self._of_before = set(handed)  # whose files belong to the process before, until this one serves
        self._successor: Successor | None = None
        self._is_replaced = False
        self._accepts = True
        self._has_served = False
        self._path = path
        self._log = log
        self._looks = LastingProblem(log.event, LOOKS_GO_ON)
        self._current = current
        self._tickets = tickets
        self._count = count
        self._ready = ready
        self._sockets: dict[ListenerAddress, list[socket.socket]] = {}
        self._channels: dict[int, socket.socket] = {}
        self._next: tuple[int, socket.socket] | None = None
        self._generation = 1
        self._board = Board(count)
        self._meter = Meter(self._board.supervisor)
        self._meter.slot.state.set(GENERATION, 1.0)
        self._auditor = Auditor("supervisor", log.event)
        current.when_refused = self._refused
        self._is_handed_out = False
        # Workers that have not taken the newest generation, and when they are ended without any progress.
        self._awaited: dict[int, float] = {}
        self._supervisor = Supervisor(
            self._work,
            count,
            tell=log.event,
            on_ready=self._report_ready,
            may_replace=self._reload,
            prepare=self._prepare,
            on_stop=self._stop,
            on_end=self._worker_ended,
            tick=self.look,
            tick_seconds=LOOK_SECONDS,
            on_upgrade=self._upgrade,
            may_end=self._is_last,
            grace_seconds=current.routes.config.times.drain + SPARE_SECONDS,
        )

    def run(self) -> int:
        """Serve until SIGTERM or SIGINT, and return the exit status. Raises OSError where nobody can listen."""
        for crls in self._current.routes.held.long_lists().values():
            for crl in crls:
                crl.compute_digests()  # once for all workers
        try:
            self._sockets = self._opened(self._current.routes.config.all_listeners)
            self._auditor.use(self._auditor.opened(self._current.routes.config.audit))
            self._auditor.change("start", self._path, self._current.text)
            self._close_what_is_not_wanted()
            return self._supervisor.run()
        finally:
            self._auditor.use(None)
            self._close_listeners()
            for each in self._channels.values():
                each.close()
            if self._next is not None:
                self._next[1].close()

    # -- sockets ---------------------------------------------------------------------------------------

    def _opened(self, listeners: tuple[ListenerConfig, ...]) -> dict[ListenerAddress, list[socket.socket]]:
        """Listen where nobody does yet; on all of it or on nothing."""
        opened: dict[ListenerAddress, list[socket.socket]] = {}
        try:
            for each in listeners:
                if each.address in self._sockets:
                    check_kept(
                        self._sockets[each.address][0], each, self._current.routes.config.all_listeners
                    )
                    continue
                opened[each.address] = self._taken_over(each) or open_listeners(
                    each, self._count, ours=self._ports()
                )
                check_kept(opened[each.address][0], each, ())
        except OSError:
            for address, sockets in opened.items():
                self._close(address, sockets)
            raise
        return opened

    def _ports(self) -> set[int]:
        """Return the TCP ports on which this gateway listens, at any address, or the one that it replaces."""
        handed = [] if self._handed is None else self._handed.sockets.values()
        names = [each.getsockname() for several in (*self._sockets.values(), *handed) for each in several]
        return {each[1] for each in names if isinstance(each, tuple)}

    def _taken_over(self, listener: ListenerConfig) -> list[socket.socket]:
        """Return the sockets of a listener that this process was handed, as many as there are workers."""
        handed = [] if self._handed is None else self._handed.sockets.pop(str(listener.address), [])
        if handed:
            narrow_mode(listener)  # before a worker accepts anybody whom this file keeps out
        if handed and listener.is_for_operator:
            return handed[:1] * self._count
        if handed and len(handed) < self._count:
            if isinstance(listener.address, TCPAddress):
                host, port = handed[0].getsockname()[:2]
                more = replace(listener, address=TCPAddress(host, port))
                return handed + open_listeners(more, self._count - len(handed), ours={port})
            return handed[:1] * self._count
        return handed

    def _close_what_is_not_wanted(self) -> None:
        """Close what this process was handed and its file does not name: workers must not inherit it."""
        for several in ({} if self._handed is None else self._handed.sockets).values():
            for each in several:
                each.close()

    def _close(self, address: ListenerAddress, sockets: list[socket.socket]) -> None:
        """Listen there no more. The file of a Unix socket is removed, unless another process tree listens at it."""
        for each in sockets:
            each.close()
        is_of_others = self._is_replaced or str(address) in self._of_before
        if isinstance(address, UnixAddress) and not is_of_others:
            remove_socket_file(address.path)

    def _take_files(self) -> None:
        """Take over the files of Unix sockets from the process before: with the permissions that they have now."""
        ours = {str(each.address): each for each in self._current.routes.config.all_listeners}
        for name in self._of_before:
            if name not in ours:
                if name.startswith(UNIX):
                    remove_socket_file(name.removeprefix(UNIX))
                continue
            try:
                give_mode(ours[name])
            except OSError as error:
                self._log.event(f"{name}: its permissions cannot be changed: {error.strerror}")
        self._of_before.clear()

    def _close_listeners(self, *, but_metrics: bool = False) -> None:
        """Close what listens. but_metrics: the operator may still ask."""
        self._accepts = False
        metrics = self._metrics_address() if but_metrics else None
        for address in [each for each in self._sockets if each != metrics]:
            self._close(address, self._sockets.pop(address))

    def _stop(self) -> None:
        if not self._is_replaced:
            notify(STOPPING)
        if self._successor is not None and not self._is_replaced:
            self._successor.stop()
            self._successor = None
        self._meter.slot.state.set(DRAINING, 1.0)
        self._close_listeners(but_metrics=True)
        if self._handed is not None and self._has_served:
            self._handed.signal(signal.SIGTERM)  # it still has connections

    def _is_last(self) -> bool:
        """Whether no process before this one still has connections: whoever ends this one ends those, too."""
        return self._handed is None or not self._has_served or self._handed.has_ended

    def _report_ready(self) -> None:
        self._has_served = True
        if self._handed is not None:
            self._handed.say_ready()
            self._take_files()
        config = self._current.routes.config
        self._ready(
            [
                bound_address(address, each[0]) + suffix(config, address)
                for address, each in self._sockets.items()
            ]
        )

    def _metrics_address(self) -> ListenerAddress | None:
        metrics = self._current.routes.config.metrics
        return None if metrics is None else metrics.address

    def _upgrade(self) -> None:
        """Start a process tree that follows this one, with all sockets that listen."""
        if self._is_replaced or self._successor is not None:
            self._log.event("this gateway is being replaced already")
            return
        if not self._accepts:
            self._log.event("not replaced: this gateway is ending")
            return
        if os.getpid() == 1:
            self._log.event("not replaced: this is process 1, with which its container ends")
            return
        sockets = {str(address): several for address, several in self._sockets.items()}
        try:
            self._successor = Successor(sockets)
        except OSError as error:
            self._log.event(f"not replaced: {error.strerror or error}")
        else:
            self._log.event(f"process {self._successor.pid} is started to replace this gateway")

    def _look_at_successor(self) -> None:
        successor = self._successor
        serves = None if successor is None or self._is_replaced else successor.serves()
        if successor is None or serves is None:
            return
        if not serves:
            self._successor = None
            self._log.event("not replaced: the new process does not serve; this one continues")
            return
        self._is_replaced = True
        self._log.event(f"replaced by process {successor.pid}; connections continue here until they end")
        notify(f"MAINPID={successor.pid}")
        self._close_listeners()
        self._supervisor.retire()

    # -- workers ---------------------------------------------------------------------------------------

    def _prepare(self, number: int) -> None:
        """Make the channel of a worker that is about to be forked."""
        old = self._channels.pop(number, None)
        if old is not None:
            old.close()
        if self._next is not None:
            self._next[1].close()  # the end of the worker before, which has its own
        mine, its = channel_pair()
        self._channels[number] = mine
        self._board.worker(number).clear_state()
        self._awaited.pop(number, None)  # it begins with the newest generation
        self._next = number, its

    def _work(self, ready: Callable[[], None]) -> int:
        """Serve in a worker, with its own sockets only."""
        if self._next is None:
            raise TypeError("a worker was not prepared")
        number, channel = self._next
        for each in self._channels.values():
            each.close()
        sockets: dict[str, socket.socket] = {}
        for address, several in self._sockets.items():
            sockets[str(address)] = several[number - 1]
            for other in several:
                if other is not several[number - 1]:
                    other.close()
        self._log.worker = number
        return serve_as_worker(
            self._path, self._log, self._current.routes, self._tickets, sockets, channel, ready,
            board=self._board, number=number, generation=self._generation,
        )  # fmt: skip

    def _worker_ended(self, number: int) -> None:
        """Remove what was true of a worker; what it has counted stays."""
        self._board.worker(number).clear_state()
        self._meter.count(Metric.WORKERS_ENDED)

    # -- generations -----------------------------------------------------------------------------------

    def _reload(self) -> bool:
        """Read the configuration again and hand it to all workers, or tell why not. Nobody is replaced for that."""
        sealed: SealedGeneration | None = None
        audit: AuditFile | None = None
        opened: dict[ListenerAddress, list[socket.socket]] = {}
        try:
            change = self._current.read_again()
            sealed = self._sealed(change)
            audit = self._auditor.opened(change.routes.config.audit)
            listeners = change.routes.config.all_listeners if self._accepts else ()
            opened = self._opened(listeners)
            if self._accepts:
                change_modes(self._current.routes.config.all_listeners, listeners)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a file, the gateway goes on
            if sealed is not None:
                sealed.close()
            for address, sockets in opened.items():
                self._close(address, sockets)
            self._auditor.discard(audit)
            self._current.refuse(error)
            return False
        self._auditor.use(audit)
        if self._accepts:
            wanted = {each.address for each in listeners}
            for address in [each for each in self._sockets if each not in wanted]:
                self._close(address, self._sockets.pop(address))
            self._sockets |= opened
        self._hand_out(change, sealed, opened)
        if self._handed is not None and self._has_served:
            self._handed.signal(signal.SIGHUP)  # it still has connections
        return False

    def _refused(self, path: str, error: Exception) -> None:
        self._meter.count(Metric.RELOADS, "refused")
        self._auditor.refused_change(path, error)

    def look(self) -> None:
        """Hand out what has changed on disk, and note which workers have taken it."""
        try:
            if self._current.is_other_configuration():
                self._reload()
            elif (change := self._current.look()) is not None:
                self._hand_out(change, self._sealed(change), {})
        except Exception as error:  # noqa: BLE001 - a look that fails must not be the last
            self._looks.failed(f"{LOOKS_FAIL}: {error!r}")
        else:
            self._looks.succeeded()
        self._look_at_successor()
        for number, channel in self._channels.items():
            self._hear(number, channel)
        if self._is_handed_out and not self._awaited:
            self._is_handed_out = False
            self._log.event("all workers use what was read")
        for number, until in tuple(self._awaited.items()):
            if time.monotonic() >= until:
                self._end(number)

    def _sealed(self, change: Change) -> SealedGeneration:
        """Return the next generation. Raises OSError where there is no memory for it."""
        long = change.routes.held.long_lists()
        before = {path for each in self._current.routes.held.lists.values() for path in each.each}
        known = before - change.changed  # workers have them
        lists = {path: crls for path, crls in long.items() if path not in known}
        contents = {path: data for path, data in change.contents.items() if path not in long}
        text = change.text if change.reads_all else None
        return SealedGeneration(self._generation + 1, text, contents, change.changed, lists)

    def _hear(self, number: int, channel: socket.socket) -> None:
        """Take note of what a worker tells: each progress gives it more time, in which it serves nobody."""
        uses = progressed(channel)
        if uses == self._generation:
            self._awaited.pop(number, None)
        elif uses is not None and number in self._awaited:
            self._awaited[number] = time.monotonic() + TAKE_SECONDS

    def _hand_out(
        self, change: Change, sealed: SealedGeneration, opened: dict[ListenerAddress, list[socket.socket]]
    ) -> None:
        """Hand a change to all workers, before it is found what there is to tell of it."""
        self._generation = sealed.number
        self._is_handed_out = True
        self._meter.slot.state.set(GENERATION, self._generation)
        self._meter.count(Metric.RELOADS, "taken")
        self._auditor.change(
            "reload", self._path, change.text, change.changed
        )  # it comes before whom it ends
        with contextlib.closing(sealed):
            for number, channel in self._channels.items():
                new = {str(address): several[number - 1] for address, several in opened.items()}
                until = time.monotonic() + TAKE_SECONDS
                self._awaited.setdefault(number, until)  # another change gives no more time
                try:
                    sealed.send(channel, new, until)
                except OSError:
                    self._end(number)
        self._current.take(change)  # whoever is started from here on begins with it

    def _end(self, number: int) -> None:
        """Kill a worker that hangs with an earlier generation; another one begins with the newest."""
        self._awaited.pop(number, None)
        if self._supervisor.signal(number, signal.SIGKILL):
            self._log.event(f"worker {number} does not apply the new configuration, and is ended")
