"""A soak: the gateway with two workers, the service behind it, and what changes meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

from bothways.testing import MutualTLS
from cli_scripting import Background
from processes import children
from soak.clients import DENIED, Change, Clients
from soak.ledger import Ledger
from soak.processes import Samples

GOOD, REFUSED, HOSTILE, TUNNELLED = 12, 3, 4, 3
SOCKET = "tunnel.sock"
TAKEN = "all workers use what was read"
NOT_RELOADED = "not reloaded, the earlier configuration stays in use"
PATIENCE = 60.0
QUIET_SECONDS = 2.0


class Soak:
    """One run of so many seconds. Attributes: `wrong`, what did not hold, in words."""

    def __init__(self, folder: Path, seconds: float, seed: int, progress: Callable[[str], object]) -> None:
        self._folder = folder
        self._seconds = seconds
        self._pace = max(2.0, seconds / 40)
        self._chance = random.Random(seed)
        self._progress = progress
        self._mutual = MutualTLS(folder)
        self._ledger = Ledger()
        self._samples: list[Samples] = []
        self._rules = 0
        self._port = 0
        self._gateway: Background | None = None

    @property
    def wrong(self) -> list[str]:
        return self._ledger.wrong

    async def run(self) -> None:
        """Run it to the end."""
        service = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._backend = service.sockets[0].getsockname()[1]
        self._rotate()
        self._write()
        gateway = await asyncio.to_thread(
            Background, ["gateway", "-c", "gateway.toml", "--workers", "2"], self._folder
        )
        self._gateway = gateway
        self._port = int(gateway.port or 0)
        await self._reload(gateway)  # with a tunnel that leads to this port
        stays, _ = children(gateway.process.pid)
        self._samples = [Samples("supervisor", gateway.process.pid), Samples("worker 1", stays)]
        clients = Clients(self._mutual, self._port, self._ledger, self._chance)
        work = [
            *(clients.good() for _ in range(GOOD)),
            *(clients.refused() for _ in range(REFUSED)),
            *(clients.hostile() for _ in range(HOSTILE)),
            *(clients.tunnelled(str(self._folder / SOCKET)) for _ in range(TUNNELLED)),
            self._sample(),
            self._change(clients, gateway, stays),
        ]
        tasks = [asyncio.create_task(each) for each in work]
        await asyncio.wait(tasks, timeout=self._seconds, return_when=asyncio.FIRST_EXCEPTION)
        for each in tasks:
            each.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for each in results:
            if isinstance(each, Exception):
                self._ledger.violation(f"the soak itself failed: {each!r}")
        for sampled in self._samples:
            for each in sampled.growth():
                self._ledger.violation(each)
        await asyncio.to_thread(gateway.end, signal.SIGTERM)
        if "Traceback" in gateway.printed or "DEFECT" in gateway.printed:
            start = gateway.printed.find("Traceback")
            self._ledger.violation(f"the gateway has a defect: {gateway.printed[start : start + 2000]}")
        service.close()

    def report(self) -> list[str]:
        """Return what happened, in words."""
        return [*(each.line() for each in self._samples), *self._ledger.lines()]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echo what comes after the name of the client."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            name = (await reader.readuntil(b"\n")).decode().strip()
            self._ledger.reached(name)
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def _sample(self) -> None:
        while True:
            for each in self._samples:
                each.take()
            counts = self._ledger.counts
            self._progress(
                f"{time.monotonic() - self._ledger.began:6.0f} s: {counts['good connections']} good connections, "
                f"{counts['refused']} refused, {len(self._ledger.ended_after)} ended by revocation, "
                f"{counts['workers killed']} workers killed, {len(self.wrong)} wrong"
            )
            await asyncio.sleep(max(0.5, self._seconds / 60))

    async def _change(self, clients: Clients, gateway: Background, stays: int) -> None:
        """Change one thing after the other, and wait until it is in use."""
        while True:
            for what in (
                lambda: clients.leaving(lambda change: self._after(gateway, TAKEN, change)),
                lambda: self._reload(gateway),
                lambda: self._renew(gateway),
                lambda: self._break(gateway),
                lambda: self._break_crl(gateway),
                lambda: self._kill(gateway, stays),
            ):
                await asyncio.sleep(self._pace / 6)
                await what()

    async def _settle(self, gateway: Background) -> None:
        """Wait until the gateway has not handed out anything for a while."""
        count, since = -1, time.monotonic()
        while time.monotonic() < since + QUIET_SECONDS:
            if count != (count := gateway.printed.count(TAKEN)):
                since = time.monotonic()
            await asyncio.sleep(0.05)

    async def _reload(self, gateway: Background) -> None:
        self._rules += 1

        async def reload() -> None:
            self._write()
            gateway.process.send_signal(signal.SIGHUP)

        await self._after(gateway, TAKEN, reload)
        self._ledger.counts["configurations reloaded"] += 1

    async def _renew(self, gateway: Background) -> None:
        async def rotate() -> None:
            await asyncio.to_thread(self._rotate)

        await self._after(gateway, TAKEN, rotate)
        self._ledger.counts["certificates of the gateway renewed"] += 1

    async def _break(self, gateway: Background) -> None:
        """A file that is broken changes nothing."""

        async def spoil() -> None:
            (self._folder / "gateway.toml").write_text("[identity\n")
            gateway.process.send_signal(signal.SIGHUP)

        await self._after(gateway, NOT_RELOADED, spoil)
        self._write()
        self._ledger.counts["broken configurations"] += 1

    async def _break_crl(self, gateway: Background) -> None:
        """A CRL that is broken revokes nobody less."""
        good = self._mutual.crl.read_bytes()

        async def spoil() -> None:
            self._mutual.crl.write_bytes(good[: len(good) // 2])

        await self._after(gateway, "crl.pem", spoil)
        self._mutual.crl.write_bytes(good)
        await self._settle(gateway)
        self._ledger.counts["broken CRLs"] += 1

    async def _kill(self, gateway: Background, stays: int) -> None:
        """Kill the second worker; the first one is measured."""
        second = [each for each in children(gateway.process.pid) if each != stays]

        async def kill() -> None:
            self._ledger.killed()
            os.kill(second[0], signal.SIGKILL)

        await self._after(gateway, "ended with signal 9", kill)
        deadline = time.monotonic() + PATIENCE
        while not [each for each in children(gateway.process.pid) if each not in (stays, second[0])]:
            if time.monotonic() > deadline:
                raise TimeoutError("a worker that was killed is not started anew")
            await asyncio.sleep(0.05)

    async def _after(
        self,
        gateway: Background,
        words: str,
        change: Change,
    ) -> None:
        """Make a change, and wait until the gateway says so in the log."""
        wanted = gateway.printed.count(words) + 1
        await change()
        deadline = time.monotonic() + PATIENCE
        while gateway.printed.count(words) < wanted:
            if time.monotonic() > deadline or gateway.process.poll() is not None:
                raise TimeoutError(f"the gateway did not say {words!r}:\n{gateway.printed[-1000:]}")
            await asyncio.sleep(0.05)

    def _rotate(self) -> None:
        """Give the gateway a new certificate with its key."""
        issued = self._mutual.identity("server", dns=["localhost"], ip=["127.0.0.1"])
        for source, name in ((issued.key, "gateway.key"), (issued.cert, "gateway.pem")):
            new = self._folder / f"{name}.new"
            new.write_bytes(source.read_bytes())
            new.replace(self._folder / name)

    def _write(self) -> None:
        more = "".join(f'[[route.deny]]\ndns = "nobody-{each}.example"\n' for each in range(self._rules % 10))
        (self._folder / "gateway.toml").write_text(
            '[identity]\ncertificate = "gateway.pem"\nkey = "gateway.key"\nclient_ca = "ca.pem"\ncrl = ["crl.pem"]\n'
            '[times]\nhello = 10\nhandshake = 20\ndrain = 2\n[log]\nformat = "json"\n[[listener]]\nport = 0\n'
            f'[[route]]\nbackend = "127.0.0.1:{self._backend}"\nallow = "any verified client"\n'
            f'[[route.deny]]\ndns = "{DENIED}"\n{more}{self._tunnel()}'
        )

    def _tunnel(self) -> str:
        """Return the table of a tunnel from a local socket to the gateway itself, when its port is known."""
        if not self._port:
            return ""
        mine = self._mutual.identity("client")
        return (
            f'[[tunnel]]\nunix = "{SOCKET}"\nserver = "localhost:{self._port}"\nca = "ca.pem"\ncrl = "crl.pem"\n'
            f'certificate = "{mine.cert}"\nkey = "{mine.key}"\n'
        )
