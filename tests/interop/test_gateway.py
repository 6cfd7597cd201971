"""A gateway between other people's programs: curl and redis-cli before it, nginx, HAProxy and Redis behind it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bothways.testing import Identity
from cli_scripting import Background
from gateway_talk import ANYBODY, Setting
from interop.peers import find, nginx_stream
from library_services import running
from processes import free_port

pytestmark = [pytest.mark.network, pytest.mark.interop]


@contextlib.contextmanager
def gateway(setting: Setting, port: int, *keys: str) -> Iterator[str]:
    """A gateway in front of a service on a port; gives its own."""
    setting.write("\n".join([f'backend = "127.0.0.1:{port}"', *keys, ANYBODY]))
    server = Background(["gateway", "-c", "gateway.toml"], setting.folder)
    try:
        yield str(server.port)
    finally:
        server.end(signal.SIGTERM)
        assert "Traceback" not in server.printed


def curl(setting: Setting, port: str, *words: str, who: Identity | None = None) -> str:
    mine = who or setting.mutual.identity("client")
    identity = ["--cacert", str(setting.mutual.ca), "--cert", str(mine.cert), "--key", str(mine.key)]
    command = [find("curl"), "-sS", "--max-time", "20", *identity, *words, f"https://localhost:{port}/"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def nginx(folder: Path, listen: str, answer: str) -> Iterator[int]:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(
        f"pid {folder}/nginx.pid; error_log {folder}/error.log; daemon off; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port} {listen}; "
        f"location / {{ return 200 {answer}; }} }} }}\n"
    )
    with running([find("nginx"), "-p", str(folder), "-c", str(config)], port, folder) as listening:
        yield listening


def test_curl_reaches_nginx_and_speaks_http2_where_the_route_does(setting: Setting) -> None:
    """RFC 9113 3.2: by the protocol that was agreed in the handshake."""
    with (
        nginx(setting.folder, "http2", '"$server_protocol"') as port,
        gateway(setting, port, 'alpn = ["h2"]') as ours,
    ):
        assert curl(setting, ours, "--http2") == "HTTP/2.0"


def test_nginx_learns_the_address_of_the_client_from_the_proxy_header(setting: Setting) -> None:
    with (
        nginx(setting.folder, "proxy_protocol", '"$proxy_protocol_addr $proxy_protocol_server_port"') as port,
        gateway(setting, port, 'proxy_protocol = "v2"') as ours,
    ):
        assert curl(setting, ours) == f"127.0.0.1 {ours}"


def test_haproxy_learns_the_name_that_the_client_asked_for(setting: Setting) -> None:
    port, config = free_port(), setting.folder / "haproxy.cfg"
    config.write_text(
        "defaults\n  mode http\n  timeout client 20s\n  timeout connect 5s\n  timeout server 20s\n"
        f"frontend f\n  bind 127.0.0.1:{port} accept-proxy\n"
        '  http-request return status 200 content-type text/plain lf-string "%[fc_pp_authority] %[src] %[dst_port]"\n'
    )
    command = [find("haproxy"), "-f", str(config), "-db"]
    with (
        running(command, port, setting.folder) as port,
        gateway(setting, port, 'proxy_protocol = "v2-certificate"') as ours,
    ):
        assert curl(setting, ours) == f"localhost 127.0.0.1 {ours}"


PROXY_WAYS = [
    ("haproxy", "send-proxy"),
    ("haproxy", "send-proxy-v2 proxy-v2-options crc32c,unique-id"),
    ("nginx", "proxy_protocol on;"),
]


@pytest.mark.parametrize(("program", "words"), PROXY_WAYS)
def test_a_proxy_in_front_announces_its_client_and_the_service_learns_of_it(
    setting: Setting, program: str, words: str
) -> None:
    """Both write version 1, HAProxy also version 2 with a checksum."""
    front, ours, config = free_port(), free_port(), setting.folder / "front.cfg"
    if program == "haproxy":
        config.write_text(
            "defaults\n  mode tcp\n  timeout client 20s\n  timeout connect 5s\n  timeout server 20s\n"
            f"frontend f\n  bind 127.0.0.1:{front}\n  unique-id-format %rt\n  default_backend b\n"
            f"backend b\n  source 127.0.0.2\n  server s 127.0.0.1:{ours} {words}\n"
        )
        command = [find("haproxy"), "-f", str(config), "-db"]
    else:
        config.write_text(
            f"{nginx_stream()}pid {setting.folder}/front.pid; error_log {setting.folder}/front.log; "
            "daemon off; events {}\n"
            f"stream {{ server {{ listen 127.0.0.1:{front}; {words} proxy_bind 127.0.0.2; "
            f"proxy_pass 127.0.0.1:{ours}; }} }}\n"
        )
        command = [find("nginx"), "-p", str(setting.folder), "-c", str(config)]
    tells = '"$proxy_protocol_addr $proxy_protocol_server_port"'
    with nginx(setting.folder, "proxy_protocol", tells) as port:
        text = setting.write(f'backend = "127.0.0.1:{port}"\nproxy_protocol = "v2"\n{ANYBODY}').read_text()
        setting.path.write_text(text.replace("port = 0", f'port = {ours}\nproxy_from = "127.0.0.2"'))
        server = Background(["gateway", "-c", "gateway.toml"], setting.folder)
        try:
            with running(command, front, setting.folder):
                assert curl(setting, str(front)) == f"127.0.0.1 {front}"
                assert curl(setting, str(ours)) == f"127.0.0.1 {ours}", "who comes by himself needs no header"
        finally:
            server.end(signal.SIGTERM)


def test_redis_answers_redis_cli_and_loses_nothing_of_a_megabyte(setting: Setting) -> None:
    port = free_port()
    command = [find("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    mine = setting.mutual.identity("client")
    with running(command, port, setting.folder) as port, gateway(setting, port) as ours:
        cli = [find("redis-cli"), "--tls", "-h", "localhost", "-p", ours, "--cacert", str(setting.mutual.ca)]
        cli += ["--cert", str(mine.cert), "--key", str(mine.key)]

        def ask(*words: str, given: bytes = b"") -> bytes:
            done = subprocess.run([*cli, *words], input=given, capture_output=True, timeout=30, check=True)
            return done.stdout

        assert ask("ping") == b"PONG\n"
        value = bytes(range(33, 123)) * 11_000
        assert ask("-x", "set", "key", given=value) == b"OK\n"
        assert ask("get", "key") == value + b"\n"
