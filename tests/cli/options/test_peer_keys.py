"""`serve` and `connect` without certificates: by pre-shared keys, and by raw public keys."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bothways import ClientConfig, ConfigError, ExternalPSKs, PeerAlert, RawKeyCredentials
from bothways.cli import connect as connecting
from bothways.cli import get, run, serve, tunnel
from bothways.net import connect as connected
from cli_scripting import Background, bothways, environment
from cli_talk import there_and_back
from command_line import run_command, start_command
from http_callers import application
from interop.peers import find
from library_services import running
from processes import free_port

pytestmark = pytest.mark.network

COMMANDS = {
    "serve": serve.command, "connect": connecting.command, "get": get.command, "tunnel": tunnel.command,
    "run": run.command,
}  # fmt: skip
SECRET = sha256(b"of two").hexdigest()
OTHER = sha256(b"of others").hexdigest()


def write(path: Path, own: str, peer: str, secret: str = SECRET, mode: int = 0o600) -> None:
    path.write_text(f'own = "{own}"\n[[key]]\nidentity = "k-7f3a"\nsecret = "{secret}"\npeer = "{peer}"\n')
    path.chmod(mode)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """A folder with the keys of both sides, pre-shared and raw, and pins."""
    write(tmp_path / "server.toml", "localhost", "device 7")
    write(tmp_path / "client.toml", "device 7", "localhost")
    for name in ("server", "client"):
        key = [find("openssl"), "genpkey", "-algorithm", "ED25519", "-out", str(tmp_path / f"{name}.key")]
        subprocess.run(key, check=True, capture_output=True)
        raw = RawKeyCredentials.from_file(tmp_path / f"{name}.key")
        (tmp_path / f"{name}.pin").write_text(f"{raw.public.fingerprint} {name} 7\n")
    return tmp_path


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[Background]:
    server = Background(["serve", "127.0.0.1:0", "--echo", *options], folder)
    try:
        yield server
    finally:
        server.end()


def connect(folder: Path, port: str, *options: str) -> subprocess.CompletedProcess[str]:
    return there_and_back(folder, port, "--name", "localhost", *options)


def test_both_sides_know_each_other_by_a_pre_shared_key(keys: Path) -> None:
    with serving(keys, "--psk", "server.toml", "--allow", "psk=device 7") as server:
        done = connect(keys, server.port, "--psk", "client.toml")
        assert (done.returncode, done.stdout) == (0, "there and back\n"), done.stderr
        assert "the peer is localhost (by a pre-shared key)" in done.stderr
        write(keys / "other.toml", "device 7", "localhost", OTHER)
        done = connect(keys, server.port, "--psk", "other.toml")
        assert (done.returncode, done.stdout) == (1, "")
        assert "unknown_psk_identity" in done.stderr and "the same identity, secret and hash" in done.stderr
        assert SECRET not in done.stderr and OTHER not in done.stderr


def test_both_sides_know_each_other_by_raw_public_keys(keys: Path) -> None:
    with serving(keys, "--raw-key", "server.key", "--client-pin", "client.pin") as server:
        done = connect(keys, server.port, "--raw-key", "client.key", "--pin", "server.pin")
        assert (done.returncode, done.stdout) == (0, "there and back\n"), done.stderr
        assert "(server 7)" in done.stderr and "our raw public key was sent" in done.stderr
        done = connect(keys, server.port, "--raw-key", "client.key", "--pin", "client.pin")
        assert done.returncode == 1 and "is not pinned" in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["connect", "localhost:1", "--psk", "open.toml"], "open.toml: it contains secrets"),
        (["serve", "127.0.0.1:0", "--echo", "--psk", "open.toml"], "open.toml: it contains secrets"),
        (["connect", "localhost:1", "--psk", "client.key"], "client.key: not TOML"),
        (["connect", "localhost:1", "--psk", "nothing.toml"], "nothing.toml: cannot be read"),
        (["connect", "localhost:1", "--raw-key", "client.pin"], "client.pin"),
        (["connect", "localhost:1", "--pin", "client.toml"], "client.toml, line 1: expected a SHA-256"),
        (["connect", "localhost:1", "--psk", "server.toml"], "a peer of a client has to be a DNS name"),
        (["connect", "localhost:1", "--psk", "client.toml", "--tls", "1.2"], "need TLS 1.3"),
        (
            ["connect", "localhost:1", "--psk", "client.toml", "--name", "other.example"],
            "no key has the peer other.example",
        ),
        (["get", "https://other.example:1/", "--psk", "client.toml"], "no key has the peer other.example"),
        (
            ["tunnel", "t.sock", "other.example:1", "--psk", "client.toml"],
            "no key has the peer other.example",
        ),
        (
            ["get", "https://localhost:1/", "--psk", "client.toml", "--code", "httpx"],
            "no equivalent of --psk",
        ),
        (
            ["tunnel", "t.sock", "localhost:1", "--pin", "server.pin"],
            "how we authenticate ourselves is missing",
        ),
        (["run", "app:app"], "how we authenticate ourselves is missing"),
        (["serve", "127.0.0.1:0", "--echo"], "how we authenticate ourselves is missing"),
        (
            ["serve", "127.0.0.1:0", "--echo", "--psk", "server.toml", "--client-auth", "none"],
            "psk_peers: not used",
        ),
        (
            ["serve", "127.0.0.1:0", "--echo", "--raw-key", "server.key", "--allow", "psk=x"],
            "--allow: no client certificate is verified",
        ),
        (
            ["serve", "127.0.0.1:0", "--echo", "--psk", "server.toml", "--resume-tls12"],
            "resume_tls12: it has no effect",
        ),
    ],
)
def test_keys_that_cannot_be_used_are_wrong_use(
    words: list[str], problem: str, keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No secret is in the message."""
    write(keys / "open.toml", "device 7", "localhost", mode=0o644)
    monkeypatch.chdir(keys)
    command = COMMANDS[words[0]]
    result = CliRunner().invoke(command, words[1:], standalone_mode=False)
    said = f"{result.exception} {result.output}"
    assert isinstance(result.exception, ConfigError | click.ClickException | SystemExit), result
    assert problem in said and SECRET not in said


