"""Servers of mutual TLS that answer with a page of 1 kB, beside those of other projects: processor time and memory.

One working process each, over loopback, the same client in Go. With a number of runs as its argument it measures,
prints every run, and writes the table and the picture of docs/benchmarks.md anew; with a kind of TLS, a loop, a folder
and a port it is one of the servers.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version as version_of
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench.adapters_end import End
from bench.bars import Bar, Panel, draw
from bench.beside import (
    OURS,
    Load,
    Program,
    Row,
    by_turns,
    installed,
    load,
    running,
    service_of,
    stunnel,
    version,
)
from bench.workers import prepare
from processes import free_port

DOCS = Path(__file__).parents[2] / "docs"
PAGE, PICTURE = DOCS / "benchmarks.md", DOCS / "benchmarks/servers.svg"
BEGIN, END = "<!-- servers: written by `make bench ARGS=servers` -->\n", "<!-- end of servers -->\n"
BODY = bytes(1000)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + BODY
SERVE = "bothways serve --page"
IDLE = 500
ONCE = frozenset({SERVE})  # answers one request and ends the connection
CONNECTIONS = ("-http", "-mode", "connections", "-count", "200", "-at", "4")
ROWS = {
    "full": Row("A new mutual connection and a page", CONNECTIONS, 200, "ms"),
    "resumed": Row("The same, resumed", (*CONNECTIONS, "-resume"), 200, "ms", is_resumed=True),
    "requests": Row(
        "A page on one of 50 open connections",
        ("-http", "-mode", "requests", "-count", "4000", "-at", "50"), 4000, "us", 1e6, without=ONCE,
    ),
}  # fmt: skip
MEMORY = Row("An idle connection", ("-http", "-mode", "idle"), IDLE, "KiB", without=ONCE)


def main(runs: int) -> None:
    """Measure all by turns, and write what was found."""
    load_before = os.getloadavg()[0]
    with TemporaryDirectory(prefix="bench-") as name, contextlib.ExitStack() as until_the_end:
        folder = Path(name)
        prepare(folder)
        client = load(folder)
        plain = until_the_end.enter_context(service_of(client, "-http"))
        programs = [until_the_end.enter_context(each) for each in started(folder, client, plain)]
        for each in programs:
            print(f"  {each.name}: {each.version}")
        print(f"\nMemory of an idle connection, {IDLE} open")
        for each in programs:  # before the rows, since what these leave in a heap would hold the connections
            if each.name not in MEMORY.without:
                client.asked(each, ROWS["full"].words)
                each.figures["idle"] = [client.idle(each, MEMORY.words, IDLE)]
                print(f"  {each.name:30}  {each.figures['idle'][0]:8.1f} KiB")
        by_turns(client, programs, ROWS, runs)
    conditions = (
        f"On {datetime.now(UTC):%Y-%m-%d}, commit {_commit()}, {platform.machine()}, {os.cpu_count()} cores, load "
        f"average {load_before:.1f} before it began; medians, and the smallest and largest of {runs} runs."
    )
    PICTURE.write_text(draw("Servers of mutual TLS", panels(programs)))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{conditions}\n\n{table(programs)}{END}{rest.partition(END)[2]}")
    print(f"\nwritten: {PAGE}, {PICTURE}")


def table(programs: Sequence[Program]) -> str:
    """Return the figures in Markdown: medians, and the smallest and the largest run."""
    rows = {**ROWS, "idle": MEMORY}
    lines = ["| | " + " | ".join(f"{row.title}, {row.unit}" for row in rows.values()) + " | version |"]
    lines.append("|---" * (len(rows) + 2) + "|")
    for each in programs:
        figures = [_spread(each.figures.get(key, [])) for key in rows]
        lines.append("| " + " | ".join([each.name, *figures, each.version]) + " |")
    return "\n".join(lines) + "\n"


def _spread(figures: Sequence[float]) -> str:
    if not figures:
        return ""
    digits = 2 if max(figures) < 10 else 1
    middle = f"{median(figures):.{digits}f}"
    return (
        middle if len(figures) == 1 else f"{middle} ({min(figures):.{digits}f} to {max(figures):.{digits}f})"
    )


def panels(programs: Sequence[Program]) -> Iterator[Panel]:
    """Yield one panel for each row: a bar for each program."""
    for key, row in {**ROWS, "idle": MEMORY}.items():
        bars = [
            Bar(each.name, median(each.figures[key]), min(each.figures[key]), max(each.figures[key]),
                is_ours=each.version.startswith(OURS))
            for each in programs if key in each.figures
        ]  # fmt: skip
        yield Panel(f"{row.title}, {row.unit}", bars)


def started(folder: Path, client: Load, plain: int) -> Iterator[contextlib.AbstractContextManager[Program]]:
    """Yield each of those that are installed, ours first."""
    for kind in ("transport", "context", "ssl"):
        for loop in ("asyncio", "uvloop"):
            port = free_port()
            yield running(*_python(kind, loop), [*_HERE, kind, loop, str(folder), str(port)], port)
    port = free_port()
    files = (
        "--cert",
        f"{folder}/server.pem",
        "--key",
        f"{folder}/server.key",
        "--client-ca",
        f"{folder}/ca.pem",
    )
    words = ("-m", "bothways.cli", "serve", f"127.0.0.1:{port}", *files, "--page", "--exempt-loopback")
    yield running(SERVE, OURS, [sys.executable, *words], port)
    port = free_port()
    go = [client.program, "-http", "-addr", f"127.0.0.1:{port}", *client.identity("server")]
    yield running("Go", version(client.compiler, "version"), go, port)
    others = (
        ("nginx", "nginx", _nginx, "-v"),
        ("HAProxy", "haproxy", _haproxy, "-v"),
        ("Apache", "apache2", _apache, "-v"),
        ("Node", "node", _node, "--version"),
        ("stunnel, before Go", "stunnel4", stunnel, "-version"),
    )
    yield from installed(others, folder, plain)


_HERE = (sys.executable, "-m", "bench.servers")


def _python(kind: str, loop: str) -> tuple[str, str]:
    name = {"transport": "bothways.aio", "context": "bothways.ssl", "ssl": "ssl"}[kind]
    loop_version = f", uvloop {version_of('uvloop')}" if loop == "uvloop" else ""
    whose = f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}" if kind == "ssl" else OURS
    return f"{name}, {loop}", f"{whose}{loop_version}"


def _nginx(folder: Path, _plain: int, port: int) -> list[str]:
    config = folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/nginx.pid; error_log {folder}/nginx.log; daemon off; worker_processes 1;\n"
        "worker_rlimit_nofile 8000; events { worker_connections 4000; }\n"
        f"http {{ access_log off; keepalive_requests 1000000; server {{ listen 127.0.0.1:{port} ssl;\n"
        f"ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;\n"
        f"ssl_protocols TLSv1.3; ssl_session_cache shared:one:10m;\n"
        f"ssl_client_certificate {folder}/ca.pem; ssl_verify_client on;\n"
        f'location / {{ return 200 "{"x" * len(BODY)}"; }} }} }}\n'
    )
    return ["-p", str(folder), "-c", str(config)]


def _haproxy(folder: Path, _plain: int, port: int) -> list[str]:
    both = folder / "both.pem"
    both.write_bytes((folder / "server.pem").read_bytes() + (folder / "server.key").read_bytes())
    config = folder / "haproxy.cfg"
    config.write_text(
        "global\n  nbthread 1\n  maxconn 4000\n"
        "defaults\n  mode http\n  timeout client 60s\n  timeout http-keep-alive 60s\n"
        f"frontend f\n  bind 127.0.0.1:{port} ssl crt {both} ca-file {folder}/ca.pem verify required "
        "ssl-min-ver TLSv1.3\n"
        f'  http-request return status 200 content-type text/plain string "{"x" * len(BODY)}"\n'
    )
    return ["-f", str(config), "-db"]


def _apache(folder: Path, _plain: int, port: int) -> list[str]:
    modules = ("mpm_event", "authz_core", "dir", "ssl", "socache_shmcb")
    loaded = [f"LoadModule {each}_module /usr/lib/apache2/modules/mod_{each}.so\n" for each in modules]
    root = folder / "pages"
    root.mkdir()
    (root / "index.html").write_bytes(BODY)
    config = folder / "apache.conf"
    config.write_text(
        f"{''.join(loaded)}ServerRoot {folder}\nPidFile {folder}/apache.pid\nErrorLog {folder}/apache.log\n"
        f"ServerName localhost\nListen 127.0.0.1:{port}\nStartServers 1\nServerLimit 1\nThreadsPerChild 64\n"
        "MaxRequestWorkers 64\nAsyncRequestWorkerFactor 20\nKeepAlive On\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60\n"
        f"SSLSessionCache shmcb:{folder}/sessions(512000)\n"
        f"DocumentRoot {root}\nSSLEngine on\nSSLProtocol TLSv1.3\nSSLCertificateFile {folder}/server.pem\n"
        f"SSLCertificateKeyFile {folder}/server.key\nSSLCACertificateFile {folder}/ca.pem\nSSLVerifyClient require\n"
        "SSLVerifyDepth 3\n"
    )
    return ["-f", str(config), "-DFOREGROUND"]


def _node(folder: Path, _plain: int, port: int) -> list[str]:
    script = folder / "server.js"
    script.write_text(
        f'const read = (name) => require("fs").readFileSync("{folder}/" + name);\n'
        'const options = {cert: read("server.pem"), key: read("server.key"), ca: read("ca.pem"), requestCert: true,\n'
        '  rejectUnauthorized: true, minVersion: "TLSv1.3", keepAliveTimeout: 60000};\n'
        f"const body = Buffer.alloc({len(BODY)});\n"
        'require("https").createServer(options, (request, answer) => answer.end(body))'
        f'.listen({port}, "127.0.0.1");\n'
    )
    return [str(script)]


def _commit() -> str:
    words = ["git", "describe", "--always", "--dirty"]
    return subprocess.run(words, capture_output=True, text=True, check=True, cwd=DOCS).stdout.strip()


async def answer(reader: Any, writer: Any) -> None:
    """Answer each request with the page."""
    with contextlib.suppress(Exception):
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)
            await writer.drain()
    with contextlib.suppress(Exception):
        writer.close()


async def serve(kind: str, folder: Path, port: int) -> None:
    server = await End(kind, folder).serve(answer, port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    if len(sys.argv) == 2:
        main(int(sys.argv[1]))
    else:
        kind_, loop_, folder_, port_ = sys.argv[1:]
        work = serve(kind_, Path(folder_), int(port_))
        if loop_ == "uvloop":
            import uvloop

            uvloop.run(work)
        else:
            asyncio.run(work)
