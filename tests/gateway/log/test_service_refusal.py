"""A service that refuses our certificate by a page, as nginx does, has a cause in the log of the gateway."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import identities
from bothways.gateway.log.service_refusal import refusal_of_us
from gateway_talk import ANYBODY, Setting
from interop.peers import find
from interop.programs import running
from processes import free_port

pytestmark = pytest.mark.network
ANSWER = "HTTP/1.1 400 "
NGINX = """pid {folder}/nginx.pid; error_log stderr info; daemon off; events {{}}
http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl{http2}; ssl_certificate {cert}; ssl_certificate_key {key};
ssl_client_certificate {ca}; ssl_verify_client on; location / {{ return 200; }} }} }}
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def stranger(folder: Path) -> str:
    """Keys of a route with a certificate that the service does not trust."""
    mine = identities.stranger()
    (folder / "stranger.pem").write_bytes(mine.chain_pem)
    (folder / "stranger.key").write_bytes(mine.key_pem)
    return 'certificate = "stranger.pem"\nkey = "stranger.key"\n'


@pytest.mark.parametrize(
    ("mode", "shown", "cause"),
    [
        ('mode = "tcp"', True, "CA_NOT_ACCEPTED"),
        ('mode = "http"', True, "CA_NOT_ACCEPTED"),
        ('mode = "http"\nbackend_http = "2"', True, "CA_NOT_ACCEPTED"),
        ('mode = "tcp"', False, "NO_CERTIFICATE"),
        ('mode = "http"', False, "NO_CERTIFICATE"),
    ],
)
def test_nginx_that_refuses_our_certificate_by_a_page_is_told(
    setting: Setting, tmp_path: Path, mode: str, shown: bool, cause: str
) -> None:
    """The client gets the page, which is not about it."""
    mutual, port = setting.mutual, free_port()
    server = mutual.identity("server")
    words = {"folder": tmp_path, "port": port, "cert": server.cert, "key": server.key, "ca": mutual.ca}
    config = tmp_path / "nginx.conf"
    config.write_text(NGINX.format(**words, http2=" http2" if '"2"' in mode else ""))
    keys = f'[route.backend_tls]\nserver_name = "localhost"\nca = "{mutual.ca}"\n'
    keys += stranger(setting.folder) if shown else ""

    async def talk() -> None:
        setting.write(f'backend = "127.0.0.1:{port}"\n{mode}\n{ANYBODY}\n{keys}')
        async with setting.gateway() as gateway:
            reader, writer = await setting.open(gateway)
            writer.write(REQUEST)
            assert (await reader.read()).startswith(ANSWER.encode())
            writer.close()
            lines = await setting.until_reported(1 if "tcp" in mode else 2)
        told = next(each for each in lines if each["cause"] is not None)
        assert told["cause"] == cause
        assert f"the service 127.0.0.1:{port} refused us: HTTP" in told["ended"]

    command = [find("nginx"), "-p", str(tmp_path), "-c", str(config), "-e", "stderr"]
    with running(*command) as program:
        program.until("event method")
        asyncio.run(talk())


def test_a_refusal_of_a_service_without_tls_is_not_about_our_certificate() -> None:
    assert refusal_of_us(f"{ANSWER}\r\n\r\nThe SSL certificate error".encode(), None) is None
