"""The longest turns of a server's event loop while many connections have work for it at once: processor time, ms.

`python -m bench.turns RUNS`. A turn is what the loop does between two calls of `select`. The peers are another process.
"""

from __future__ import annotations

import asyncio
import os
import select
import selectors
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, ClassVar

from bench.identities import make
from bothways import ClientConfig, Connection, Credentials, ServerConfig, TrustStore
from bothways.aio import create_server

COUNTS = (40, 200)
WRITTEN = 128 * 1024
RECORDS = 1024
UPDATES = 1024
QUIET_SECONDS = 0.5  # for which the peers have time to send, while the loop does nothing


class Measured(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """A selector that notes how long each turn was."""

    def __init__(self) -> None:
        super().__init__()
        self.turns: list[float] = []
        self.idle = 0
        self._began: float | None = None

    def select(self, timeout: float | None = None) -> Any:
        """Note the turn that ends."""
        if self._began is not None:
            self.turns.append((time.thread_time() - self._began) * 1000)
        ready = super().select(timeout)
        self._began = time.thread_time()
        return ready


class App(asyncio.Protocol):
    """An application that counts what it gets."""

    made: ClassVar[list[App]] = []

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.count = 0
        App.made.append(self)

    def data_received(self, data: bytes) -> None:
        self.count += len(data)


class Peers:
    """The clients, in a process of their own: engines on blocking sockets."""

    def __init__(self, port: int, count: int, config: ClientConfig, orders: int, reports: int) -> None:
        self._port, self._count, self._config = port, count, config
        self._orders, self._reports = orders, reports
        self.sockets: list[socket.socket] = []
        self.engines: list[Connection] = []

    def wait(self) -> None:
        """Wait for the next order, after a report that the last one was followed."""
        self.report()
        os.read(self._orders, 1)

    def report(self) -> None:
        """Say that the last order was followed."""
        os.write(self._reports, b".")

    def hello(self) -> None:
        """Connect and send ClientHellos."""
        for _ in range(self._count):
            engine = self._config.connection(server_name="localhost")
            own = socket.create_connection(("127.0.0.1", self._port))
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            own.sendall(engine.data_to_send())
            self.sockets.append(own)
            self.engines.append(engine)

    def read_flights(self) -> None:
        """Read until the handshake is complete, on our side."""
        for own, engine in zip(self.sockets, self.engines, strict=True):
            while not engine.established:
                engine.receive(own.recv(65536))

    def send(self) -> None:
        """Send what the engines have for the server."""
        for own, engine in zip(self.sockets, self.engines, strict=True):
            own.sendall(engine.data_to_send())

    def read_all(self) -> None:
        """Take what comes until the order to end."""
        ready = selectors.DefaultSelector()
        ready.register(self._orders, selectors.EVENT_READ)
        for own in self.sockets:
            ready.register(own, selectors.EVENT_READ)
        while True:
            for key, _ in ready.select():
                if key.fileobj == self._orders:
                    return
                if not key.fileobj.recv(1 << 18):  # type: ignore[union-attr]
                    ready.unregister(key.fileobj)


def records(engine: Connection) -> None:
    """Many records of 40 bytes, 62 with header and tag."""
    for _ in range(RECORDS):
        engine.send(b"x" * 40)


def updates(engine: Connection) -> None:
    """KeyUpdates, with some data between them, since their number in a row is limited."""
    for number in range(UPDATES):
        engine.update_keys()
        if number % 16 == 0:
            engine.send(b"x")


WORKS: dict[str, Callable[[Connection], None]] = {"records": records, "KeyUpdates": updates}
SCENES = ("written", "records", "KeyUpdates")


def act(peers: Peers, scene: str) -> None:
    """The part of the peers in a scene."""
    peers.hello()
    peers.wait()
    peers.read_flights()
    peers.wait()
    peers.send()
    for engine in peers.engines if scene in WORKS else ():
        WORKS[scene](engine)
    peers.wait()
    peers.send()
    peers.report()
    peers.read_all()


class Scene:
    """A server, and what its loop does when it is let go."""

    def __init__(self, count: int, orders: int, reports: int) -> None:
        self.count, self._orders, self._reports = count, orders, reports
        self.selector = Measured()

    def until_reported(self) -> None:
        """Do nothing until the peers have done what they were told, so that all of it waits in the sockets."""
        os.read(self._reports, 1)
        time.sleep(QUIET_SECONDS)

    def has_report(self) -> bool:
        """Whether the peers have done what they were told."""
        return bool(select.select([self._reports], [], [], 0)[0])

    async def measured(self, work: Callable[[], None], condition: Callable[[], bool]) -> list[float]:
        """Do `work` in one callback, and return how long the turns from then on were, until the condition holds."""
        turns = self.selector.turns
        await asyncio.sleep(0)
        began = len(turns)
        work()
        while not condition():
            await asyncio.sleep(0.005)
        return turns[began:]

    def order(self) -> None:
        """Tell the peers to go on."""
        os.write(self._orders, b".")


async def serve(
    scene: Scene, name: str, config: ServerConfig, listening: socket.socket
) -> dict[str, list[float]]:
    """The part of the server; the turns in its handshakes, and in the scene."""
    found: dict[str, list[float]] = {}
    scene.until_reported()
    server = await create_server(App, None, None, config, sock=listening, handshakes=4096)
    App.made.clear()
    told = len(scene.selector.turns)
    scene.order()
    while not scene.has_report():  # all ClientHellos are answered
        await asyncio.sleep(0.005)
    hellos = scene.selector.turns[told:]
    scene.until_reported()
    scene.order()
    scene.until_reported()
    told = len(scene.selector.turns)
    while len(App.made) < scene.count:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.2)
    found["ClientHellos at once"] = hellos
    found["second flights at once"] = scene.selector.turns[told + 1 :]
    scene.order()
    scene.until_reported()
    if name == "written":

        def write() -> None:
            for each in App.made:
                each.transport.write(bytes(WRITTEN))

        found[name] = await scene.measured(
            write, lambda: not any(each.transport.get_write_buffer_size() for each in App.made)
        )
    else:
        expected = RECORDS * 40 if name == "records" else UPDATES // 16
        found[name] = await scene.measured(
            lambda: None, lambda: all(each.count == expected for each in App.made)
        )
    scene.order()
    for each in App.made:
        each.transport.abort()
    server.close()
    await server.wait_closed()
    return found


