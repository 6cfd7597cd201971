"""The gateway beside nginx, HAProxy and stunnel: one process each, over loopback, the same client and service in Go.

What is compared is the processor time of what stands between the two, with all its threads and children; the time that
passed is beside it, and says little on a machine that others use too. Each verifies the client's certificate by one CA.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from bench.beside import OURS, Program, Row, by_turns, installed, load, running, service_of, stunnel, width
from bench.measure import budgeted
from bench.workers import prepare
from processes import free_port

GATEWAY, NGINX, HAPROXY, STUNNEL = "bothways gateway", "nginx", "HAProxy", "stunnel"
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
MIB = 1 << 20
IDLE = 1000
MANY = "[limits]\nconnections = 20000\nhandshakes = 2000\nper_address = 20000\nper_identity = 20000\n"


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


def main(runs: int) -> None:
    """Let each have its turn in every row of every run."""
    with TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as running_:
        folder = Path(name)
        prepare(folder)
        client = load(folder)
        service = running_.enter_context(service_of(client))
        fronts = [running_.enter_context(each) for each in started(folder, service)]
        for each in fronts:
            print(f"  {each.name}: {each.version}")
        by_turns(client, fronts, ROWS, runs)
        print(f"\nMemory of an idle connection, {IDLE} open")
        for front in fronts:
            front.figures["idle"] = [client.idle(front, ("-mode", "idle"), IDLE)]
            print(f"  {front.name:{width(fronts)}}  {front.figures['idle'][0]:8.1f} KiB")
        judge({each.name: each for each in fronts})


def judge(fronts: dict[str, Program]) -> None:
    """Print what is promised: ahead of stunnel, half of its throughput, near nginx for a new connection."""
    print()
    ours = fronts[GATEWAY]
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


def started(folder: Path, service: int) -> Iterator[contextlib.AbstractContextManager[Program]]:
    """Yield each of those that are installed, ours first."""
    port = free_port()
    yield running(GATEWAY, OURS, gateway_words(folder, service, port, MANY), port)
    others = (
        (NGINX, "nginx", _nginx, "-v"),
        (HAPROXY, "haproxy", _haproxy, "-v"),
        (STUNNEL, "stunnel4", stunnel, "-version"),
    )
    yield from installed(others, folder, service)


def gateway_words(folder: Path, service: int, port: int, limits: str = "") -> list[str]:
    """Return the command of a gateway before this service. limits: that table of its file."""
    config = folder / "gateway.toml"
    config.write_text(
        f'[identity]\ncertificate = "server.pem"\nkey = "server.key"\nclient_ca = "ca.pem"\n{limits}'
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


if __name__ == "__main__":
    main(int(sys.argv[1]))
