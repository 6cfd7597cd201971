"""A storm of clients on several gateways that share Redis, which is killed and comes back; and what it took."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from bothways import ClientConfig
from bothways.aio import StreamReader, StreamWriter, connect
from bothways.errors import TLSError
from bothways.testing import MutualTLS
from fleet.gateways import Machine, gateways
from gateway_talk import service
from processes import spent
from ticket_keys.redis_server import running_redis

CLIENTS, IDENTITIES, IDLE = 60, 20, 300
PATIENCE = 120.0
WARM_SECONDS = 3.0  # until all gateways have the keys of tickets


@dataclass
class Storm:
    """One storm of so many seconds. Attributes: `wrong`, what must not happen, in words; `figures`, in words."""

    folder: Path
    seconds: float
    count: int = 3
    is_shared: bool = False  # whether connections are counted for all gateways
    wrong: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Run it: clients come and go on all gateways, then many are idle."""
        (self.folder / "pki").mkdir()
        with MutualTLS(self.folder / "pki") as mutual:
            async with service() as behind:
                backend = int(behind.address.rpartition(":")[2])
                await self._with_gateways(mutual, backend)

    async def _with_gateways(self, mutual: MutualTLS, backend: int) -> None:
        (self.folder / "redis").mkdir()
        with running_redis(self.folder / "redis") as redis:
            limits = f'[limits]\nper_identity = 1000\nshared = "{redis.url}"\nshared_secret = "secret"'
            tables = (limits,) if self.is_shared else ()
            running = gateways(mutual, self.folder, backend, redis.url, self.count, *tables)
            machines = await asyncio.to_thread(running.__enter__)
            try:
                await asyncio.sleep(WARM_SECONDS)
                await self._idle(mutual, machines)
                await self._storm(mutual, machines, redis.kill)
                await self._again_with_redis(mutual, machines)
            finally:
                await asyncio.to_thread(running.__exit__, None, None, None)
        for each in machines:
            if "Traceback" in each.gateway.printed or "DEFECT" in each.gateway.printed:
                self.wrong.append(f"a gateway has a defect: {each.gateway.printed[-2000:]}")

    # -- connections that come and go ------------------------------------------------------------------

    async def _storm(self, mutual: MutualTLS, machines: list[Machine], kill: Callable[[], None]) -> None:
        identities = [mutual.identity("client", dns=[f"client-{each}.example"]) for each in range(IDENTITIES)]
        configs = [mutual.client(identities[each % IDENTITIES]).config for each in range(CLIENTS)]
        pids = [each.gateway.process.pid for each in machines]
        before, began = sum(map(spent, pids)), time.monotonic()
        stop = began + self.seconds
        clients = [
            asyncio.create_task(self._client(config, machines, random.Random(number), stop))
            for number, config in enumerate(configs)
        ]
        await asyncio.sleep(self.seconds / 2)
        await asyncio.to_thread(kill)
        await asyncio.gather(*clients)
        took, used = time.monotonic() - began, sum(map(spent, pids)) - before
        done, resumed = self.counts["served"], self.counts["resumed"]
        self.figures += [
            f"{self.count} gateways, {CLIENTS} clients with {IDENTITIES} names, {took:.0f} s; Redis killed halfway",
            f"  {done} connections ({done / took:.0f} a second), {resumed} of them resumed ({resumed / done:.0%})",
            f"  {1000 * used / done:.2f} ms of processor time of the gateways for each, with 3 exchanges of 1 kB",
            f"  lost: {len(self.wrong)}",
        ]

    async def _client(
        self, config: ClientConfig, machines: list[Machine], chance: random.Random, stop: float
    ) -> None:
        while time.monotonic() < stop:
            machine = chance.choice(machines)
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._visit(config, machine, chance)
            except (TLSError, OSError, EOFError, TimeoutError) as error:
                self.wrong.append(f"a connection was lost: {error!r}")
                return

    async def _visit(self, config: ClientConfig, machine: Machine, chance: random.Random) -> None:
        reader, writer = await connect("127.0.0.1", machine.port, config, "localhost")
        try:
            for _ in range(3):
                await self._exchange(reader, writer, chance.randbytes(1000))
            self.counts["resumed"] += int(writer.resumed)
            self.counts["served"] += 1
            writer.close()
            await writer.wait_closed()
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: StreamReader, writer: StreamWriter, data: bytes) -> None:
        writer.write(data)
        await writer.drain()
        if await reader.readexactly(len(data)) != data:
            self.wrong.append("a client got other bytes than it sent")

    async def _again_with_redis(self, mutual: MutualTLS, machines: list[Machine]) -> None:
        """Without Redis the keys at hand stay in use: whoever was elsewhere still resumes."""
        config = mutual.client().config
        for machine in machines * 2:
            await self._visit(config, machine, random.Random(1))
        if self.counts["resumed"] < 0.8 * (self.counts["served"] - CLIENTS):
            self.wrong.append(f"only {self.counts['resumed']} of {self.counts['served']} were resumed")

    # -- connections that stay -------------------------------------------------------------------------

    async def _idle(self, mutual: MutualTLS, machines: list[Machine]) -> None:
        config = mutual.client(sessions=None).config
        for machine in machines:  # what the first connections take once
            await self._visit(config, machine, random.Random(1))
        pids = [each.gateway.process.pid for each in machines]
        before = sum(map(private_kib, pids))
        opened = []
        for number in range(IDLE):
            reader, writer = await connect(
                "127.0.0.1", machines[number % self.count].port, config, "localhost"
            )
            await self._exchange(reader, writer, b"hello")
            opened.append(writer)
        after = sum(map(private_kib, pids))
        self.figures += [
            f"{before / self.count / 1024:.0f} MiB of memory for each gateway before clients come",
            f"{(after - before) / IDLE:.1f} KiB of memory for each idle connection with its service",
        ]
        for writer in opened:
            writer.transport.abort()


def private_kib(pid: int) -> int:
    """Return the memory that a process has written and shares with no other."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(each.split()[1]) for each in lines if each.startswith("Private_Dirty:"))
