"""Services that the libraries of docs/libraries.md are asked against: ours by one context, and real ones."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import os
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pki
from ca.databases import running_cluster
from interop.peers import find
from processes import free_port, until_it_listens

Service = Callable[[ssl.SSLContext], contextlib.AbstractContextManager[int]]


class EchoHTTP(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


class QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    accepted = 0  # connections of all such servers

    def get_request(self) -> Any:
        QuietServer.accepted += 1
        return super().get_request()

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextlib.contextmanager
def http_echo(context: ssl.SSLContext) -> Iterator[int]:
    with QuietServer(("127.0.0.1", 0), EchoHTTP) as httpd:
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield httpd.server_port
        finally:
            httpd.shutdown()
            thread.join()


@contextlib.contextmanager
def in_a_loop(start: Callable[[], Any]) -> Iterator[Any]:
    """Run a server of asyncio in a thread; `start` returns a coroutine that returns it."""
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # asyncio tells of each client that was refused
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)

    async def end() -> None:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0.01)

    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextlib.contextmanager
def echo(context: ssl.SSLContext) -> Iterator[int]:
    """A server of asyncio's streams that sends back what comes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    with in_a_loop(lambda: asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.contextmanager
def websocket(context: ssl.SSLContext) -> Iterator[int]:
    from websockets.asyncio.server import serve

    async def talk(connection: Any) -> None:
        async for message in connection:
            await connection.send(message)

    async def start() -> Any:
        return await serve(talk, "127.0.0.1", 0, ssl=context, max_size=None)

    with in_a_loop(start) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.contextmanager
def grpc(context: ssl.SSLContext) -> Iterator[int]:
    from grpclib.const import Cardinality, Handler
    from grpclib.encoding.base import CodecBase
    from grpclib.server import Server

    class Raw(CodecBase):
        __content_subtype__ = "raw"

        def encode(self, message: bytes, message_type: type) -> bytes:
            return message

        def decode(self, data: bytes, message_type: type) -> bytes:
            return bytes(data)

    class Echo:
        def __mapping__(self) -> dict[str, Handler]:
            async def ask(stream: Any) -> None:
                await stream.send_message(await stream.recv_message())

            return {"/echo.Echo/Ask": Handler(ask, Cardinality.UNARY_UNARY, bytes, bytes)}

    async def start() -> Any:
        server = Server([Echo()], codec=Raw())
        await server.start("127.0.0.1", 0, ssl=context)
        return server

    with in_a_loop(start) as server:
        yield server._server.sockets[0].getsockname()[1]


class Mailbox:
    """What a mail server got."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_DATA(  # noqa: N802 - aiosmtpd calls it
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        self.messages.append(envelope.content)
        return "250 OK"


MAILBOX = Mailbox()


def _smtp(context: ssl.SSLContext | None, *, start_tls: bool) -> contextlib.AbstractContextManager[Any]:
    from aiosmtpd.smtp import SMTP

    limit = 32 * 1024 * 1024

    def protocol() -> Any:
        tls = {"tls_context": context, "require_starttls": True} if start_tls else {}
        return SMTP(MAILBOX, loop=asyncio.get_running_loop(), data_size_limit=limit, **tls)

    async def start() -> Any:
        loop = asyncio.get_running_loop()
        return await loop.create_server(protocol, "127.0.0.1", 0, ssl=None if start_tls else context)

    return in_a_loop(start)


@contextlib.contextmanager
def smtps(context: ssl.SSLContext) -> Iterator[int]:
    with _smtp(context, start_tls=False) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.contextmanager
def smtp_plain() -> Iterator[int]:
    """A mail server without TLS."""
    with _smtp(None, start_tls=False) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.contextmanager
def smtp_starttls(context: ssl.SSLContext) -> Iterator[int]:
    with _smtp(context, start_tls=True) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.contextmanager
def mute() -> Iterator[int]:
    """Who listens and never says anything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


# -- real ones ---------------------------------------------------------------------------------------------


class Files:
    """Identities in files, as other people's servers want them."""

    def __init__(self, folder: Path, server: pki.Issued, ca: pki.Issued, crls: bytes = b"") -> None:
        """crls: lists by which clients are checked (PEM), where there are any."""
        self.folder = folder
        self.crl = folder / "crl.pem" if crls else None
        self.cert, self.key, self.ca = folder / "server.pem", folder / "server.key", folder / "ca.pem"
        self.cert.write_bytes(server.chain_pem)
        self.key.write_bytes(server.key_pem)
        self.ca.write_bytes(ca.pem)
        if self.crl is not None:
            self.crl.write_bytes(crls)
        for each in self.all:
            each.chmod(0o644)

    @property
    def all(self) -> list[Path]:
        return [self.cert, self.key, self.ca, *([] if self.crl is None else [self.crl])]


@contextlib.contextmanager
def running(command: list[str], port: int, folder: Path) -> Iterator[int]:
    """A program until the end of the block, from when it listens."""
    with (folder / f"log-{port}").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "HOME": str(folder)},
        )
    try:
        until_it_listens(port, process)
        yield port
    finally:
        process.terminate()
        process.wait(60)


@contextlib.contextmanager
def redis_server(files: Files) -> Iterator[int]:
    port = free_port()
    command = [
        *(find("redis-server"), "--port", "0", "--tls-port", str(port), "--bind", "127.0.0.1", "--save", ""),
        *("--tls-cert-file", str(files.cert), "--tls-key-file", str(files.key)),
        *("--tls-ca-cert-file", str(files.ca), "--tls-auth-clients", "yes"),
    ]
    with running(command, port, files.folder) as listening:
        yield listening


@contextlib.contextmanager
def mosquitto(files: Files) -> Iterator[int]:
    port = free_port()
    config = files.folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nrequire_certificate true\nuser root\n"
        f"cafile {files.ca}\ncertfile {files.cert}\nkeyfile {files.key}\n"
        + ("" if files.crl is None else f"crlfile {files.crl}\n")
    )
    with running([find("mosquitto"), "-c", str(config)], port, files.folder) as listening:
        yield listening


@contextlib.contextmanager
def nginx(files: Files) -> Iterator[int]:
    """HTTP/2, and a page that names the client."""
    port = free_port()
    config = files.folder / "nginx.conf"
    lists = "" if files.crl is None else f"ssl_crl {files.crl};"
    config.write_text(
        f"pid {files.folder}/nginx.pid; error_log {files.folder}/error.log; daemon off; events {{}}\n"
        f"http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {files.cert}; "
        f"ssl_certificate_key {files.key}; ssl_client_certificate {files.ca}; ssl_verify_client on; "
        f"ssl_verify_depth 3; {lists} location / {{ return 200 $ssl_client_s_dn; }} }} }}\n"
    )
    command = [find("nginx"), "-p", str(files.folder), "-c", str(config)]
    with running(command, port, files.folder) as listening:
        yield listening


@contextlib.contextmanager
def postgresql(files: Files) -> Iterator[int]:
    """A database that lets in whoever has a certificate of its CA."""
    port = free_port()
    settings = "".join(
        f"{line}\n"
        for line in (
            *("listen_addresses = '127.0.0.1'", "ssl = on", "ssl_cert_file = 'server.pem'"),
            *("ssl_key_file = 'server.key'", "ssl_ca_file = 'ca.pem'"),
            *(() if files.crl is None else ("ssl_crl_file = 'crl.pem'",)),
        )
    )
    held = {each.name: each.read_bytes() for each in files.all}
    access = "hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\nhost all all all reject\n"
    with running_cluster(settings, access, held, port):
        yield port