def measure(name: str, count: int) -> dict[str, list[float]]:
    """Return the turns of one scene, by name."""
    made = make()
    anchors = TrustStore.from_pem(made.ca.pem)
    limit = {"record_size_limit": 64} if name == "written" else {}
    client = ClientConfig(
        anchors=anchors, credentials=Credentials.from_pem(made.client.chain_pem, made.client.key_pem), **limit
    )
    config = ServerConfig(
        client_anchors=anchors, credentials=Credentials.from_pem(made.server.chain_pem, made.server.key_pem)
    )
    listening = socket.create_server(("127.0.0.1", 0), backlog=4096)
    orders, reports = os.pipe(), os.pipe()
    if not os.fork():
        try:
            act(Peers(listening.getsockname()[1], count, client, orders[0], reports[1]), name)
        finally:
            os._exit(0)
    scene = Scene(count, orders[1], reports[0])
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(scene.selector)) as runner:
        found = runner.run(serve(scene, name, config, listening))
    os.wait()
    return found


def main(runs: int) -> None:
    """Print the longest turns of each scene."""
    print(
        "\nThe longest turns of a loop with many connections that have work at once, ms of processor time: of"
    )
    print("each run, and how long the work took in all")
    found: dict[tuple[str, int], list[list[float]]] = {}
    for _ in range(runs):
        for count in COUNTS:
            for name in SCENES:
                for what, turns in measure(name, count).items():
                    found.setdefault((what, count), []).append(turns)
    for (what, count), each in sorted(found.items()):
        longest = sorted(max(turns) for turns in each)
        whole = sorted(sum(turns) for turns in each)
        shown = " ".join(f"{one:.1f}" for one in longest)
        print(f"  {what:24} {count:4} connections   {shown}   in all {whole[len(whole) // 2]:.0f}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
