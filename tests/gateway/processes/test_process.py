"""One process and its signals, as a user starts it; real programs before it and behind it."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

import pki
from bothways import PeerAlert
from bothways.gateway.log.log import Log
from bothways.gateway.processes.process import serve
from bothways.gateway.reload.current import Current
from bothways.net import Channel
from bothways.servers.garbage import THRESHOLDS
from bothways.testing import Identity, MutualTLS
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting, behind
from http_callers import until
from interop.peers import find

pytestmark = [pytest.mark.network, pytest.mark.skipif(not hasattr(os, "fork"), reason="needs POSIX signals")]


def says(channel: Channel, word: bytes) -> bool:
    """Whether a word comes back."""
    channel.settimeout(20)
    channel.sendall(word + b"\n")
    return channel.recv(100) == word + b"\n"


@contextlib.contextmanager
def running(setting: Setting, *more: str) -> Iterator[Background]:
    server = Background(["gateway", "-c", "gateway.toml", *more], setting.folder)
    try:
        yield server
    finally:
        with contextlib.suppress(ValueError):
            server.end(signal.SIGKILL)


def test_the_garbage_collector_looks_at_what_is_new_while_a_process_serves(setting: Setting) -> None:
    """Full passes of everything would hold the event loop for long where there are many connections."""
    setting.write(f'backend = "127.0.0.1:1"\n{ANYBODY}')
    seen = []

    def ready(_: list[str]) -> None:
        seen.append(gc.get_threshold())
        os.kill(os.getpid(), signal.SIGTERM)

    log = Log(setting.lines.append, "json")
    before, current = gc.get_threshold(), Current(str(setting.path), log, None)
    assert serve(log, current, None, ready) == 0
    current.close()
    assert (seen, gc.get_threshold()) == ([THRESHOLDS], before)


def test_a_process_serves_reads_its_file_again_and_ends_in_order(setting: Setting) -> None:
    """SIGHUP with a broken file and with a good one, a client that goes on, and SIGTERM."""
    with behind() as port:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}', times={"drain": 5})
        with (
            running(setting) as server,
            setting.mutual.client().connect("127.0.0.1", int(server.port)) as channel,
        ):
            channel.settimeout(20)
            channel.sendall(b"one\n")
            assert channel.recv(100) == b"one\n"
            good = setting.path.read_text()
            setting.path.write_text(good.replace("backend", "back-end"))
            server.process.send_signal(signal.SIGHUP)
            until(lambda: "did you mean `backend`?" in server.printed)
            assert (
                "not reloaded, the earlier configuration stays in use: gateway.toml, line" in server.printed
            )
            setting.path.write_text(good)
            server.process.send_signal(signal.SIGHUP)
            until(lambda: '"event": "reloaded: gateway.toml"' in server.printed)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: "draining" in server.printed)
            channel.sendall(b"two\n")
            assert channel.recv(100) == b"two\n"
            channel.close()
            assert server.process.wait(20) == 0
            server.end()
    reported = [json.loads(line) for line in server.printed.splitlines() if '"who"' in line]
    assert [(each["verdict"], each["bytes_in"], each["ended"]) for each in reported] == [
        ("allowed", 8, "both sides closed")
    ]
    assert "Traceback" not in server.printed


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_a_configuration_that_is_replaced_is_taken_without_a_signal(
    setting: Setting, workers: tuple[str, ...]
) -> None:
    """One that cannot be used is told once and changes nothing; it counts when the file that it names has come."""
    denied = setting.mutual.identity("client", dns=["denied.example"])
    with behind() as port:
        route = f'backend = "127.0.0.1:{port}"\n{ANYBODY}'
        setting.write(route)
        with (
            running(setting, *workers) as server,
            setting.mutual.client().connect("127.0.0.1", int(server.port)) as good,
            setting.mutual.client(denied).connect("127.0.0.1", int(server.port)) as other,
        ):
            setting.write(f"{route}\n[[route.deny]]\ndnss = 'denied.example'")
            until(lambda: "dnss: is not known; did you mean `dns`?" in server.printed)
            assert says(good, b"one") and says(other, b"one")
            setting.write(f"ocsp = ['later.ocsp']\n{route}\n[[route.deny]]\ndns = 'denied.example'")
            until(lambda: "later.ocsp: cannot be read" in server.printed)
            assert says(good, b"two") and says(other, b"two")
            (setting.folder / "later.ocsp").write_bytes(_response_of_another_authority())
            with pytest.raises(PeerAlert, match="access_denied"):
                other.recv(1)
            assert says(good, b"three")
            setting.path.unlink()
            until(lambda: "gateway.toml: cannot be read" in server.printed)
            assert says(good, b"four")
        assert server.printed.count("not reloaded") == 3
        assert "Traceback" not in server.printed


def _response_of_another_authority() -> bytes:
    now = datetime.now(UTC).replace(microsecond=0)
    life = {"not_before": now - timedelta(days=1), "not_after": now + timedelta(days=1)}
    root = pki.root("Another", **life)
    return pki.ocsp_response(pki.leaf(root, "a.example", **life), root, "good", this_update=now)


def _renewed(mutual: MutualTLS) -> Identity:
    return mutual.identity("server", dns=["localhost", "renewed.example"], ip=["127.0.0.1"])


def test_a_certificate_that_is_renewed_on_disk_is_shown_without_a_signal(setting: Setting) -> None:
    """One that does not belong to its key is told, and changes nothing."""
    mutual = setting.mutual
    with behind() as port:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        with running(setting) as server:
            mine, renewed = (
                mutual.identity("server"),
                _renewed(mutual),
            )
            mine.cert.write_bytes(renewed.cert.read_bytes())
            until(lambda: "does not belong to the certificate" in server.printed)
            with mutual.client().connect("127.0.0.1", int(server.port)) as channel:
                assert "renewed.example" not in channel.peer.names.dns
            mine.key.write_bytes(renewed.key.read_bytes())

            def shown() -> bool:
                with mutual.client().connect("127.0.0.1", int(server.port)) as channel:
                    return "renewed.example" in channel.peer.names.dns

            until(shown)


@pytest.mark.parametrize("workers", [(), ("--workers", "2")])
def test_a_service_manager_is_told_when_it_serves_and_when_it_ends(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, workers: tuple[str, ...]
) -> None:
    """Once, however many processes there are (sd_notify(3))."""
    with behind() as port, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        path = setting.folder / "notify"
        manager.bind(str(path))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        server = Background(["gateway", "-c", "gateway.toml", *workers], setting.folder)
        assert manager.recv(100) == b"READY=1"
        assert server.end() == 0
        assert manager.recv(100) == b"STOPPING=1"
        manager.setblocking(False)
        with pytest.raises(BlockingIOError):
            manager.recv(100)


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["one process", "workers"])
def test_a_gateway_that_drains_still_ends_whom_it_no_longer_accepts_and_accepts_nobody(
    setting: Setting, workers: tuple[str, ...]
) -> None:
    """By a CRL and by rules that are replaced meanwhile; all others stay until they end."""
    mutual = setting.mutual
    revoked = mutual.identity("client", dns=["revoked.example"])
    by_rule = {name: mutual.identity("client", dns=[f"{name}.example"]) for name in ("file", "signal")}
    with behind() as port, contextlib.ExitStack() as stack:
        route, times = f'backend = "127.0.0.1:{port}"\n{ANYBODY}', {"drain": 60}
        setting.write(route, times=times)
        server = stack.enter_context(running(setting, *workers))

        def connect(who: Identity | str = "good") -> Channel:
            channel = stack.enter_context(mutual.client(who).connect("127.0.0.1", int(server.port)))
            assert says(channel, b"one")
            return channel

        good, leaving = [connect() for _ in range(4)], [connect(revoked) for _ in range(4)]
        of_rules = {name: connect(who) for name, who in by_rule.items()}
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "draining" in server.printed)
        mutual.revoke(revoked)
        for each in leaving:
            with pytest.raises(PeerAlert, match="certificate_revoked"):
                each.recv(1)
        for name, channel in of_rules.items():
            route += f"\n[[route.deny]]\ndns = '{name}.example'"
            setting.write(route, times=times)
            if name == "signal":
                server.process.send_signal(signal.SIGHUP)
            with pytest.raises(PeerAlert, match="access_denied"):
                channel.recv(1)
        with pytest.raises(ConnectionRefusedError):
            mutual.client().connect("127.0.0.1", int(server.port))
        assert all(says(each, b"two") for each in good)
        for each in good:
            each.close()
        assert server.process.wait(20) == 0
        assert "Traceback" not in server.printed


def test_a_second_signal_ends_it_at_once(setting: Setting) -> None:
    with behind() as port:
        setting.write(f'backend = "127.0.0.1:{port}"\n{ANYBODY}')
        with (
            running(setting) as server,
            setting.mutual.client().connect("127.0.0.1", int(server.port)) as channel,
        ):
            channel.sendall(b"one\n")
            channel.recv(100)
            server.process.send_signal(signal.SIGTERM)
            until(lambda: "draining" in server.printed)
            server.process.send_signal(signal.SIGTERM)
            assert channel.recv(100) == b""
            assert server.process.wait(20) == 0


@pytest.mark.interop
def test_curl_with_an_allowed_certificate_reaches_the_service_and_another_does_not(setting: Setting) -> None:
    mutual = setting.mutual
    mine, other = mutual.identity("client"), mutual.identity("client", dns=["other.example"])
    with behind() as port:
        setting.write(
            f'server_names = ["localhost"]\nbackend = "127.0.0.1:{port}"\n[[route.allow]]\ndns = "client.example"'
        )
        with running(setting) as server:

            def curl(who: object) -> subprocess.CompletedProcess[str]:
                words = ["--cacert", str(mutual.ca), "--cert", str(who.cert), "--key", str(who.key)]
                url = f"https://localhost:{server.port}/"
                return subprocess.run(
                    [find("curl"), "-sS", "--max-time", "20", *words, url],
                    capture_output=True,
                    text=True,
                    check=False,
                )

            good, bad = curl(mine), curl(other)
            assert (good.stdout, good.returncode) == ("hello\n", 0)
            assert bad.returncode != 0
            until(lambda: "no allow rule holds for" in server.printed)


@pytest.mark.interop
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_a_client_of_openssl_talks_by_either_version(setting: Setting, version: str) -> None:
    mutual = setting.mutual
    mine = mutual.identity("client")
    with behind() as port:
        setting.write(f'server_names = ["localhost"]\nbackend = "127.0.0.1:{port}"\n{ANYBODY}')
        with running(setting) as server:
            words = [
                find("openssl"),
                "s_client",
                "-connect",
                f"127.0.0.1:{server.port}",
                "-servername",
                "localhost",
                version,
            ]
            words += ["-cert", str(mine.cert), "-cert_chain", str(mine.cert), "-key", str(mine.key)]
            words += ["-CAfile", str(mutual.ca), "-quiet", "-verify_return_error"]
            done = subprocess.run(
                words, input=b"GET / HTTP/1.0\r\n\r\n", capture_output=True, timeout=30, check=False
            )
            assert done.stdout.endswith(b"hello\n")