APP = application("[who.kind, who.psk_name, who.pin_name]")
GET = ["get", "https://localhost:{}/", "--connect-to", "127.0.0.1:{}"]


@pytest.mark.parametrize(
    ("ours", "theirs", "known"),
    [
        (("--psk", "server.toml"), ("--psk", "client.toml"), ["pre-shared key", "device 7", ""]),
        (
            ("--raw-key", "server.key", "--client-pin", "client.pin"),
            ("--raw-key", "client.key", "--pin", "server.pin"),
            ["raw public key", "", "client 7"],
        ),
    ],
)
def test_an_application_learns_who_asks_without_a_certificate(
    keys: Path, ours: tuple[str, ...], theirs: tuple[str, ...], known: list[str]
) -> None:
    (keys / "app.py").write_text(APP)
    server = Background(["run", "app:app", "--listen", "127.0.0.1:0", *ours], keys)
    try:
        words = [each.format(server.port) for each in GET]
        done = run_command(
            bothways(*words, *theirs), cwd=keys, env=environment(), capture_output=True, text=True, timeout=60,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert (done.returncode, json.loads(done.stdout or "null")) == (0, known), done.stderr
    finally:
        server.end()
    assert "Traceback" not in server.printed


@pytest.mark.interop
@pytest.mark.parametrize("stack", ["openssl", "gnutls"])
def test_a_tunnel_leads_to_a_server_of_others_by_a_key_that_both_have(keys: Path, stack: str) -> None:
    """They have no importer (RFC 9258). Another secret reaches nothing."""
    port = free_port()
    (keys / "psk").write_text(f"k-7f3a:{SECRET}\n")
    command = {
        "openssl": [
            find("openssl"), "s_server", "-accept", str(port), "-tls1_3", "-nocert", "-rev", "-quiet",
            "-psk", SECRET, "-psk_identity", "k-7f3a",
        ],
        "gnutls": [
            find("gnutls-serv"), "--port", str(port), "--echo", "--noticket", "--pskpasswd", str(keys / "psk"),
            "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3:+ECDHE-PSK:+PSK:+DHE-PSK:-CTYPE-ALL",
        ],
    }[stack]  # fmt: skip
    write(keys / "right.toml", "device 7", "localhost")
    write(keys / "wrong.toml", "device 7", "localhost", OTHER)
    for name in ("right", "wrong"):
        file = keys / f"{name}.toml"
        file.write_text(file.read_text() + "insecure_without_importer = true\n")
    with running(command, port, keys) as port:
        for name, answered in (("right", True), ("wrong", False)):
            words = ["tunnel", "t.sock", f"127.0.0.1:{port}", "--name", "localhost", "--psk", f"{name}.toml"]
            process = start_command(
                bothways(*words), cwd=keys, env=environment(), stderr=subprocess.PIPE, text=True
            )
            try:
                assert process.stderr is not None
                assert process.stderr.readline().startswith("listening on ")
                with socket.socket(socket.AF_UNIX) as sock:
                    sock.settimeout(20)
                    sock.connect(str(keys / "t.sock"))
                    sock.sendall(b"hello\n")
                    with contextlib.suppress(ConnectionError):
                        assert bool(sock.recv(16).strip()) is answered
            finally:
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
                process.stderr.close()


@pytest.mark.interop
def test_devices_with_keys_reach_a_broker_that_knows_no_tls(keys: Path) -> None:
    """mosquitto behind `serve --psk --forward`: one with another key reaches nothing, and `--allow` names who may."""
    connect_packet = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"  # MQTT 3.1.1, 3.1
    port = free_port()
    (keys / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    with running([find("mosquitto"), "-c", str(keys / "mosquitto.conf")], port, keys):
        words = ["serve", "127.0.0.1:0", "--psk", "server.toml", "--forward", f"127.0.0.1:{port}"]
        for allow, answer in (("psk=device 7", b"\x20\x02\x00\x00"), ("psk=device 8", b"")):  # CONNACK, 3.2
            server = Background([*words, "--allow", allow], keys)
            try:
                assert connack(server, "client.toml", keys, connect_packet) == answer
                write(keys / "other.toml", "device 7", "localhost", OTHER)
                assert connack(server, "other.toml", keys, connect_packet) == b""
            finally:
                server.end()


def connack(server: Background, key: str, folder: Path, packet: bytes) -> bytes:
    config = ClientConfig(psk_peers=ExternalPSKs.from_file(folder / key))
    try:
        with connected("127.0.0.1", int(server.port or 0), config, "localhost", timeout=20) as channel:
            channel.sendall(packet)
            return channel.recv(4)
    except (PeerAlert, ConnectionError):
        return b""
