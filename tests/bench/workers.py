"""What one process and two workers of `serve` and `ca serve` get done: connections for the time of the busiest process.

Time that passes says little on a machine that others use too. Work is done twice as fast where each of two processes
takes half of the processor time that one takes for all of it; both figures are shown.
"""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import identities
from bothways import ClientConfig, Credentials, TrustStore
from bothways.net import connect
from processes import children, spent

COUNT = 300
AT_ONCE = 4
COMMANDS = {
    "a new mutual connection and a page, serve": (
        "serve", "127.0.0.1:0", "--cert", "server.pem", "--key", "server.key", "--client-ca", "ca.pem", "--page",
        "--connections", "1024",
    ),
    "a new connection and a CRL, ca serve": (
        "ca", "serve", "ca", "--listen", "127.0.0.1:0", "--insecure-no-passphrase", "--exempt-loopback",
    ),
}  # fmt: skip


def main(runs: int) -> None:
    """Measure one process and two workers by turns."""
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        prepare(folder)
        for what, words in COMMANDS.items():
            ask = page(folder) if words[0] == "serve" else crl
            print(
                f"\n{COUNT} times {what}: milliseconds of the busiest process, and those that passed, for each"
            )
            found: dict[int, list[float]] = {1: [], 2: []}
            for _ in range(runs):
                for count, figures in found.items():
                    busiest, passed = measured(words, count, folder, ask)
                    figures.append(busiest)
                    print(f"  {count} worker{'s' if count > 1 else ' '}  {busiest:6.2f}  {passed:6.2f}")
            ratio = median(found[1]) / median(found[2])
            print(f"  two workers do {ratio:.2f} times the work of one in the same processor time of each")


def measured(
    words: tuple[str, ...], count: int, folder: Path, ask: Callable[[int], None]
) -> tuple[float, float]:
    """Return milliseconds a connection: the processor time of the busiest worker, and the time that passed."""
    with served(("-m", "bothways.cli", *words, "--workers", str(count)), folder) as (process, port):
        workers = children(process.pid)
        for _ in range(20):
            ask(port)
        before, began = [spent(each) for each in workers], time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as several:
            list(several.map(ask, [port] * COUNT))
        passed = time.monotonic() - began
        after = [spent(each) for each in workers]
    busiest = max(end - start for start, end in zip(before, after, strict=True))
    return busiest / COUNT * 1e3, passed / COUNT * 1e3


@contextmanager
def served(
    words: tuple[str, ...], folder: Path, name: str = "log"
) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run Python with these words until the end, and yield the process and its port, once it listens."""
    command = [sys.executable, *words]
    log = folder / name
    with log.open("w") as said:
        process = subprocess.Popen(command, cwd=folder, stderr=said, text=True)
        try:
            while (found := re.search(r"listening on \S*:(\d+)", log.read_text())) is None:
                if process.poll() is not None:
                    raise RuntimeError(log.read_text())
                time.sleep(0.05)
            yield process, int(found[1])
        finally:
            process.terminate()
            process.wait(20)


def prepare(folder: Path) -> None:
    """Write the files of both commands."""
    (folder / "ca.pem").write_bytes(identities.root().pem)
    for who, issued in (("server", identities.server()), ("client", identities.client())):
        (folder / f"{who}.pem").write_bytes(issued.chain_pem)
        (folder / f"{who}.key").write_bytes(issued.key_pem)
    words = ("ca", "init", "ca", "--name", "Bench", "--url", "http://127.0.0.1", "--insecure-no-passphrase")
    subprocess.run(
        [sys.executable, "-m", "bothways.cli", *words], cwd=folder, check=True, capture_output=True
    )


def page(folder: Path) -> Callable[[int], None]:
    """Return what connects, gets a page and closes."""
    config = ClientConfig(
        anchors=TrustStore.from_file(folder / "ca.pem"),
        credentials=Credentials.from_files(folder / "client.pem", folder / "client.key"),
        sessions=None,
    )

    def ask(port: int) -> None:
        with connect("127.0.0.1", port, config, server_name="localhost") as channel:
            channel.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            while channel.recv(65536):
                pass

    return ask


def crl(port: int) -> None:
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    asking.request("GET", "/crl/issuing.crl", headers={"Connection": "close"})
    if asking.getresponse().read()[:1] != b"\x30":
        raise RuntimeError("no CRL")
    asking.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
