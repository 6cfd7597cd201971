"""Clients that complete the handshake and close: nginx that refuses our certificate, and a health check that does not.

Both look the same from here, so that `serve` says what it may be, and is sure of nothing.
"""

from __future__ import annotations

import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import identities
from cli_scripting import Background
from http_callers import until
from interop.peers import find
from library_services import running
from processes import free_port

pytestmark = [pytest.mark.network, pytest.mark.interop]

IDENTITY = ["--cert", "server.pem", "--key", "server.key", "--client-ca", "ca.pem"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    server, client = identities.server(), identities.client()
    files = {
        "server.pem": server.chain_pem, "leaf.pem": server.pem, "server.key": server.key_pem,
        "ca.pem": identities.root().pem, "other.pem": identities.root("Another Root").pem,
        "client.pem": client.chain_pem, "client.key": client.key_pem,
    }  # fmt: skip
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def serve(folder: Path) -> Iterator[Callable[..., Background]]:
    servers: list[Background] = []

    def begin(cert: str) -> Background:
        words = [each.replace("server.pem", cert) for each in IDENTITY]
        servers.append(Background(["serve", "127.0.0.1:0", "--page", *words], folder))
        return servers[-1]

    yield begin
    for server in servers:
        server.end(signal.SIGTERM)


def forwarded(folder: Path, ours: str, trusted: str) -> str:
    """Have nginx forward a request to us, by a certificate of its own; return what it logs."""
    front, config, log = free_port(), folder / "nginx.conf", folder / "error.log"
    config.write_text(
        f"pid {folder}/nginx.pid; error_log {log}; daemon off; events {{}}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; "
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"server {{ listen 127.0.0.1:{front}; location / {{ proxy_pass https://127.0.0.1:{ours};\n"
        f"proxy_ssl_verify on; proxy_ssl_verify_depth 3; proxy_ssl_trusted_certificate {folder}/{trusted};\n"
        f"proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.2 TLSv1.3;\n"
        f"proxy_ssl_certificate {folder}/client.pem; proxy_ssl_certificate_key {folder}/client.key; }} }} }}\n"
    )
    with running([find("nginx"), "-p", str(folder), "-c", str(config)], front, folder):
        with pytest.raises(urllib.error.HTTPError, match="502") as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{front}/", timeout=20)
        refused.value.close()
        return log.read_text()


@pytest.mark.parametrize(
    ("cert", "trusted", "why", "first"),
    [
        ("server.pem", "other.pem", "unable to get", "our certificate was issued by a CA that"),
        ("leaf.pem", "ca.pem", "unable to", "our chain lacks the intermediate CN=Test Intermediate"),
    ],
    ids=["foreign root", "no intermediate"],
)  # fmt: skip
def test_nginx_that_refuses_our_certificate_after_the_handshake_is_explained(
    serve: Callable[..., Background], folder: Path, cert: str, trusted: str, why: str, first: str
) -> None:
    """As likely as it can be: without the intermediate our own chain says so."""
    server = serve(cert)
    assert why in forwarded(folder, server.port, trusted)
    until(lambda: first in " ".join(server.printed.split()))
    told = " ".join(server.printed.split())
    assert "Cause:" not in told, "nothing is certain"
    assert ("health checks do so" in told) == (cert == "server.pem")
    causes = told.partition("ikely cause")[2]
    assert causes.index(first) < 40


def test_a_health_check_may_be_one_and_is_explained_once(
    serve: Callable[..., Background], folder: Path
) -> None:
    """By s_client, which closes in order at the end of its input; the second time one sentence is enough."""
    server = serve("server.pem")
    words = ["s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", "ca.pem", "-verify_return_error"]
    words += [
        "-cert",
        "client.pem",
        "-key",
        "client.key",
        "-cert_chain",
        "client.pem",
        "-quiet",
        "-no_ign_eof",
    ]
    for count in (1, 2):
        subprocess.run(
            [find("openssl"), *words], cwd=folder, input=b"", capture_output=True, timeout=30, check=True
        )
        until(lambda count=count: server.printed.count("sent nothing after the handshake") == count)
    assert "Cause:" not in server.printed
    assert server.printed.count("it was a port scan or a health check") == 1
    assert "health checks do so, and clients that refuse our certificate only then" in server.printed
