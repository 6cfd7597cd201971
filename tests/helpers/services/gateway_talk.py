"""What tests of the gateway share: a gateway in the test's own event loop, services behind it, clients before it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socketserver
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bothways import ClientConfig
from bothways.aio import StreamReader, StreamWriter, connect
from bothways.gateway.config.gateway import read_config
from bothways.gateway.log.endings import Code
from bothways.gateway.log.log import Log
from bothways.gateway.reload.current import Current
from bothways.gateway.reload.following import Following
from bothways.gateway.routes.routes import Routes, load_routes
from bothways.gateway.server import Gateway
from bothways.servers.report_limits import ReportLimits
from bothways.testing import Identity, MutualTLS
from bothways.tls.resumption.ticket_keys import TicketKeys

ANYBODY = 'allow = "any verified client"'


IN_ORDER = {each.name for each in (Code.CLOSED, Code.IDLE_TIMEOUT, Code.GATEWAY_ENDED)}

NO_FAILURE = ("the gateway ends", "nothing was sent or received for")


@dataclass
class Setting:
    """A folder with identities and the file of a gateway."""

    mutual: MutualTLS
    folder: Path
    lines: list[str] = field(default_factory=list)
    writers: list[StreamWriter] = field(default_factory=list)
    tickets: TicketKeys = field(default_factory=TicketKeys)
    following: Following | None = None

    @property
    def path(self) -> Path:
        return self.folder / "gateway.toml"

    def write(self, *routes: str, crl: bool = True, **tables: dict[str, Any]) -> Path:
        """Write the file: a listener on any port, the identity of the server, and these routes."""
        mine = self.mutual.identity("server")
        crls = 'crl = ["pki/crl.pem"]' if crl else ""
        text = f"""
[identity]
certificate = "pki/{mine.cert.name}"
key = "pki/{mine.key.name}"
client_ca = "pki/ca.pem"
{crls}
[log]
format = "json"
[[listener]]
port = 0
"""
        for name, values in tables.items():
            text += f"[{name}]\n" + "".join(f"{key} = {json.dumps(each)}\n" for key, each in values.items())
        whole = self.path.with_suffix(".new")
        whole.write_text(text + "".join(f"[[route]]\n{each}\n" for each in routes))
        return whole.replace(self.path)  # at once: it may just be read

    def load(self) -> Routes:
        return load_routes(read_config(self.path), self.tickets)

    @contextlib.asynccontextmanager
    async def gateway(self) -> AsyncIterator[Gateway]:
        """Serve what was written; `lines` has what is told, as JSON."""
        log = Log(self.lines.append, "json", limits=Talkative())
        current = Current(str(self.path), log, self.tickets)
        gateway = Gateway(current.routes, log)
        await gateway.start()
        self.following = Following(gateway, current, log)
        self.following.start()
        try:
            yield gateway
        finally:
            self.following.stop()
            await gateway.close()
            current.close()
            for writer in self.writers:
                writer.transport.abort()
            await asyncio.sleep(0)

    async def reload(self) -> bool:
        """Have the gateway read its configuration again."""
        assert self.following is not None
        return await self.following.reload()

    def reported(self) -> list[dict[str, Any]]:
        """What was told of connections so far; each that failed or was refused has a cause."""
        found = [each for each in map(json.loads, self.lines) if "event" not in each]
        for each in found:
            is_told = each["ended"] is not None and not each["ended"].startswith(NO_FAILURE)
            ends_well = each["code"] in IN_ORDER if each["kind"] == "connection" else not is_told
            assert (each["cause"] is None) == ends_well, each
        return found

    def events(self) -> list[str]:
        return [each["event"] for each in map(json.loads, self.lines) if "event" in each]

    async def until_reported(self, count: int = 1) -> list[dict[str, Any]]:
        await until(lambda: len(self.reported()) >= count)
        return self.reported()

    async def open(
        self,
        gateway: Gateway,
        who: Identity | str | None = "good",
        name: str = "localhost",
        *,
        at: int | None = None,
        **settings: Any,
    ) -> tuple[StreamReader, StreamWriter]:
        """Connect a client to the first listener, or to the one of `localhost` that has the port `at`."""
        return await self.connected(gateway, self.mutual.client(who, **settings).config, name, at)

    async def connected(
        self, gateway: Gateway, config: ClientConfig, name: str = "localhost", at: int | None = None
    ) -> tuple[StreamReader, StreamWriter]:
        """Connect with a configuration, which may have the sessions of earlier connections."""
        where = ("127.0.0.1", port(gateway)) if at is None else ("localhost", at)
        reader, writer = await connect(*where, config, name)
        self.writers.append(writer)
        return reader, writer


@contextlib.contextmanager
def setting_in(folder: Path) -> Iterator[Setting]:
    """Identities in the folder `pki` of a folder, and a gateway's file in it."""
    (folder / "pki").mkdir()
    with MutualTLS(folder / "pki") as mutual:
        yield Setting(mutual, folder)


class Talkative(ReportLimits):
    """Tells everything."""

    def may_report(self, host: str) -> bool:
        return True


def port(gateway: Gateway) -> int:
    return int(gateway.addresses()[0].rpartition(":")[2])


async def until(holds: Any, seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.01)


@dataclass
class Service:
    """A service behind a gateway: sends back what comes, and its end when the client's has come."""

    server: asyncio.Server
    ends: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    received: int = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.sockets[0].getsockname()[1]}"

    def route(self, allow: str = ANYBODY, *tables: str, name: str = "localhost", keys: str = "") -> str:
        """A route to it: its keys, then the tables of rules."""
        own = [f'server_names = ["{name}"]', f'backend = "{self.address}"', keys]
        return "\n".join([*own, allow, *tables])


@contextlib.asynccontextmanager
async def service(talk: Any = None) -> AsyncIterator[Service]:
    made: Service

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.writers.append(writer)
        try:
            if talk is not None:
                await talk(reader, writer)
            else:
                while data := await reader.read(65536):
                    made.received += len(data)
                    writer.write(data)
                    await writer.drain()
            made.ends.append("end")
        except (ConnectionError, asyncio.CancelledError) as error:
            made.ends.append(type(error).__name__)
        finally:
            writer.close()

    made = Service(await asyncio.start_server(echo, "127.0.0.1", 0))
    try:
        yield made
    finally:
        made.server.close()
        for writer in made.writers:
            writer.close()
        async with asyncio.timeout(20):
            await asyncio.gather(*(each.wait_closed() for each in made.writers), return_exceptions=True)


@dataclass
class Delayed:
    """In front of a server: takes a connection, and passes nothing on before it is told to."""

    port: int
    called: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)


@contextlib.asynccontextmanager
async def delayed(server: int) -> AsyncIterator[Delayed]:
    """A server behind a front that delays it. server: its port."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def delay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        made.called.set()
        await made.go_on.wait()
        others = await asyncio.open_connection("127.0.0.1", server)
        await asyncio.gather(pass_on(reader, others[1]), pass_on(others[0], writer))

    async with await asyncio.start_server(delay, "127.0.0.1", 0) as front:
        made = Delayed(front.sockets[0].getsockname()[1])
        yield made


PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nhello\n"


@contextlib.contextmanager
def behind() -> Iterator[int]:
    """A service that answers each request with a page, and anything else by itself."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with contextlib.suppress(ConnectionError):  # of a client that was ended
                self.answer()

        def answer(self) -> None:
            while line := self.rfile.readline():
                if line.startswith(b"GET"):
                    while self.rfile.readline().strip():
                        pass
                    self.wfile.write(PAGE)
                    return
                self.wfile.write(line)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
