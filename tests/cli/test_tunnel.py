"""`bothways tunnel` at the command line."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import identities
from bothways.testing import MutualTLS, echo
from command_line import bothways, environment, run_command, start_command
from interop.peers import find
from library_services import Files, postgresql, running
from processes import free_port

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
    folder = mutual.ca.parent
    with redis(mutual, folder) as port, tunnel(mutual, "./redis.sock", f"localhost:{port}"):
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


def write(folder: Path, mutual: MutualTLS, *tunnels: tuple[str, int], more: str = "") -> Path:
    """Replace the file: tunnels from sockets with these names to ports of this machine."""
    mine = mutual.identity("client")
    new, path = folder / "tunnel.new", folder / "tunnel.toml"
    tables = [
        f'[[tunnel]]\nname = "{name}"\nunix = "{name}.sock"\nserver = "localhost:{port}"\nca = "{mutual.ca.name}"\n'
        f'crl = "{mutual.crl.name}"\ncertificate = "{mine.cert.name}"\nkey = "{mine.key.name}"\n'
        for name, port in tunnels
    ]
    new.write_text("\n".join([*tables, more]))
    return new.replace(path)


@contextlib.contextmanager
def serving(path: Path, *command: str, ready: int) -> Iterator[subprocess.Popen[str]]:
    """Run a command with a file until the end. ready: how many lines say that it listens."""
    process = start_command(
        bothways(*command, "-c", path.name),
        cwd=path.parent,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for _ in range(ready):
            assert process.stderr.readline().startswith("listening on ")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stderr.close()


def line_with(process: subprocess.Popen[str], *words: str) -> str:
    """The next line with all of these words."""
    assert process.stderr is not None
    while line := process.stderr.readline():
        if all(each in line for each in words):
            return line
    raise AssertionError(words)


@contextlib.contextmanager
def redis(mutual: MutualTLS, folder: Path) -> Iterator[int]:
    """A Redis that requires a certificate."""
    mine, port = mutual.identity("server"), free_port()
    command = [
        find("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", "",
        "--tls-cert-file", str(mine.cert), "--tls-key-file", str(mine.key), "--tls-ca-cert-file", str(mutual.ca),
        "--tls-auth-clients", "yes",
    ]  # fmt: skip
    with running(command, port, folder) as port:
        yield port


@contextlib.contextmanager
def openssl(mutual: MutualTLS, folder: Path) -> Iterator[int]:
    """A server of OpenSSL that requires a certificate, and sends back each line in reverse."""
    mine, port = mutual.identity("server"), free_port()
    command = [
        find("openssl"), "s_server", "-accept", f"127.0.0.1:{port}", "-cert", str(mine.cert), "-key", str(mine.key),
        "-CAfile", str(mutual.ca), "-cert_chain", str(mine.cert), "-Verify", "2", "-verify_return_error",
        "-rev", "-quiet",
    ]  # fmt: skip
    with running(command, port, folder) as port:
        yield port


def reversed_by(folder: Path, name: str, line: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as sock, sock.makefile("rwb") as file:
        sock.settimeout(20)
        sock.connect(str(folder / f"{name}.sock"))
        file.write(line)
        file.flush()
        return file.readline()


@pytest.mark.interop
@pytest.mark.parametrize("command", [("tunnel",), ("gateway",), ("gateway", "--workers", "2")])
def test_several_tunnels_of_a_file_lead_to_servers_of_others_that_require_a_certificate(
    mutual: MutualTLS, command: tuple[str, ...]
) -> None:
    """It is followed, read at once by SIGHUP, and refused whole with the earlier one in use."""
    folder = mutual.ca.parent
    with redis(mutual, folder) as cache, openssl(mutual, folder) as other:
        path = write(folder, mutual, ("cache", cache), ("other", other))
        with serving(path, *command, ready=2) as process:
            cli = [find("redis-cli"), "-s", str(folder / "cache.sock")]
            assert (
                subprocess.run([*cli, "ping"], capture_output=True, timeout=30, check=True).stdout
                == b"PONG\n"
            )
            assert 'who="CN=good server"' in line_with(process, 'route="cache"', "verdict=allowed")
            assert reversed_by(folder, "other", b"abc\n") == b"cba\n"
            line_with(process, 'route="other"', "code=")
            write(folder, mutual, ("cache", cache), more="[[tunnel]]\nunix = 1\n")
            process.send_signal(signal.SIGHUP)
            assert "tunnel[2].unix: expected a text" in line_with(process, "not reloaded")
            assert reversed_by(folder, "other", b"abc\n") == b"cba\n"
            write(folder, mutual, ("other", other), ("third", other))
            line_with(process, "reloaded: tunnel.toml")
            assert reversed_by(folder, "third", b"xyz\n") == b"zyx\n"
            assert not (folder / "cache.sock").exists()
    assert not list(folder.glob("*.sock"))


@pytest.mark.interop
def test_psql_without_certificates_speaks_to_a_postgresql_that_requires_one(tmp_path: Path) -> None:
    """TLS is requested in its protocol; the socket has the name that libpq looks for."""
    psql, mine = find("psql"), identities.client()
    files = Files(tmp_path, identities.server(), identities.root())
    (tmp_path / "me.pem").write_bytes(mine.chain_pem + mine.key_pem)
    path = tmp_path / "tunnel.toml"
    with postgresql(files) as port:
        path.write_text(
            f'[[tunnel]]\nunix = ".s.PGSQL.5432"\nserver = "localhost:{port}"\nstarttls = "postgres"\n'
            'ca = "ca.pem"\ncertificate = "me.pem"\n'
        )
        with serving(path, "tunnel", ready=1) as process:
            question = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
            ask = [psql, "-h", str(tmp_path), "-U", "postgres", "-Atc", question, "postgres"]
            done = subprocess.run(ask, capture_output=True, text=True, timeout=60, check=False)
            assert (done.stdout, done.stderr) == ("t\n", "")
            line_with(process, 'who="CN=server"', "verdict=allowed", "code=CLOSED")


@pytest.mark.parametrize("has_file", [True, False])
def test_a_renewed_certificate_is_shown_by_new_connections_and_a_revoked_server_loses_the_open_ones(
    mutual: MutualTLS, has_file: bool
) -> None:
    """Those from before the renewal stay; all end when the CRL has the server."""
    folder = mutual.ca.parent
    leaving, mine = mutual.identity("server", dns=["localhost"]), mutual.identity("client")
    with (
        mutual.server(leaving, client_auth="require", respond=echo) as server,
        contextlib.ExitStack() as stack,
    ):
        if has_file:
            path = write(folder, mutual, ("t", server.port))
            stack.enter_context(serving(path, "tunnel", ready=1))
        else:
            crl = ("--crl", str(mutual.crl))
            stack.enter_context(tunnel(mutual, "./t.sock", f"localhost:{server.port}", *crl))

        def connected() -> tuple[socket.socket, int]:
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.settimeout(20)
            sock.connect(str(folder / "t.sock"))
            peer = server.handshake().peer
            assert peer is not None and peer.certificate is not None
            return sock, peer.certificate.serial_number

        old, serial = connected()
        renewed = mutual.identity("client", uri=["spiffe://testing.example/renewed"])
        for new, path in ((renewed.key, mine.key), (renewed.cert, mine.cert)):
            new.replace(path)
        while connected()[1] == serial:
            time.sleep(0.05)
        new, _ = connected()
        for each in (old, new):
            each.sendall(b"word")
            assert each.recv(4) == b"word"
        mutual.revoke(leaving)
        for each in (old, new):
            with contextlib.suppress(ConnectionError):
                assert each.recv(1) == b""


def test_a_file_of_tunnels_is_checked_as_that_of_a_gateway(mutual: MutualTLS) -> None:
    folder = mutual.ca.parent
    path = write(folder, mutual, ("cache", 6379), ("db", 5432))
    check = bothways("gateway", "check", "-c", path.name)
    options = {"cwd": folder, "env": environment(), "capture_output": True, "text": True, "timeout": 60}
    done = run_command(check, check=False, **options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        "tunnel.toml: can be used: 2 tunnels\n"
        f"  cache: unix:{folder}/cache.sock -> localhost:6379 (localhost)\n"
        f"  db: unix:{folder}/db.sock -> localhost:5432 (localhost)\n"
    ).replace(f"{folder}/", "")
    write(folder, mutual, ("cache", 6379), more='mode = "0666"')
    done = run_command(check, check=False, **options)
    assert done.returncode == 0
    assert "warning: tunnel cache: every user of this machine may use our certificate by its" in done.stderr
    write(folder, mutual, ("cache", 6379), more="[[tunnel]]\nport = 1\n")
    done = run_command(check, check=False, **options)
    assert (done.returncode, done.stdout) == (2, "")
    assert "tunnel.toml, line 11: tunnel[2].port: every user" in done.stderr


def test_no_rule_of_a_file_of_tunnels_decides_about_a_client(mutual: MutualTLS) -> None:
    folder = mutual.ca.parent
    path, mine = write(folder, mutual, ("cache", 6379)), mutual.identity("client")
    words = bothways("gateway", "explain", "-c", path.name, str(mine.cert))
    done = run_command(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "tunnel.toml: it has no [[route]], whose rules would decide about a client" in done.stderr


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        (
            ("-c", "tunnel.toml", "--ca", "ca.pem"),
            "--ca beside -c: the file says everything about its tunnels",
        ),
        (("t.sock", "-c", "tunnel.toml"), "beside -c"),
        (("-c", "gateway.toml"), "gateway.toml: it has [[listener]], for clients with certificates"),
        ((), "it is not said from where to where the tunnel leads"),
        (("t.sock",), "it is not said from where to where the tunnel leads"),
    ],
)
def test_a_file_says_all_of_its_tunnels_and_of_nothing_else(
    mutual: MutualTLS, more: tuple[str, ...], problem: str
) -> None:
    folder = mutual.ca.parent
    path, mine = write(folder, mutual, ("cache", 6379)), mutual.identity("server")
    identity = f'[identity]\ncertificate = "{mine.cert}"\nkey = "{mine.key}"\nclient_ca = "{mutual.ca}"\n'
    route = '[[listener]]\nport = 0\n[[route]]\nbackend = "localhost:1"\nallow = "any verified client"\n'
    (folder / "gateway.toml").write_text(path.read_text() + identity + route)
    done = run_command(
        bothways("tunnel", *more),
        cwd=folder, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr and "Hint: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("local", "more", "problem"),
    [
        ("127.0.0.1:0", (), "expected HOST:PORT with a port of 1 to 65535"),
        ("127.0.0.1:5000", (), "every user and every browser of this machine could use our certificate"),
        ("0.0.0.0:5000", ("--insecure-tcp",), "a tunnel listens on this machine only"),
        ("t.sock", ("--starttls", "smtp"), "in this protocol the server speaks first"),
        ("x" * 200, (), "a Unix socket has a path of 1 to 107 bytes"),
        ("@x", (), "@x is an abstract socket, which has no permissions"),
        ("t.sock", ("--metrics", "unix:@x"), "'--metrics': @x is an abstract socket"),
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
