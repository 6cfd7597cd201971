"""`bothways tunnel` at the command line."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.testing import MutualTLS
from command_line import bothways, environment, run_command, start_command
from interop.peers import find
from interop.programs import free_port
from library_services import running

pytestmark = pytest.mark.network


@pytest.fixture
def mutual(tmp_path: Path) -> Iterator[MutualTLS]:
    with MutualTLS(tmp_path) as made:
        yield made


def words(mutual: MutualTLS, *more: str) -> list[str]:
    mine = mutual.identity("client")
    return ["tunnel", *more, "--ca", str(mutual.ca), "--cert", str(mine.cert), "--key", str(mine.key)]


@contextlib.contextmanager
def tunnel(mutual: MutualTLS, *more: str) -> Iterator[subprocess.Popen[str]]:
    folder = mutual.ca.parent
    process = start_command(
        bothways(*words(mutual, *more)), cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("listening on ")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stderr.close()


@pytest.mark.interop
def test_redis_cli_without_tls_speaks_to_a_redis_that_requires_a_certificate(mutual: MutualTLS) -> None:
    folder, mine, port = mutual.ca.parent, mutual.identity("server"), free_port()
    command = [
        *(find("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *(
            "--tls-cert-file",
            str(mine.cert),
            "--tls-key-file",
            str(mine.key),
            "--tls-ca-cert-file",
            str(mutual.ca),
        ),
        *("--tls-auth-clients", "yes"),
    ]
    with running(command, port, folder) as port, tunnel(mutual, "./redis.sock", f"localhost:{port}"):
        cli = [find("redis-cli"), "-s", str(folder / "redis.sock")]
        assert subprocess.run([*cli, "ping"], capture_output=True, timeout=30, check=True).stdout == b"PONG\n"
    assert not (folder / "redis.sock").exists()


def test_a_failure_is_explained_and_the_tunnel_goes_on(mutual: MutualTLS) -> None:
    with (
        mutual.server("revoked") as server,
        tunnel(mutual, "t.sock", f"localhost:{server.port}", "--crl", str(mutual.crl)) as process,
        socket.socket(socket.AF_UNIX) as sock,
    ):
        process.send_signal(signal.SIGHUP)
        sock.settimeout(20)
        sock.connect(str(mutual.ca.parent / "t.sock"))
        with contextlib.suppress(ConnectionError):
            assert sock.recv(1) == b""
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("a connection ended: the server sent a certificate that was revoked")
        assert process.poll() is None


@pytest.mark.parametrize(
    ("local", "more", "problem"),
    [
        ("127.0.0.1:0", (), "expected HOST:PORT with a port of 1 to 65535"),
        ("127.0.0.1:5000", (), "every user and every browser of this machine could use our certificate"),
        ("0.0.0.0:5000", ("--insecure-tcp",), "a tunnel listens on this machine only"),
        ("t.sock", ("--starttls", "smtp"), "in this protocol the server speaks first"),
        ("x" * 200, (), "a Unix socket has a path of 1 to 107 bytes"),
        ("t.sock", ("--metrics", "0.0.0.0:9465"), "'--metrics': it is not on this machine"),
        ("t.sock", ("--metrics", "9465"), "'--metrics': expected HOST:PORT"),
    ],
)
def test_wrong_use_is_reported_with_what_to_do(
    mutual: MutualTLS, local: str, more: tuple[str, ...], problem: str
) -> None:
    done = run_command(
        bothways(*words(mutual, local, "localhost:1", *more)),
        cwd=mutual.ca.parent, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr
    assert "Traceback" not in done.stderr
