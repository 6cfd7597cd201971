"""The memory of an idle established connection, in KiB: what the process grows by, Rust and C included.

Each figure comes from a process of its own: `python -m bench.memory <what> <count>` prints KiB a connection.
"""

from __future__ import annotations

import asyncio
import gc
import ssl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench import stacks
from bench.identities import NAME, Identities, make
from bothways import ClientConfig

BUDGETS = {"bothways, client": 12, "bothways, server": 12, "bothways.aio, one end with its streams": 27}
COUNT = 400
PAGE = 4096
WARM = b"x" * 16 * 1024


def main(runs: int) -> None:
    """Measure everything by turns, some runs of each: figures of memory hardly differ between runs."""
    runs = min(runs, 3)
    found: dict[str, list[float]] = {what: [] for what in (*ENGINES, *STREAMS)}
    for _ in range(runs):
        for what, figures in found.items():
            figures.append(measured(what))
    print(
        f"\nMemory of an idle established connection, after {len(WARM) // 1024} KiB of data, of {COUNT} alike"
    )
    width = max(map(len, found))
    for what, figures in found.items():
        shown = " ".join(f"{each:6.1f}" for each in figures)
        verdict = ""
        if what in BUDGETS:
            holds = "holds" if median(figures) <= BUDGETS[what] else "DOES NOT HOLD"
            verdict = f"   budget at most {BUDGETS[what]}: {holds}"
        print(f"  {what:{width}}  {shown}   median {median(figures):6.1f} KiB{verdict}")


def measured(what: str) -> float:
    command = [sys.executable, "-m", "bench.memory", what, str(COUNT)]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def resident() -> int:
    """Bytes of memory that this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def growth(make_one: Callable[[], object], count: int) -> float:
    """KiB that each of `count` things takes, beside some that were made before."""
    kept = [make_one() for _ in range(50)]
    before = resident()
    kept += [make_one() for _ in range(count)]
    return (resident() - before) / count / 1024


def side(stack: Callable[[Identities], stacks.Stack], keep: str) -> Callable[[int], float]:
    """Keep one side of each connection, and let go of the other."""

    def run(count: int) -> float:
        handshake = stack(make())

        def one() -> object:
            channel = handshake()
            channel.carry(WARM)
            return getattr(channel, keep)

        return growth(one, count)

    return run


ENGINES: dict[str, Callable[[int], float]] = {
    "bothways, client": side(stacks.bothways, "client"),
    "bothways, server": side(stacks.bothways, "server"),
    "ssl with its MemoryBIOs, client": side(stacks.standard, "client"),
    "ssl with its MemoryBIOs, server": side(stacks.standard, "server"),
    "pyOpenSSL, client": side(stacks.pyopenssl, "client"),
    "pyOpenSSL, server": side(stacks.pyopenssl, "server"),
}


def streams(start: Callable[..., object], connect: Callable[..., object]) -> Callable[[int], float]:
    """Connect over loopback with both ends here; half of the growth is one end's."""

    async def run(count: int) -> float:
        arrived: list[object] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.append((reader, writer))
            writer.write(await reader.readexactly(len(WARM)))
            await writer.drain()
            await reader.read()

        # The end of the process cuts the connections, of which nobody need hear.
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        identities = make()
        server = await start(identities, serve)  # type: ignore[misc]
        port = server.sockets[0].getsockname()[1]

        async def one() -> object:
            reader, writer = await connect(identities, port)  # type: ignore[misc]
            writer.write(WARM)
            await reader.readexactly(len(WARM))
            return reader, writer

        kept = [await one() for _ in range(25)]
        before = resident()
        kept += [await one() for _ in range(count // 2)]
        return (resident() - before) / (count // 2) / 2 / 1024

    return lambda count: asyncio.run(run(count))


async def start_ours(identities: Identities, serve: object) -> object:
    from bothways import aio

    return await aio.start_server(serve, "127.0.0.1", 0, stacks.configs(identities)[1])  # type: ignore[arg-type]


async def connect_ours(identities: Identities, port: int) -> object:
    from bothways import aio

    if "client" not in CONFIGS:
        CONFIGS["client"] = stacks.configs(identities)[0]
    return await aio.connect("127.0.0.1", port, CONFIGS["client"], server_name=NAME)


async def start_standard(identities: Identities, serve: object) -> object:
    context = stacks.standard_contexts(identities)[1]
    return await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)  # type: ignore[arg-type]


async def connect_standard(identities: Identities, port: int) -> object:
    if "client" not in CONTEXTS:
        CONTEXTS["client"] = stacks.standard_contexts(identities)[0]
    return await asyncio.open_connection("127.0.0.1", port, ssl=CONTEXTS["client"], server_hostname=NAME)


CONFIGS: dict[str, ClientConfig] = {}  # one for all connections, as programs have it
CONTEXTS: dict[str, ssl.SSLContext] = {}
STREAMS: dict[str, Callable[[int], float]] = {
    "bothways.aio, one end with its streams": streams(start_ours, connect_ours),
    "asyncio with ssl, one end with its streams": streams(start_standard, connect_standard),
}


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(int(sys.argv[1]))
    else:
        what, count = sys.argv[1:]
        print((ENGINES | STREAMS)[what](int(count)))
