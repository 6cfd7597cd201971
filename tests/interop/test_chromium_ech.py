"""Chromium encrypts its ClientHello for our server by the configuration that it finds in the DNS (RFC 9849, RFC 9848).

Its resolver asks a server of DNS over HTTPS in this process (RFC 8484), which answers with an HTTPS record (RFC 9460).
"""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import struct
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bothways import ECHKey, ECHKeys, ServerConfig
from bothways.net import Channel
from interop import browser, identities
from interop.peers import find
from interop.programs import serving
from interop.test_go_ech import PRIVATE, PUBLIC, former_key, key, server

pytestmark = [pytest.mark.interop, pytest.mark.network, pytest.mark.full]

A, HTTPS = 1, 65
ALPN, ECH = 1, 5  # RFC 9460 14.3.2, RFC 9848 7
PAGE = b"<h1>behind an encrypted hello</h1>"


class Resolver(BaseHTTPRequestHandler):
    """Answers questions about one name. `config_list` goes into its HTTPS record."""

    config_list = b""
    asked: list[tuple[str, int]]

    def do_GET(self) -> None:
        [question] = parse_qs(urlsplit(self.path).query)["dns"]
        self._answer(urlsafe_b64decode(question + "=" * (-len(question) % 4)))

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])))

    def _answer(self, query: bytes) -> None:
        name, end = labels(query, 12)
        kind = int.from_bytes(query[end : end + 2])
        self.asked.append((name, kind))
        records = b""
        if kind == A and name == PRIVATE:
            records = record(A, socket.inet_aton("127.0.0.1"))
        if kind == HTTPS and name.endswith(PRIVATE):
            target = b"".join(bytes((len(each),)) + each.encode() for each in PRIVATE.split(".")) + b"\0"
            values = {ALPN: b"\x08http/1.1", ECH: self.config_list}
            params = b"".join(struct.pack("!HH", code, len(value)) + value for code, value in values.items())
            records = record(HTTPS, struct.pack("!H", 1) + target + params)
        head = query[:2] + struct.pack("!HHHHH", 0x8180, 1, int(bool(records)), 0, 0)
        body = head + query[12 : end + 4] + records
        self.send_response(200)
        self.send_header("content-type", "application/dns-message")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its own name
        pass


def labels(message: bytes, at: int) -> tuple[str, int]:
    """Read the name in a question; gives where it ends, too."""
    found = []
    while length := message[at]:
        found.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(found).lower(), at + 1


def record(kind: int, data: bytes) -> bytes:
    """One record about the name of the question."""
    return struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(data)) + data


@contextmanager
def resolver(folder: Path, config_list: bytes) -> Iterator[tuple[str, list[tuple[str, int]]]]:
    """DNS over HTTPS on loopback: its template, and what it is asked."""
    mine = identities.server()
    for name, content in (("doh.pem", mine.chain), ("doh.key", mine.key)):
        (folder / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "doh.pem", folder / "doh.key")
    asked: list[tuple[str, int]] = []
    handler = type("Handler", (Resolver,), {"config_list": config_list, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{http.server_address[1]}/dns-query", asked
        http.shutdown()


@contextmanager
def overheard(port: int) -> Iterator[tuple[int, bytearray]]:
    """A way to a port that keeps all that clients send."""
    heard = bytearray()

    class Way(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as upper:
                back = threading.Thread(target=self._copy, args=(upper, self.request, bytearray()))
                back.start()
                self._copy(self.request, upper, heard)
                back.join()

        @staticmethod
        def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
            with suppress(OSError):
                while data := source.recv(65536):
                    kept += data
                    target.sendall(data)
            for each, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
                with suppress(OSError):
                    each.shutdown(how)

    class Relay(socketserver.ThreadingTCPServer):
        daemon_threads = False

    with Relay(("127.0.0.1", 0), Way) as relay:
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        yield relay.server_address[1], heard
        relay.shutdown()


def page(channel: Channel) -> None:
    channel.recv(65536)
    channel.sendall(
        b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(PAGE), PAGE)
    )


def load(folder: Path, port: int, config_list: bytes) -> tuple[str, list[tuple[str, int]]]:
    """Load the page in a fresh browser that finds this configuration."""
    home = folder / "home"
    home.mkdir()
    browser.furnish(home, identities.root_file(home), None, "")
    profile = home / "profile"
    profile.mkdir()
    with resolver(folder, config_list) as (template, asked):
        settings = {"dns_over_https": {"mode": "secure", "templates": template}}
        (profile / "Local State").write_text(json.dumps(settings))
        command = [find("chromium"), *browser.QUIET, f"--user-data-dir={profile}", "--dump-dom"]
        environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        return browser.ended([*command, f"https://{PRIVATE}:{port}/"], environment), asked


@pytest.mark.parametrize("known", ["current", "former"])
def test_chromium_encrypts_its_hello_and_gets_the_page(known: str, tmp_path: Path) -> None:
    """With a former key it verifies us for the public name, and takes what we send instead (RFC 9849 6.1.6)."""
    own: ECHKey = key()
    config = ServerConfig(credentials=server().credentials, ech_keys=ECHKeys([own]), alpn=("http/1.1",))
    in_dns = ECHKeys([own if known == "current" else former_key()])
    with serving(config, page) as ours, overheard(ours.port) as (port, heard):
        document, asked = load(tmp_path, port, bytes(in_dns.config_list))
    assert PAGE.decode() in document, (document, asked)
    assert (f"_{port}._https.{PRIVATE}", HTTPS) in asked
    assert PUBLIC.encode() in heard and PRIVATE.encode() not in heard
