"""What `serve` costs beside a server of `bothways.aio`: processor time of the server for a new mutual connection."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.measure import budgeted
from bench.workers import prepare, served
from bothways import ClientConfig, Credentials, ServerConfig, TrustStore, aio
from bothways.net import connect
from processes import spent

COUNT = 100
BUDGET = 1.2
SERVE = (
    "--cert",
    "server.pem",
    "--key",
    "server.key",
    "--client-ca",
    "ca.pem",
    "--echo",
    "--exempt-loopback",
)
CONTENDERS = {
    "bothways.aio": ("-m", "bench.serving"),
    "serve": ("-m", "bothways.cli", "serve", "127.0.0.1:0", *SERVE),
}


def main(runs: int) -> None:
    """Let both have their turns, over loopback, in the same kind of event loop."""
    with TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        prepare(folder)
        servers = {
            what: running.enter_context(served(words, folder, f"{what}.log"))
            for what, words in CONTENDERS.items()
        }
        config = ClientConfig(
            anchors=TrustStore.from_file(folder / "ca.pem"),
            credentials=Credentials.from_files(folder / "client.pem", folder / "client.key"),
            sessions=None,
        )
        found: dict[str, list[float]] = {what: [] for what in servers}
        for run in range(-1, runs):  # the first is to warm up
            for what, (process, port) in servers.items():
                took = measured(process, port, config)
                if run >= 0:
                    found[what].append(took)
    print(f"\nA new mutual connection and one byte echoed, {COUNT} in each run: processor time of the server")
    for what, figures in found.items():
        runs_shown = " ".join(f"{each:6.2f}" for each in figures)
        print(f"  {what:12}  {runs_shown}   median {median(figures):6.2f} ms")
    budgeted(
        "  ratio", "serve / bothways.aio", median(found["serve"]) / median(found["bothways.aio"]), BUDGET
    )


def measured(process: subprocess.Popen[str], port: int, config: ClientConfig) -> float:
    before = spent(process.pid)
    for _ in range(COUNT):
        with connect("127.0.0.1", port, config, server_name="localhost") as channel:
            channel.sendall(b"x")
            channel.recv(1)
            channel.shutdown()
            while channel.recv(100):
                pass
    return (spent(process.pid) - before) / COUNT * 1e3


async def echo(reader: Any, writer: Any) -> None:
    with contextlib.suppress(Exception):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()


async def serve() -> None:
    own = Credentials.from_files("server.pem", "server.key")
    config = ServerConfig(client_anchors=TrustStore.from_file("ca.pem"), credentials=own)
    server = await aio.start_server(echo, "127.0.0.1", 0, config)
    print(f"listening on 127.0.0.1:{server.sockets[0].getsockname()[1]}", file=sys.stderr, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(int(sys.argv[1]))
    else:
        from bothways.servers.event_loops import loop_factory

        with asyncio.Runner(loop_factory=loop_factory()) as runner:
            runner.run(serve())
