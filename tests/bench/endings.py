"""How long it takes from a CRL that is replaced until the gateway has ended the last connection of whom it lists.

Two workers or one; clients in Go, each on a connection of its own, either all of them listed or ten. The time that
passed is that of a client's end; beside it is the processor time of all processes of the gateway until then.
"""

from __future__ import annotations

import base64
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import identities
import pki
from bench.beside import OURS, Load, Program, load, running, service_of
from bench.gateway import GATEWAY, MANY, gateway_words
from bench.workers import prepare
from processes import free_port

ROWS = (
    (2, 1000, 10),
    (2, 1000, 1000),
    (2, 3000, 10),
    (2, 3000, 3000),
    (1, 3000, 3000),
)  # how many workers, how many are connected, how many of them are listed
PATIENCE = 120.0


def main(runs: int) -> None:
    """End so many connections in each row of each run, with a gateway of its own."""
    with TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        prepare(folder)
        made = load(folder)
        service = stack.enter_context(service_of(made))
        clients = made.of("floods.go")
        print(
            "\nFrom a CRL that is replaced to the end of those it lists: half of them, the last; processor time"
        )
        for workers, count, listed in ROWS:
            figures = [measured(clients, service, workers, count, listed) for _ in range(runs)]
            shown = "   ".join("/".join(f"{each:.2f}" for each in run) for run in figures)
            half, last, spent = (median(each) for each in zip(*figures, strict=True))
            print(
                f"  {listed:5} of {count:5} at {workers}   {shown}   median {half:.2f} s and {last:.2f} s, "
                f"{spent:.2f} s of processors"
            )


def measured(
    clients: Load, service: int, workers: int, count: int, listed: int
) -> tuple[float, float, float]:
    """Return the seconds until half of them, and the last, had ended, and those of processors."""
    leaving = identities.client("Leaving")
    for name, content in (("leaving.pem", leaving.chain_pem), ("leaving.key", leaving.key_pem)):
        (clients.folder / name).write_bytes(content)
    publish(clients.folder, 1)
    port = free_port()
    words = gateway_words(clients.folder, service, port, f'crl = ["crl.pem"]\n{MANY}')
    command = [*words, "--workers", str(workers)]
    with running(GATEWAY, OURS, command, port) as gateway, contextlib.ExitStack() as stack:
        if count > listed:
            stack.enter_context(held(clients, gateway, "client", count - listed))
        process = stack.enter_context(held(clients, gateway, "leaving", listed))
        time.sleep(2)
        before, began = gateway.spent(), time.time()
        publish(clients.folder, 2, leaving)
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        return told["half"] - began, told["last"] - began, gateway.spent() - before


@contextlib.contextmanager
def held(clients: Load, gateway: Program, who: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """Hold so many connections of a client while the block lasts."""
    words = clients.command(gateway, ("-mode", "held", "-count", str(count)))
    words = [each.replace("client.", f"{who}.") for each in words]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            if process.stdout.readline().strip() != "open":
                raise RuntimeError(f"{count} connections are not held")
            yield process
        finally:
            process.kill()


def publish(folder: Path, number: int, *revoked: pki.Issued) -> None:
    """Replace the file of CRLs in one step."""
    lines = b"".join(
        b"-----BEGIN X509 CRL-----\n" + base64.encodebytes(each.der) + b"-----END X509 CRL-----\n"
        for each in identities.crls(*revoked, number=number)
    )
    (folder / "crl.new").write_bytes(lines)
    (folder / "crl.new").replace(folder / "crl.pem")


if __name__ == "__main__":
    main(int(sys.argv[1]))
